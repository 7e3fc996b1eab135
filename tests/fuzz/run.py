"""Fuzz one parser with atheris, from the committed corpus.

    python -m tests.fuzz.run TARGET [DIRECTORY] [libFuzzer options, such as -max_total_time=600]

What is found stays in DIRECTORY, a temporary one unless it is named. An input that breaks a promise is written beside:
commit it to the corpus together with the fix.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

CORPUS = Path(__file__).parent / "corpus"

with atheris.instrument_imports(include=["schemas"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"which of {', '.join(TARGETS)}?")
    name, *rest = sys.argv[1:]
    folders = [argument for argument in rest if not argument.startswith("-")] or [tempfile.mkdtemp(prefix="fuzz-")]
    options = [argument for argument in rest if argument.startswith("-")]
    target = TARGETS[name]

    def one(data: bytes) -> None:
        target(data)

    atheris.Setup([sys.argv[0], *folders, str(CORPUS / name), *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
