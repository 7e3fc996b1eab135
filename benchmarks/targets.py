"""What was to be reached, as ratios within one run, and what was."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.brokers.results import Results
from benchmarks.brokers.tables import NOT_DURABLE, OURS, best_peer
from benchmarks.floors.timing import Floor
from benchmarks.floors.total import Sharing, floor_of
from benchmarks.markdown import figure, table

Row = tuple[str, str, str, bool]


def table_of(results: Results, floors: Sequence[Floor], sharing: Sharing | None) -> str:
    """One row for each target that these results can tell of."""
    rows = [_throughput(results), _broker(results)]
    if any(not paced.share for paced in results.paced.get(OURS, [])):
        rows.append(_latency(results))
    if floors and sharing is not None:
        least = sum(floor_of({floor.name: floor.cost for floor in floors}, sharing.unbatched()).values())
        ours = median(load.cpu for load in results.load[OURS])
        told = f"{figure(ours)} µs of {figure(least)} µs: {figure(ours / least)} ×"
        rows.append(
            ("processor time of all parties", "≤ 1.5 × the floor of its cryptography", told, ours <= 1.5 * least)
        )
    cells = [[what, target, told, "yes" if reached else "**no**"] for what, target, told, reached in rows]
    return table(["figure", "target", "measured", "reached"], cells, words=4) + "\n" + _wall(results, floors, sharing)


def _wall(results: Results, floors: Sequence[Floor], sharing: Sharing | None) -> str:
    """What all parties together may take for a delivery, as sentences."""
    cores = results.cores
    _, best = best_peer(results.load, lambda load: load.rate, highest=True)
    ours = median(load.cpu for load in results.load[OURS])
    allowed = cores * 1e6 / (2 * best)
    told = (
        f"All parties share {cores} cores here: at {figure(ours)} µs a delivery no more than"
        f" {cores * 1e6 / ours:,.0f} a second are possible, and twice the best peer leaves {figure(allowed)} µs."
    )
    if floors and sharing is not None:
        least = sum(floor_of({floor.name: floor.cost for floor in floors}, sharing.unbatched()).values())
        told += (
            f" The cryptography alone takes {figure(least)} µs of those, which is {cores * 1e6 / least:,.0f} a second."
        )
    return told + "\n"


def _throughput(results: Results) -> Row:
    name, best = best_peer(results.load, lambda load: load.rate, highest=True)
    ours = median(load.rate for load in results.load[OURS])
    told = f"{ours:,.0f} against {best:,.0f} ({name}): {figure(ours / best)} ×"
    return "deliveries a second", "≥ 2 × the best peer", told, ours >= 2 * best


def _broker(results: Results) -> Row:
    durable = {name: rounds for name, rounds in results.load.items() if name not in NOT_DURABLE}
    name, best = best_peer(durable, lambda load: load.broker_cpu, highest=False)
    ours = median(load.broker_cpu for load in results.load[OURS])
    told = f"{figure(ours)} µs against {figure(best)} µs ({name})"
    return "the hub's processor time of a delivery", "≤ the best durable peer's", told, ours <= best


def _latency(results: Results) -> Row:
    given = {name: [paced for paced in rounds if not paced.share] for name, rounds in results.paced.items()}
    name, best = best_peer(given, lambda paced: paced.p99, highest=False)
    ours = median(paced.p99 for paced in given[OURS])
    told = f"{figure(ours)} ms against {figure(best)} ms ({name}): {figure(ours / best)} ×"
    return f"p99 at {given[OURS][0].rate:g} alerts a second", "≤ half the best peer's", told, ours <= best / 2
