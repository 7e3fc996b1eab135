from __future__ import annotations

import pytest

from nodes.verdicts import MAX_ATTEMPTS, receipt_verdict, retry_delay, verdict
from schemas.errors import REGISTRY, Fault

CHANGED = ["directory-unknown", "routing-mismatch", "key-not-valid", "key-retired"]


@pytest.mark.parametrize("code", [*CHANGED, "unknown-key"])
def test_changed_facts_seal_again_a_bounded_number_of_times(code: str) -> None:
    steps = [verdict(code, attempts) for attempts in range(MAX_ATTEMPTS)]
    assert steps == ["seal-again"] * (MAX_ATTEMPTS - 1) + ["final"]


@pytest.mark.parametrize(("code", "step"), [("opener-missing", "send-openers"), ("attachment-missing", "upload-again")])
def test_missing_material_is_sent_again_a_bounded_number_of_times(code: str, step: str) -> None:
    assert verdict(code, 0) == step
    assert verdict(code, MAX_ATTEMPTS - 1) == "final"


@pytest.mark.parametrize("code", ["directory-stale", "clock-off"])
def test_a_newer_directory_and_a_right_clock_are_waited_for_without_end(code: str) -> None:
    assert verdict(code, 0) == verdict(code, 10_000) == "seal-again"


@pytest.mark.parametrize("code", ["quota", "shutting-down"])
def test_what_passes_by_itself_is_waited_for(code: str) -> None:
    assert verdict(code, 10_000) == "later"
    assert receipt_verdict(code) == "later"


def test_no_fault_of_the_hub_is_final() -> None:
    faults = [code for code, cls in REGISTRY.items() if issubclass(cls, Fault)]
    assert len(faults) > 5
    assert {verdict(code, 10_000) for code in faults} == {"later"}
    assert {receipt_verdict(code) for code in faults} == {"later"}


@pytest.mark.parametrize(
    "code", ["nobody", "suspended", "bad-signature", "replay-differs", "body-mismatch", "of-tomorrow"]
)
def test_any_other_refusal_is_final(code: str) -> None:
    assert verdict(code, 0) == "final"


def test_an_alert_out_of_time_is_expired() -> None:
    assert verdict("alert-expired", 0) == "expired"


@pytest.mark.parametrize("code", ["key-not-valid", "key-retired", "unknown-key"])
def test_a_receipt_under_a_dead_key_is_signed_again(code: str) -> None:
    assert receipt_verdict(code) == "sign-again"


def test_a_receipt_that_is_wrong_is_given_up() -> None:
    assert receipt_verdict("not-a-party") == receipt_verdict("bad-receipt") == receipt_verdict("of-tomorrow") == "final"


def test_delays_double_up_to_a_limit() -> None:
    assert [retry_delay(n) for n in (0, 1, 2, 7, 100)] == [250, 500, 1_000, 30_000, 30_000]
