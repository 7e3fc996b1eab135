"""Attachments as they come in: pieces in order, kept until whole, and whole only if their digest is right."""

from __future__ import annotations

import hashlib

import apsw

from broker.engines.port import Held
from schemas.errors import BodyMismatch, NotAParty, Purged, Refusal

_ABANDONED = (
    "SELECT digest FROM attachment WHERE used = 0 AND touched <= ? "
    "AND NOT EXISTS (SELECT 1 FROM attachment_use u WHERE u.digest = attachment.digest) LIMIT 1"
)


class Uploads:
    """Writes pieces through one connection; the caller holds the transaction."""

    def __init__(self, writer: apsw.Connection) -> None:
        self._db = writer

    def add(
        self, owner: str, digest: bytes, offset: int, total: int, data: bytes, *, at: int
    ) -> tuple[Held, Refusal | None]:
        """Keep a piece that came at the time `at` (ms) if it continues what is held.

        Returns what is held afterwards; and a refusal that stands although the transaction must be kept, when the
        attachment was completed with a wrong digest and thrown away. Raises `NotAParty`, `BodyMismatch` or `Purged`
        otherwise.
        """
        sql = "SELECT owner, have, total, used FROM attachment WHERE digest = ?"
        row = next(iter(self._db.execute(sql, (digest,))), None)
        if row is None and (offset or not data):
            return Held(0, total), None  # whoever only asks leaves no trace
        if row is None:
            self._db.execute("INSERT INTO attachment VALUES (?, ?, 0, ?, 0, ?)", (digest, owner, total, at))
            row = (owner, 0, total, 0)
        holder, have, expected, used = row
        if used >= 2:
            raise Purged("this attachment was deleted with the alert that named it", hint="Attach the file anew.")
        if have == expected:
            return Held(have, expected), None
        if holder != owner:
            raise NotAParty("another agency is uploading this attachment")
        if expected != total:
            raise BodyMismatch(f"the attachment was begun with {expected} bytes and goes on with {total}")
        if offset != have or not data:
            return Held(have, expected), None
        if have + len(data) > total:
            raise BodyMismatch(f"the attachment runs beyond its {total} bytes")
        self._db.execute("INSERT INTO piece (digest, start, data) VALUES (?, ?, ?)", (digest, offset, data))
        self._db.execute("UPDATE attachment SET have = ?, touched = ? WHERE digest = ?", (have + len(data), at, digest))
        if have + len(data) < total or self._digest(digest) == digest:
            return Held(have + len(data), total), None
        self._db.execute("DELETE FROM piece WHERE digest = ?", (digest,))
        self._db.execute("DELETE FROM attachment WHERE digest = ?", (digest,))
        return Held(0, total), BodyMismatch("the uploaded attachment is not the one its digest names")

    def abandon(self, before: int, limit: int) -> int:
        """See `Engine.abandon`: cut off from the end, so that what is left is what an upload can go on from."""
        row = next(iter(self._db.execute(_ABANDONED, (before,))), None)
        if row is None:
            return 0
        (digest,) = row
        pieces = "SELECT start FROM piece WHERE digest = ? ORDER BY start DESC LIMIT ?"
        starts = [start for (start,) in self._db.execute(pieces, (digest, limit))]
        left = min(starts, default=0)
        self._db.execute("DELETE FROM piece WHERE digest = ? AND start >= ?", (digest, left))
        if left:
            self._db.execute("UPDATE attachment SET have = ? WHERE digest = ?", (left, digest))
        else:
            self._db.execute("DELETE FROM attachment WHERE digest = ?", (digest,))
        return max(1, len(starts))

    def _digest(self, digest: bytes) -> bytes:
        found = hashlib.sha256()
        for (data,) in self._db.execute("SELECT data FROM piece WHERE digest = ? ORDER BY start", (digest,)):
            found.update(data)
        return found.digest()
