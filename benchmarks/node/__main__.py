"""Measure one node by itself, print what an alert costs it, and keep that.

python -m benchmarks.node [--rounds 5] [--to FOLDER]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import uvloop

from benchmarks.floors import crypto
from benchmarks.logs import keep_silent
from benchmarks.machine import machine
from benchmarks.node import floor
from benchmarks.node.receiving import Arrival, measure_receiving
from benchmarks.node.results import Row, node_table, save
from benchmarks.node.sending import Departure, measure_sending
from benchmarks.node.witnessing import measure_witnessed
from benchmarks.world import Parties, example_parties
from nodes.indexing import TOGETHER
from schemas.directory.witnesses import usual_quorum

SIZE = 1_024
"""Bytes of an alert's text, as in the comparison with other brokers."""
ARRIVALS = {
    "alert received, alone": Arrival(1, 1, 40),
    "alert received, alone, with a tree head to cosign": Arrival(1, 1, 40, head=True),
    "alert received, of 16 in a frame": Arrival(16, 1, 8),
    "alert received, of 16 in a frame, eight frames at once": Arrival(16, 8, 2),
}
DEPARTURES = {
    "alone": Departure(1, 30, 30),
    "of 32 handed in together": Departure(32, 2, 30),
}
ONE_BY_ONE = Departure(1, 6, 1)


async def measure(parties: Parties, rounds: int) -> list[Row]:
    """Every row of the table."""
    cost = {each.name: each.cost for each in crypto.floors()}
    received = await measure_receiving(parties, [*ARRIVALS.values()], rounds=rounds, size=SIZE)
    sent = await measure_sending(parties, [*DEPARTURES.values(), ONE_BY_ONE], rounds=rounds, size=SIZE)
    witnessed = await measure_witnessed(parties, rounds=rounds)
    count, quorum = len(parties.recipients), usual_quorum(len(parties.world.agencies))

    def rows() -> Iterator[Row]:
        for what, arrival in ARRIVALS.items():
            together = arrival.alerts * arrival.frames
            least = floor.receiving(cost, frame=arrival.alerts, receipt=together, head=arrival.head)
            yield Row(what, received.arrivals[arrival], least)
        yield Row(f"received alert entered into the search index, of {TOGETHER}", received.indexed, None)
        least = floor.witnessed(cost, cosignatures=quorum)
        yield Row(f"checkpoint that {quorum} cosigned", witnessed, least)
        for what, departure in DEPARTURES.items():
            yield Row(f"alert sent to {count}, {what}", sent[departure].alert, floor.sending(cost, recipients=count))
        for departure in (ONE_BY_ONE, *DEPARTURES.values()):
            least = floor.hearing(cost, frame=departure.receipts, alerts=departure.together)
            yield Row(_receipt(departure), sent[departure].said, least)

    return list(rows())


def _receipt(departure: Departure) -> str:
    among = "alone" if departure.receipts == 1 else f"of {departure.receipts} in a frame"
    about = f", each for {departure.together} alerts" if departure.together > 1 else ""
    return f"receipt of an alert sent, {among}{about}"


def main() -> None:
    """Parse the command line, measure, keep the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--to", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    keep_silent()
    where = machine()
    rows = uvloop.run(measure(example_parties(), options.rounds))
    options.to.mkdir(parents=True, exist_ok=True)
    save(rows, where, options.to)
    print(node_table(rows))


if __name__ == "__main__":
    main()
