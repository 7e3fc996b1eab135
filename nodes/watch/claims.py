"""Files the node has taken out of `watch/in`, until their fate is settled in `done` or `failed`.

Taking a file is one rename to `.claimed/<alert id>.<name>`, made durable before anything else happens. The name so
carries the id its alert will have, and the outbox takes an id only once: whatever a crash interrupts, doing the
same again cannot send a document twice.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from nodes.durable import sync_folder, write_durably
from nodes.watch.arrivals import SUFFIXES
from schemas.errors import BadDocument, BadId, Malformed, TooLarge
from schemas.ids import format_id, parse_id
from schemas.limits import MAX_DOCUMENT

__all__ = ["Claim", "Claims"]

_ID_LENGTH = 36
_SHORT = 8


@dataclass(frozen=True, slots=True)
class Claim:
    """One taken file: the id its alert has or will have, the name it came with, and where it is now."""

    alert_id: bytes
    name: str
    path: Path

    def read(self) -> str:
        """The document's text. Raises `TooLarge`, `Malformed` (not UTF-8) or `BadDocument` (no readable file)."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise BadDocument("the file is not a regular file", hint="Put the document itself there.")
                data = file.read(MAX_DOCUMENT + 1)
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO}:
                raise
            raise BadDocument(
                f"the file cannot be read: {error.strerror}", hint="Give the node's user the right to read it."
            ) from error
        if len(data) > MAX_DOCUMENT:
            raise TooLarge(
                f"the file has more than {MAX_DOCUMENT} bytes",
                hint="Shorten the document; send images and papers as attachments with `bearing send --attach`.",
            )
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed("the file is not UTF-8 text", hint="Save the document as UTF-8.") from error


class Claims:
    """The folders `in`, `.claimed`, `done` and `failed` under one `watch` folder, which are made as needed."""

    def __init__(self, watch: Path) -> None:
        self.inward = watch / "in"
        self._claimed = watch / ".claimed"
        self._done = watch / "done"
        self._failed = watch / "failed"
        for folder in (watch, self.inward, self._claimed, self._done, self._failed):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def take(self, path: Path, alert_id: bytes) -> Claim | None:
        """Take a file out of `in`; None if it is gone. Durable when this returns. Raises `OSError`."""
        target = self._claimed / f"{format_id(alert_id)}.{path.name}"
        try:
            path.rename(target)
        except FileNotFoundError:
            return None
        sync_folder(self._claimed)
        sync_folder(self.inward)
        return Claim(alert_id, path.name, target)

    def open(self) -> list[Claim]:
        """Every claim not settled yet, in the order they were taken. Raises `OSError`."""
        claims = []
        for path in sorted(self._claimed.iterdir()):
            name = path.name[_ID_LENGTH + 1 :]
            with contextlib.suppress(BadId):  # not taken by the node: left alone
                if Path(name).suffix.lower() in SUFFIXES:
                    claims.append(Claim(parse_id(path.name[:_ID_LENGTH]), name, path))
        return claims

    def settle_done(self, claim: Claim) -> Path:
        """Move a sent document to `done`, with its alert's id beside it in `<name>.id`. Raises `OSError`."""
        return self._settle(claim, self._done, ".id", format_id(claim.alert_id) + "\n")

    def settle_failed(self, claim: Claim, problems: str) -> Path:
        """Move a refused document to `failed`, the reasons beside it in `<name>.problems.txt`. Raises `OSError`."""
        return self._settle(claim, self._failed, ".problems.txt", problems)

    def _settle(self, claim: Claim, folder: Path, suffix: str, note: str) -> Path:
        target = _free_name(folder, claim)
        # The note first: a document in `done` or `failed` without one would tell its reader nothing.
        write_durably(target.with_name(target.name + suffix), note.encode("utf-8"), mode=0o640)
        claim.path.rename(target)
        sync_folder(folder)
        sync_folder(self._claimed)
        return target


def _free_name(folder: Path, claim: Claim) -> Path:
    """The name the document came with, or one with the end of the alert's id in it if another has taken that name."""
    path = folder / claim.name
    if not os.path.lexists(path):
        return path
    return path.with_name(f"{path.stem}.{claim.alert_id.hex()[-_SHORT:]}{path.suffix}")
