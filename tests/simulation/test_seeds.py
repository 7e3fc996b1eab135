"""The simulation itself: a seed means one course of events, whatever else differs; and a failure says how to see it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.plan import KINDS, make_plan
from tests.simulation.run import main, seeds_of
from tests.simulation.world import simulate

ROOT = Path(__file__).resolve().parents[2]
SEED = 7


def test_a_seed_gives_the_same_events_twice() -> None:
    first, second = simulate(make_plan(SEED)), simulate(make_plan(SEED))
    assert first == second
    assert first.violations == ()
    assert first.counts["shown"] > 0


def test_a_seed_gives_the_same_events_whatever_the_hash_seed() -> None:
    here = simulate(make_plan(SEED)).digest
    for hash_seed in ("1", "2"):
        shown = subprocess.run(
            [sys.executable, "-m", "tests.simulation.run", "--seed", str(SEED), "--quiet"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert here in shown.stdout


def test_seeds_differ() -> None:
    assert simulate(make_plan(SEED)).digest != simulate(make_plan(SEED + 1)).digest


def test_every_kind_of_trouble_is_drawn() -> None:
    drawn = {trouble.kind for seed in range(400) for trouble in make_plan(seed).troubles}
    assert drawn == set(KINDS)


def test_kinds_can_be_left_out() -> None:
    kinds = {trouble.kind for seed in range(50) for trouble in make_plan(seed, without=["cut"]).troubles}
    assert kinds
    assert "cut" not in kinds
    assert {t.kind for seed in range(50) for t in make_plan(seed, only=["cut", "dark"]).troubles} == {"cut", "dark"}


def test_seeds_are_a_range_or_so_many_fresh_ones() -> None:
    assert seeds_of("5-9") == range(5, 10)
    assert len(seeds_of("3")) == 3
    assert seeds_of("3") != seeds_of("3")


def test_an_unknown_kind_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--seed", "1", "--only", "earthquake"])
    assert "earthquake" in capsys.readouterr().err
