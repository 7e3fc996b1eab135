"""Attachments as they come in: pieces in order, kept until whole, and whole only if their digest is right."""

from __future__ import annotations

import hashlib

import apsw

from broker.engines.port import Held
from schemas.errors import BodyMismatch, NotAParty, Purged, Refusal


class Uploads:
    """Writes pieces through one connection; the caller holds the transaction."""

    def __init__(self, writer: apsw.Connection) -> None:
        self._db = writer

    def add(self, owner: str, digest: bytes, offset: int, total: int, data: bytes) -> tuple[Held, Refusal | None]:
        """Keep a piece if it continues what is held.

        Returns what is held afterwards; and a refusal that stands although the transaction must be kept, when the
        attachment was completed with a wrong digest and thrown away. Raises `NotAParty`, `BodyMismatch` or `Purged`
        otherwise.
        """
        sql = "SELECT owner, have, total, used FROM attachment WHERE digest = ?"
        row = next(iter(self._db.execute(sql, (digest,))), None)
        if row is None:
            self._db.execute("INSERT INTO attachment VALUES (?, ?, 0, ?, 0)", (digest, owner, total))
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
        self._db.execute("UPDATE attachment SET have = ? WHERE digest = ?", (have + len(data), digest))
        if have + len(data) < total or self._digest(digest) == digest:
            return Held(have + len(data), total), None
        self._db.execute("DELETE FROM piece WHERE digest = ?", (digest,))
        self._db.execute("DELETE FROM attachment WHERE digest = ?", (digest,))
        return Held(0, total), BodyMismatch("the uploaded attachment is not the one its digest names")

    def _digest(self, digest: bytes) -> bytes:
        found = hashlib.sha256()
        for (data,) in self._db.execute("SELECT data FROM piece WHERE digest = ? ORDER BY start", (digest,)):
            found.update(data)
        return found.digest()
