"""Fuzz one target with atheris, from the committed corpus.

    python -m tests.fuzz.run TARGET [DIRECTORY] [libFuzzer options, such as -max_total_time=600]

What is found stays in DIRECTORY, a temporary one unless it is named. An input that breaks a promise is written beside:
commit it to the corpus together with the fix. The target `any` is all of them: the first byte of an input says which.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

from tests.fuzz.mutator import mutated

with atheris.instrument_imports(
    include=["schemas", "broker.admission", "broker.identity", "nodes.auditor", "nodes.service"]
):
    from tests.fuzz.corpus import inputs
    from tests.fuzz.targets import TARGETS

ANY = "any"


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    if len(sys.argv) < 2 or sys.argv[1] not in {ANY, *TARGETS}:
        sys.exit(f"which of {', '.join((ANY, *TARGETS))}?")
    name, *rest = sys.argv[1:]
    folders = [argument for argument in rest if not argument.startswith("-")] or [tempfile.mkdtemp(prefix="fuzz-")]
    options = [argument for argument in rest if argument.startswith("-")]
    every = sorted(TARGETS)

    def one(data: bytes) -> None:
        if name != ANY:
            TARGETS[name](data)
        elif data:
            TARGETS[every[data[0] % len(every)]](data[1:])

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        if name != ANY or not data:
            return mutated(data, max_size, seed, atheris.Mutate)
        return data[:1] + mutated(data[1:], max_size - 1, seed, atheris.Mutate)

    started = Path(tempfile.mkdtemp(prefix="fuzz-from-"))
    for number, target in enumerate(every):
        for of, data in inputs(target).items() if name in {ANY, target} else ():
            (started / f"{target}-{of}").write_bytes(bytes((number,)) + data if name == ANY else data)
    atheris.Setup([sys.argv[0], *folders, str(started), *options], one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
