"""Whom an entry concerns, and what an agency is shown of a bundle."""

from __future__ import annotations

import pytest

from broker.parties import LEFT_OUT, party_bundle
from schemas.errors import BadEntry
from schemas.log.tiles import split_bundle
from tests.support.log_builder import LogBuilder

SENDER, RECIPIENT, STRANGER = "hk-customs", "sg-cnb", "au-abf"


def shown(log: LogBuilder, agency: str, index: int) -> bytes:
    return split_bundle(party_bundle(agency, [log.entries[index]], lambda at: log.entries[at]), 1)[0]


def concerned(log: LogBuilder, index: int) -> set[str]:
    whole = log.entries[index]
    seen = {agency: shown(log, agency, index) for agency in log.world.agencies}
    assert set(seen.values()) <= {whole, LEFT_OUT}
    return {agency for agency, data in seen.items() if data == whole}


def test_every_kind_of_entry_is_shown_to_its_parties_alone() -> None:
    log = LogBuilder()
    alert = log.alert(SENDER, [RECIPIENT])
    receipt = log.receipt(RECIPIENT, [alert])
    assert concerned(log, 0) == {SENDER, RECIPIENT, STRANGER}, "the directory is everybody's"
    assert concerned(log, alert) == {SENDER, RECIPIENT}
    assert concerned(log, receipt) == {SENDER, RECIPIENT}
    assert concerned(log, log.refusal(RECIPIENT)) == {RECIPIENT}
    assert concerned(log, log.purge(alert)) == {SENDER, RECIPIENT}


def test_a_receipt_is_not_shown_to_other_recipients_of_the_alert() -> None:
    log = LogBuilder()
    alert = log.alert(SENDER, [RECIPIENT, STRANGER])
    assert concerned(log, log.receipt(RECIPIENT, [alert])) == {SENDER, RECIPIENT}


def test_what_is_no_entry_is_shown_to_nobody() -> None:
    with pytest.raises(BadEntry):
        party_bundle(SENDER, [b"nonsense"], lambda _at: None)
