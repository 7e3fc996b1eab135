from __future__ import annotations

import json
from pathlib import Path

from nodes.handlers.payload import alert_payload
from nodes.service.attachments import seal_files
from nodes.store.database import Tables
from tests.support.edge import edge_node
from tests.support.envelope import counting_random


async def test_nothing_in_it_changes_after_arrival(tmp_path: Path) -> None:
    def payload(tables: Tables) -> bytes:
        row = tables.alerts.find(alert)
        return alert_payload(row, tables.alerts.content(row.number), tables.alerts.proof(row.number))

    async with edge_node(tmp_path) as node:
        file = {"name": "x-ray.png", "media_type": "image/png", "data": "YQ=="}
        alert = await node.receive("hk-customs", sealed_files=seal_files([file], counting_random()))
        before = await node.store.read(payload)
        await node.service.ack(alert, "actioned")
        await node.receive(
            "hk-customs",
            kind="recall",
            subjects=[],
            recall={"reason": "x"},
            relation={"type": "recall", "alert": alert},
        )
        assert await node.store.read(payload) == before
    value = json.loads(before)
    assert set(value) == {"id", "received", "alert", "header", "proof"}
    assert set(value["alert"]["attachments"][0]) == {"name", "media_type", "size", "sealed_size", "digest"}
