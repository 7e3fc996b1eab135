"""Files on removable media, as an officer's command reads and writes them: hostile, slow, full, or pulled out."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from schemas.errors import CarrierUnknown, NotFound, StorageFailed, StorageFull
from schemas.limits import MAX_CARRIER

PIECE: Final = 1_048_576


def read_medium(path: Path) -> Iterator[bytes]:
    """A file's bytes, piece by piece. Raises `NotFound`, `CarrierUnknown` for what is no file, `StorageFailed`."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO must not be waited for
    except FileNotFoundError:
        raise NotFound(f"there is no {path}", hint="Check that the medium is mounted.") from None
    except OSError as error:
        raise StorageFailed(f"{path} cannot be read: {error.strerror}", hint="Check the medium.") from error
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise CarrierUnknown(f"{path} is {'a folder' if stat.S_ISDIR(found.st_mode) else 'no file'}")
    if found.st_size > MAX_CARRIER:
        os.close(handle)
        raise CarrierUnknown(f"{path} has {found.st_size:,} bytes, more than a carrier's file may have")
    with os.fdopen(handle, "rb", buffering=0) as file:
        try:
            while piece := file.read(PIECE):
                yield piece
        except OSError as error:
            raise StorageFailed(
                f"{path} cannot be read to its end: {error.strerror}", hint="Check the medium."
            ) from error


def check_free(path: Path, *, replace: bool) -> None:
    """Raise `StorageFailed` when a file is there that is not to be replaced."""
    if not replace and path.exists():
        raise StorageFailed(f"{path} is there already", hint="Give another name, or --force to replace it.")


def write_medium(path: Path, pieces: Iterable[bytes], *, replace: bool) -> int:
    """Write a file, whole or not at all, also when the medium fills up or is pulled out; returns its bytes.

    The pieces go to a hidden file beside it, which takes the name once it is flushed. Raises `StorageFull`,
    `StorageFailed`, and whatever the pieces raise.
    """
    partial = path.with_name(f".{path.name}.part")
    size = 0
    try:
        check_free(path, replace=replace)
        with suppress(FileNotFoundError):
            partial.unlink()  # left by a crash, or put there by someone else: either way not to be followed
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                file.write(piece)
                size += len(piece)
            file.flush()
            os.fsync(handle)
        partial.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        kind, hint = (
            (StorageFull, "Free space on it, or take another.") if full else (StorageFailed, "Check the medium.")
        )
        raise kind(f"{path} cannot be written: {error.strerror}", hint=hint) from error
    finally:
        with suppress(OSError):
            partial.unlink()
    return size


def _sync_folder(folder: Path) -> None:
    """Make the name durable, where the medium's file system can do that for a folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
