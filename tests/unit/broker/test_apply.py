"""What entries change: deliveries, recalls, and who is told."""

from __future__ import annotations

import pytest

from broker.state import Standing
from schemas.envelope.header import Relation, decode_header
from schemas.session.frames import Submit
from tests.support.directory import NOW, make_world
from tests.support.hub_core import HubCore, altered

SENDER = "hk-customs"


@pytest.fixture
def core() -> HubCore:
    return HubCore(make_world())


def recall(core: HubCore, target: Submit, number: int = 99) -> Submit:
    relation = Relation("recall", decode_header(target.header).id)
    return altered(core.world, core.alert(SENDER, number=number), relation=relation)


def standings(core: HubCore, index: int) -> dict[str, Standing]:
    every = core.engine.contents.deliveries.values()
    return {delivery.agency: delivery.standing for delivery in every if delivery.index == index}


def test_an_alert_waits_for_each_recipient_with_its_rank_and_expiry(core: HubCore) -> None:
    alert = core.alert(precedence="flash")
    index = core.accepted(SENDER, alert)
    waiting = core.engine.waiting(index)
    assert [(d.agency, d.rank, d.expires) for d in waiting] == [
        (name, 0, decode_header(alert.header).expires) for name in ("au-abf", "sg-cnb")
    ]


def test_a_recall_withdraws_what_was_not_delivered_and_is_delivered_itself(core: HubCore) -> None:
    alert = core.alert(number=1)
    index = core.accepted(SENDER, alert)
    core.accepted("sg-cnb", core.signed(core.receipt("sg-cnb", index)))
    withdrawal = core.accepted(SENDER, recall(core, alert))
    assert standings(core, index) == {"au-abf": Standing.WITHDRAWN, "sg-cnb": Standing.STORED}
    assert standings(core, withdrawal) == {"au-abf": Standing.WAITING, "sg-cnb": Standing.WAITING}
    assert [d.index for d in core.engine.outstanding("au-abf", (-1, -1), 99, NOW, 99)] == [withdrawal]


def test_a_withdrawn_alert_that_was_on_its_way_can_still_be_receipted(core: HubCore) -> None:
    alert = core.alert(number=1)
    index = core.accepted(SENDER, alert)
    core.accepted(SENDER, recall(core, alert))
    core.accepted("au-abf", core.signed(core.receipt("au-abf", index)))
    assert standings(core, index)["au-abf"] is Standing.STORED


@pytest.mark.parametrize("kind", ["correct", "reply", "follow-up"])
def test_other_relations_withdraw_nothing(core: HubCore, kind: str) -> None:
    alert = core.alert(number=1)
    index = core.accepted(SENDER, alert)
    relation = Relation(kind, decode_header(alert.header).id)
    core.accepted(SENDER, altered(core.world, core.alert(number=2), relation=relation))
    assert set(standings(core, index).values()) == {Standing.WAITING}
