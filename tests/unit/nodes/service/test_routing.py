from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.directory.documents import encode_directory
from schemas.errors import DirectoryInvalid, Malformed, NotFound, NotReady
from schemas.routing.rules import Condition, Rule, Target
from tests.support.alerts import watch
from tests.support.directory import World, make_world
from tests.support.edge import EdgeNode, edge_node

NEVER = Rule("never", "deny", Condition(topics=("method",)), Target(agencies=("au-abf",)), None, "no agreement")


def proposed(world: World, *rules: Rule) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(encode_directory(replace(world.document, rules=rules)))
    return document


async def test_an_alert_is_explained_by_its_header(node: EdgeNode) -> None:
    received = await node.receive("hk-customs", to=["all"])
    explained = await node.service.routing.explain({"alert": received[-8:]})
    assert explained["recipients"] == ["au-abf", "sg-cnb"]
    assert {d["agency"]: d["rule"] for d in explained["trace"]}["hk-customs"] == "built-in:sender"


async def test_what_is_not_sealed_has_no_header_to_explain(node: EdgeNode) -> None:
    sent = await node.service.sending.send(watch(["asia"]))
    with pytest.raises(NotFound, match="not sealed yet"):
        await node.service.routing.explain({"alert": sent["id"]})
    with pytest.raises(NotFound):
        await node.service.routing.explain({"alert": "00000000"})


async def test_the_matrix(tmp_path: Path) -> None:
    async with edge_node(tmp_path, world=make_world(rules=[NEVER])) as node:
        found = await node.service.routing.matrix({"kind": "method"})
        assert found["agencies"] == ["au-abf", "hk-customs", "sg-cnb"]
        assert found["reach"]["sg-cnb"]["au-abf"] == {"state": "no", "rule": "never", "reason": "no agreement"}
        assert found["reach"]["au-abf"]["sg-cnb"]["state"] == "yes"
        assert json.loads(json.dumps(found)) == found
        with pytest.raises(Malformed):
            await node.service.routing.matrix({"kind": "gossip"})


async def test_the_linter_looks_at_the_rules_in_force(tmp_path: Path) -> None:
    async with edge_node(tmp_path, world=make_world(rules=[NEVER])) as node:
        (finding,) = (await node.service.routing.lint())["findings"]
        assert (finding["code"], finding["rules"]) == ("unreachable", ["never"])


async def test_simulation_over_what_is_kept_here(node: EdgeNode) -> None:
    await node.receive("hk-customs", to=["all"])
    await node.receive("hk-customs", to=["sg-cnb"], kind="risk", risk={"indicators": ["x"]})
    assert await node.service.routing.simulate(proposed(node.world)) == {"alerts": 2, "changes": []}
    copy = Rule("copy", "add", Condition(topics=("risk",)), Target(agencies=("au-abf",)), None, "agreed")
    found = await node.service.routing.simulate(proposed(node.world, copy))
    (change,) = found["changes"]
    assert [decision["agency"] for decision in change["gained"]] == ["au-abf"]
    with pytest.raises(DirectoryInvalid, match="format"):
        await node.service.routing.simulate({})


async def test_before_a_directory_is_held(new_node: EdgeNode) -> None:
    for ask in (new_node.service.routing.lint(), new_node.service.routing.matrix({})):
        with pytest.raises(NotReady):
            await ask
    with pytest.raises(NotReady):
        await new_node.service.routing.simulate(proposed(new_node.world))
