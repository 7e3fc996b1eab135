"""The stages of a delivery as a table."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.markdown import table
from benchmarks.profile.stages import REST


def stage_table(parties: Mapping[str, Mapping[str, float]], collections: Mapping[str, float]) -> str:
    """µs of a delivery by stage and party, the dearest stage first, then what is unexplained, and how much is not.

    What `collections` took is in the stages already.
    """
    stages = {stage for shares in parties.values() for stage in shares} - {REST}
    order = sorted(stages, key=lambda stage: -sum(shares.get(stage, 0.0) for shares in parties.values()))
    rows = [_row(stage, [shares.get(stage, 0.0) for shares in parties.values()]) for stage in [*order, REST]]
    totals = [sum(shares.values()) for shares in parties.values()]
    rows.append(_row("all", totals))
    known = [total - shares.get(REST, 0.0) for total, shares in zip(totals, parties.values(), strict=True)]
    shares = [f"{part / total:.0%}" for part, total in zip([*known, sum(known)], [*totals, sum(totals)], strict=True)]
    rows.append(["explained", *shares])
    rows.append(_row("of all, garbage collection", [collections[party] for party in parties]))
    return table(["stage", *(f"{party} µs" for party in parties), "all µs"], rows)


def _row(name: str, values: list[float]) -> list[str]:
    return [name, *(f"{value:.1f}" for value in [*values, sum(values)])]
