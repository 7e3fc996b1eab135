"""Files that are whole or absent, also after a power cut."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["name_folder", "sync_folder", "write_durably"]


def write_durably(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write `data` to a hidden file beside `path`, flush it to disk, and rename it to `path`. Raises `OSError`."""
    partial = path.with_name(f".{path.name}.part")
    try:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()  # left by a crash, or put there by someone else: either way not to be followed
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable: the fsync of a file does not cover its name (fsync(2)). Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def name_folder(draft: Path, target: Path) -> None:
    """Give a folder that is whole and flushed its name, durably, or not at all. Raises `OSError`."""
    sync_folder(draft)  # SQLite makes its files without it
    try:
        draft.rename(target)
        sync_folder(target.parent)
    except OSError:
        with contextlib.suppress(OSError):  # where it has its old name still, that is in the way of this
            target.rename(draft)
        raise
