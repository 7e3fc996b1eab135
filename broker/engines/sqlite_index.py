"""The SQL behind `broker.state`: the tables of the log and what follows from it, read and written by one connection."""

from __future__ import annotations

from typing import Any

import apsw

from broker.engines.sqlite_files import certain_failures
from broker.engines.sqlite_parts import (
    ESCALATIONS,
    PARTS,
    STRETCH,
    STRETCHES,
    WAITING,
    WAITING_BY_RANK,
    Parts,
    indexes_of,
    read_waiting,
)
from broker.engines.sqlite_parts import SCHEMA as PARTS_SCHEMA
from broker.state import Activation, Delivery, KnownAlert, KnownOpener, Standing

SCHEMA_VERSION = 5
PAGE = 16
"""Stretches of the log read at once: no statement is left half read, which would keep a reader in the past."""
APPLICATION_ID = 0x5842_4C47  # "XBLG", so that no other program's file is taken for a log

# `used` of an attachment is 0 until an alert names it, 1 then, 2 once it is purged, 3 when its pieces are gone too.
SCHEMA = f"""
CREATE TABLE entry (idx INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE newest_block (one INTEGER PRIMARY KEY CHECK (one = 1), start INTEGER NOT NULL) STRICT;
CREATE TABLE tile (key INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE body (idx INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE blob (key INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, data BLOB NOT NULL) STRICT;
CREATE TABLE alert (
    idx INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, sender TEXT NOT NULL, fingerprint BLOB NOT NULL,
    leaf BLOB NOT NULL, idle_since INTEGER
) STRICT;
CREATE INDEX alert_held ON alert (idle_since) WHERE idle_since IS NOT NULL;
{PARTS_SCHEMA}CREATE TABLE opener (
    id BLOB PRIMARY KEY, sender TEXT NOT NULL, recipient TEXT NOT NULL, until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX opener_until ON opener (until);
CREATE TABLE notice (agency TEXT NOT NULL, idx INTEGER NOT NULL, PRIMARY KEY (agency, idx)) STRICT, WITHOUT ROWID;
CREATE TABLE activation (
    version INTEGER PRIMARY KEY, idx INTEGER NOT NULL, role TEXT NOT NULL, role_version INTEGER NOT NULL,
    digest BLOB NOT NULL
) STRICT;
CREATE INDEX activation_digest ON activation (digest);
CREATE TABLE attachment (
    digest BLOB PRIMARY KEY, owner TEXT NOT NULL, have INTEGER NOT NULL, total INTEGER NOT NULL, used INTEGER NOT NULL,
    touched INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX attachment_unused ON attachment (owner) WHERE used = 0;
CREATE INDEX attachment_purged ON attachment (digest) WHERE used = 2;
CREATE TABLE attachment_use (
    digest BLOB NOT NULL, idx INTEGER NOT NULL, PRIMARY KEY (digest, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE spent (
    agency TEXT NOT NULL, kind INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (agency, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE piece (
    key INTEGER PRIMARY KEY, digest BLOB NOT NULL, start INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE (digest, start)
) STRICT;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""

_ALERT = "SELECT idx, id, sender, fingerprint, leaf, idle_since FROM alert"
_ACTIVATION = "SELECT version, idx, role, role_version, digest FROM activation"


class SqliteIndex:
    """The state as one connection sees it: the writer's sees what it has not committed yet, the reader's does not."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with certain_failures():
            return list(self._db.execute(sql, values))

    def _row(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        rows = self._rows(sql, *values)
        return rows[0] if rows else None

    def entry(self, index: int) -> bytes | None:
        """See `View`."""
        row = self._row("SELECT data FROM entry WHERE idx = ?", index)
        return row[0] if row else None

    def alert(self, alert_id: bytes) -> KnownAlert | None:
        """See `View`."""
        row = self._row(f"{_ALERT} WHERE id = ?", alert_id)
        return KnownAlert(*row) if row else None

    def alert_at(self, index: int) -> KnownAlert | None:
        """See `View`."""
        row = self._row(f"{_ALERT} WHERE idx = ?", index)
        return KnownAlert(*row) if row else None

    def _parts(self, index: int) -> Parts | None:
        row = self._row(f"{PARTS} WHERE idx = ?", index)
        return Parts.read(row) if row else None

    def delivery(self, agency: str, index: int) -> Delivery | None:
        """See `View`."""
        parts = self._parts(index)
        return parts.delivery(agency) if parts is not None else None

    def waiting(self, index: int) -> tuple[Delivery, ...]:
        """See `View`."""
        parts = self._parts(index)
        return parts.waiting() if parts is not None else ()

    def waits(self, index: int, *, besides: str) -> bool:
        """See `View`."""
        parts = self._parts(index)
        return parts is not None and parts.waits_besides(besides)

    def outstanding(self, agency: str, after: tuple[int, int], below: int, now: int, limit: int) -> list[Delivery]:
        """See `Engine`."""
        found: list[Delivery] = []
        rank, stretch = after[0], after[1] // STRETCH
        while len(found) < limit:
            rows = self._rows(STRETCHES, rank, stretch, agency.encode(), PAGE)
            for rank, stretch, agencies in rows:
                indexes = indexes_of(read_waiting(agencies).get(agency, 0), stretch)
                indexes = [index for index in indexes if (rank, index) > after and index < below]
                if indexes and len(found) < limit:
                    every = map(Parts.read, self._rows(WAITING, indexes[0], indexes[-1], rank, now))
                    found += [d for parts in every if parts.waits(agency) and (d := parts.delivery(agency)) is not None]
            if len(rows) < PAGE:
                break
            stretch += 1
        return found[:limit]

    def escalations(self, agency: str, now: int, limit: int, *, logged: bool) -> list[Delivery]:
        """See `Engine`."""
        sql = ESCALATIONS.format("1, 2" if logged else "0")
        every = (self.delivery(agency, index) for (index,) in self._rows(sql, agency, now, now, limit))
        return [delivery for delivery in every if delivery is not None]

    def concerning(self, agency: str, since: int, start: int, below: int, limit: int) -> list[int]:
        """See `Engine`."""
        own = "SELECT idx FROM alert WHERE sender = ? AND idx >= ? AND idx < ? ORDER BY idx LIMIT ?"
        found = {index for (index,) in self._rows(own, agency, max(start, since), below, limit)}
        received = 0
        while received < limit:
            rows = self._rows(f"{PARTS} WHERE idx >= ? AND idx < ? ORDER BY idx LIMIT ?", start, below, STRETCH)
            for parts in map(Parts.read, rows):
                delivery = parts.delivery(agency)
                if delivery is not None and delivery.standing > Standing.WITHDRAWN and delivery.receipt >= since:
                    found.add(parts.index)
                    received += 1
            if len(rows) < STRETCH:
                break
            start = rows[-1][0] + 1
        return sorted(found)[:limit]

    def waiting_by_rank(self, now: int) -> dict[int, int]:
        """See `Engine`."""
        return dict(self._rows(WAITING_BY_RANK, STRETCH, now))

    def opener(self, opener_id: bytes) -> KnownOpener | None:
        """See `View`."""
        row = self._row("SELECT id, sender, recipient, until FROM opener WHERE id = ?", opener_id)
        return KnownOpener(*row) if row else None

    def attachment(self, digest: bytes) -> int | None:
        """See `View`."""
        row = self._row("SELECT total FROM attachment WHERE digest = ? AND have = total AND used < 2", digest)
        return row[0] if row else None

    def purged(self, digest: bytes) -> bool:
        """See `View`."""
        return self._row("SELECT 1 FROM attachment WHERE digest = ? AND used >= 2", digest) is not None

    def has_body(self, index: int) -> bool:
        """See `View`."""
        return self._row("SELECT 1 FROM body WHERE idx = ?", index) is not None

    def holds(self, digest: bytes) -> bool:
        """See `View`."""
        return self._row("SELECT 1 FROM blob WHERE digest = ?", digest) is not None

    def needed(self, digest: bytes, *, besides: int) -> bool:
        """See `View`."""
        sql = (
            "SELECT 1 FROM attachment_use u JOIN alert a USING (idx) "
            "WHERE u.digest = ? AND u.idx != ? AND a.idle_since IS NOT NULL LIMIT 1"
        )
        return self._row(sql, digest, besides) is not None

    def due(self, before: int, limit: int) -> list[int]:
        """See `Engine`."""
        sql = "SELECT idx FROM alert WHERE idle_since IS NOT NULL AND idle_since <= ? ORDER BY idle_since, idx LIMIT ?"
        return [index for (index,) in self._rows(sql, before, limit)]

    def party(self, agency: str, digest: bytes) -> bool:
        """See `Engine`."""
        row = self._row(
            "SELECT 1 FROM attachment_use u WHERE digest = ? AND ("
            "EXISTS (SELECT 1 FROM alert WHERE idx = u.idx AND sender = ?) OR "
            "EXISTS (SELECT 1 FROM part JOIN circle ON circle.key = part.circle "
            "WHERE idx = u.idx AND instr(' ' || agencies || ' ', ' ' || ? || ' '))) LIMIT 1",
            digest,
            agency,
            agency,
        )
        return row is not None

    def notices(self, agency: str, start: int, stop: int, limit: int) -> list[int]:
        """See `Engine`."""
        sql = "SELECT idx FROM notice WHERE agency = ? AND idx >= ? AND idx < ? ORDER BY idx LIMIT ?"
        return [index for (index,) in self._rows(sql, agency, start, stop, limit)]

    def activations(self, after: int) -> list[Activation]:
        """See `Engine`."""
        rows = self._rows(f"{_ACTIVATION} WHERE version > ? ORDER BY version", after)
        return [Activation(*row) for row in rows]

    def spent(self, agency: str, kind: int) -> int:
        """See `View`."""
        row = self._row("SELECT until FROM spent WHERE agency = ? AND kind = ?", agency, kind)
        return row[0] if row else 0

    def activation_of(self, digest: bytes) -> Activation | None:
        """See `View`."""
        row = self._row(f"{_ACTIVATION} WHERE digest = ? ORDER BY version LIMIT 1", digest)
        return Activation(*row) if row else None
