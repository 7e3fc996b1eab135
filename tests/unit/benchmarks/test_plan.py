"""The plan runs every broker in turn, at rates that follow from what it reached, and outlives one that fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import pytest

from benchmarks.brokers.figures import CaughtUp, Disk, Figures
from benchmarks.brokers.plan import FEWEST, WARM_UP, Plan, measure
from benchmarks.brokers.results import Results
from benchmarks.brokers.scenario import Scenario, shares
from tests.support.measured import figures

PLAN = Plan(rounds=2, latency_rounds=1, alerts=100, recipients=2, seconds=4.0, shares=(0.1, 0.5), waiting=7)


class FakeBroker:
    """Reaches `rate` deliveries a second, and fails where it is told to."""

    durability = "none"

    def __init__(self, name: str, calls: list[str], *, rate: float = 60.0, fails: str = "") -> None:
        self.name, self._calls, self._rate, self._fails = name, calls, rate, fails
        self.asked: list[Scenario] = []
        self.processes: list[int] = []
        self._open = 0

    @contextmanager
    def running(self, recipients: int, processes: int = 1) -> Iterator[FakeBroker]:
        self.processes.append(processes)
        assert self._open == 0
        self._open += 1
        self._calls.append(self.name)
        yield self
        self._open -= 1

    def run(self, scenario: Scenario) -> Figures:
        self.asked.append(scenario)
        if self._fails == "run":
            self._open = 0
            raise RuntimeError("3 of 4 receipts")
        return replace(figures(deliveries=scenario.deliveries), seconds=scenario.deliveries / self._rate)

    def stop(self) -> Disk:
        return Disk(0, 0)

    def catch_up(self, scenario: Scenario) -> CaughtUp:
        assert scenario.listening == 1
        if self._fails == "catch up":
            raise RuntimeError("never caught up")
        return CaughtUp(scenario.alerts, 2.5)


def run(*brokers: FakeBroker, plan: Plan = PLAN) -> tuple[Results, list[str]]:
    results, told = Results(), list[str]()
    measure(plan, brokers, results, told.append)
    return results, told


def test_brokers_take_turns() -> None:
    calls: list[str] = []
    results, told = run(FakeBroker("a", calls), FakeBroker("b", calls))
    assert calls == ["a", "b"] * 3
    assert [len(results.load[name]) for name in "ab"] == [2, 2]
    assert results.caught_up == {"a": [2.5], "b": [2.5]}
    assert len(told) == 8


def test_a_round_has_as_many_alerts_as_fit() -> None:
    broker = FakeBroker("a", [])
    run(broker)
    assert [each.alerts for each in broker.asked[:2]] == [WARM_UP, 100]  # 30 a second for 4 seconds, and 100 at most
    assert broker.asked[1].first == WARM_UP


def test_rates_are_the_given_one_and_shares_of_what_it_reached() -> None:
    broker = FakeBroker("a", [])
    results, _ = run(broker)
    assert [(paced.share, paced.rate) for paced in results.paced["a"]] == [(0.0, 20), (0.1, 3), (0.5, 15)]
    paced = broker.asked[5:]
    assert [each.alerts for each in paced] == [80, 12, 60]
    numbers = [range(each.first, each.first + each.alerts) for each in paced]
    assert all(before.stop == after.start for before, after in pairwise(numbers))
    assert FEWEST < 12


def test_one_more_round_of_each_kind_with_the_recipients_in_more_processes() -> None:
    broker = FakeBroker("a", [])
    results, told = run(broker, plan=replace(PLAN, processes=(1, 2, 3), waiting=0))
    assert broker.processes == [1, 1, 1, 2, 3]
    assert [made.processes for made in results.divided["a"]] == [2, 3]
    warm_up, fast, slow = broker.asked[-3:]
    assert (warm_up.first, fast.first, slow.first) == (0, WARM_UP, WARM_UP + fast.alerts)
    assert (fast.rate, slow.rate) == (0.0, 20.0)
    assert [len(results.load["a"]), len(results.paced["a"])] == [2, 3]
    assert told[-1].startswith("a: in 3 processes 60 deliveries/s")
    results.forget("a")
    assert not results.divided


def test_all_rounds_may_have_them_in_several() -> None:
    broker = FakeBroker("a", [])
    results, _ = run(broker, plan=replace(PLAN, processes=(2,)))
    assert set(broker.processes) == {2}
    assert not results.divided


@pytest.mark.parametrize(("count", "processes", "sizes"), [(30, 1, [30]), (30, 4, [7, 8, 7, 8]), (2, 3, [1, 1])])
def test_every_recipient_is_played_once(count: int, processes: int, sizes: list[int]) -> None:
    made = shares(count, processes)
    assert [len(mine) for mine in made] == sizes
    assert [number for mine in made for number in mine] == list(range(count))


@pytest.mark.parametrize(("fails", "told"), [("run", "3 of 4 receipts"), ("catch up", "never caught up")])
def test_one_that_fails_does_not_stop_the_others(fails: str, told: str) -> None:
    results, _ = run(FakeBroker("a", [], fails=fails), FakeBroker("b", []))
    assert told in results.failed["a"][0]
    assert "b" not in results.failed
    assert len(results.load["b"]) == 2
    assert results.caught_up["b"] == [2.5]


def test_what_is_measured_again_is_forgotten_first() -> None:
    results, _ = run(FakeBroker("a", []), FakeBroker("b", []))
    results.forget("a")
    assert list(results.load) == list(results.caught_up) == list(results.paced) == ["b"]
