"""Percentiles, counts and rates of a round."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.brokers.figures import Disk, percentile
from benchmarks.brokers.plan import FEWEST, alerts_for
from benchmarks.brokers.processes import Usage
from benchmarks.brokers.results import Results, as_load, as_paced, load_results
from benchmarks.brokers.scenario import Scenario
from benchmarks.brokers.traffic import Traffic
from tests.support.measured import figures


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100), (0.0, 1)])
def test_a_percentile_is_one_of_the_values(share: float, expected: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1), st.sampled_from([0.01, 0.5, 0.99, 0.999]))
def test_at_least_that_share_does_not_exceed_a_percentile(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
    assert sum(value < found for value in values) < share * len(values) + 1e-6


def test_a_round_is_neither_longer_nor_shorter_than_it_may_be() -> None:
    assert alerts_for(100, 8, 500) == 500
    assert alerts_for(20, 8, 500) == 160
    assert alerts_for(0.01, 8, 500) == FEWEST


def test_times_are_of_one_delivery() -> None:
    made = figures(deliveries=1_000, seconds=2.0, broker=0.012, sender=0.1, recipients=0.2)
    assert made.rate == 500
    assert (made.broker_cpu, made.sender_cpu, made.recipient_cpu) == pytest.approx((12, 100, 200))
    assert made.cpu == pytest.approx(312)


def test_usage_since_is_time_used_and_memory_now() -> None:
    assert Usage(3.0, 700).since(Usage(1.0, 500)) == Usage(2.0, 700)
    assert Traffic(30, 20) - Traffic(10, 5) == Traffic(20, 15)


def test_only_those_who_listen_receipt() -> None:
    assert Scenario(10, recipients=30, listening=1).deliveries == 10


def test_the_disk_holds_the_deliveries_before_the_measured_ones_too() -> None:
    load = as_load(figures(deliveries=900), Disk(10_000, 20_000), 1_000)
    assert (load.broker_disk, load.recipient_disk) == (10, 20)
    assert (load.sent, load.received) == (10, 1)


def test_results_come_back_as_they_were_kept(tmp_path: Path) -> None:
    made = figures(deliveries=100)
    results = Results("m", "a", {"x": "d"}, waiting=5)
    results.load["x"] = [as_load(made, Disk(1, 2), 100)]
    results.paced["x"] = [as_paced(replace(made, latencies=(1.0, 2.0)), 0.5, 20)]
    results.caught_up["x"] = [1.5]
    results.save(tmp_path)
    assert load_results(tmp_path) == results
