"""The SQL behind `broker.state`: the tables of the log and what follows from it, read and written by one connection."""

from __future__ import annotations

from typing import Any

import apsw

from broker.engines.sqlite_files import certain_failures
from broker.engines.sqlite_purge import purge
from broker.state import Activation, Changes, Delivery, Escalated, KnownAlert, KnownOpener, Standing

SCHEMA_VERSION = 3
APPLICATION_ID = 0x5842_4C47  # "XBLG", so that no other program's file is taken for a log

# The number 0 below is `Standing.WAITING`, and 3 `Escalated.REACHED`: a partial index serves only queries that spell it
# the same way. `used` of an attachment is 0 until an alert names it, 1 then, 2 once it is purged, 3 when its pieces are
# gone too.
SCHEMA = f"""
CREATE TABLE entry (idx INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE newest_block (one INTEGER PRIMARY KEY CHECK (one = 1), start INTEGER NOT NULL) STRICT;
CREATE TABLE tile (key INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE blob (key INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, data BLOB NOT NULL) STRICT;
CREATE TABLE alert (
    idx INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, sender TEXT NOT NULL, fingerprint BLOB NOT NULL,
    leaf BLOB NOT NULL, idle_since INTEGER
) STRICT;
CREATE INDEX alert_held ON alert (idle_since) WHERE idle_since IS NOT NULL;
CREATE TABLE delivery (
    idx INTEGER NOT NULL, agency TEXT NOT NULL, rank INTEGER NOT NULL, expires INTEGER NOT NULL,
    standing INTEGER NOT NULL, receipt INTEGER NOT NULL, escalates INTEGER, escalated INTEGER NOT NULL,
    escalation INTEGER NOT NULL,
    PRIMARY KEY (idx, agency)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_waiting ON delivery (agency, rank, idx) WHERE standing = 0;
CREATE INDEX delivery_escalates ON delivery (agency, escalated, escalates, idx)
    WHERE standing = 0 AND escalated < 3 AND escalates IS NOT NULL;
CREATE TABLE opener (
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
_DELIVERY = "SELECT agency, idx, rank, expires, standing, receipt, escalates, escalated, escalation FROM delivery"
_PUT_DELIVERY = (
    "INSERT OR REPLACE INTO delivery (agency, idx, rank, expires, standing, receipt, escalates, escalated, escalation) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_WAITING_BY_RANK = "SELECT rank, count(*) FROM delivery WHERE standing = 0 AND expires > ? GROUP BY rank"
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

    def delivery(self, agency: str, index: int) -> Delivery | None:
        """See `View`."""
        rows = self._deliveries(f"{_DELIVERY} WHERE idx = ? AND agency = ?", index, agency)
        return rows[0] if rows else None

    def waiting(self, index: int) -> tuple[Delivery, ...]:
        """See `View`."""
        return tuple(self._deliveries(f"{_DELIVERY} WHERE idx = ? AND standing = 0", index))

    def waits(self, index: int, *, besides: str) -> bool:
        """See `View`."""
        sql = "SELECT 1 FROM delivery WHERE idx = ? AND standing = 0 AND agency != ? LIMIT 1"
        return self._row(sql, index, besides) is not None

    def outstanding(self, agency: str, after: tuple[int, int], below: int, now: int, limit: int) -> list[Delivery]:
        """See `Engine`."""
        return self._deliveries(
            f"{_DELIVERY} WHERE agency = ? AND standing = 0 AND (rank, idx) > (?, ?) AND idx < ?"
            " AND expires > ? ORDER BY rank, idx LIMIT ?",
            agency,
            *after,
            below,
            now,
            limit,
        )

    def escalations(self, agency: str, now: int, limit: int, *, logged: bool) -> list[Delivery]:
        """See `Engine`."""
        how_far = "escalated IN (1, 2)" if logged else "escalated = 0"
        return self._deliveries(
            f"{_DELIVERY} WHERE agency = ? AND standing = 0 AND {how_far} AND escalated < 3 AND escalates IS NOT NULL"
            " AND escalates <= ? AND expires > ? ORDER BY escalates, idx LIMIT ?",
            agency,
            now,
            now,
            limit,
        )

    def concerning(self, agency: str, since: int, start: int, below: int, limit: int) -> list[int]:
        """See `Engine`."""
        rows = self._rows(
            "SELECT idx FROM delivery WHERE agency = ? AND idx >= ? AND idx < ? AND standing > 1 AND receipt >= ? "
            "UNION SELECT idx FROM alert WHERE sender = ? AND idx >= ? AND idx < ? ORDER BY idx LIMIT ?",
            *(agency, start, below, since),
            *(agency, max(start, since), below, limit),
        )
        return [index for (index,) in rows]

    def waiting_by_rank(self, now: int) -> dict[int, int]:
        """See `Engine`."""
        return dict(self._rows(_WAITING_BY_RANK, now))

    def _deliveries(self, sql: str, *values: object) -> list[Delivery]:
        return [
            Delivery(agency, index, rank, expires, Standing(standing), receipt, due, Escalated(escalated), entry)
            for agency, index, rank, expires, standing, receipt, due, escalated, entry in self._rows(sql, *values)
        ]

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
            "EXISTS (SELECT 1 FROM delivery WHERE idx = u.idx AND agency = ?)) LIMIT 1",
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

    def record(self, index: int, changes: Changes) -> None:
        """Write what the entry at `index` changes."""
        if changes.alert is not None:
            a = changes.alert
            row = (a.index, a.id, a.sender, a.fingerprint, a.leaf, a.idle_since)
            self._db.execute("INSERT INTO alert VALUES (?, ?, ?, ?, ?, ?)", row)
        if changes.deliveries:
            self._db.executemany(
                _PUT_DELIVERY,
                [_delivery_row(delivery) for delivery in changes.deliveries],
            )
        for opener in changes.openers:
            values = (opener.id, opener.sender, opener.recipient, opener.until)
            self._db.execute("INSERT OR REPLACE INTO opener VALUES (?, ?, ?, ?)", values)
        for digest in changes.attachments:
            self._db.execute("INSERT OR IGNORE INTO attachment_use VALUES (?, ?)", (digest, index))
            self._db.execute("UPDATE attachment SET used = 1 WHERE digest = ?", (digest,))
        if changes.notice is not None:
            self._db.execute("INSERT INTO notice VALUES (?, ?)", (changes.notice, index))
        if changes.activation is not None:
            v = changes.activation
            self._db.execute(
                "INSERT INTO activation VALUES (?, ?, ?, ?, ?)", (v.version, v.index, v.role, v.role_version, v.digest)
            )
        for idle, since in changes.idle:
            self._db.execute("UPDATE alert SET idle_since = ? WHERE idx = ?", (since, idle))
        for taken in changes.spent:
            share = (taken.agency, taken.kind, taken.until)
            self._db.execute("INSERT OR REPLACE INTO spent VALUES (?, ?, ?)", share)
        if changes.purge is not None:
            purge(self._db, changes.purge)


def _delivery_row(d: Delivery) -> tuple[object, ...]:
    facts = (d.agency, d.index, d.rank, d.expires, int(d.standing), d.receipt)
    return (*facts, d.escalates, int(d.escalated), d.escalation)
