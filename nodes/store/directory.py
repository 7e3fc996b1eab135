"""Every directory version this node holds, as the log entry and the signed bundle it was accepted from."""

from __future__ import annotations

from dataclasses import dataclass

import apsw

from nodes.store.rows import number
from nodes.store.topics import Topics


@dataclass(frozen=True, slots=True)
class DirectoryRow:
    """One version: in force from `index` of the log on. Replaying all of them in order rebuilds the history."""

    version: int
    index: int
    entry: bytes
    bundle: bytes


class DirectoryTable:
    """Writes and replays directory versions."""

    def __init__(self, connection: apsw.Connection, topics: Topics) -> None:
        self._db = connection
        self._topics = topics

    def add(self, row: DirectoryRow) -> None:
        """Keep the next version."""
        self._db.execute(
            "INSERT INTO directory (version, log_index, entry, bundle) VALUES (?, ?, ?, ?)",
            (row.version, row.index, row.entry, row.bundle),
        )
        self._topics.add("directory")

    def all(self) -> list[DirectoryRow]:
        """All versions, oldest first."""
        rows = self._db.execute("SELECT version, log_index, entry, bundle FROM directory ORDER BY version")
        return [DirectoryRow(*row) for row in rows]

    def newest(self) -> int:
        """The newest version held; 0 when none is."""
        return number(self._db, "SELECT max(version) FROM directory")
