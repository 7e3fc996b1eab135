"""Every input that fuzzing starts from: those in the folder `corpus`, and the seeds made from today's formats."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.fuzz.seeds import seeds

CORPUS = Path(__file__).parent / "corpus"


@cache
def made() -> Mapping[str, Mapping[str, bytes]]:
    """The seeds, by target and name."""
    found: dict[str, dict[str, bytes]] = {}
    for target, name, data in seeds():
        found.setdefault(target, {})[name] = data
    return found


def inputs(target: str) -> dict[str, bytes]:
    """The inputs of a target, by name."""
    folder = CORPUS / target
    kept = {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if folder.is_dir() else {}
    return {**kept, **made().get(target, {})}
