"""A block inside the writer's open transaction, and what the writer remembers of the blocks before it.

An alert is asked for again by each receipt, an opener by each alert: `Written` keeps the newest of them in memory, and
the changes of a block until its end, so that a row is written once for a block and not once for each receipt. What is
in memory is what is in the tables as this transaction sees them, or it is forgotten: after any transaction that was not
committed, and whenever something else than a block wrote.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import Final, TypeVar

import apsw

from broker.engines.sqlite_index import SqliteIndex
from broker.engines.sqlite_parts import PUT_PARTS, STRETCH, Parts, circle_key, read_waiting, write_waiting
from broker.engines.sqlite_purge import purge
from broker.engines.sqlite_reader import TILE_LEVEL_SHIFT
from broker.state import Changes, Delivery, Escalated, KnownAlert, KnownOpener, Standing

ALERTS: Final = 4_096
"""Alerts remembered, about a kilobyte each with thirty recipients: those that receipts still come for."""
OPENERS: Final = 4_096
"""Openers remembered: four times the pairs of 31 agencies."""
STRETCHES: Final = 256
"""Rows of `waiting` remembered, and as many `circle`s of recipients."""

ENTRIES: Final = 512
BLOBS: Final = 8_388_608
"""Entries, and bytes of bodies and blobs, after which a block writes what it has: one block brings back a whole log."""
AT_ONCE: Final = (32, 8, 1)
"""Rows written by one statement. Each statement hands the interpreter to another thread, which gives it back when it
is done with what it began; so a block that is written in few has to wait less."""

_K = TypeVar("_K")
_V = TypeVar("_V")


class Written:
    """What the writer remembers. `forget` is right at any time but inside a block."""

    def __init__(self) -> None:
        self.alerts: OrderedDict[int, KnownAlert] = OrderedDict()
        self.parts: OrderedDict[int, Parts] = OrderedDict()
        self.openers: OrderedDict[bytes, KnownOpener] = OrderedDict()
        self.stretches: OrderedDict[tuple[int, int], dict[str, int]] = OrderedDict()
        self.circles: OrderedDict[tuple[str, ...], int] = OrderedDict()
        self.spent: dict[tuple[str, int], int] = {}
        self.changed = False
        """Whether the transaction that is open has changed any of it."""

    def undo(self) -> None:
        """The transaction was not committed. One that changed nothing, as of a receipt sent twice, costs nothing."""
        if self.changed:
            self.forget()

    def forget(self) -> None:
        """Everything."""
        self.changed = False
        for kept in (self.alerts, self.parts, self.openers, self.stretches, self.circles, self.spent):
            kept.clear()

    def trim(self) -> None:
        """Leave out what was not used for longest."""
        _trim(self.alerts, ALERTS)
        _trim(self.parts, ALERTS)
        _trim(self.openers, OPENERS)
        _trim(self.stretches, STRETCHES)
        _trim(self.circles, STRETCHES)


def _trim(kept: OrderedDict[_K, _V], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)


def _insert(db: apsw.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Write rows by as few statements as `AT_ONCE` allows, of which each is kept ready."""
    place = 0
    for many in AT_ONCE:
        while len(rows) - place >= many:
            some = rows[place : place + many]
            db.execute(statement + _places(len(some[0]), many), tuple(chain.from_iterable(some)))
            place += many


@cache
def _places(width: int, rows: int) -> str:
    return ", ".join([f"({', '.join('?' * width)})"] * rows)


class SqliteBlock(SqliteIndex):
    """`BlockWriter`. `flush` writes what is still in memory; it is the last thing before the commit."""

    def __init__(self, writer: apsw.Connection, position: int, written: Written) -> None:
        super().__init__(writer)
        self._next = position
        self._written = written
        self._entries: dict[int, bytes] = {}
        self._alerts: dict[bytes, KnownAlert] = {}
        self._bodies: dict[int, bytes] = {}
        self._blobs: dict[bytes, bytes] = {}
        self._notices: list[tuple[str, int]] = []
        self._idle: dict[int, int] = {}
        self._moved: dict[int, Parts] = {}
        self._touched: set[tuple[int, int]] = set()
        self._taken: set[tuple[str, int]] = set()
        self._size = 0  # bytes of bodies and blobs

    # -- reading -------------------------------------------------------------------------------------------------------

    def entry(self, index: int) -> bytes | None:
        """See `View`."""
        made = self._entries.get(index)
        return super().entry(index) if made is None else made

    def alert(self, alert_id: bytes) -> KnownAlert | None:
        """See `View`."""
        made = self._alerts.get(alert_id)
        known = super().alert(alert_id) if made is None else made
        return known if known is None else self._written.alerts.get(known.index, known)

    def has_body(self, index: int) -> bool:
        """See `View`."""
        return index in self._bodies or super().has_body(index)

    def holds(self, digest: bytes) -> bool:
        """See `View`."""
        return digest in self._blobs or super().holds(digest)

    def needed(self, digest: bytes, *, besides: int) -> bool:
        """See `View`."""
        self.flush()
        return super().needed(digest, besides=besides)

    def alert_at(self, index: int) -> KnownAlert | None:
        """See `View`."""
        known = self._written.alerts.get(index)
        if known is None and (known := super().alert_at(index)) is not None:
            self._written.alerts[index] = known
        return known

    def opener(self, opener_id: bytes) -> KnownOpener | None:
        """See `View`."""
        known = self._written.openers.get(opener_id)
        if known is not None:
            self._written.openers.move_to_end(opener_id)
        elif (known := super().opener(opener_id)) is not None:
            self._written.openers[opener_id] = known
        return known

    def delivery(self, agency: str, index: int) -> Delivery | None:
        """See `View`."""
        parts = self._written.parts.get(index) or self._parts(index)
        return parts.delivery(agency) if parts is not None else None

    def spent(self, agency: str, kind: int) -> int:
        """See `View`."""
        until = self._written.spent.get((agency, kind))
        if until is None:
            until = self._written.spent[agency, kind] = super().spent(agency, kind)
        return until

    def _parts(self, index: int) -> Parts | None:
        parts = self._written.parts.get(index)
        if parts is None and (parts := super()._parts(index)) is not None:
            if len(self._written.parts) >= 2 * ALERTS:
                self.flush()  # one block may speak of any number of alerts
            self._written.parts[index] = parts
        return parts

    # -- writing -------------------------------------------------------------------------------------------------------

    def append(self, entry: bytes, changes: Changes) -> int:
        """See `BlockWriter`."""
        index = self._next
        self._entries[index] = entry
        self._record(index, changes)
        self._next += 1
        if len(self._entries) >= ENTRIES:
            self.flush()
        return index

    def supply(self, index: int, changes: Changes) -> None:
        """See `BlockWriter`."""
        self._record(index, changes)

    def put_tile(self, level: int, index: int, data: bytes) -> None:
        """See `BlockWriter`."""
        self._db.execute("INSERT INTO tile VALUES (?, ?)", (level << TILE_LEVEL_SHIFT | index, data))

    def put_body(self, index: int, data: bytes) -> None:
        """See `BlockWriter`."""
        self._bodies[index] = data
        self._count(data)

    def put_blob(self, digest: bytes, data: bytes) -> None:
        """See `BlockWriter`."""
        if self._blobs.setdefault(digest, data) is data:
            self._count(data)

    def _count(self, data: bytes) -> None:
        self._size += len(data)
        if self._size >= BLOBS:
            self.flush()

    def _record(self, index: int, changes: Changes) -> None:
        """Write what the entry at `index` changes."""
        self._written.changed = True
        if changes.alert is not None:
            self._alerts[changes.alert.id] = self._written.alerts[changes.alert.index] = changes.alert
        if changes.deliveries:
            self._deliver(changes.deliveries)
        for opener in changes.openers:
            self._written.openers[opener.id] = opener
            values = (opener.id, opener.sender, opener.recipient, opener.until)
            self._db.execute("INSERT OR REPLACE INTO opener VALUES (?, ?, ?, ?)", values)
        for digest in changes.attachments:
            self._db.execute("INSERT OR IGNORE INTO attachment_use VALUES (?, ?)", (digest, index))
            self._db.execute("UPDATE attachment SET used = 1 WHERE digest = ?", (digest,))
        if changes.notice is not None:
            self._notices.append((changes.notice, index))
        if changes.activation is not None:
            v = changes.activation
            self._db.execute(
                "INSERT INTO activation VALUES (?, ?, ?, ?, ?)", (v.version, v.index, v.role, v.role_version, v.digest)
            )
        for idle, since in changes.idle:
            known = self.alert_at(idle)
            if known is not None:
                self._written.alerts[idle] = replace(known, idle_since=since)
                self._idle[idle] = since
        for taken in changes.spent:
            self._written.spent[taken.agency, taken.kind] = taken.until
            self._taken.add((taken.agency, taken.kind))
        if changes.purge is not None:
            self.flush()
            self._written.alerts.pop(changes.purge.index, None)
            purge(self._db, changes.purge)

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        begun = -1
        for delivery in deliveries:
            index = delivery.index
            if index == begun:
                continue
            parts = self._moved.get(index) or self._parts(index)
            if parts is None or delivery.agency not in parts.place:
                self._begin([d for d in deliveries if d.index == index], parts)
                begun = index
                continue
            self._moved[index] = parts
            waits = delivery.standing is Standing.WAITING
            if waits != parts.waits(delivery.agency):
                self._wait(parts, (delivery.agency,), waits=waits)
            parts.put(delivery)
            if parts.escalates is not None:
                self._escalate(parts, delivery)

    def _begin(self, deliveries: Sequence[Delivery], before: Parts | None) -> None:
        """Keep the parts of an alert that is new, or that has new recipients."""
        earlier = [d for agency in before.agencies if (d := before.delivery(agency))] if before is not None else []
        parts = Parts.of([*earlier, *deliveries])
        if len(self._moved) >= ALERTS:
            self.flush()
        self._moved[parts.index] = self._written.parts[parts.index] = parts
        waiting = [agency for agency in parts.agencies if parts.waits(agency)]
        self._wait(parts, waiting, waits=True)
        self._wait(parts, set(parts.agencies).difference(waiting), waits=False)
        if parts.escalates is not None:
            for delivery in deliveries:
                self._escalate(parts, delivery)

    def _wait(self, parts: Parts, agencies: Iterable[str], *, waits: bool) -> None:
        """The alert waits for these, or does no longer."""
        place = (parts.rank, parts.index // STRETCH)
        stretch, bit = self._stretch(place), 1 << parts.index % STRETCH
        for agency in agencies:
            bits = stretch.get(agency, 0)
            stretch[agency] = bits | bit if waits else bits & ~bit
        self._touched.add(place)

    def _escalate(self, parts: Parts, delivery: Delivery) -> None:
        key = (delivery.agency, parts.escalates, parts.index)
        self._db.execute("DELETE FROM escalating WHERE agency = ? AND escalates = ? AND idx = ?", key)
        if delivery.standing is Standing.WAITING and delivery.escalated < Escalated.REACHED:
            row = (delivery.agency, int(delivery.escalated), parts.escalates, parts.index, parts.expires)
            self._db.execute("INSERT INTO escalating VALUES (?, ?, ?, ?, ?)", row)

    def _stretch(self, place: tuple[int, int]) -> dict[str, int]:
        stretch = self._written.stretches.get(place)
        if stretch is None:
            row = self._row("SELECT agencies FROM waiting WHERE rank = ? AND stretch = ?", *place)
            stretch = self._written.stretches[place] = read_waiting(row[0]) if row else {}
        return stretch

    def _circle(self, agencies: tuple[str, ...]) -> int:
        key = self._written.circles.get(agencies)
        if key is None:
            key = self._written.circles[agencies] = circle_key(self._db, agencies)
        return key

    def flush(self) -> None:
        """Write what the block changed and only memory has yet."""
        written = self._written
        _insert(self._db, "INSERT INTO entry VALUES ", list(self._entries.items()))
        rows = [(a.index, a.id, a.sender, a.fingerprint, a.leaf, a.idle_since) for a in self._alerts.values()]
        _insert(self._db, "INSERT INTO alert VALUES ", rows)
        _insert(self._db, "INSERT INTO body VALUES ", list(self._bodies.items()))
        _insert(self._db, "INSERT OR IGNORE INTO blob (digest, data) VALUES ", list(self._blobs.items()))
        _insert(self._db, "INSERT INTO notice VALUES ", self._notices)
        if self._idle:
            idle = [(since, index) for index, since in self._idle.items()]
            self._db.executemany("UPDATE alert SET idle_since = ? WHERE idx = ?", idle)
        if self._moved:
            parts_rows = [parts.row(self._circle(parts.agencies)) for parts in self._moved.values()]
            _insert(self._db, PUT_PARTS, parts_rows)
        for place in self._touched:
            packed = write_waiting(written.stretches[place])
            if packed:
                self._db.execute("INSERT OR REPLACE INTO waiting VALUES (?, ?, ?)", (*place, packed))
            else:
                self._db.execute("DELETE FROM waiting WHERE rank = ? AND stretch = ?", place)
                del written.stretches[place]
        if self._taken:
            shares = [(*key, written.spent[key]) for key in sorted(self._taken)]
            _insert(self._db, "INSERT OR REPLACE INTO spent VALUES ", shares)
        self._entries, self._alerts, self._bodies, self._blobs, self._notices, self._idle = {}, {}, {}, {}, [], {}
        self._moved, self._touched, self._taken, self._size = {}, set(), set(), 0
        written.trim()
