from __future__ import annotations

from nodes.auditor.ledger import UNRECEIPTED, Ledger, Logged

ID, LEAF = bytes(16), bytes(32)


def test_alerts_are_remembered_with_their_states() -> None:
    with Ledger() as ledger:
        assert ledger.add(5, ID, "hk-customs", LEAF, ("au-abf", "sg-cnb"), signed=True) is None
        alert = ledger.alert(5)
        assert alert == Logged(
            5, ID, "hk-customs", LEAF, ("au-abf", "sg-cnb"), (UNRECEIPTED, UNRECEIPTED), signed=True, purged=False
        )
        assert alert is not None
        ledger.set_state(alert, "sg-cnb", "stored")
        ledger.purge(alert)
        after = ledger.alert(5)
        assert after is not None
        assert (after.states, after.purged) == ((UNRECEIPTED, "stored"), True)
        assert ledger.alert(6) is None


def test_an_id_seen_before_is_told_with_its_first_place() -> None:
    with Ledger() as ledger:
        ledger.add(5, ID, "hk-customs", LEAF, (), signed=True)
        assert ledger.add(9, ID, "hk-customs", LEAF, (), signed=False) == 5
        assert ledger.add(12, ID, "hk-customs", LEAF, (), signed=False) == 5
        assert [(alert.index, alert.signed) for alert in ledger.alerts()] == [(5, True), (9, False), (12, False)]
