"""One daemon per home: an advisory lock that the kernel drops when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import StorageLocked


@contextmanager
def home_lock(path: Path, *, hint: str = "stop it first, or use its socket: bearing status") -> Iterator[None]:
    """Hold the lock file at `path`. Raises StorageLocked, with `hint`, when another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageLocked(f"another daemon runs on {path.parent}", hint=hint) from None
        yield
    finally:
        os.close(descriptor)
