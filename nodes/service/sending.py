"""Taking alerts in: composed, then durable in the outbox before anybody is told that they will be sent.

Who hands a document over may choose the alert's id. The same id then stands for the same alert however often it is
handed over, so that a crash between doing and hearing of it does not make two of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nodes.ports import Clock, Random
from nodes.service import relations
from nodes.service.attachments import SealedFile, seal_files
from nodes.service.compose import Composed, Composer, resolution_view
from nodes.standing import Standing
from nodes.store.relations import OWN_ONLY
from nodes.store.store import Store
from schemas.errors import DirectoryRefusal, WrongState
from schemas.ids import format_id, parse_id, uuid7

if TYPE_CHECKING:
    from nodes.store.alerts import AlertRow
    from nodes.store.database import Tables

__all__ = ["Sending"]


class Sending:
    """Sends alerts in one agency's name."""

    def __init__(self, store: Store, standing: Standing, composer: Composer, clock: Clock, random: Random) -> None:
        self._store = store
        self._standing = standing
        self._composer = composer
        self._clock = clock
        self._random = random

    async def send(
        self,
        document: Mapping[str, Any],
        *,
        attachments: Sequence[object] = (),
        officer: str | None = None,
        dry_run: bool = False,
        alert_id: bytes | None = None,
    ) -> dict[str, Any]:
        """Compose an alert and queue it; durable when this returns. A dry run only says what would happen.

        An `alert_id` that was used before gives that alert, as it is now. Raises what `Composer.compose` and
        `seal_files` raise, `OutboxFull`, and the store's faults.
        """
        if alert_id is not None and not dry_run:
            known = await self._store.read(lambda tables: _known(tables, alert_id))
            if known is not None:
                return known
        return await self._send(document, attachments, officer, dry_run, alert_id=alert_id)

    async def reply(
        self,
        to: str,
        *,
        narrative: str | None = None,
        document: Mapping[str, Any] | None = None,
        attachments: Sequence[object] = (),
        officer: str | None = None,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Answer the sender of a received alert. Raises as `send` does, `NotFound`, `WrongState` for an own alert."""
        row, original = await self._original(to)
        if row.direction == "out":
            raise WrongState("this alert is your own, so there is nobody to reply to", hint="Use follow-up instead.")
        made = relations.reply(original, narrative=narrative, document=document)
        return await self._send(made, attachments, officer, dry_run)

    async def follow_up(
        self,
        to: str,
        *,
        narrative: str | None = None,
        document: Mapping[str, Any] | None = None,
        attachments: Sequence[object] = (),
        officer: str | None = None,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Add news to an alert, for all it was addressed to. Raises as `send` does, and `NotFound`."""
        _, original = await self._original(to)
        made = relations.follow_up(original, me=self._standing.agency, narrative=narrative, document=document)
        return await self._send(made, attachments, officer, dry_run)

    async def correct(
        self,
        of: str,
        *,
        narrative: str | None = None,
        reason: str | None = None,
        document: Mapping[str, Any] | None = None,
        attachments: Sequence[object] = (),
        officer: str | None = None,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Replace what an own alert said. Raises as `send` does, `NotFound`, and `WrongState` for another's alert."""
        row, original = await self._original(of)
        _check_own(row, "corrected")
        made = relations.correction(original, narrative=narrative, reason=reason, document=document)
        carried = original.get("attachments", ())
        recipients = await self._store.read(lambda t: [d.agency for d in t.alerts.deliveries(row.number)])
        return await self._send(self._reaching(made, recipients), attachments, officer, dry_run, carried=carried)

    async def recall(
        self, of: str, *, reason: str | None, officer: str | None = None, dry_run: bool = False
    ) -> dict[str, Any]:
        """Withdraw an own alert and its corrections, at everyone they were sent to. Raises as `correct` does.

        One that never left this node is taken back here, and nobody hears of it: its state is `withdrawn`.
        """
        row, _ = await self._original(of)
        _check_own(row, "recalled")
        wanted = await self._store.read(lambda tables: _with_corrections(tables, row))
        made = [
            self._composer.compose(
                self._reaching(relations.recall(sent.document, reason=reason), sent.recipients),
                alert_id=uuid7(self._clock(), self._random),
                officer=officer,
            )
            for sent in wanted
        ]
        if dry_run:
            return _preview(made[0])
        return await self._store.write(lambda tables: self._take_back(tables, wanted, made))

    def _take_back(self, tables: Tables, wanted: Sequence[_Sent], made: Sequence[Composed]) -> dict[str, Any]:
        """All or nothing; the answer is about the first."""
        answers = []
        for sent, composed in zip(wanted, made, strict=True):
            if tables.outbox.never_left(sent.row.id):
                tables.outbox.withdraw(sent.row.id, now=self._clock())
            now = tables.alerts.by_number(sent.row.number)
            if now.state == "withdrawn":  # by itself, or with the one that it corrects
                answers.append({"id": format_id(now.id), "state": now.state, "recipients": [], "warnings": []})
            else:
                answers.append(self._take_in(tables, composed, ()))
        return answers[0]

    async def _send(
        self,
        document: Mapping[str, Any],
        attachments: Sequence[object],
        officer: str | None,
        dry_run: bool,
        *,
        carried: Sequence[Mapping[str, Any]] = (),
        alert_id: bytes | None = None,
    ) -> dict[str, Any]:
        """`carried` are attachments of an earlier alert that this one shows too."""
        files = await asyncio.to_thread(seal_files, attachments, self._random) if attachments else ()
        composed = self._composer.compose(
            document,
            alert_id=alert_id or uuid7(self._clock(), self._random),
            officer=officer,
            attachments=[*carried, *(file.facts for file in files)],
        )
        if dry_run:
            await self._store.read(lambda tables: _check_related(tables, composed))
            return _preview(composed)
        return await self._store.write(lambda tables: self._take_in(tables, composed, files))

    def _take_in(self, tables: Tables, composed: Composed, files: Sequence[SealedFile]) -> dict[str, Any]:
        alert_id = parse_id(composed.alert.id)
        if (known := _known(tables, alert_id)) is not None:
            return known
        _check_related(tables, composed)
        now, recipients = self._clock(), composed.resolution.recipients
        tables.outbox.add(composed.alert, composed.document, recipients=recipients, now=now)
        for file in files:
            tables.attachments.add(file.digest, file.parts, now=now)
        return {
            "id": composed.alert.id,
            "state": "waiting",
            "recipients": list(recipients),
            "warnings": [asdict(warning) for warning in composed.warnings],
        }

    async def _original(self, text: str) -> tuple[AlertRow, dict[str, Any]]:
        def look(tables: Tables) -> tuple[AlertRow, dict[str, Any]]:
            row = tables.alerts.find(text)
            document = tables.alerts.content(row.number).document
            if not isinstance(document, dict):
                raise TypeError("a stored alert is a map")
            return row, dict(document)

        return await self._store.read(look)

    def _reaching(self, document: dict[str, Any], recipients: Sequence[str]) -> dict[str, Any]:
        """The document so addressed that it reaches all who were sent the original, whatever has changed since."""
        agencies = self._standing.directory.require_document().agencies
        present = [agency for agency in recipients if agency in agencies]
        try:
            reached = self._composer.explain(document).recipients
        except DirectoryRefusal:  # an operation that ended, a region that is gone
            reached = ()
        if not reached:  # they are named one by one instead
            return {**{name: value for name, value in document.items() if name != "operation"}, "to": present}
        return {**document, "to": [*document["to"], *(agency for agency in present if agency not in reached)]}


@dataclass(frozen=True, slots=True)
class _Sent:
    """An alert that was sent, what it says, and to whom."""

    row: AlertRow
    document: dict[str, Any]
    recipients: tuple[str, ...]


def _with_corrections(tables: Tables, row: AlertRow) -> list[_Sent]:
    """An own alert, and those that replace it: who was told the one was told the other."""
    thread = [other for other in tables.alerts.thread(row.id) if other.direction == "out"]
    found, ids = [row], {row.id}
    for other in sorted(thread, key=lambda one: one.number):  # a correction comes after what it corrects
        over = other.recalled_by is not None or other.state in OVER
        if other.relation == "correct" and other.related in ids and not over:
            found.append(other)
            ids.add(other.id)
    return [_sent(tables, one) for one in found]


def _sent(tables: Tables, row: AlertRow) -> _Sent:
    document = tables.alerts.content(row.number).document
    if not isinstance(document, dict):
        raise TypeError("a stored alert is a map")
    recipients = tuple(delivery.agency for delivery in tables.alerts.deliveries(row.number))
    return _Sent(row, dict(document), recipients)


OVER = ("refused", "expired", "withdrawn")
"""States of an alert that never left."""


def _known(tables: Tables, alert_id: bytes) -> dict[str, Any] | None:
    """The answer for an alert that was taken in before."""
    row = tables.alerts.get("out", alert_id)
    if row is None:
        return None
    recipients = [delivery.agency for delivery in tables.alerts.deliveries(row.number)]
    return {"id": format_id(row.id), "state": row.state, "recipients": recipients, "warnings": []}


def _check_related(tables: Tables, composed: Composed) -> None:
    relation = composed.alert.relation
    if relation is None or relation.type not in OWN_ONLY:
        return
    verb = {"correct": "corrected", "recall": "recalled"}[relation.type]
    row = tables.alerts.get("out", parse_id(relation.alert))
    if row is None:
        raise WrongState(f"only an alert sent from here can be {verb}", hint="Reply to its sender instead.")
    _check_own(row, verb)


def _check_own(row: AlertRow, verb: str) -> None:
    if row.direction != "out":
        raise WrongState(
            f"this alert is {row.sender}'s; only its sender can have it {verb}", hint="Reply to it instead."
        )
    if row.recalled_by is not None:
        raise WrongState(f"this alert was recalled already, so it cannot be {verb}", hint="Send a new alert.")
    if row.kind == "recall":
        raise WrongState(f"a recall cannot be {verb}", hint="Send a new alert that says what holds now.")
    if row.state in OVER:
        raise WrongState(f"this alert never left ({row.state}), so it cannot be {verb}", hint="Send a new alert.")


def _preview(composed: Composed) -> dict[str, Any]:
    """What a dry run tells: who would receive it and why, and what the hub would see."""
    alert = composed.alert
    return {
        **resolution_view(composed.resolution),
        "warnings": [asdict(warning) for warning in composed.warnings],
        "header_preview": {
            "sender": alert.sender,
            "directory": composed.directory,
            "topic": alert.kind,
            "precedence": alert.precedence,
            "marking": alert.marking,
            "status": alert.status,
            "operation": alert.operation,
            "modes": sorted(alert.modes),
            "subjects": list(composed.resolution.subjects),
            "address": list(alert.to),
            "relation": None if alert.relation is None else alert.relation.model_dump(),
            "expires_hours": alert.expires_hours,
            "attachments": len(alert.attachments),
        },
    }
