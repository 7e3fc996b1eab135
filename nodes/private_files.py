"""Read files that hold secrets, and refuse those that others on the machine can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from schemas.errors import BadConfig, NotFound, OpenPermissions


def read_private(path: Path, *, max_size: int, what: str) -> bytes:
    """The bytes of a secret file.

    Raises NotFound, OpenPermissions when group or others have any access, BadConfig when it is larger than `max_size`
    bytes or is no regular file.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BadConfig(f"{what} {path} is not a regular file")
            if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise OpenPermissions(
                    f"{what} {path} is open to others on this machine (mode {stat.S_IMODE(status.st_mode):04o})",
                    hint=f"close it: chmod 600 {path}",
                )
            data = file.read(max_size + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no {what} at {path}") from None
    except OSError as error:
        raise BadConfig(f"{what} {path} cannot be read: {error.strerror}") from None
    if len(data) > max_size:
        raise BadConfig(f"{what} {path} is larger than {max_size} bytes")
    return data
