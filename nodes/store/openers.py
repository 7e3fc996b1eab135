"""Secrets of pair keys other agencies made for this one, by opener id: opening an opener is the costly part."""

from __future__ import annotations

from dataclasses import dataclass

import apsw


@dataclass(frozen=True, slots=True)
class OpenerRow:
    """An opened opener: whose it is, under which of its signing keys, and the secret in it."""

    opener_id: bytes
    sender: str
    sender_key: bytes
    secret: bytes


class Openers:
    """Writes opened openers and finds them again."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    def add(self, opener: OpenerRow, *, now: int) -> None:
        """Keep an opened opener."""
        self._db.execute(
            "INSERT OR IGNORE INTO opener (opener_id, sender, sender_key, secret, learned) VALUES (?, ?, ?, ?, ?)",
            (opener.opener_id, opener.sender, opener.sender_key, opener.secret, now),
        )

    def get(self, opener_id: bytes) -> OpenerRow | None:
        """The opener of that id, if it was opened before."""
        row = self._db.execute(
            "SELECT opener_id, sender, sender_key, secret FROM opener WHERE opener_id = ?", (opener_id,)
        ).fetchone()
        return None if row is None else OpenerRow(*row)

    def prune(self, before: int) -> None:
        """Forget secrets learned before that time (ms); an alert that needs one again fetches its opener."""
        self._db.execute("DELETE FROM opener WHERE learned < ?", (before,))
