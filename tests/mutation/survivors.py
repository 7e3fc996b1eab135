"""The survivors that docs/mutation.md explains, read off its tables."""

from __future__ import annotations

import ast
import difflib
import re
from dataclasses import dataclass
from typing import Final

from tests.mutation.modules import ROOT

PAGE: Final = ROOT / "docs" / "mutation.md"
AROUND: Final = 30


@dataclass(frozen=True)
class Survivor:
    """A change in one function that no test noticed."""

    module: str
    function: str
    old: str
    new: str

    def __str__(self) -> str:
        cells = (self.function, self.old, self.new)
        return "| " + " | ".join(f"`{cell}`".replace("|", r"\|") for cell in cells) + " | |"


def difference(before: ast.AST, after: ast.AST) -> tuple[str, str]:
    """What one piece of code has and the other has not, both ways, with a little of what stands around it."""
    first, second = ([line.strip() for line in ast.unparse(code).splitlines()] for code in (before, after))
    changed = list(difflib.ndiff(first, second))
    old, new = (" ".join(line[2:] for line in changed if line.startswith(sign)) for sign in "-+")
    start = _shared(old, new)
    end = min(_shared(old[::-1], new[::-1]), len(old) - start, len(new) - start)
    return _cut(old, start, end), _cut(new, start, end)


def _shared(old: str, new: str) -> int:
    """With how many same characters both begin."""
    return next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))


def _cut(text: str, start: int, end: int) -> str:
    """The text without most of what it begins and ends with: so many characters are the same in the other text."""
    first, last = max(0, start - AROUND), min(len(text), len(text) - end + AROUND)
    return ("…" if first else "") + text[first:last] + ("…" if last < len(text) else "")


def explained() -> set[Survivor]:
    """Every row of the page: under the heading of its module, the function, the change, and why it may survive."""
    found, module = set(), ""
    for line in PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else []:
        if heading := re.fullmatch(r"### `(.+)`", line):
            module = heading[1]
        elif row := re.fullmatch(r"\| `(.+?)` \| `(.*?)` \| `(.*?)` \| .+ \|", line):
            function, old, new = (cell.replace(r"\|", "|") for cell in row.groups())
            found.add(Survivor(module, function, old, new))
    return found
