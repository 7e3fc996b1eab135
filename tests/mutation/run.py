"""Mutate modules with mutmut, run the tests that belong to each, and list what no test noticed.

    python -m tests.mutation.run [MODULE ...]

A module is given by its path, such as `broker/admission.py`; without one, every module of `modules.py` is taken. The
survivors that docs/mutation.md explains are counted; any other is printed, and makes the run fail.
"""

from __future__ import annotations

import ast
import copy
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutation.modules import MODULES, OPTIONS, ROOT
from tests.mutation.survivors import Survivor, difference, explained

ENDLESS: Final = {-24, 24, 36, 152, 255}
"""Exit codes of a run that was stopped, for a mutant that never came to an end."""
KILLED: Final = {1, 3} | ENDLESS
"""Exit codes of a run that noticed: a failed test, or an aborted session, beside those."""
SOURCES: Final = ("schemas", "broker", "nodes")
BESIDE: Final = ("certs", "deploy", "docs", "tests")


@dataclass(frozen=True)
class Outcome:
    """What became of the mutants of one module."""

    module: str
    mutants: int
    endless: int
    wording: int
    """Survivors that differ in a sentence meant for people: no test holds those to the letter."""
    survivors: tuple[Survivor, ...]


def mutate(module: str, folder: Path) -> Outcome:
    """Let mutmut work in `folder`, where it finds this tree through links and keeps its copies."""
    for name in (*SOURCES, *BESIDE):
        (folder / name).symlink_to(ROOT / name)
    settings = {
        "source_paths": list(SOURCES),
        "only_mutate": [module],
        "also_copy": list(BESIDE),
        "use_git_change_detection": False,
        "pytest_add_cli_args": list(OPTIONS),
        "pytest_add_cli_args_test_selection": list(MODULES[module]),
    }
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())
    (folder / "pyproject.toml").write_text(f"{(ROOT / 'pyproject.toml').read_text()}\n[tool.mutmut]\n{lines}\n")
    with (folder / "log").open("w") as log:
        command = [str(Path(sys.executable).parent / "mutmut"), "run", "--max-children", "1"]
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        done = subprocess.run(command, cwd=folder, env=environment, stdout=log, stderr=log, check=False)
    results = folder / "mutants" / f"{module}.meta"
    if done.returncode or not results.exists():
        sys.exit((folder / "log").read_text()[-4000:])
    codes: dict[str, int | None] = json.loads(results.read_text())["exit_code_by_key"]
    alive = {name.rpartition(".")[2] for name, code in codes.items() if code not in KILLED}
    survivors = tuple(_survivors(module, folder / "mutants" / module, alive))
    endless = sum(code in ENDLESS for code in codes.values())
    return Outcome(module, len(codes), endless, len(alive) - len(survivors), survivors)


def _survivors(module: str, mutated: Path, alive: set[str]) -> Iterator[Survivor]:
    """Each survivor that changes more than wording, as the lines in which it differs from the original function."""
    tree = ast.parse(mutated.read_text())
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    for name in (name for name in functions if name in alive):
        key = name.partition("__mutmut_")[0]
        before, after = functions[f"{key}__mutmut_orig"], functions[name]
        before.name = after.name = key
        if ast.dump(_Unworded().visit(copy.deepcopy(before))) == ast.dump(_Unworded().visit(copy.deepcopy(after))):
            continue
        function = key.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
        yield Survivor(module, function, *difference(before, after))


class _Unworded(ast.NodeTransformer):
    """Takes the sentences out: texts with a space, which no code, name or word of a protocol has."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """Leave everything that is not a sentence."""
        return ast.Constant("") if isinstance(node.value, str) and " " in node.value else node


def main() -> None:
    """Print one line for each module, and each survivor that is not explained."""
    known = explained()
    surprises = 0
    for module in sys.argv[1:] or MODULES:
        with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
            outcome = mutate(module, Path(folder))
        new = [survivor for survivor in outcome.survivors if survivor not in known]
        killed = outcome.mutants - outcome.wording - len(outcome.survivors)
        survive = f"{outcome.wording} in wording and {len(outcome.survivors)} others survive"
        stopped = f" ({outcome.endless} by the clock)" if outcome.endless else ""
        print(f"{module}: {outcome.mutants} mutants, {killed} killed{stopped}; {survive}", flush=True)
        for survivor in new:
            print(f"    {survivor}", flush=True)
        surprises += len(new)
    if surprises:
        sys.exit(f"{surprises} survive that docs/mutation.md does not explain")


if __name__ == "__main__":
    main()
