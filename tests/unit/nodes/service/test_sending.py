from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodes.store.outbox import Outbox
from schemas.errors import BadDocument, BadId, Nobody, NotFound, StorageFailed, WrongState
from schemas.ids import format_id, uuid7
from schemas.routing.rules import Condition, Rule, Target
from tests.support.alerts import watch
from tests.support.directory import NOW, make_world
from tests.support.edge import EdgeNode, edge_node

DAY_MS = 86_400_000
UNKNOWN = "019b0a5e-7c00-7abc-8def-0123456789ab"


async def content(node: EdgeNode, alert: str) -> dict[str, Any]:
    shown: dict[str, Any] = (await node.service.reading.alert(alert))["alert"]
    return shown


async def test_what_is_sent_is_in_the_outbox(node: EdgeNode) -> None:
    answer = await node.service.sending.send(watch(["hk-customs", "au-abf"]), officer="Tan")
    assert answer["state"] == "waiting"
    assert answer["recipients"] == ["au-abf", "hk-customs"]
    assert answer["warnings"] == []
    shown = await node.service.reading.alert(answer["id"])
    assert shown["direction"] == "out"
    assert shown["alert"]["officer"] == "Tan"
    assert {entry["agency"]: entry["state"] for entry in shown["recipients"]} == {
        "au-abf": "waiting",
        "hk-customs": "waiting",
    }


async def test_it_survives_the_node(tmp_path: Path) -> None:
    async with edge_node(tmp_path) as node:
        sent = await node.service.sending.send(watch(["hk-customs"]))
    async with edge_node(tmp_path) as node:
        assert (await node.service.reading.alert(sent["id"]))["state"] == "waiting"


async def test_a_dry_run_stores_nothing(node: EdgeNode) -> None:
    answer = await node.service.sending.send(watch(["asia"], modes=["sea", "air"]), dry_run=True)
    assert answer["recipients"] == ["au-abf", "hk-customs"]
    assert [decision["agency"] for decision in answer["trace"]] == ["au-abf", "hk-customs", "sg-cnb"]
    assert answer["header_preview"] == {
        "sender": "sg-cnb",
        "directory": 5,
        "topic": "watch",
        "precedence": "priority",
        "marking": "amber",
        "status": "actual",
        "operation": None,
        "modes": ["air", "sea"],
        "subjects": [],
        "address": ["region:asia"],
        "relation": None,
        "expires_hours": None,
        "attachments": 0,
    }
    assert "id" not in answer
    assert (await node.service.reading.sent())["alerts"] == []


async def test_a_refused_document_stores_nothing(node: EdgeNode) -> None:
    with pytest.raises(Nobody):
        await node.service.sending.send(watch(["sg-cnb"]))
    with pytest.raises(BadDocument):
        await node.service.sending.send({})
    assert (await node.service.reading.sent())["alerts"] == []


async def test_the_same_id_is_the_same_alert(node: EdgeNode) -> None:
    alert_id = uuid7(NOW, bytes)
    first = await node.service.sending.send(watch(["hk-customs"]), alert_id=alert_id)
    again = await node.service.sending.send(watch(["hk-customs"], title="other"), alert_id=alert_id)
    assert first["id"] == again["id"] == format_id(alert_id)
    await node.accept(first["id"])
    assert (await node.service.sending.send({}, alert_id=alert_id))["state"] == "accepted"
    assert len((await node.service.reading.sent())["alerts"]) == 1


async def test_the_same_id_at_the_same_time_is_the_same_alert(node: EdgeNode) -> None:
    alert_id = uuid7(NOW, bytes)
    send = node.service.sending.send
    answers = await asyncio.gather(*(send(watch(["hk-customs"]), alert_id=alert_id) for _ in range(5)))
    assert {answer["id"] for answer in answers} == {format_id(alert_id)}
    assert len((await node.service.reading.sent())["alerts"]) == 1


async def test_a_failing_write_promises_nothing(node: EdgeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> int:
        raise StorageFailed("the disk is gone")

    alert_id = uuid7(NOW, bytes)
    with monkeypatch.context() as broken:
        broken.setattr(Outbox, "add", fail)
        with pytest.raises(StorageFailed):
            await node.service.sending.send(watch(["hk-customs"]), alert_id=alert_id)
    assert (await node.service.reading.sent())["alerts"] == []
    assert (await node.service.sending.send(watch(["hk-customs"]), alert_id=alert_id))["state"] == "waiting"


async def test_files_are_sealed_and_kept_with_the_alert(node: EdgeNode) -> None:
    file = {"name": "x-ray.png", "media_type": "image/png", "data": base64.b64encode(b"\x89PNG" * 9).decode()}
    sent = await node.service.sending.send(watch(["hk-customs"]), attachments=[file])
    (shown,) = (await content(node, sent["id"]))["attachments"]
    assert (shown["name"], shown["media_type"], shown["size"]) == ("x-ray.png", "image/png", 36)
    assert "key" not in shown
    row = await node.store.read(lambda tables: tables.attachments.get(bytes.fromhex(shown["digest"])))
    assert row is not None
    assert (row.size, row.complete, row.uploaded) == (shown["sealed_size"], True, False)


async def test_a_reply_to_a_received_alert(node: EdgeNode) -> None:
    received = await node.receive("hk-customs", marking="red")
    answer = await node.service.sending.reply(received[-8:], narrative="Seen.", officer="Tan")
    assert answer["recipients"] == ["hk-customs"]
    made = await content(node, answer["id"])
    assert (made["kind"], made["marking"], made["officer"]) == ("response", "red", "Tan")
    assert made["relation"] == {"type": "reply", "alert": received}


async def test_a_dry_reply(node: EdgeNode) -> None:
    received = await node.receive("hk-customs")
    answer = await node.service.sending.reply(received, narrative="Seen.", dry_run=True)
    assert answer["header_preview"]["relation"] == {"type": "reply", "alert": received}


async def test_nobody_replies_to_himself(node: EdgeNode) -> None:
    sent = await node.service.sending.send(watch(["hk-customs"]))
    with pytest.raises(WrongState, match="your own") as refused:
        await node.service.sending.reply(sent["id"], narrative="x")
    assert "follow-up" in refused.value.hint


async def test_follow_ups_of_own_and_of_received_alerts(node: EdgeNode) -> None:
    sent = await node.service.sending.send(watch(["asia"]))
    own = await node.service.sending.follow_up(sent["id"], narrative="It moved.")
    assert own["recipients"] == ["au-abf", "hk-customs"]
    received = await node.receive("hk-customs", to=["sg-cnb", "au-abf"])
    other = await node.service.sending.follow_up(received, narrative="It moved.")
    assert other["recipients"] == ["au-abf", "hk-customs"]


async def test_a_correction_marks_the_first_alert(node: EdgeNode) -> None:
    sent = await node.service.sending.send(watch(["hk-customs"]))
    answer = await node.service.sending.correct(sent["id"], narrative="The box is blue.")
    assert answer["recipients"] == ["hk-customs"]
    assert (await node.service.reading.alert(sent["id"]))["corrected_by"] == answer["id"]


async def test_a_correction_shows_the_files_of_the_first_alert_too(node: EdgeNode) -> None:
    def file(name: str) -> dict[str, str]:
        return {"name": name, "media_type": "image/png", "data": base64.b64encode(name.encode()).decode()}

    sent = await node.service.sending.send(watch(["hk-customs"]), attachments=[file("first.png")])
    answer = await node.service.sending.correct(sent["id"], narrative="x", attachments=[file("second.png")])
    assert [a["name"] for a in (await content(node, answer["id"]))["attachments"]] == ["first.png", "second.png"]
    assert await node.service.attachment(answer["id"], 1) == b"first.png"
    assert await node.service.attachment(answer["id"], 2) == b"second.png"


async def test_a_recall_reaches_everyone_and_marks_the_first_alert(node: EdgeNode) -> None:
    sent = await node.service.sending.send(watch(["asia"]))
    await node.accept(sent["id"])
    preview = await node.service.sending.recall(sent["id"], reason="Wrong ship.", dry_run=True)
    assert preview["recipients"] == ["au-abf", "hk-customs"]
    assert (await node.service.reading.alert(sent["id"]))["recalled_by"] is None
    answer = await node.service.sending.recall(sent["id"], reason="Wrong ship.", officer="Tan")
    assert answer["recipients"] == ["au-abf", "hk-customs"]
    assert (await node.service.reading.alert(sent["id"]))["recalled_by"] == answer["id"]
    made = await content(node, answer["id"])
    assert (made["kind"], made["precedence"], made["officer"]) == ("recall", "immediate", "Tan")
    assert made["recall"] == {"reason": "Wrong ship."}


async def test_a_recall_after_the_operation_ended_still_reaches_them(node: EdgeNode) -> None:
    sent = await node.service.sending.send(watch(["operation:marker"], operation="marker"))
    await node.accept(sent["id"])
    node.now = NOW + 400 * DAY_MS
    answer = await node.service.sending.recall(sent["id"], reason="Wrong ship.")
    assert answer["recipients"] == ["au-abf", "hk-customs"]
    assert (await content(node, answer["id"]))["to"] == ["au-abf", "hk-customs"]


async def test_a_recall_reaches_those_the_address_no_longer_covers(tmp_path: Path) -> None:
    world = make_world(regions={"asia": ["au-abf", "hk-customs", "sg-cnb"]})
    async with edge_node(tmp_path, world=world) as node:
        sent = await node.service.sending.send(watch(["region:asia"]))
        await node.accept(sent["id"])
        world.change_agency("au-abf", regions=())
        world.publish("targets")
        answer = await node.service.sending.recall(sent["id"], reason="Wrong ship.")
        assert answer["recipients"] == ["au-abf", "hk-customs"]
        assert (await content(node, answer["id"]))["to"] == ["region:asia", "au-abf"]


async def test_a_recall_goes_no_further_than_rules_allow(tmp_path: Path) -> None:
    world = make_world()
    async with edge_node(tmp_path, world=world) as node:
        sent = await node.service.sending.send(watch(["region:asia"]))
        await node.accept(sent["id"])
        rule = Rule("shut", "deny", Condition(), Target(agencies=("au-abf",)), None, "The line is closed")
        world.document = replace(world.document, rules=(rule,))
        world.publish("targets")
        answer = await node.service.sending.recall(sent["id"], reason="Wrong ship.")
        assert answer["recipients"] == ["hk-customs"]


async def test_what_waits_here_is_taken_back_and_nobody_hears_of_it(node: EdgeNode) -> None:
    sent = await node.service.sending.send(watch(["hk-customs"]))
    correction = await node.service.sending.correct(sent["id"], narrative="Blue.")
    answer = await node.service.sending.recall(sent["id"], reason="Wrong ship.")
    assert answer == {"id": sent["id"], "state": "withdrawn", "recipients": [], "warnings": []}
    listed = (await node.service.reading.sent())["alerts"]
    assert {alert["id"]: alert["state"] for alert in listed} == {
        sent["id"]: "withdrawn",
        correction["id"]: "withdrawn",
    }
    with pytest.raises(WrongState, match="never left"):
        await node.service.sending.recall(sent["id"], reason="again")


async def test_a_recall_takes_back_the_corrections_too(node: EdgeNode) -> None:
    """Who holds only the correction must not go on relying on it."""
    sent = await node.service.sending.send(watch(["hk-customs"]))
    await node.accept(sent["id"])
    correction = await node.service.sending.correct(sent["id"], narrative="Blue.")
    await node.accept(correction["id"], index=901)
    again = await node.service.sending.correct(correction["id"], narrative="Red.")
    recall = await node.service.sending.recall(sent["id"], reason="Wrong ship.")
    assert (await node.service.reading.alert(sent["id"]))["recalled_by"] == recall["id"]
    taken = (await node.service.reading.alert(correction["id"]))["recalled_by"]
    assert taken is not None
    assert (await content(node, taken))["relation"] == {"type": "recall", "alert": correction["id"]}
    assert (await node.service.reading.alert(again["id"]))["state"] == "withdrawn"


async def test_a_recall_that_the_hub_refuses_can_be_made_again(node: EdgeNode) -> None:
    sent = await node.service.sending.send(watch(["hk-customs"]))
    await node.accept(sent["id"])
    first = await node.service.sending.recall(sent["id"], reason="x")
    await node.refuse(first["id"], "suspended", "sg-cnb is suspended", "")
    assert (await node.service.reading.alert(sent["id"]))["recalled_by"] is None
    second = await node.service.sending.recall(sent["id"], reason="x")
    assert (await node.service.reading.alert(sent["id"]))["recalled_by"] == second["id"]


async def test_a_recall_is_not_taken_back(node: EdgeNode) -> None:
    sent = await node.service.sending.send(watch(["hk-customs"]))
    await node.accept(sent["id"])
    recall = await node.service.sending.recall(sent["id"], reason="x")
    with pytest.raises(WrongState, match="a recall cannot be recalled"):
        await node.service.sending.recall(recall["id"], reason="y")
    with pytest.raises(WrongState, match="a recall cannot be corrected"):
        await node.service.sending.correct(recall["id"], narrative="y")


async def test_a_recall_reaches_who_is_left_when_a_recipient_was_suspended(tmp_path: Path) -> None:
    world = make_world()
    async with edge_node(tmp_path, world=world) as node:
        sent = await node.service.sending.send(watch(["au-abf", "hk-customs"]))
        await node.accept(sent["id"])
        world.change_agency("au-abf", status="suspended")
        world.publish("targets")
        answer = await node.service.sending.recall(sent["id"], reason="Wrong ship.")
        assert answer["recipients"] == ["hk-customs"]


async def test_a_correction_reaches_those_the_address_no_longer_covers(tmp_path: Path) -> None:
    world = make_world(regions={"asia": ["au-abf", "hk-customs", "sg-cnb"]})
    async with edge_node(tmp_path, world=world) as node:
        sent = await node.service.sending.send(watch(["region:asia"]))
        await node.accept(sent["id"])
        world.change_agency("au-abf", regions=())
        world.publish("targets")
        answer = await node.service.sending.correct(sent["id"], narrative="Blue.")
        assert answer["recipients"] == ["au-abf", "hk-customs"]
        whole = watch(["hk-customs"], title="Another box")
        answer = await node.service.sending.correct(sent["id"], reason="Wrong box.", document=whole)
        assert answer["recipients"] == ["au-abf", "hk-customs"]


@pytest.mark.parametrize("dry_run", [False, True])
async def test_only_own_alerts_are_recalled_or_corrected(node: EdgeNode, dry_run: bool) -> None:
    received = await node.receive("hk-customs")
    sending = node.service.sending
    with pytest.raises(WrongState, match="this alert is hk-customs's"):
        await sending.recall(received, reason="x", dry_run=dry_run)
    with pytest.raises(WrongState, match="this alert is hk-customs's"):
        await sending.correct(received, narrative="x", dry_run=dry_run)
    smuggled = watch(
        ["hk-customs"], kind="recall", recall={"reason": "x"}, relation={"type": "recall", "alert": received}
    )
    with pytest.raises(WrongState, match="only an alert sent from here"):
        await sending.send(smuggled, dry_run=dry_run)


async def test_what_was_recalled_is_over(node: EdgeNode) -> None:
    sent = await node.service.sending.send(watch(["hk-customs"]))
    await node.accept(sent["id"])
    await node.service.sending.recall(sent["id"], reason="x")
    with pytest.raises(WrongState, match="recalled already"):
        await node.service.sending.recall(sent["id"], reason="y")
    with pytest.raises(WrongState, match="recalled already"):
        await node.service.sending.correct(sent["id"], narrative="y")


async def test_what_never_left_needs_no_recall(node: EdgeNode) -> None:
    sent = await node.service.sending.send(watch(["hk-customs"]))
    await node.refuse(sent["id"])
    with pytest.raises(WrongState, match="never left"):
        await node.service.sending.recall(sent["id"], reason="x")


async def test_alerts_that_are_not_there(node: EdgeNode) -> None:
    for make in (
        node.service.sending.reply(UNKNOWN, narrative="x"),
        node.service.sending.follow_up(UNKNOWN, narrative="x"),
        node.service.sending.correct(UNKNOWN, narrative="x"),
        node.service.sending.recall(UNKNOWN, reason="x"),
    ):
        with pytest.raises(NotFound):
            await make
    with pytest.raises(BadId):
        await node.service.sending.reply("not an id", narrative="x")
