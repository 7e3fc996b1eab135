"""Alerts this agency sends, from composed to accepted.

An alert enters with `add` and is durable from then on. The link seals it (`set_sealed`) and submits the sealed bytes
until the hub answers: `accept`, `refuse`, or `seal_again` when the bytes were made under facts that have changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, cast

import apsw

from nodes.store.alerts import AlertRow, Alerts
from nodes.store.deliveries import Deliveries
from nodes.store.entering import alert_row, insert_alerts, next_number
from nodes.store.events import Events
from nodes.store.fresh import Fresh, FreshAlerts, Load, Outgoing
from nodes.store.recipients import Recipients, circle_of
from nodes.store.relations import OWN_ONLY, OwnRelations
from nodes.store.resealings import Resealings
from nodes.store.rows import number as count
from nodes.store.rows import optional_number
from nodes.store.sent import Sent, SentAlerts
from nodes.store.topics import Topics
from schemas import codec, ids
from schemas.envelope.words import PRECEDENCE_RANK, PRECEDENCES, URGENT
from schemas.errors import NotFound, OutboxFull
from schemas.limits import MAX_OUTBOX, MAX_OUTBOX_BYTES

if TYPE_CHECKING:
    from schemas.alert.document import Alert

_HOUR_MS = 3_600_000
_SELECT = (
    "SELECT number, id, rank, expires, header, signature, body, directory, attempts, delays, not_before, carried "
    "FROM alert JOIN outgoing USING (number) WHERE "
)
_DUE = (
    "SELECT number FROM alert INDEXED BY alert_waiting JOIN outgoing USING (number) "  # else it looks at all ever sent
    "WHERE direction = 'out' AND state = 'waiting' AND rank NOT IN (?, ?, ?, ?) AND not_before <= ? "
    "AND NOT EXISTS (SELECT 1 FROM alert AS first WHERE first.direction = 'out' AND first.id = alert.related "
    "AND first.state = 'waiting') ORDER BY rank, number"
)


class Outbox:
    """Writes sent alerts."""

    def __init__(self, connection: apsw.Connection, topics: Topics, events: Events) -> None:
        self._db = connection
        self._topics = topics
        self._events = events
        self._fresh = FreshAlerts()
        self._load: Load | None = None
        self.deliveries = Deliveries(connection)
        self.resealings = Resealings(connection, self.deliveries)
        self.relations = OwnRelations(connection, events, self.deliveries)
        self.sent = SentAlerts(connection, events, self.deliveries)

    def add(self, alert: Alert, document: bytes, *, recipients: Sequence[str], now: int) -> int:
        """Take in a composed alert; returns its local number.

        `document` is `encode_alert(alert)`; `recipients` is whom it resolves to as things stand (they are resolved
        again when it is sealed). Raises `OutboxFull`: for what is urgent, a recall or a correction only at twice the
        number.
        """
        size = len(document) + sum(file.sealed_size for file in alert.attachments)
        self._check_room(alert, size)
        expires = None if alert.expires_hours is None else alert.composed + alert.expires_hours * _HOUR_MS
        alert_id, number = ids.parse_id(alert.id), next_number(self._db)
        row = alert_row(number, alert, document, direction="out", received=now, state="waiting", expires=expires)
        insert_alerts(self._db, [row], self._topics)
        self._db.execute("INSERT INTO outgoing (number, size) VALUES (?, ?)", (number, size))
        if self._load is not None:
            self._load.change(1, size)
        self.deliveries.begin(number, recipients, flash=alert.precedence == "flash", expires=expires, now=now)
        self.sent.hold(Sent(alert_id, number, None, None, relates=alert.relation is not None))
        if alert.relation is not None and alert.relation.type in OWN_ONLY:
            self.relations.begin(alert.relation.type, ids.parse_id(alert.relation.alert), alert_id)
        self._topics.add("outbox")
        waits = Outgoing(number, alert_id, PRECEDENCE_RANK[alert.precedence], expires)
        self._fresh.add(number, Fresh(waits, alert, document))
        return number

    def fresh(self, number: int) -> tuple[Alert, bytes] | None:
        """An alert that was not sealed yet and its document, once, if they are at hand; the store has them anyway."""
        fresh = self._fresh.pop(number)
        return None if fresh is None else (fresh.alert, fresh.document)

    def document(self, number: int) -> bytes:
        """An alert's wire map, encoded, from the store. Raises NotFound."""
        row = self._db.execute("SELECT document FROM alert WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise NotFound(f"this node holds no alert number {number}")
        return cast(bytes, row[0])

    def forget(self) -> None:
        """Have nothing at hand: some of it may have been rolled back."""
        self._fresh.clear()
        self._load = None
        self.deliveries.forget()
        self.sent.forget()

    def waiting(
        self, *, now: int, limit: int, except_numbers: Iterable[int] = (), except_ranks: Collection[int] = ()
    ) -> list[Outgoing]:
        """Alerts to be sent now, most urgent first, oldest first among equals.

        One that is about another alert of ours waits until that one is in the log: the hub takes no recall of an
        alert it does not know.
        """
        ranks = [*except_ranks, *([-1] * len(PRECEDENCES))][: len(PRECEDENCES)]
        left_out, found = set(except_numbers), list[int]()
        with closing(self._db.execute(_DUE, (*ranks, now))) as rows:
            for (number,) in rows:
                if number not in left_out:
                    found.append(cast(int, number))
                    if len(found) == limit:
                        break
        return [self.get(number) for number in found]

    def get(self, number: int) -> Outgoing:
        """One alert on its way. Raises NotFound when it is not, or no longer."""
        if (fresh := self._fresh.get(number)) is not None:
            return fresh.waits
        row = self._db.execute(
            _SELECT + "number = ?",
            (number,),
        ).fetchone()
        if row is None:
            raise NotFound(f"alert number {number} is not on its way")
        return Outgoing(*row)

    def to_export(self, *, after: int) -> Outgoing | None:
        """The next alert behind local number `after` that is not yet in the log, whenever it is due.

        In the order they were composed: one that is about another comes after it, in one file.
        """
        row = self._db.execute(
            _SELECT + "direction = 'out' AND state = 'waiting' AND number > ? ORDER BY number LIMIT 1", (after,)
        ).fetchone()
        return None if row is None else Outgoing(*row)

    def sealed_as(self, ref: bytes) -> Outgoing | None:
        """The alert on its way whose header and signature have a SHA-256 that begins with these bytes."""
        rows = self._db.execute(
            "SELECT number, header, signature FROM alert JOIN outgoing USING (number) WHERE body IS NOT NULL"
        )
        for number, header, signature in rows:
            if ids.sha256(header + signature).startswith(ref):
                return self.get(number)
        return None

    def mark_exported(self, number: int, carried: bytes, *, now: int) -> None:
        """These sealed bytes go on removable media: no others are made before the hub has refused them."""
        self._db.execute("UPDATE outgoing SET exported = ?, carried = ? WHERE number = ?", (now, carried, number))

    def exported(self, number: int) -> int | None:
        """When (ms) an alert that waits went on removable media the last time; None if it does not, or did not."""
        return optional_number(self._db, "SELECT max(exported) FROM outgoing WHERE number = ?", (number,))

    def count_exported(self) -> int:
        """How many of those that wait went on removable media."""
        return count(self._db, "SELECT count(*) FROM outgoing WHERE exported IS NOT NULL")

    def next_due(self, *, now: int) -> int | None:
        """The time (ms) at which the next postponed alert is to be tried, or None."""
        return optional_number(
            self._db, "SELECT min(not_before) FROM outgoing WHERE not_before > 0 AND not_before > ?", (now,)
        )

    def count_waiting(self) -> int:
        """How many alerts are not yet in the log."""
        return count(self._db, "SELECT count(*) FROM outgoing")

    def waiting_bytes(self) -> int:
        """The bytes of these, with the attachments that they name."""
        return count(self._db, "SELECT coalesce(sum(size), 0) FROM outgoing")

    def known(self) -> int:
        """One more than the highest log index at which an alert of ours stands, as we were told; 0 for none."""
        sql = "SELECT max(log_index) + 1 FROM alert WHERE direction = 'out' AND log_index IS NOT NULL"
        return count(self._db, sql)

    def logged_from(self, index: int) -> list[AlertRow]:
        """Our alerts that stand in the log at `index` or later, as we were told, in the order of the log."""
        rows = self._db.execute(
            "SELECT id FROM alert WHERE direction = 'out' AND log_index IS NOT NULL AND log_index >= ? "
            "AND state = 'accepted' ORDER BY log_index",
            (index,),
        ).fetchall()
        alerts = Alerts(self._db)
        return [row for (alert_id,) in rows if (row := alerts.get("out", cast(bytes, alert_id))) is not None]

    def reopen(self, number: int, *, body: bytes | None, directory: int, lost: bool, now: int) -> None:
        """Submit an alert once more that was accepted before: these bytes or, without a body, sealed afresh.

        With `lost` it is no longer in the log: recipients of whom nothing was heard wait again, and its place is
        forgotten.
        """
        self._db.execute("UPDATE alert SET state = 'waiting' WHERE number = ?", (number,))
        if lost:
            self.sent.forget()
            self._db.execute("UPDATE alert SET log_index = NULL, leaf = NULL WHERE number = ?", (number,))
            self.deliveries.move(number, ("accepted",), "waiting", now)
        self._db.execute(
            "INSERT OR REPLACE INTO outgoing (number, body, sealed, directory) VALUES (?, ?, ?, ?)",
            (number, body, None if body is None else now, None if body is None else directory),
        )
        self._load = None
        self._topics.add("outbox")

    def set_sealed(
        self,
        outgoing: Outgoing,
        *,
        header: bytes,
        signature: bytes,
        body: bytes,
        directory: int,
        expires: int,
        recipients: Sequence[str],
        now: int,
    ) -> None:
        """Keep the sealed bytes of what waits: these and no others are submitted until the hub answers.

        When they are not the first, or for others than the officer was told, that is noted.
        """
        number = outgoing.number
        self._fresh.pop(number)
        told = self.deliveries.get(number)
        same = told.circle is circle_of(recipients)
        if outgoing.header is not None or not same:
            self.resealings.note(number, told=told.agencies, directory=directory, now=now)
        self._db.execute(
            "UPDATE alert SET header = ?, signature = ?, expires = ? WHERE number = ?",
            (header, signature, expires, number),
        )
        self._db.execute(
            "UPDATE outgoing SET body = ?, sealed = ?, directory = ? WHERE number = ?", (body, now, directory, number)
        )
        if not (same and told.all_are("waiting")):  # else nothing is new of them, until it is accepted
            self.deliveries.put(Recipients.new(number, recipients, now=now))

    def accept(self, alert_id: bytes, index: int, *, now: int) -> None:
        """The hub logged it at `index`: the sealed body is no longer needed here."""
        sent = self.sent.find(alert_id)
        if sent is None:
            return
        first = self._finish(sent.number, alert_id, "accepted", index=index, now=now)
        if not first and sent.index != index:
            self._db.execute("UPDATE alert SET log_index = ? WHERE number = ?", (index, sent.number))
        sent.index = index
        self.deliveries.move(sent.number, ("waiting",), "accepted", now)
        if first and sent.relates:
            self.relations.settle(alert_id, now=now)

    def adopt(
        self,
        alert_id: bytes,
        index: int,
        *,
        header: bytes,
        signature: bytes,
        expires: int,
        recipients: Sequence[str],
        now: int,
    ) -> None:
        """The log holds it at `index` under this header: it was sent before this store was restored from a backup."""
        number = self._number(alert_id)
        self._db.execute(
            "UPDATE alert SET header = ?, signature = ?, expires = ?, state = 'waiting', message = NULL, hint = NULL "
            "WHERE number = ?",
            (header, signature, expires, number),
        )
        told = self.deliveries.get(number)
        told.become(recipients, now=now)
        self.deliveries.put(told)
        self.accept(alert_id, index, now=now)

    def refuse(self, alert_id: bytes, code: str, message: str, hint: str, *, now: int, state: str = "refused") -> None:
        """It will not be sent: `refused` for a reason the officer must know, or `expired`."""
        number = self._number(alert_id)
        self._finish(number, alert_id, state, code=code, now=now)
        self._db.execute(
            "UPDATE alert SET code = ?, message = ?, hint = ? WHERE number = ?", (code, message, hint, number)
        )
        self.deliveries.move(number, ("waiting",), state, now, code=code)
        self.relations.undo(alert_id)

    def seal_again(self, alert_id: bytes, *, code: str, not_before: int, anew: bool = False) -> None:
        """Drop the sealed bytes; the alert is sealed afresh no sooner than `not_before`.

        With `anew` under a newer directory, whose attempts are counted from the first.
        """
        self._db.execute(
            "UPDATE outgoing SET body = NULL, sealed = NULL, directory = NULL, exported = NULL, carried = NULL, "
            "not_before = ?, attempts = CASE WHEN ? THEN 0 ELSE attempts + 1 END WHERE number = ?",
            (not_before, anew, self._changed(alert_id)),
        )
        self._db.execute("UPDATE alert SET code = ? WHERE direction = 'out' AND id = ?", (code, alert_id))
        self._topics.add("outbox")

    def directory_changed(self, *, now: int) -> None:
        """A newer directory is held: what waits to be sealed again need not wait any longer."""
        self._db.execute("UPDATE outgoing SET attempts = 0, not_before = ? WHERE body IS NULL AND attempts > 0", (now,))
        if self._db.changes():
            self._topics.add("outbox")

    def postpone(self, alert_id: bytes, *, code: str, not_before: int, delayed: bool = False) -> None:
        """Submit the same bytes again, no sooner than `not_before`; `delayed` for no fault of the alert's."""
        self._db.execute(
            "UPDATE outgoing SET attempts = attempts + ?, delays = delays + ?, not_before = ? WHERE number = ?",
            (not delayed, delayed, not_before, self._changed(alert_id)),
        )
        self._db.execute("UPDATE alert SET code = ? WHERE direction = 'out' AND id = ?", (code, alert_id))
        self._topics.add("outbox")

    def put_off(self, number: int) -> int | None:
        """Until when (ms) the hub put an alert off; None when it never did, or the alert is not on its way."""
        return optional_number(self._db, "SELECT not_before FROM outgoing WHERE number = ? AND delays > 0", (number,))

    def expire(self, *, now: int) -> None:
        """Alerts that never left this node before they expired go nowhere at all.

        One that may have, and whose answer was lost, is left to the hub's answer.
        """
        rows = self._db.execute(
            "SELECT id FROM outgoing CROSS JOIN alert USING (number) WHERE body IS NULL AND expires <= ?", (now,)
        ).fetchall()
        for (alert_id,) in rows:
            text = "the alert expired before it could be sent"
            self.refuse(
                cast(bytes, alert_id),
                "alert-expired",
                text,
                "send it again if it still matters",
                now=now,
                state="expired",
            )

    def never_left(self, alert_id: bytes) -> bool:
        """Whether the alert waits here, and no sealed form of it is that the hub could have taken in."""
        return bool(
            count(
                self._db,
                "SELECT count(*) FROM outgoing JOIN alert USING (number) "
                "WHERE direction = 'out' AND id = ? AND state = 'waiting' AND body IS NULL",
                (alert_id,),
            )
        )

    def withdraw(self, alert_id: bytes, *, now: int) -> None:
        """Take back an alert that never left, and what waits here that is about it: nobody is sent any of it."""
        number = self._number(alert_id)
        self._finish(number, alert_id, "withdrawn", now=now)
        self.deliveries.move(number, ("waiting",), "withdrawn", now)
        self.relations.undo(alert_id)
        about = self._db.execute(
            "SELECT id FROM alert WHERE direction = 'out' AND state = 'waiting' AND related = ?", (alert_id,)
        ).fetchall()
        for (other,) in about:
            self.withdraw(cast(bytes, other), now=now)
        self._topics.add("outbox")

    def _check_room(self, alert: Alert, size: int) -> None:
        """A recall must not wait behind the flood that it may be about, so it has the room of a `flash`."""
        withdraws = alert.relation is not None and alert.relation.type in OWN_ONLY
        times = 2 if withdraws or PRECEDENCE_RANK[alert.precedence] < URGENT else 1
        load = self._load = self._load or Load(self.count_waiting(), self.waiting_bytes())
        if load.alerts >= MAX_OUTBOX * times or load.bytes + size > MAX_OUTBOX_BYTES * times:
            raise OutboxFull(f"{load.alerts:,} alerts wait in the outbox already, so this one was not taken in")

    def _finish(
        self, number: int, alert_id: bytes, state: str, *, now: int, code: str | None = None, index: int | None = None
    ) -> bool:
        self._db.execute(
            "UPDATE alert SET state = ?, code = NULL, log_index = coalesce(?, log_index) "
            "WHERE number = ? AND state = 'waiting'",
            (state, index, number),
        )
        first = self._db.changes() > 0
        if first:
            resealed = self.resealings.get(number)
            data: dict[str, codec.Value] = {
                "alert": ids.format_id(alert_id),
                "direction": "out",
                "state": state,
                "code": code,
            }
            if resealed is not None:
                data |= {"directory": resealed.directory}
                data |= {"added": list(resealed.added), "dropped": list(resealed.dropped)}
            self._events.add("state", data, now=now)
        self._fresh.pop(number)
        gone = self._db.execute("DELETE FROM outgoing WHERE number = ? RETURNING size", (number,)).fetchone()
        if gone is not None and self._load is not None:
            self._load.change(-1, -cast(int, gone[0]))
        return first

    def _changed(self, alert_id: bytes) -> int:
        """The number of an alert whose row says something else from now on than when it was added."""
        number = self._number(alert_id)
        self._fresh.pop(number)
        return number

    def _number(self, alert_id: bytes) -> int:
        return count(self._db, "SELECT number FROM alert WHERE direction = 'out' AND id = ?", (alert_id,))
