from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nodes.store.quarantine import Quarantined
from schemas.errors import BadId, Malformed, NotFound
from schemas.ids import parse_id, uuid7
from tests.support.alerts import SECRET_WORDS, watch
from tests.support.directory import NOW
from tests.support.edge import EdgeNode

UNKNOWN = "019b0a5e-7c00-7abc-8def-0123456789ab"


def ids(answer: dict[str, Any]) -> list[str]:
    return [alert["id"] for alert in answer["alerts"]]


async def test_the_inbox_newest_first(node: EdgeNode) -> None:
    first = await node.receive("hk-customs", title="first")
    second = await node.receive("au-abf", title="second")
    answer = await node.service.reading.inbox()
    assert ids(answer) == [second, first]
    summary = answer["alerts"][1]
    assert summary == {
        "id": first,
        "short": first[-8:],
        "direction": "in",
        "sender": "hk-customs",
        "officer": None,
        "to": ["sg-cnb"],
        "kind": "watch",
        "title": "first",
        "marking": "amber",
        "status": "actual",
        "precedence": "priority",
        "operation": None,
        "composed": NOW,
        "received": NOW,
        "expires": NOW + 30 * 86_400_000,
        "state": "unread",
        "index": 5,
        "relation": None,
        "recalled": False,
        "corrected": False,
    }


async def test_the_inbox_can_be_narrowed(node: EdgeNode) -> None:
    unread = await node.receive("hk-customs")
    seizure = await node.receive("au-abf", kind="seizure", operation="marker", subjects=[])
    await node.service.ack(seizure, "actioned")
    reading = node.service.reading
    assert ids(await reading.inbox(state="unread")) == [unread]
    assert ids(await reading.inbox(state="actioned")) == [seizure]
    assert ids(await reading.inbox(state="read")) == []
    assert ids(await reading.inbox(kind="seizure")) == [seizure]
    assert ids(await reading.inbox(sender="hk-customs")) == [unread]
    assert ids(await reading.inbox(operation="marker")) == [seizure]
    assert ids(await reading.inbox(sender="au-abf", kind="watch")) == []


async def test_pages(node: EdgeNode) -> None:
    alerts = [await node.receive("hk-customs", title=f"number {number}") for number in range(5)]
    reading = node.service.reading
    first = await reading.inbox(limit=2)
    assert ids(first) == [alerts[4], alerts[3]]
    second = await reading.inbox(limit=2, before=ids(first)[-1])
    assert ids(second) == [alerts[2], alerts[1]]
    assert ids(await reading.inbox(limit=2, before=alerts[1][-8:])) == [alerts[0]]
    assert ids(await reading.inbox(before=alerts[0])) == []


@pytest.mark.parametrize("wanted", [{"limit": 0}, {"limit": 501}, {"state": "new"}, {"kind": "wach"}])
async def test_a_list_that_cannot_be_is_refused(node: EdgeNode, wanted: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        await node.service.reading.inbox(**wanted)
    if "limit" in wanted:
        with pytest.raises(Malformed):
            await node.service.reading.search("x", **wanted)


async def test_a_page_behind_an_unknown_alert(node: EdgeNode) -> None:
    with pytest.raises(NotFound):
        await node.service.reading.inbox(before=UNKNOWN)


async def test_sent_alerts_count_their_recipients(node: EdgeNode) -> None:
    sent = (await node.service.sending.send(watch(["asia"])))["id"]
    await node.accept(sent)
    await node.receipt(sent, "hk-customs", "stored")
    (summary,) = (await node.service.reading.sent())["alerts"]
    assert summary["recipients_total"] == 2
    assert summary["counts"] == {"accepted": 1, "stored": 1}
    assert (summary["state"], summary["index"]) == ("accepted", 900)
    assert ids(await node.service.reading.sent(kind="seizure")) == []
    assert ids(await node.service.reading.sent(state="waiting")) == []


async def test_everything_about_a_received_alert(node: EdgeNode) -> None:
    received = await node.receive("hk-customs", narrative="Expect much.", operation="marker")
    shown = await node.service.reading.alert(received)
    assert shown["direction"] == "in"
    assert shown["alert"]["narrative"] == "Expect much."
    assert shown["alert"]["id"] == received
    assert shown["alert"]["sender"] == "hk-customs"
    assert shown["header"]["recipients"] == ["sg-cnb"]
    assert shown["header"]["operation"] == "marker"
    assert len(bytes.fromhex(shown["header"]["signature"])) == 64
    assert shown["index"] == 5
    assert shown["proof"] == {"index": 5, "size": 6, "leaf": shown["proof"]["leaf"]}
    assert len(bytes.fromhex(shown["proof"]["leaf"])) == 32
    assert (shown["recalled_by"], shown["corrected_by"], shown["refusal"]) == (None, None, None)
    assert shown["thread"] == [received]
    assert "recipients" not in shown


async def test_everything_about_a_sent_alert(node: EdgeNode) -> None:
    sent = (await node.service.sending.send(watch(["asia"])))["id"]
    shown = await node.service.reading.alert(sent)
    assert (shown["header"], shown["index"], shown["proof"]) == (None, None, None)
    assert [entry["agency"] for entry in shown["recipients"]] == ["au-abf", "hk-customs"]
    await node.refuse(sent, "quota", "too many", "Wait.")
    shown = await node.service.reading.alert(sent)
    assert shown["state"] == "refused"
    assert shown["refusal"] == {"code": "quota", "message": "too many", "hint": "Wait."}
    assert {entry["state"] for entry in shown["recipients"]} == {"refused"}


async def test_an_alert_that_was_put_off_is_not_said_to_be_refused(node: EdgeNode) -> None:
    sent = (await node.service.sending.send(watch(["asia"])))["id"]
    until = node.clock() + 60_000
    await node.store.write(lambda t: t.outbox.postpone(parse_id(sent), code="quota", not_before=until, delayed=True))
    shown = await node.service.reading.alert(sent)
    assert (shown["state"], shown["refusal"]) == ("waiting", None)
    assert shown["waits"] == {"code": "quota", "until": until}


async def test_an_alert_by_its_end(node: EdgeNode) -> None:
    received = await node.receive("hk-customs")
    assert (await node.service.reading.alert(received[-4:]))["alert"]["id"] == received
    with pytest.raises(BadId):
        await node.service.reading.alert(received[-3:])
    with pytest.raises(NotFound):
        await node.service.reading.alert(UNKNOWN)


async def test_a_thread_is_in_both_directions(node: EdgeNode) -> None:
    received = await node.receive("hk-customs")
    reply = (await node.service.sending.reply(received, narrative="Seen."))["id"]
    more = await node.receive("hk-customs", relation={"type": "follow-up", "alert": reply})
    for alert in (received, reply, more):
        assert (await node.service.reading.alert(alert))["thread"] == [received, reply, more]


async def test_a_recall_marks_what_it_recalls(node: EdgeNode) -> None:
    received = await node.receive("hk-customs")
    recall = await node.receive(
        "hk-customs", kind="recall", subjects=[], recall={"reason": "x"}, relation={"type": "recall", "alert": received}
    )
    assert (await node.service.reading.alert(received))["recalled_by"] == recall
    assert [(alert["id"], alert["recalled"]) for alert in (await node.service.reading.inbox())["alerts"]] == [
        (recall, False),
        (received, True),
    ]


async def test_search_finds_words_in_both_directions(node: EdgeNode) -> None:
    received = await node.receive("hk-customs", narrative="Green tea from Qingdao")
    sent = (await node.service.sending.send(watch(["hk-customs"])))["id"]
    search = node.service.reading.search
    assert ids(await search("tea green")) == [received]
    assert ids(await search(SECRET_WORDS)) == [sent]
    assert ids(await search("CSQU3054383")) == [sent, received]
    assert ids(await search("CSQU3054383", limit=1)) != []
    assert ids(await search("")) == []
    assert ids(await search('"; DROP TABLE alert --')) == []


async def test_quarantine_says_why_and_shows_nothing(node: EdgeNode) -> None:
    alert_id = uuid7(NOW, bytes)
    item = Quarantined(7, alert_id, "hk-customs", "bad-signature", 5, "forged", NOW, b"entry", b"body")
    await node.store.write(lambda tables: tables.quarantine.add(item))
    (shown,) = (await node.service.reading.quarantine())["quarantine"]
    assert shown == {
        "index": 7,
        "id": shown["id"],
        "sender": "hk-customs",
        "code": "bad-signature",
        "step": 5,
        "message": "forged",
        "time": NOW,
    }


async def test_dead_letters(node: EdgeNode) -> None:
    received = await node.receive("hk-customs")

    def bury(tables: Any) -> None:
        event = tables.events.last()
        row = tables.alerts.find(received)
        tables.jobs.plan("hook", row.id, event, now=NOW)
        (job,) = tables.jobs.due("hook", now=NOW)
        tables.jobs.bury(job.number, "status 500", now=NOW + 1)

    await node.store.write(bury)
    (letter,) = (await node.service.reading.dead_letters())["dead_letters"]
    assert letter == {
        "number": letter["number"],
        "handler": "hook",
        "alert": received,
        "attempts": 1,
        "reason": "status 500",
        "time": NOW + 1,
    }
    assert await node.service.retry_dead_letter(letter["number"]) == {"number": letter["number"], "state": "waiting"}
    assert (await node.service.reading.dead_letters())["dead_letters"] == []
    with pytest.raises(NotFound):
        await node.service.retry_dead_letter(letter["number"])


async def test_events_from_a_number_on_and_then_live(node: EdgeNode) -> None:
    first = await node.receive("hk-customs", title="first")
    stream = node.service.reading.events(0)
    (event,) = await anext(stream)
    assert (event["type"], event["alert"], event["title"], event["sender"]) == ("alert", first, "first", "hk-customs")
    coming = asyncio.ensure_future(anext(stream))
    second = await node.receive("hk-customs", title="second")
    (event,) = await coming
    assert (event["alert"], event["title"]) == (second, "second")
    assert event["seq"] == await node.service.reading.last_event()
    await stream.aclose()
    resumed = node.service.reading.events(event["seq"] - 1)
    assert [event["alert"] for event in await anext(resumed)] == [second]
    await resumed.aclose()


async def test_many_events_come_in_batches(node: EdgeNode) -> None:
    def many(tables: Any) -> None:
        for number in range(300):
            tables.events.add("link", {"connected": bool(number % 2)}, now=NOW)

    await node.store.write(many)
    stream = node.service.reading.events(0)
    batches = [await anext(stream), await anext(stream)]
    await stream.aclose()
    assert [len(batch) for batch in batches] == [256, 44]
    assert [event["seq"] for batch in batches for event in batch] == list(range(1, 301))
