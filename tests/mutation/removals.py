"""Remove each check of a module, one at a time, and see that a test of that module fails.

    python -m tests.mutation.removals [--checks] [MODULE ...]

Removed are: a `raise`, an early `return`, a call made for its effect, an assignment to an attribute or an item, one
operand of an `and` or `or`, a condition of a comprehension, the number of a step, and an entry of a table. mutmut
changes what there is; what it never does is to leave a check out. With `--checks` only the first, the third and the
number of a step are removed, and only the first file of tests has to notice: CI does so for the two that decide.

The tests run once with a trace, which tells who reaches which line. Then a child is forked for each removal. It puts
the new code into the function that is already there, so that nothing is imported anew, and runs who reaches it.
"""

from __future__ import annotations

import ast
import copy
import gc
import importlib
import inspect
import os
import signal
import sys
import threading
import types
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from tests.mutation.modules import MODULES, OPTIONS, ROOT
from tests.mutation.survivors import Survivor, difference, explained

PATIENCE: Final = 60
"""Seconds after which a child counts as one that noticed: without the check something waits for ever."""
QUIET: Final = ("-q", "-x", *OPTIONS)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Removal:
    """One thing left out of a module, how to do that in this process, and the lines that lead to it.

    An entry of a table has no lines: every test of the module may need it.
    """

    survivor: Survivor
    is_check: bool
    lines: range
    apply: Callable[[], None]


# -- what can be removed -----------------------------------------------------------------------------------------------


def removals(module: str) -> Iterator[Removal]:
    """Everything that can be left out of the module, in the order of its source."""
    path = ROOT / module
    loaded = importlib.import_module(module.removesuffix(".py").replace("/", "."))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for name, function in _functions(tree):
        for node, changed in _variants(function):
            survivor = Survivor(module, name, *difference(function, changed))
            is_check = isinstance(node, ast.Raise | ast.Expr | ast.With)
            yield Removal(survivor, is_check, _lines(node), _exchange(loaded, name, function, changed, str(path)))
    for name, keys in _tables(loaded, tree):
        text = " → ".join(str(getattr(key, "__name__", key)) for key in keys)
        yield Removal(Survivor(module, name, text, ""), False, range(0), _deletion(getattr(loaded, name), keys))


def _functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    for node in tree.body:
        if isinstance(node, Function):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{child.name}", child) for child in node.body if isinstance(child, Function))


def _variants(function: Function) -> Iterator[tuple[ast.AST, Function]]:
    """Each thing that can be left out, and the function without it."""
    for number, node in enumerate(ast.walk(function)):
        for choice in range(_choices(node, function)):
            changed = copy.deepcopy(function)
            # both trees are walked in one order, so that the number finds the same node in the copy
            target = next(other for n, other in enumerate(ast.walk(changed)) if n == number)
            _Without(target, choice).visit(changed)
            yield node, ast.fix_missing_locations(changed)


def _lines(node: ast.AST) -> range:
    assert isinstance(node, ast.stmt | ast.expr)
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _choices(node: ast.AST, function: Function) -> int:
    """In how many ways something can be left out at this node."""
    match node:
        case ast.Raise() | ast.AugAssign() | ast.Expr(value=ast.Call() | ast.Await()):
            return 1
        case ast.Return():
            return int(node is not function.body[-1])
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            return 1
        case ast.BoolOp():
            return len(node.values)
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return sum(len(generator.ifs) for generator in node.generators)
        case ast.With(items=[ast.withitem(context_expr=ast.Call(func=ast.Name(id="step" | "_step")))]):
            return 1
    return 0


class _Without(ast.NodeTransformer):
    """Leaves out the one thing chosen at `target`."""

    def __init__(self, target: ast.AST, choice: int) -> None:
        self.target = target
        self.choice = choice

    def visit(self, node: ast.AST) -> Any:
        """The node, or what stands in its place."""
        if node is not self.target:
            return self.generic_visit(node)
        match node:
            case ast.BoolOp():
                left = [value for n, value in enumerate(node.values) if n != self.choice]
                return left[0] if len(left) == 1 else ast.BoolOp(node.op, left)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                places = [(generator.ifs, n) for generator in node.generators for n in range(len(generator.ifs))]
                conditions, n = places[self.choice]
                del conditions[n]
                return node
            case ast.With():
                return node.body
        return ast.copy_location(ast.Pass(), node)


def _exchange(
    loaded: types.ModuleType, name: str, function: Function, changed: Function, path: str
) -> Callable[[], None]:
    def apply() -> None:
        source = ast.parse("from __future__ import annotations\n")
        body = copy.deepcopy(changed)
        body.decorator_list = []
        source.body.append(body)
        compiled = compile(source, path, "exec")
        code = next(c for c in compiled.co_consts if isinstance(c, types.CodeType) and c.co_name == function.name)
        _live(loaded, name).__code__ = code

    return apply


def _live(loaded: types.ModuleType, name: str) -> types.FunctionType:
    """The function itself, under whatever decorators."""
    found: Any = loaded
    for part in name.split("."):
        found = inspect.getattr_static(found, part)
    while not isinstance(found, types.FunctionType) or hasattr(found, "__wrapped__"):
        inner = (getattr(found, attribute, None) for attribute in ("fget", "func", "__func__", "__wrapped__"))
        found = next(function for function in inner if function is not None)
    return found


def _tables(loaded: types.ModuleType, tree: ast.Module) -> Iterator[tuple[str, list[Any]]]:
    """The name of each table of the module, and the keys that lead to each of its entries."""
    for node in tree.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Dict()):
                yield from ((name, keys) for keys in _entries(getattr(loaded, name)))
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict()):
                yield from ((name, keys) for keys in _entries(getattr(loaded, name)))


def _entries(table: dict[Any, Any]) -> Iterator[list[Any]]:
    for key, value in table.items():
        yield [key]
        if isinstance(value, dict):
            yield from ([key, *keys] for keys in _entries(value))


def _deletion(table: dict[Any, Any], keys: list[Any]) -> Callable[[], None]:
    def apply() -> None:
        found = table
        for key in keys[:-1]:
            found = found[key]
        del found[keys[-1]]

    return apply


# -- who notices -------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Reach:
    """A pytest plugin: which tests run which lines of one file, and how many lines each of them runs."""

    path: str
    tests: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    length: dict[str, int] = field(default_factory=dict)
    _lines: set[int] = field(default_factory=set)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Trace one test with its fixtures."""
        self._lines.clear()
        threading.settrace(self._enter)
        sys.settrace(self._enter)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)
            self.length[item.nodeid] = len(self._lines)
            for line in self._lines:
                self.tests[line].add(item.nodeid)

    def of(self, lines: Iterable[int]) -> list[str]:
        """The tests that come to one of these lines; first those that come little further, for they fail first."""
        found = {test for line in lines for test in self.tests[line]}
        return sorted(found, key=lambda name: (self.length[name], name))

    def _enter(self, frame: types.FrameType, event: str, argument: object) -> Any:
        return self._line if frame.f_code.co_filename == self.path else None

    def _line(self, frame: types.FrameType, event: str, argument: object) -> Any:
        self._lines.add(frame.f_lineno)
        return self._line


def unnoticed(module: str, *, checks: bool = False) -> tuple[int, list[Survivor]]:
    """How many things were left out of the module, one by one, and which of them no test of the module missed."""
    reach = Reach(str(ROOT / module))
    if pytest.main([*QUIET, *MODULES[module][: 1 if checks else None]], plugins=[reach]):
        sys.exit(f"{module}: its tests fail as it is")
    everything = [removal for removal in removals(module) if removal.is_check or not checks]
    gc.freeze()  # what is there already need not be searched again by every child
    return len(everything), [removal.survivor for removal in everything if not _noticed(removal, reach)]


def _noticed(removal: Removal, reach: Reach) -> bool:
    tests = reach.of(removal.lines) if removal.lines else MODULES[removal.survivor.module]
    if not tests:
        return False
    child = os.fork()
    if child == 0:
        code = 70
        try:
            signal.alarm(PATIENCE)
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            removal.apply()
            code = pytest.main([*QUIET, "--tb=no", "-p", "no:unraisableexception", *tests])
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) not in {0, 1, 2, 3}:
        sys.exit(f"could not test without {removal.survivor}")
    return status != 0


def main() -> None:
    """Print one line for each module, and whatever may be removed without a test that misses it."""
    surprises = 0
    arguments = sys.argv[1:]
    checks = "--checks" in arguments
    for module in [argument for argument in arguments if argument != "--checks"] or MODULES:
        count, survivors = unnoticed(module, checks=checks)
        print(f"{module}: {count} removals, {count - len(survivors)} noticed", flush=True)
        for survivor in (s for s in survivors if s not in explained()):
            print(f"    {survivor}", flush=True)
            surprises += 1
    if surprises:
        sys.exit(f"{surprises} removals that no test notices")


if __name__ == "__main__":
    main()
