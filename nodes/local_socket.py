"""The Unix socket of the local API: made so that only the node's own user can ever open it."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from schemas.errors import BadConfig

__all__ = ["listen_locally"]


def listen_locally(path: Path) -> socket.socket:
    """A stream socket bound to `path` with mode 0600, in place of one that a killed daemon left.

    Call it under the lock that keeps a second daemon away. Raises `BadConfig` if the socket cannot be made.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # so that it is closed to others from the first moment
    try:
        if path.exists() and stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
        listener.bind(bytes(path))
    except OSError as error:
        listener.close()
        raise BadConfig(
            f"the socket {path} cannot be made: {error.strerror or error}", hint="Remove what is in its place."
        ) from error
    finally:
        os.umask(before)
    return listener
