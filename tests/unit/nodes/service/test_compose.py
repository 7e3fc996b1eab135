from __future__ import annotations

from typing import Any

import pytest

from nodes.service.compose import Composer, resolution_view
from schemas.alert.document import encode_alert
from schemas.errors import (
    BadDocument,
    BodyTooLarge,
    CrossbearingError,
    Malformed,
    Nobody,
    NotReady,
    OperationClosed,
    Suspended,
    UnknownAgency,
    UnknownOperation,
    UnknownRegion,
)
from schemas.ids import uuid7
from tests.support.alerts import watch
from tests.support.directory import NOW, make_world
from tests.support.edge import EdgeNode, edge_node

ID = uuid7(NOW, bytes)


@pytest.fixture
def composer(node: EdgeNode) -> Composer:
    return Composer(node.standing, node.clock)


async def test_a_good_document(composer: Composer) -> None:
    composed = composer.compose(watch(["hk-customs"]), alert_id=ID, officer="Chan")
    assert composed.alert.sender == "sg-cnb"
    assert composed.alert.officer == "Chan"
    assert composed.alert.composed == NOW
    assert composed.resolution.recipients == ("hk-customs",)
    assert composed.directory == 5
    assert composed.alert.title == "Container to look out for"
    assert composed.document == encode_alert(composed.alert)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("HK-Customs ", ["hk-customs"]),
        ("asia", ["region:asia"]),
        ("marker", ["operation:marker"]),
        ("all", ["all"]),
        (["asia", "region:asia"], ["region:asia"]),
    ],
)
async def test_addresses_may_be_written_as_people_do(composer: Composer, written: Any, meant: list[str]) -> None:
    assert composer.compose(watch(written), alert_id=ID).alert.to == meant


async def test_defaults_follow_the_kind(composer: Composer) -> None:
    alert = composer.compose(watch(["hk-customs"]), alert_id=ID).alert
    assert (alert.marking, alert.status, alert.precedence, alert.language) == ("amber", "actual", "priority", "en")


async def test_all_problems_come_together(composer: Composer) -> None:
    document = watch(["hk-customs", "xx-nobody"], marking="purple")
    document["subjects"][0]["number"] = "CSQU3054384"
    with pytest.raises(BadDocument) as refused:
        composer.compose(document, alert_id=ID)
    found = {problem.path: problem.code for problem in refused.value.problems}
    assert found["to[1]"] == "unknown-agency"
    assert {"marking", "subjects[0].number"} <= set(found)
    assert refused.value.message.startswith("to[1]: ")
    assert refused.value.message.endswith("(2 more)")


@pytest.mark.parametrize(
    ("address", "error", "hint"),
    [
        ("hk-custom", UnknownAgency, "hk-customs"),
        ("xx-nobody", UnknownAgency, "agencies"),
        ("region:asai", UnknownRegion, "asia"),
        ("operation:maker", UnknownOperation, "marker"),
    ],
)
async def test_one_wrong_address_has_its_own_code(
    composer: Composer, address: str, error: type[CrossbearingError], hint: str
) -> None:
    with pytest.raises(error) as refused:
        composer.compose(watch([address, "hk-customs"]), alert_id=ID)
    assert hint in refused.value.hint


async def test_two_wrong_addresses_are_a_list(composer: Composer) -> None:
    with pytest.raises(BadDocument) as refused:
        composer.compose(watch(["xx-one", "region:two"]), alert_id=ID)
    assert [(p.path, p.code) for p in refused.value.problems if p.severity == "error"] == [
        ("to[0]", "unknown-agency"),
        ("to[1]", "unknown-region"),
    ]


@pytest.mark.parametrize("to", [None, [], 7, {"agency": "hk-customs"}])
async def test_addresses_in_no_form_are_a_problem_of_the_document(composer: Composer, to: object) -> None:
    with pytest.raises(BadDocument) as refused:
        composer.compose({**watch(["all"]), "to": to}, alert_id=ID)
    assert any(problem.path.startswith("to") for problem in refused.value.problems)


async def test_an_address_that_reaches_nobody_says_why(composer: Composer) -> None:
    with pytest.raises(Nobody, match="sg-cnb is the sender"):
        composer.compose(watch(["sg-cnb"]), alert_id=ID)


async def test_an_operation_that_does_not_run(node: EdgeNode, composer: Composer) -> None:
    node.now = NOW + 400 * 86_400_000
    with pytest.raises(OperationClosed):
        composer.compose(watch(["hk-customs"], operation="marker"), alert_id=ID)


async def test_a_suspended_sender(tmp_path: Any) -> None:
    async with edge_node(tmp_path, world=make_world(suspended=["sg-cnb"])) as node:
        with pytest.raises(Suspended):
            Composer(node.standing, node.clock).compose(watch(["hk-customs"]), alert_id=ID)


async def test_before_a_directory_is_held(new_node: EdgeNode) -> None:
    composer = Composer(new_node.standing, new_node.clock)
    with pytest.raises(NotReady) as refused:
        composer.compose(watch(["hk-customs"]), alert_id=ID)
    assert "bearing status" in refused.value.hint
    with pytest.raises(NotReady):
        composer.explain({"to": ["all"]})


async def test_the_list_of_attachments_is_the_nodes(composer: Composer) -> None:
    with pytest.raises(BadDocument) as refused:
        composer.compose(watch(["hk-customs"], attachments=[{"name": "x"}]), alert_id=ID)
    assert [problem.path for problem in refused.value.problems] == ["attachments"]


async def test_an_alert_too_large_to_send(composer: Composer) -> None:
    wordy = {"type": "organisation", "role": "carrier", "name": "漢" * 120, "address": "漢" * 400}
    with pytest.raises(BodyTooLarge, match="bytes, more than may be sent"):
        composer.compose(watch(["hk-customs"], subjects=[wordy] * 200), alert_id=ID)


async def test_warnings_do_not_refuse(composer: Composer) -> None:
    document = watch(["hk-customs"])
    document["subjects"].append({"type": "location", "unlocode": "QQZZZ"})
    composed = composer.compose(document, alert_id=ID)
    assert [(warning.path, warning.severity) for warning in composed.warnings] == [("subjects[1].unlocode", "warning")]


async def test_explain_needs_only_an_address(composer: Composer) -> None:
    resolution = composer.explain({"to": "asia"})
    assert resolution.recipients == ("au-abf", "hk-customs")
    view = resolution_view(resolution)
    assert view["recipients"] == ["au-abf", "hk-customs"]
    assert {"agency": "sg-cnb", "included": False, "rule": "built-in:sender", "reason": "is the sender"} in view[
        "trace"
    ]


async def test_explain_takes_every_clear_fact(composer: Composer) -> None:
    query = {
        "to": ["hk-customs"],
        "kind": "seizure",
        "marking": "red",
        "precedence": "flash",
        "status": "exercise",
        "operation": "marker",
        "modes": ["sea"],
    }
    assert composer.explain(query).recipients == ("hk-customs",)
    for subjects in (["container"], [{"type": "container", "number": "CSQU3054383"}]):
        assert composer.explain({**query, "subjects": subjects}).recipients == ("hk-customs",)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"to": 7},
        {"to": ["all"], "kind": "wach"},
        {"to": ["all"], "marking": 1},
        {"to": ["all"], "modes": ["foot"]},
        {"to": ["all"], "precedence": "slow"},
        {"to": ["all"], "subjects": "container"},
        {"to": ["all"], "subjects": ["gossip"]},
        {"to": ["all"], "subjects": [{"number": "CSQU3054383"}]},
    ],
)
async def test_explain_refuses_what_is_no_query(composer: Composer, query: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        composer.explain(query)
