"""What an alert costs the hub, part by part: taking it in, delivering it, taking in its receipts; then all at once.

The parts come one after the other, so that each is known by itself: recipients give no credit at first, then all of it,
then their receipts.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from itertools import pairwise

from benchmarks import usage
from benchmarks.scale.clients import Client, connected
from benchmarks.scale.hub import RunningHub
from schemas.session.frames import Submit

PER_RECEIPT = 10
"""Alerts that a receipt covers where receipts come by themselves: about what a node's do under load."""
RECEIPTS_UNDER_WAY = 8
WARM_UP = 40


@dataclass(frozen=True, slots=True)
class Flow:
    """Processor time of the hub in µs: of an alert taken in, of a delivery, of a delivery's receipt; and of an alert
    with all its deliveries and receipts when they come as in use."""

    alert: float
    delivery: float
    receipt: float
    live: float
    seconds: float
    """Wall clock of the last part."""


async def measure_flow(
    hub: RunningHub, *, alerts: int, recipients: int, body: int = 1_024, in_flight: int = 32
) -> Flow:
    """Send `alerts` twice, from one agency to so many others, with bodies of so many bytes."""
    sender, *others = hub.files.world.agencies[: recipients + 1]
    async with connected(hub, [sender, *others]) as (source, *targets):
        await send_live(source, targets, source.compose(WARM_UP, others, body=body), in_flight)
        for target in targets:
            target.receipting = False
        parts = source.compose(alerts, others, body=body)
        marks = [usage.cpu(hub.pid)]
        await source.submit(parts, in_flight=in_flight)
        marks.append(usage.cpu(hub.pid))
        await _deliver(targets, alerts)
        marks.append(usage.cpu(hub.pid))
        await _receipt(source, targets, alerts)
        marks.append(usage.cpu(hub.pid))
        together = source.compose(alerts, others, body=body)
        started = time.perf_counter()
        before = usage.cpu(hub.pid)
        await send_live(source, targets, together, in_flight)
        live = usage.cpu(hub.pid) - before
        seconds = time.perf_counter() - started
    taken, sent, acknowledged = (b - a for a, b in pairwise(marks))
    deliveries = alerts * recipients
    return Flow(
        taken / alerts * 1e6, sent / deliveries * 1e6, acknowledged / deliveries * 1e6, live / alerts * 1e6, seconds
    )


async def _deliver(targets: list[Client], alerts: int) -> None:
    wanted = {target.agency: len(target.delivered) + alerts for target in targets}
    await asyncio.gather(*(target.grant(alerts) for target in targets))
    for target in targets:
        await target.until(lambda target=target: len(target.delivered) >= wanted[target.agency])  # type: ignore[misc]  # mypy cannot infer a lambda with a default


async def _receipt(source: Client, targets: list[Client], alerts: int) -> None:
    notices = source.notices
    each = -(-alerts // PER_RECEIPT)

    async def of(target: Client) -> None:
        before, fresh = target.results, target.delivered[-alerts:]
        for sent in range(each):
            await target.until(lambda: sent - (target.results - before) < RECEIPTS_UNDER_WAY)  # noqa: B023  # waited for at once
            await target.receipt(fresh[sent * PER_RECEIPT : (sent + 1) * PER_RECEIPT])
        await target.until(lambda: target.results - before == each)

    await asyncio.gather(*(of(target) for target in targets))
    await source.until(lambda: source.notices - notices >= each * len(targets))


async def send_live(source: Client, targets: list[Client], alerts: list[Submit], in_flight: int) -> None:
    """All at once: until every delivery has its receipt in the log."""
    wanted = {target.agency: len(target.delivered) + len(alerts) for target in targets}
    for target in targets:
        target.receipting = True
        await target.grant(len(alerts))
    await source.submit(alerts, in_flight=in_flight)
    for target in targets:
        await target.until(lambda target=target: len(target.delivered) >= wanted[target.agency])  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    for client in (source, *targets):
        await client.until(lambda client=client: client.answered)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
