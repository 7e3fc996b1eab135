"""What is owed, what became of it, and who fell behind."""

from __future__ import annotations

from nodes.auditor.complete_page import complete_dict, complete_lines
from nodes.auditor.ledger import Logged
from nodes.auditor.obligations import LISTED, Completeness, Scope, completeness, obligations

HOUR = 3_600_000
ID = bytes.fromhex("01a0c454e4887928a71c5962c694191d")
START = 1_790_000_000_000


def alert(
    *answers: tuple[str, int | None],
    entered: int = START,
    lives: int = 24 * HOUR,
    recalled: int | None = None,
    operation: str | None = "marker",
) -> Logged:
    """An alert to `hk-customs`, `sg-cnb` ..., answered as given: a state, and how long after it was entered (ms)."""
    agencies = ("hk-customs", "sg-cnb", "th-customs")[: len(answers)]
    return Logged(
        7,
        ID,
        "au-abf",
        bytes(32),
        agencies,
        tuple(state for state, _ in answers),
        tuple(None if after is None else entered + after for _, after in answers),
        signed=True,
        purged=False,
        entered=entered,
        expires=entered + lives,
        recalled=None if recalled is None else entered + recalled,
        operation=operation,
        precedence="flash",
        due=None,
        escalated=(None,) * len(agencies),
        outcomes=("-",) * len(agencies),
    )


def summed(*alerts: Logged, scope: Scope | None = None, end: int = START + 2 * HOUR) -> Completeness:
    return completeness(alerts, scope or Scope(), end=end, grace=HOUR)


def test_an_obligation_ends_by_receipt_recall_or_expiry() -> None:
    one = alert(("read", 5), ("-", None))
    assert [owed.standing for owed in obligations(one, START + HOUR)] == ["read", "open"]
    assert [owed.standing for owed in obligations(one, START + 24 * HOUR)] == ["read", "expired"]
    recalled = alert(("-", None), ("stored", 5), recalled=HOUR)
    assert [owed.standing for owed in obligations(recalled, START + 48 * HOUR)] == ["recalled", "stored"]
    too_late = alert(("-", None), lives=HOUR, recalled=2 * HOUR)
    assert [owed.standing for owed in obligations(too_late, START + 48 * HOUR)] == ["expired"]


def test_all_that_is_answered_in_time_is_complete() -> None:
    found = summed(alert(("stored", 1000), ("refused", HOUR)))
    assert found.complete
    assert "COMPLETE. Nobody is behind" in "\n".join(complete_lines(found))
    assert found.records["sg-cnb"].within == [0, 0, 1, 0, 0]
    assert found.records["hk-customs"].within == [1, 0, 0, 0, 0]


def test_an_open_alert_is_behind_only_after_the_grace() -> None:
    assert summed(alert(("-", None)), end=START + HOUR).complete
    found = summed(alert(("-", None)), end=START + HOUR + 1)
    assert not found.complete
    assert [record.agency for record in found.behind] == ["hk-customs"]


def test_a_late_answer_is_behind_and_still_an_answer() -> None:
    found = summed(alert(("stored", 90 * 60_000), ("stored", 5)))
    record = found.records["hk-customs"]
    assert (record.acknowledged, record.late, record.slowest) == (1, 1, 90 * 60_000)
    assert found.unanswered_total == 0
    assert "BEHIND: hk-customs left 1 alert unanswered for more than 1 h, at most 1 h." in complete_lines(found)


def test_an_unanswered_expiry_is_never_complete() -> None:
    found = summed(alert(("-", None), lives=60_000))
    assert not found.behind
    assert not found.complete
    told = "\n".join(complete_lines(found))
    assert "1 DELIVERY EXPIRED WITHOUT AN ANSWER." in told
    assert "hk-customs: never acknowledged; it expired, 1 min; alert 01a0c454-" in told


def test_what_was_recalled_in_time_is_nobodys_fault() -> None:
    found = summed(alert(("-", None), recalled=60_000))
    assert found.complete
    assert (found.records["hk-customs"].recalled, found.unanswered_total) == (1, 1)


def test_operation_and_period_narrow_what_is_asked() -> None:
    alerts = [alert(("-", None)), alert(("-", None), entered=START + HOUR), alert(("-", None), operation=None)]
    assert summed(*alerts).alerts == 3
    assert summed(*alerts, scope=Scope(operation="marker")).alerts == 2
    assert summed(*alerts, scope=Scope(start=START + 1)).alerts == 1
    assert summed(*alerts, scope=Scope(stop=START + HOUR)).alerts == 2
    assert summed(*alerts, scope=Scope("marker", START, START + HOUR)).alerts == 1


def test_only_so_many_are_listed() -> None:
    found = summed(*[alert(("-", None))] * (LISTED + 5))
    assert (len(found.unanswered), found.unanswered_total) == (LISTED, LISTED + 5)
    assert "... and 5 more" in complete_lines(found)


def test_the_outcome_as_data() -> None:
    data = complete_dict(summed(alert(("-", None), ("read", 5)), scope=Scope("marker", START)))
    assert (data["format"], data["ok"], data["operation"], data["from"]) == (
        "crossbearing/complete/1",
        False,
        "marker",
        START,
    )
    assert data["behind"] == ["hk-customs"]
    unanswered = data["unanswered"]
    assert isinstance(unanswered, list)
    assert (unanswered[0]["agency"], unanswered[0]["unanswered_for"]) == ("hk-customs", 2 * HOUR)


def test_an_empty_scope_is_complete() -> None:
    assert summed().complete
    assert any(line.startswith("agency") for line in complete_lines(summed()))
