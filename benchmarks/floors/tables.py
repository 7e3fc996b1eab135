"""The floors as tables: each by itself, and their sum for a delivery beside what we take."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.brokers.results import Load, Results
from benchmarks.floors.timing import Floor
from benchmarks.floors.total import FORMULA, Sharing, floor_of
from benchmarks.markdown import figure, table


def floor_table(floors: Sequence[Floor]) -> str:
    """Each floor, and whether it is processor time or time that passed."""
    rows = [[floor.what, figure(floor.cost), "passed" if floor.real else "processor"] for floor in floors]
    return table(["what", "µs", "time"], rows)


def sharing_of(results: Results, name: str) -> Sharing | None:
    """By how much the costs were shared in the throughput rounds of that broker; None if it was not measured."""
    rounds = results.load.get(name, [])
    if not rounds or not all(load.block_deliveries for load in rounds):
        return None
    return Sharing(
        results.recipients,
        *(
            median(getattr(load, field) for load in rounds)
            for field in ("receipt_alerts", "block_deliveries", "sent", "received")
        ),
    )


def sum_table(floors: Sequence[Floor], sharing: Sharing, rounds: Sequence[Load]) -> str:
    """The formula with the numbers of this run, and our distance from it by party."""
    cost = {floor.name: floor.cost for floor in floors}
    least, batched = floor_of(cost, sharing.unbatched()), floor_of(cost, sharing)
    ours = {
        "hub": median(load.broker_cpu for load in rounds),
        "sender": median(load.sender_cpu for load in rounds),
        "recipient": median(load.recipient_cpu for load in rounds),
    }
    for each in (least, batched, ours):
        each["all"] = sum(each.values())
    rows = [
        [party, *map(figure, (least[party], batched[party], took, took / least[party]))] for party, took in ours.items()
    ]
    told = (
        f"In this run n = {sharing.recipients}, r = {figure(sharing.receipt_alerts)},"
        f" d = {figure(sharing.block_deliveries)}; the hub sends {sharing.sent:,.0f} bytes for a delivery and receives"
        f" {sharing.received:,.0f}.\n"
    )
    return f"```\n{FORMULA}```\n\n{told}\n" + table(
        ["party", "floor µs", "with the r and d of this run", "takes µs", "times the floor"], rows
    )
