"""Sealed attachments, by the SHA-256 of their ciphertext: to be uploaded, or downloaded so far.

Ciphertext is kept in parts, so that no attachment needs to fit in memory. A download is resumed at `stored` bytes;
an upload at what the hub says it has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import apsw

from nodes.store.topics import Topics
from schemas import limits
from schemas.errors import NotFound


@dataclass(frozen=True, slots=True)
class AttachmentRow:
    """One attachment's ciphertext: `size` in whole, `stored` bytes here; `complete` once its digest was checked."""

    digest: bytes
    size: int
    stored: int
    complete: bool
    uploaded: bool


class Attachments:
    """Writes and reads sealed attachments."""

    def __init__(self, connection: apsw.Connection, topics: Topics) -> None:
        self._db = connection
        self._topics = topics

    def get(self, digest: bytes) -> AttachmentRow | None:
        """What is here of that attachment."""
        row = self._db.execute(
            "SELECT digest, size, stored, complete, uploaded FROM attachment WHERE digest = ?", (digest,)
        ).fetchone()
        if row is None:
            return None
        return AttachmentRow(row[0], row[1], row[2], bool(row[3]), bool(row[4]))

    def add(self, digest: bytes, parts: Iterable[bytes], *, now: int) -> int:
        """Keep a whole attachment sealed here; returns its size. For the transaction of the alert it belongs to."""
        if self.get(digest) is not None:
            self.drop(digest)
        self.begin(digest, 0, now=now)
        for part in parts:
            self.append(digest, part)
        self._db.execute("UPDATE attachment SET size = stored, complete = 1 WHERE digest = ?", (digest,))
        row = self.get(digest)
        return 0 if row is None else row.stored

    def begin(self, digest: bytes, size: int, *, now: int) -> None:
        """Start a download of `size` bytes."""
        self._db.execute(
            "INSERT OR IGNORE INTO attachment (digest, size, stored, complete, time) VALUES (?, ?, 0, 0, ?)",
            (digest, size, now),
        )
        self._topics.add("downloads")

    def incomplete(self) -> list[AttachmentRow]:
        """Downloads not yet finished, oldest first."""
        rows = self._db.execute(
            "SELECT digest, size, stored, complete, uploaded FROM attachment WHERE complete = 0 ORDER BY time, digest"
        )
        return [
            AttachmentRow(digest, size, stored, bool(complete), bool(uploaded))
            for digest, size, stored, complete, uploaded in rows
        ]

    def append(self, digest: bytes, data: bytes) -> None:
        """Keep the next bytes."""
        row = self.get(digest)
        if row is None:
            raise NotFound(f"no attachment {digest.hex()} was begun")
        for start in range(0, len(data), limits.CHUNK):
            part = data[start : start + limits.CHUNK]
            self._db.execute(
                "INSERT INTO attachment_part (digest, start, data) VALUES (?, ?, ?)", (digest, row.stored + start, part)
            )
        self._db.execute("UPDATE attachment SET stored = stored + ? WHERE digest = ?", (len(data), digest))

    def finish(self, digest: bytes) -> None:
        """Mark a download complete, after its digest was checked."""
        self._db.execute("UPDATE attachment SET complete = 1 WHERE digest = ?", (digest,))
        self._topics.add("downloads")

    def drop(self, digest: bytes) -> None:
        """Forget an attachment, or what of a download turned out wrong."""
        self._db.execute("DELETE FROM attachment WHERE digest = ?", (digest,))

    def piece(self, digest: bytes, offset: int, *, size: int) -> bytes:
        """The stored bytes from `offset` on: `size` of them, or fewer at the end."""
        pieces: list[bytes] = []
        while size > 0 and (part := self.part(digest, offset)):
            pieces.append(part[:size])
            offset, size = offset + len(pieces[-1]), size - len(pieces[-1])
        return b"".join(pieces)

    def part(self, digest: bytes, offset: int) -> bytes:
        """The stored bytes from `offset` to the end of their part; empty at the end."""
        row = self._db.execute(
            "SELECT start, data FROM attachment_part WHERE digest = ? AND start <= ? ORDER BY start DESC LIMIT 1",
            (digest, offset),
        ).fetchone()
        return b"" if row is None else bytes(row[1][offset - row[0] :])

    def set_uploaded(self, digest: bytes, *, uploaded: bool) -> None:
        """Whether the hub holds all of it."""
        self._db.execute("UPDATE attachment SET uploaded = ? WHERE digest = ?", (int(uploaded), digest))
