"""Lists, single alerts, search and events, as the local API shows them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from nodes.store.alerts import Filter
from nodes.store.store import Store
from nodes.views import (
    carried_view,
    dead_letter_view,
    delivery_view,
    document_view,
    header_view,
    optional_id,
    proof_view,
    quarantine_view,
    resealing_view,
    summary,
)
from schemas.alert.codes import Kind
from schemas.errors import Malformed
from schemas.ids import format_id, parse_id

if TYPE_CHECKING:
    from nodes.store.alerts import AlertRow
    from nodes.store.database import Tables
    from nodes.store.events import Event

__all__ = ["DEFAULT_PAGE", "MAX_PAGE", "Reading"]

DEFAULT_PAGE = 50
MAX_PAGE = 500
"""Alerts in one list: what an answer of a megabyte can hold."""

EVENTS_AT_ONCE = 256

INBOX_STATES = ("unread", "read", "actioned", "all")


class Reading:
    """Reads one node's store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def inbox(
        self,
        *,
        state: str = "all",
        limit: int = DEFAULT_PAGE,
        before: str | None = None,
        kind: str | None = None,
        sender: str | None = None,
        operation: str | None = None,
    ) -> dict[str, Any]:
        """Received alerts, newest first. Raises `Malformed` for a word or number out of range, and `NotFound`."""
        _check_word("state", state, INBOX_STATES)
        wanted = Filter("in", None if state == "all" else state, kind, sender, operation, limit=limit)
        return await self._page(wanted, before)

    async def sent(
        self,
        *,
        state: str | None = None,
        limit: int = DEFAULT_PAGE,
        before: str | None = None,
        kind: str | None = None,
        operation: str | None = None,
    ) -> dict[str, Any]:
        """Sent alerts, newest first, each with its recipients by state. Raises as `inbox` does."""
        return await self._page(Filter("out", state, kind, None, operation, limit=limit), before)

    async def alert(self, text: str) -> dict[str, Any]:
        """Everything about one alert. Raises `BadId` or `NotFound`."""

        def look(tables: Tables) -> dict[str, Any]:
            row = tables.alerts.find(text)
            content = tables.alerts.content(row.number)
            proof = tables.alerts.proof(row.number)
            view: dict[str, Any] = {
                "direction": row.direction,
                "alert": document_view(content),
                "header": header_view(content),
                "index": row.index,
                "received": row.received,
                "expires": row.expires,
                "state": row.state,
                "recalled_by": optional_id(row.recalled_by),
                "corrected_by": optional_id(row.corrected_by),
                "refusal": _refusal(row),
                "proof": proof_view(row, proof),
                "carried": carried_view(proof),
                "thread": [format_id(other.id) for other in tables.alerts.thread(row.id)],
            }
            if row.direction == "out":
                view["recipients"] = [delivery_view(delivery) for delivery in tables.alerts.deliveries(row.number)]
                view["recall_state"] = _state(tables, row.recalled_by)
                view["waits"] = _waits(tables, row)
                view["exported"] = tables.outbox.exported(row.number)
                view["resealed"] = resealing_view(tables.outbox.resealings.get(row.number))
            return view

        return await self._store.read(look)

    async def search(self, query: str, *, limit: int = DEFAULT_PAGE) -> dict[str, Any]:
        """Alerts of both directions that hold all words of `query`, newest first."""
        _check_limit(limit)

        def look(tables: Tables) -> dict[str, Any]:
            return {"alerts": _summaries(tables, tables.alerts.search(query, limit=limit))}

        return await self._store.read(look)

    async def quarantine(self) -> dict[str, Any]:
        """What arrived and failed a check, newest first."""
        items = await self._store.read(lambda tables: tables.quarantine.newest())
        return {"quarantine": [quarantine_view(item) for item in items]}

    async def dead_letters(self) -> dict[str, Any]:
        """Deliveries to handlers that were given up, newest first."""
        jobs = await self._store.read(lambda tables: tables.jobs.dead())
        return {"dead_letters": [dead_letter_view(job) for job in jobs]}

    async def last_event(self) -> int:
        """The number of the newest event."""
        return await self._store.read(lambda tables: tables.events.last())

    async def events(self, after: int) -> AsyncGenerator[list[dict[str, Any]]]:
        """Events behind number `after`, in batches, and then each as soon as it happens. Never ends by itself."""
        while True:
            revision = self._store.revision("events")
            batch = await self._store.read(lambda tables: _events(tables, after))  # noqa: B023  (done before it changes)
            if batch:
                after = batch[-1]["seq"]
                yield batch
            else:
                await self._store.wait("events", revision)

    async def _page(self, wanted: Filter, before: str | None) -> dict[str, Any]:
        _check_limit(wanted.limit)
        if wanted.kind is not None:
            _check_word("kind", wanted.kind, get_args(Kind))

        def look(tables: Tables) -> dict[str, Any]:
            number = None if before is None else tables.alerts.find(before).number
            rows = tables.alerts.page(replace(wanted, before=number))
            return {"alerts": _summaries(tables, rows)}

        return await self._store.read(look)


def _summaries(tables: Tables, rows: Sequence[AlertRow]) -> list[dict[str, Any]]:
    counts = tables.alerts.counts([row.number for row in rows if row.direction == "out"])
    return [summary(row, counts.get(row.number), _waits(tables, row)) for row in rows]


def _waits(tables: Tables, row: AlertRow) -> dict[str, Any] | None:
    """Why the hub put off an alert that is still in the outbox, and until when."""
    if row.direction != "out" or row.state != "waiting" or row.code is None:
        return None
    until = tables.outbox.put_off(row.number)
    return None if until is None else {"code": row.code, "until": until}


def _events(tables: Tables, after: int) -> list[dict[str, Any]]:
    return [_event(tables, event) for event in tables.events.after(after, limit=EVENTS_AT_ONCE)]


def _event(tables: Tables, event: Event) -> dict[str, Any]:
    """The event; an arrival also with its title, for a reader who watches a list grow."""
    view: dict[str, Any] = event.as_dict()
    if event.type == "alert":
        row = tables.alerts.get("in", parse_id(str(event.data["alert"])))
        if row is not None:
            view["title"] = row.title
    return view


def _refusal(row: AlertRow) -> Mapping[str, str | None] | None:
    """Why an alert was refused; what still waits was not, whatever the hub said of it so far."""
    if row.code is None or row.state == "waiting":
        return None
    return {"code": row.code, "message": row.message, "hint": row.hint}


def _state(tables: Tables, alert_id: bytes | None) -> str | None:
    """How far an alert of ours came."""
    row = None if alert_id is None else tables.alerts.get("out", alert_id)
    return None if row is None else row.state


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_PAGE:
        raise Malformed(f"limit must be from 1 to {MAX_PAGE}", hint="Ask for the next page with before.")


def _check_word(name: str, word: str, words: Sequence[str]) -> None:
    if word not in words:
        raise Malformed(f"{name} {word[:40]!a} is not known", hint=f"Use one of {', '.join(words)}.")
