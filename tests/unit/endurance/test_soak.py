"""What a soak calls growth, and what it reads of a process."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.endurance.consumption import Consumption, of_process
from tests.endurance.soak import Sample, growth

NODES = 31
FLAT = Sample(0.0, 0, Consumption(90, 80, 50, 7), Consumption(900, 800, 500, 70), 1, 20, 90)


def changed(sample: Sample, **changes: int) -> Sample:
    return replace(sample, broker=replace(sample.broker, **changes), nodes=replace(sample.nodes, **changes))


@pytest.mark.parametrize(
    ("grow", "words"),
    [
        (lambda s, n: changed(s, descriptors=10 * n), "descriptors"),
        (lambda s, n: changed(s, threads=10 * n), "threads"),
        (lambda s, n: changed(s, pss=1000 + 40 * n), "memory"),
        (lambda s, n: replace(s, p50=2**n), "latency"),
    ],
)
def test_what_grows_is_named(grow: Callable[[Sample, int], Sample], words: str) -> None:
    samples = [grow(FLAT, number) for number in range(60)]
    found = growth(samples, NODES, long=True)
    assert found
    assert all(words in thing for thing in found)


def test_what_is_flat_or_fell_or_only_filled_a_cache_is_not() -> None:
    warming = [changed(FLAT, pss=10 * number) for number in range(30)]
    assert growth(warming + [changed(FLAT, pss=300)] * 30, NODES, long=True) == []
    assert growth([FLAT] * 60, NODES, long=True) == []
    assert growth([changed(FLAT, pss=1000 + 30 * number) for number in range(60)], NODES, long=False) == []


def test_a_process_is_read_as_the_kernel_shows_it() -> None:
    before = of_process(os.getpid())
    handle = os.open("/dev/null", os.O_RDONLY)
    try:
        after = of_process(os.getpid())
    finally:
        os.close(handle)
    assert after.descriptors == before.descriptors + 1
    assert after.threads >= 1
    assert after.rss >= after.pss > 1_000_000
