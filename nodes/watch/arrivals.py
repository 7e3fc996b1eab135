"""Which files in `watch/in` are complete documents, and which are something else.

A file counts as complete when two scans in a row find the same inode, size and time of change. A writer that renames
a finished file into the folder always passes; one that writes in place passes once it is silent for a scan's length.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["SUFFIXES", "Arrivals", "Found"]

SUFFIXES: dict[str, Literal["yaml", "json"]] = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}
"""Names that are read as documents, and how."""

MAX_NAME = 180
"""Bytes of a file's name: room for the alert id and `.problems.txt` within the 255 most file systems allow."""


@dataclass(frozen=True, slots=True)
class Found:
    """One scan's outcome: documents to take now, oldest first, and strangers not reported before, with the reason."""

    complete: tuple[Path, ...]
    strangers: tuple[tuple[str, str], ...]


class Arrivals:
    """Scans one folder, again and again. Remembers only what is in the folder now."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._reported: set[str] = set()

    def scan(self) -> Found:
        """Look once. Raises `OSError` if the folder itself cannot be read."""
        seen: dict[str, tuple[int, int, int]] = {}
        reported: set[str] = set()
        complete: list[tuple[int, Path]] = []
        strangers: list[tuple[str, str]] = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                try:
                    state = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # taken back between listing and looking
                reason = _stranger(entry.name, state.st_mode)
                if reason is None:
                    seen[entry.name] = (state.st_ino, state.st_size, state.st_mtime_ns)
                    if self._seen.get(entry.name) == seen[entry.name]:
                        complete.append((state.st_mtime_ns, self._folder / entry.name))
                elif reason:
                    reported.add(entry.name)
                    if entry.name not in self._reported:
                        strangers.append((entry.name, reason))
        self._seen, self._reported = seen, reported
        return Found(tuple(path for _, path in sorted(complete)), tuple(sorted(strangers)))


def _stranger(name: str, mode: int) -> str | None:
    """Why a file is left alone: `None` if it is not, empty if there is no need to say so."""
    if name.startswith(".") or name.endswith((".part", ".tmp", "~")):
        return ""  # on its way: the usual names of unfinished files
    if stat.S_ISLNK(mode):
        return "it is a symbolic link"
    if not stat.S_ISREG(mode):
        return "it is not a regular file"
    if Path(name).suffix.lower() not in SUFFIXES:
        return "its name does not end in .yaml, .yml or .json"
    if len(os.fsencode(name)) > MAX_NAME:
        return f"its name is longer than {MAX_NAME} bytes"
    return None
