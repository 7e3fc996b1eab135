from __future__ import annotations

import json
from pathlib import Path

import pytest

from nodes import views
from nodes.service.attachments import seal_files
from nodes.store.alerts import Content
from schemas.ids import format_id, parse_id
from tests.support.edge import edge_node
from tests.support.envelope import counting_random

ID = "019b0a5e-7c00-7abc-8def-0123456789ab"


def test_a_missing_id() -> None:
    assert views.optional_id(None) is None
    assert views.optional_id(parse_id(ID)) == ID


def test_the_keys_of_attachments_stay_in_the_node() -> None:
    content = Content({"title": "x", "attachments": [{"name": "a", "key": "00" * 32}]}, None, None)
    assert views.document_view(content) == {"title": "x", "attachments": [{"name": "a"}]}
    assert views.document_view(Content({"title": "x"}, None, None)) == {"title": "x"}


def test_a_stored_alert_that_is_none_is_our_own_fault() -> None:
    with pytest.raises(TypeError):
        views.document_view(Content(["x"], None, None))


def test_an_alert_not_sealed_yet_has_no_header() -> None:
    assert views.header_view(Content({}, None, None)) is None


async def test_every_view_is_json(tmp_path: Path) -> None:
    async with edge_node(tmp_path) as node:
        file = {"name": "x-ray.png", "media_type": "image/png", "data": "YQ=="}
        parent = await node.receive("hk-customs")
        alert = await node.receive(
            "hk-customs",
            operation="marker",
            modes=["sea", "air"],
            relation={"type": "follow-up", "alert": parent},
            sealed_files=seal_files([file], counting_random()),
        )
        row = await node.store.read(lambda tables: tables.alerts.find(alert))
        content = await node.store.read(lambda tables: tables.alerts.content(row.number))
        proof = await node.store.read(lambda tables: tables.alerts.proof(row.number))
    header = views.header_view(content)
    assert header is not None
    assert (header["id"], header["operation"], header["modes"]) == (alert, "marker", ["air", "sea"])
    assert header["relation"] == {"type": "follow-up", "alert": parent}
    assert [len(bytes.fromhex(item["digest"])) for item in header["attachments"]] == [32]
    summary = views.summary(row)
    assert summary["relation"] == {"type": "follow-up", "alert": parent}
    assert summary["short"] == format_id(row.id)[-8:]
    for view in (header, summary, views.document_view(content), views.proof_view(row, proof)):
        assert json.loads(json.dumps(view)) == view


def test_counts_belong_to_sent_alerts() -> None:
    from nodes.store.alerts import AlertRow

    row = AlertRow(
        *(1, "out", parse_id(ID), "sg-cnb", None, "watch", "t", "amber", "actual", "routine", None, ("all",), 1, 1),
        *(None, None, None, "accepted", 9, None, None, None, None, None, None),
    )
    view = views.summary(row, {"stored": 2, "read": 1})
    assert (view["recipients_total"], view["counts"]) == (3, {"stored": 2, "read": 1})
    assert views.proof_view(row, None) == {"index": 9, "leaf": None, "size": None}
