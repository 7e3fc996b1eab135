from __future__ import annotations

import pytest

from schemas.errors import NotFound, NotReady, Refusal, WrongState
from schemas.log.receipt import decode_receipt
from tests.support.alerts import watch
from tests.support.edge import EdgeNode


async def test_the_directory(node: EdgeNode) -> None:
    assert [agency["id"] for agency in (await node.service.directory())["agencies"]] == [
        "au-abf",
        "hk-customs",
        "sg-cnb",
    ]


async def test_no_directory_yet(new_node: EdgeNode) -> None:
    with pytest.raises(NotReady):
        await new_node.service.directory()


async def test_explain_a_query_or_a_document(node: EdgeNode) -> None:
    by_query = await node.service.routing.explain({"to": ["asia"], "kind": "watch", "precedence": "priority"})
    by_document = await node.service.routing.explain({"document": watch(["asia"], precedence="priority")})
    assert by_query == by_document
    assert by_query["recipients"] == ["au-abf", "hk-customs"]


async def test_an_acknowledgement_is_a_receipt_to_the_sender(node: EdgeNode) -> None:
    received = await node.receive("hk-customs")
    assert await node.service.ack(received[-8:], "read", officer="Tan") == {"state": "read"}
    assert await node.service.ack(received, "actioned") == {"state": "actioned"}
    receipts = [decode_receipt(r.receipt) for r in await node.store.read(lambda tables: tables.receipts.all())]
    assert sorted((r.sender, r.state, r.officer or "") for r in receipts) == [
        ("hk-customs", "actioned", ""),
        ("hk-customs", "read", "Tan"),
    ]


async def test_states_only_move_forward(node: EdgeNode) -> None:
    received = await node.receive("hk-customs")
    await node.service.ack(received, "actioned")
    assert await node.service.ack(received, "read") == {"state": "actioned"}
    assert await node.store.read(lambda tables: tables.receipts.count()) == 1


@pytest.mark.parametrize("officer", ["", "x" * 101, "two\nlines"])
async def test_an_officer_no_receipt_can_name_is_refused(node: EdgeNode, officer: str) -> None:
    received = await node.receive("hk-customs")
    with pytest.raises(Refusal):
        await node.service.ack(received, "read", officer=officer)
    assert (await node.service.reading.alert(received))["state"] == "unread"


async def test_only_received_alerts_are_acknowledged(node: EdgeNode) -> None:
    sent = await node.service.sending.send(watch(["hk-customs"]))
    with pytest.raises(WrongState, match="your own"):
        await node.service.ack(sent["id"], "read")
    with pytest.raises(NotFound):
        await node.service.ack("ffffffff", "read")
