from __future__ import annotations

from nodes.auditor.ledger import Ledger, Logged
from nodes.auditor.survey import AlertFacts

ID, LEAF = bytes(16), bytes(32)


def facts(*recipients: str, signed: bool = True) -> AlertFacts:
    return AlertFacts(ID, "hk-customs", recipients, LEAF, None, "marker", "flash", 9000, signed)


def test_alerts_are_remembered_with_their_states() -> None:
    with Ledger() as ledger:
        assert ledger.add(5, facts("au-abf", "sg-cnb"), 1000) is None
        alert = ledger.alert(5)
        assert alert == Logged(
            5,
            ID,
            "hk-customs",
            LEAF,
            ("au-abf", "sg-cnb"),
            ("-", "-"),
            (None, None),
            signed=True,
            purged=False,
            entered=1000,
            expires=9000,
            recalled=None,
            operation="marker",
            precedence="flash",
            due=None,
            escalated=(None, None),
            outcomes=("-", "-"),
        )
        assert alert is not None
        ledger.set_state(alert, "sg-cnb", "stored", 2000)
        ledger.purge(alert)
        after = ledger.alert(5)
        assert after is not None
        assert (after.states, after.answered, after.purged) == (("-", "stored"), (None, 2000), True)
        assert ledger.alert(6) is None


def test_what_became_of_calling_a_desk_is_remembered_with_the_time_of_the_first_entry() -> None:
    with Ledger() as ledger:
        ledger.add(5, facts("au-abf", "sg-cnb"), 1000, due=1500)
        for outcome, time in (("due", 2000), ("reached", 3000)):
            alert = ledger.alert(5)
            assert alert is not None
            ledger.escalate(alert, "sg-cnb", outcome, time)
        after = ledger.alert(5)
        assert after is not None
        assert (after.due, after.escalated, after.outcomes) == (1500, (None, 2000), ("-", "reached"))


def test_the_first_answer_gives_the_time_and_the_last_the_state() -> None:
    with Ledger() as ledger:
        ledger.add(5, facts("sg-cnb"), 1000)
        for state, time in (("stored", 2000), ("read", 3000)):
            alert = ledger.alert(5)
            assert alert is not None
            ledger.set_state(alert, "sg-cnb", state, time)
        after = ledger.alert(5)
        assert after is not None
        assert (after.states, after.answered) == (("read",), (2000,))


def test_only_the_sender_takes_an_alert_back_and_only_the_first_time_counts() -> None:
    with Ledger() as ledger:
        ledger.add(5, facts("sg-cnb"), 1000)
        for sender, time in (("sg-cnb", 1500), ("hk-customs", 2000), ("hk-customs", 3000)):
            ledger.recall(ID, sender, time)
        after = ledger.find(ID)
        assert after is not None
        assert after.recalled == 2000


def test_an_id_seen_before_is_told_with_its_first_place() -> None:
    with Ledger() as ledger:
        assert ledger.add(5, facts(), 1000) is None
        assert ledger.add(9, facts(signed=False), 1000) == 5
        assert ledger.add(12, facts(signed=False), 1000) == 5
        assert [(alert.index, alert.signed) for alert in ledger.alerts()] == [(5, True), (9, False), (12, False)]
