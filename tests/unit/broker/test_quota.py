"""Allowances refill at a steady pace, are each agency's own, and follow from what was taken and when."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.quota import Allowance, Kind, Quotas, volume
from broker.state import Changes, Spent
from schemas.directory.documents import ByPrecedence, Limits
from schemas.envelope.header import AttachmentRef, decode_header
from schemas.envelope.words import PRECEDENCES
from schemas.errors import Quota
from schemas.limits import (
    DAY_MS,
    MIN_BYTES_PER_DAY,
    MINUTE_MS,
    PUBLICATION_ATTEMPTS_PER_DAY,
    PUBLICATIONS_PER_DAY,
    RECEIPT_BYTES_PER_DAY,
)
from tests.support.directory import NOW, make_world
from tests.support.envelope import make_alert, seal_alert
from tests.support.memory_engine import MemoryEngine

WORLD = make_world()


class Purse:
    """One allowance over time."""

    def __init__(self, allowed: int, period: int = MINUTE_MS) -> None:
        self.allowance = Allowance(allowed, period)
        self.until = 0

    def take(self, now: int, amount: int = 1) -> int:
        """0 when it was granted, else when to come back (ms)."""
        try:
            self.until = self.allowance.take(self.until, now, amount)
        except Quota as quota:
            return quota.retry_after
        return 0


def test_a_minutes_worth_at_once_and_then_at_a_steady_pace() -> None:
    purse = Purse(3)
    assert [purse.take(0) for _ in range(4)] == [0, 0, 0, 20_000]
    assert purse.take(19_999) == 1
    assert purse.take(20_000) == 0
    assert purse.take(20_001) == 19_999


def test_a_long_silence_saves_up_no_more_than_a_minute() -> None:
    purse = Purse(2)
    purse.take(0)
    assert [purse.take(10**9) for _ in range(3)] == [0, 0, 30_000]


def test_a_clock_that_steps_back_grants_nothing() -> None:
    purse = Purse(1)
    assert purse.take(60_000) == 0
    assert purse.take(0) == MINUTE_MS  # at most a period, whatever the clock says
    assert purse.take(60_000) == MINUTE_MS


def test_more_than_a_whole_period_takes_a_whole_period() -> None:
    purse = Purse(10)
    assert purse.take(0, 1_000) == 0
    assert purse.take(0, 1_000) == MINUTE_MS
    assert purse.take(MINUTE_MS, 1_000) == 0


@given(
    st.integers(1, 100),
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 30)), max_size=60),
)
def test_never_twice_the_allowance_in_any_period_and_the_wait_is_exact(
    allowed: int, steps: list[tuple[int, int]]
) -> None:
    purse, now = Purse(allowed), 0
    granted: list[tuple[int, int]] = []
    for pause, amount in steps:
        now += pause
        before = purse.until
        wait = purse.take(now, amount)
        if wait:
            assert wait <= MINUTE_MS
            again = Purse(allowed)
            again.until = before
            assert again.take(now + wait - 1, amount) == 1
            assert again.take(now + wait, amount) == 0
        else:
            granted.append((now, min(amount, allowed)))
        recent = sum(taken for at, taken in granted if at > now - MINUTE_MS)
        assert recent <= 2 * allowed


HEADER = replace(
    decode_header(seal_alert(WORLD, make_alert(WORLD, "hk-customs"))[0].header),
    attachments=(AttachmentRef(b"a" * 32, 500), AttachmentRef(b"b" * 32, 7_000)),
)
LIMITS = Limits(ByPrecedence(1, 2, 3, 4), ByPrecedence(*(MIN_BYTES_PER_DAY * n for n in (1, 2, 3, 4))), 1_048_576)


def test_an_alerts_volume_is_all_that_it_makes_the_hub_keep() -> None:
    assert volume(HEADER, 100) == 100 + HEADER.body_size + 7_500


@pytest.mark.parametrize(("rank", "word"), list(enumerate(PRECEDENCES)))
def test_an_alert_takes_from_the_rate_and_the_volume_of_its_precedence(rank: int, word: str) -> None:
    engine, quotas, header = MemoryEngine(), Quotas(receipts_per_minute=1, refusals_per_minute=1), HEADER
    header = replace(header, precedence=word)
    moment, share = NOW * 1_000, MINUTE_MS * 1_000 // (rank + 1)
    daily = LIMITS.bytes_per_day[rank]
    bytes_share = -(-volume(header, 100) * DAY_MS * 1_000 // daily)
    with engine.block(0) as block:
        for number in range(1, rank + 2):
            spent = quotas.alert(block, header, 100, LIMITS, NOW)
            assert spent == (
                Spent("hk-customs", rank, moment + number * share),
                Spent("hk-customs", 4 + rank, moment + number * bytes_share),
            )
            block.append(b"entry", Changes(spent=spent))
        with pytest.raises(Quota, match=f"^hk-customs may have {rank + 1} {word} alerts a minute$"):
            quotas.alert(block, header, 100, LIMITS, NOW)
        with pytest.raises(Quota, match=f"^hk-customs may have {daily} bytes of {word} alerts a day$"):
            quotas.alert(block, header, daily, LIMITS, NOW + MINUTE_MS)


def test_what_receipts_keys_and_refusals_take() -> None:
    engine, quotas = MemoryEngine(), Quotas(receipts_per_minute=3, refusals_per_minute=4)
    day = DAY_MS * 1_000
    with engine.block(0) as block:
        assert quotas.receipt(block, "a", 1_000, 0) == (
            Spent("a", Kind.RECEIPTS, 20_000_000),
            Spent("a", Kind.RECEIPT_BYTES, -(-1_000 * day // RECEIPT_BYTES_PER_DAY)),
        )
        assert quotas.publication(block, "a", 0) == (Spent("a", Kind.PUBLICATIONS, day // PUBLICATIONS_PER_DAY),)
        assert quotas.refusal(block, "a", 0) == (Spent("a", Kind.REFUSALS, 15_000_000),)


def test_agencies_and_kinds_do_not_share() -> None:
    engine, quotas = MemoryEngine(), Quotas(receipts_per_minute=1, refusals_per_minute=1)
    with engine.block(0) as block:
        block.append(b"entry", Changes(spent=quotas.receipt(block, "a", 10, 0)))
        assert quotas.refusal(block, "a", 0) is not None
        assert quotas.receipt(block, "b", 10, 0)
        with pytest.raises(Quota, match="a may have 1 receipts a minute") as refused:
            quotas.receipt(block, "a", 10, 0)
    assert refused.value.retry_after == MINUTE_MS


def test_a_refusal_beyond_the_allowance_is_not_worth_an_entry() -> None:
    engine, quotas = MemoryEngine(), Quotas(receipts_per_minute=1, refusals_per_minute=1)
    with engine.block(0) as block:
        block.append(b"entry", Changes(spent=quotas.refusal(block, "a", 0) or ()))
        assert quotas.refusal(block, "a", 0) is None


def test_receipts_have_a_volume_a_day() -> None:
    engine, quotas = MemoryEngine(), Quotas(receipts_per_minute=1_000, refusals_per_minute=1)
    with engine.block(0) as block:
        spent = quotas.receipt(block, "a", RECEIPT_BYTES_PER_DAY, 0)
        assert {one.kind for one in spent} == {Kind.RECEIPTS, Kind.RECEIPT_BYTES}
        block.append(b"entry", Changes(spent=spent))
        with pytest.raises(Quota, match="a gigabyte of receipts"):
            quotas.receipt(block, "a", 20_000, 0)


def test_keys_are_published_a_few_times_a_day() -> None:
    engine, quotas = MemoryEngine(), Quotas(receipts_per_minute=1, refusals_per_minute=1)
    with engine.block(0) as block:
        for _ in range(PUBLICATIONS_PER_DAY):
            block.append(b"entry", Changes(spent=quotas.publication(block, "a", 0)))
        with pytest.raises(Quota, match="24 new versions of its keys a day"):
            quotas.publication(block, "a", 60_000)
        assert quotas.publication(block, "a", DAY_MS // PUBLICATIONS_PER_DAY)


def test_looking_at_keys_that_are_refused_has_an_end_too() -> None:
    quotas = Quotas(receipts_per_minute=1, refusals_per_minute=1)
    for _ in range(PUBLICATION_ATTEMPTS_PER_DAY):
        quotas.attempt("a", 0)
    quotas.attempt("b", 0)
    with pytest.raises(Quota, match="96 times a day"):
        quotas.attempt("a", 60_000)
