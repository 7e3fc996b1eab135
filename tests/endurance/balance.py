"""Whether the books agree: what was handed over, and what hub, recipients, senders and auditor each have of it.

The unit is one delivery: one alert for one of its recipients.

accepted   the sender's node knows the log index of the alert
delivered  it stands in the recipient's inbox, with its title and its attachment, once
receipted  the sender's node holds the recipient's signed `stored`
audited    an auditor with a copy of the log found the alert, its recipient and that receipt good
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.demo.exchange import Exchange, example_agencies
from nodes.client import Json
from schemas.directory.witnesses import usual_quorum
from schemas.errors import CrossbearingError
from schemas.ids import sha256
from tests.endurance.load import Handed

STORED = ("stored", "read", "actioned")
PAGE = 500
LOOK = 0.5
"""Seconds between two looks at books that do not agree yet."""
PATIENCE = 120.0
"""Seconds without any progress after which what is missing is called lost."""


@dataclass
class Balance:
    """The counts, and in words whatever does not agree."""

    alerts: int
    due: int
    accepted: int = 0
    delivered: int = 0
    receipted: int = 0
    audited: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def even(self) -> bool:
        """Whether nothing is lost, doubled or wrong."""
        counts = {self.due, self.accepted, self.delivered, self.receipted, self.audited}
        return len(counts) == 1 and not self.wrong

    def rows(self) -> list[tuple[str, str]]:
        """The counts by name, to be shown."""
        return [
            ("handed over", f"{self.alerts:,} alerts, {self.due:,} deliveries due"),
            *((name, f"{getattr(self, name):,}") for name in ("accepted", "delivered", "receipted", "audited")),
        ]


def wait_settled(exchange: Exchange, handed: Sequence[Handed], *, patience: float = PATIENCE) -> None:
    """Return when every delivery is receipted, or when `patience` seconds brought none closer to it."""
    never, senders = threading.Event(), sorted({alert.sender for alert in handed})
    due = sum(len(alert.recipients) for alert in handed)
    most, since = -1, time.monotonic()
    while (now := sum(_receipted(exchange, sender) for sender in senders)) < due:
        if now > most:
            most, since = now, time.monotonic()
        elif time.monotonic() - since > patience:
            return
        never.wait(LOOK)


def balance(exchange: Exchange, handed: Sequence[Handed], copy: Path) -> Balance:
    """Add up every book. The daemons must run; `copy` is the auditor's folder."""
    books = Balance(len(handed), sum(len(alert.recipients) for alert in handed))
    for sender in sorted({alert.sender for alert in handed}):
        _sender(exchange, sender, [alert for alert in handed if alert.sender == sender], books)
    for agency in exchange.agencies:
        _recipient(exchange, agency, [alert for alert in handed if agency in alert.recipients], books)
    exchange.audit_fetch(copy)
    report = exchange.audit_verify(copy)
    books.audited = sum(account[state] for account in report["agencies"] for state in STORED)
    if report["entries"].get("alert", 0) != len(handed):
        books.wrong.append(f"the auditor counts {report['entries'].get('alert', 0)} alerts")
    if not report["ok"]:
        books.wrong.append(f"the auditor found something: {report['findings']}")
    books.wrong += complaints(exchange)
    return books


def _receipted(exchange: Exchange, sender: str) -> int:
    try:
        rows = list(pages(exchange.client(sender).sent))
    except CrossbearingError:
        return 0  # still starting
    return sum(row["counts"].get(state, 0) for row in rows for state in STORED)


def _sender(exchange: Exchange, sender: str, handed: Sequence[Handed], books: Balance) -> None:
    rows = {row["id"]: row for row in pages(exchange.client(sender).sent)}
    for alert in handed:
        row = rows.pop(alert.id, None)
        if row is None:
            books.wrong.append(f"{alert.id}: confirmed to its sender {sender}, which does not know it")
            continue
        books.accepted += row["recipients_total"] if row["index"] is not None else 0
        books.receipted += sum(row["counts"].get(state, 0) for state in STORED)
        others = {state: count for state, count in row["counts"].items() if state not in STORED}
        if others:
            books.wrong.append(f"{alert.id} of {sender}: {others}")
    books.wrong += [f"{stranger}: sent by {sender}, handed over by nobody" for stranger in rows]


def _recipient(exchange: Exchange, agency: str, addressed: Sequence[Handed], books: Balance) -> None:
    client = exchange.client(agency)
    shown = list(pages(client.inbox))
    times = Counter(row["id"] for row in shown)
    titles = {row["id"]: (row["sender"], row["title"]) for row in shown}
    books.delivered += len(shown)
    for alert in addressed:
        if times[alert.id] != 1:
            books.wrong.append(f"{alert.id}: shown {times[alert.id]} times at {agency}")
        elif titles[alert.id] != (alert.sender, alert.title):
            books.wrong.append(f"{alert.id}: shown at {agency} as {titles[alert.id]}")
        elif alert.file is not None and sha256(_attachment(client.attachment, alert.id)) != alert.file:
            books.wrong.append(f"{alert.id}: its attachment is another one at {agency}")
    strangers = set(times) - {alert.id for alert in addressed}
    books.wrong += [f"{stranger}: shown at {agency}, addressed to it by nobody" for stranger in sorted(strangers)]
    books.wrong += [f"{agency} holds in quarantine: {item}" for item in client.quarantine()["quarantine"]]


def _attachment(fetch: Callable[[str, int], bytes], alert: str) -> bytes:
    """The attachment, which may still be on its way when the alert is there."""
    never, deadline = threading.Event(), time.monotonic() + PATIENCE
    while True:
        try:
            return fetch(alert, 1)
        except CrossbearingError:
            if time.monotonic() > deadline:
                raise
        never.wait(LOOK)


def pages(method: Callable[..., Json]) -> Iterator[Json]:
    """Every row of a list that comes in pages."""
    before = None
    while rows := method(limit=PAGE, before=before)["alerts"]:
        yield from rows
        if len(rows) < PAGE:
            return
        before = rows[-1]["id"]


def complaints(exchange: Exchange) -> list[str]:
    """What the daemons themselves call an unforeseen or grave failure, from their logs, and the hub's evidence."""
    quorum = len(exchange.agencies) >= usual_quorum(len(example_agencies()))
    found = [f"evidence at the hub: {file.name}" for file in sorted((exchange.broker_data / "evidence").glob("*"))]
    for path in sorted(exchange.logs.glob("*.log")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        found += [f"{path.name}: {line[:400]}" for line in lines if _grave(line, quorum=quorum)]
    return found


def _grave(line: str, *, quorum: bool) -> bool:
    """Whether a line of a log tells of one. Without enough witnesses the hub rightly misses its `quorum`."""
    if line.startswith("Traceback"):
        return True
    try:
        said = json.loads(line)
    except ValueError:
        return False
    if not isinstance(said, dict) or (said.get("event") == "quorum missing" and not quorum):
        return False
    return said.get("level") in {"critical", "error"}
