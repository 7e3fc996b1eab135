"""Allowances refill at a steady pace and are each agency's own."""

from __future__ import annotations

import pytest

from broker.quota import PUBLICATIONS_PER_DAY, Allowance, Quotas
from schemas.errors import Quota


def test_a_minutes_worth_at_once_and_then_at_a_steady_pace() -> None:
    allowance = Allowance()
    assert [allowance.take("a", 0, 3) for _ in range(4)] == [True, True, True, False]
    assert not allowance.take("a", 19_999, 3)
    assert allowance.take("a", 20_000, 3)
    assert not allowance.take("a", 20_001, 3)


def test_a_long_silence_saves_up_no_more_than_a_minute() -> None:
    allowance = Allowance()
    allowance.take("a", 0, 2)
    assert [allowance.take("a", 10**9, 2) for _ in range(3)] == [True, True, False]


def test_a_clock_that_steps_back_grants_nothing() -> None:
    allowance = Allowance()
    assert allowance.take("a", 60_000, 1)
    assert not allowance.take("a", 0, 1)
    assert not allowance.take("a", 60_000, 1)


def test_agencies_do_not_share() -> None:
    allowance = Allowance()
    assert allowance.take("a", 0, 1)
    assert allowance.take("b", 0, 1)


def test_quotas_are_apart_by_kind() -> None:
    quotas = Quotas(receipts_per_minute=1, refusals_per_minute=1)
    quotas.spend_alert("a", 0, 1)
    quotas.spend_receipt("a", 0)
    assert quotas.logs_refusal("a", 0)
    assert not quotas.logs_refusal("a", 0)
    with pytest.raises(Quota):
        quotas.spend_alert("a", 0, 1)
    with pytest.raises(Quota):
        quotas.spend_receipt("a", 0)


def test_keys_are_published_a_few_times_a_day() -> None:
    quotas = Quotas(receipts_per_minute=1, refusals_per_minute=1)
    for _ in range(PUBLICATIONS_PER_DAY):
        quotas.spend_publication("a", 0)
    with pytest.raises(Quota, match="24 times a day"):
        quotas.spend_publication("a", 60_000)
    quotas.spend_publication("a", 3_600_000)
