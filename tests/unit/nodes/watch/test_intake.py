from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nodes.watch.claims import Claims
from nodes.watch.intake import WatchedFolder
from schemas.errors import CrossbearingError, OutboxFull, Overloaded, Quota, StorageFull
from tests.support.edge import EdgeNode, edge_node
from tests.support.envelope import counting_random

GOOD = "kind: watch\ntitle: From a file\nto: [hk-customs]\nsubjects: [{type: container, number: CSQU3054383}]\n"
BAD = "kind: watch\nto: [hk-customs, xx-nobody]\nsubjects: [{type: container, number: CSQU3054384}]\n"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[EdgeNode]:
    async with edge_node(tmp_path) as made:
        yield made


@pytest.fixture
async def new_node(tmp_path: Path) -> AsyncIterator[EdgeNode]:
    async with edge_node(tmp_path, directory=False) as made:
        yield made


def watched(node: EdgeNode, *, interval: float = 0.0) -> WatchedFolder:
    async def submit(document: dict[str, Any], alert_id: bytes) -> object:
        return await node.service.sending.send(document, alert_id=alert_id)

    random = counting_random("watch")
    return WatchedFolder(node.home / "watch", submit, now=node.clock, random=random, interval=interval)


def drop(node: EdgeNode, name: str, text: str = GOOD) -> None:
    (node.home / "watch" / "in" / name).write_text(text)


def names(node: EdgeNode, folder: str) -> list[str]:
    return sorted(path.name for path in (node.home / "watch" / folder).iterdir())


async def sent(node: EdgeNode) -> list[dict[str, Any]]:
    alerts: list[dict[str, Any]] = (await node.service.reading.sent())["alerts"]
    return alerts


async def test_a_document_becomes_an_alert(node: EdgeNode) -> None:
    folder = watched(node)
    drop(node, "case.yaml")
    assert await folder.step() == 0
    assert await folder.step() == 1
    (alert,) = await sent(node)
    assert alert["title"] == "From a file"
    assert names(node, "in") == names(node, ".claimed") == names(node, "failed") == []
    assert names(node, "done") == ["case.yaml", "case.yaml.id"]
    assert (node.home / "watch" / "done" / "case.yaml.id").read_text() == alert["id"] + "\n"
    assert await folder.step() == 0


async def test_every_kind_of_document(node: EdgeNode) -> None:
    folder = watched(node)
    document = {
        "kind": "watch",
        "title": "From JSON",
        "to": "all",
        "subjects": [{"type": "container", "number": "CSQU3054383"}],
    }
    drop(node, "a.yaml")
    drop(node, "b.YML")
    drop(node, "c.json", json.dumps(document))
    await folder.step()
    assert await folder.step() == 3
    assert sorted(alert["title"] for alert in await sent(node)) == ["From JSON", "From a file", "From a file"]


async def test_the_same_document_twice_is_two_alerts(node: EdgeNode) -> None:
    folder = watched(node)
    for _ in range(2):
        drop(node, "case.yaml")
        await folder.step()
        await folder.step()
    assert len(await sent(node)) == 2
    assert len(names(node, "done")) == 4


async def test_a_refused_document_says_everything_that_is_wrong(node: EdgeNode) -> None:
    folder = watched(node)
    drop(node, "case.yaml", BAD)
    await folder.step()
    assert await folder.step() == 0
    assert await sent(node) == []
    assert names(node, "failed") == ["case.yaml", "case.yaml.problems.txt"]
    text = (node.home / "watch" / "failed" / "case.yaml.problems.txt").read_text()
    assert text.startswith("case.yaml was not sent: ")
    assert "to[1]: " in text
    assert "title: " in text
    assert "subjects[0].number: " in text


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.yaml", b"kind: [", "YAML"),
        ("a.json", b"{", "JSON"),
        ("a.yaml", b"", ""),
        ("a.yaml", b"\xff\xfe", "UTF-8"),
        ("a.json", b"x" * 262_145, "262144"),
        ("a.json", b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "nested"),
    ],
)
async def test_what_cannot_be_read_is_refused_in_words(node: EdgeNode, name: str, content: bytes, says: str) -> None:
    folder = watched(node)
    (node.home / "watch" / "in" / name).write_bytes(content)
    await folder.step()
    await folder.step()
    text = (node.home / "watch" / "failed" / f"{name}.problems.txt").read_text()
    assert text.startswith(f"{name} was not sent: ")
    assert says in text


async def test_one_bad_document_does_not_stop_the_next(node: EdgeNode) -> None:
    folder = watched(node)
    drop(node, "a.yaml", BAD)
    drop(node, "b.yaml")
    await folder.step()
    assert await folder.step() == 1
    assert names(node, "done") == ["b.yaml", "b.yaml.id"]


async def test_a_crash_after_sending_does_not_send_again(node: EdgeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = watched(node)
    drop(node, "case.yaml")
    await folder.step()

    def crash(*_: object) -> Path:
        raise OSError(5, "power cut")

    with monkeypatch.context() as broken:
        broken.setattr(Claims, "settle_done", crash)
        with pytest.raises(OSError, match="power cut"):
            await folder.step()
    assert len(await sent(node)) == 1
    assert len(names(node, ".claimed")) == 1
    assert await watched(node).step() == 1
    (alert,) = await sent(node)
    assert (node.home / "watch" / "done" / "case.yaml.id").read_text() == alert["id"] + "\n"


async def test_a_crash_after_taking_sends_once(node: EdgeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    drop_before = watched(node)
    drop(node, "case.yaml")
    await drop_before.step()

    def crash(*_: object) -> list[object]:
        raise OSError(5, "power cut")

    with monkeypatch.context() as broken:
        broken.setattr(Claims, "open", crash)
        with pytest.raises(OSError, match="power cut"):
            await drop_before.step()
    assert names(node, "in") == []
    assert await watched(node).step() == 1
    assert len(await sent(node)) == 1


async def test_documents_wait_until_there_is_a_directory(new_node: EdgeNode) -> None:
    folder = watched(new_node)
    drop(new_node, "case.yaml")
    await folder.step()
    running = asyncio.create_task(folder.run())
    while not names(new_node, ".claimed"):
        await asyncio.to_thread(names, new_node, ".claimed")
    new_node.hold_directory()
    while not names(new_node, "done"):
        await asyncio.to_thread(names, new_node, "done")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(await sent(new_node)) == 1


async def test_a_full_disk_is_waited_out(node: EdgeNode) -> None:
    full = [StorageFull("no room"), StorageFull("no room")]

    async def submit(document: dict[str, Any], alert_id: bytes) -> object:
        if full:
            raise full.pop()
        return await node.service.sending.send(document, alert_id=alert_id)

    folder = WatchedFolder(node.home / "watch", submit, now=node.clock, random=counting_random("watch"), interval=0.0)
    drop(node, "case.yaml")
    running = asyncio.create_task(folder.run())
    while not names(node, "done"):
        await asyncio.to_thread(names, node, "done")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(await sent(node)) == 1


@pytest.mark.parametrize("error", [OutboxFull("full"), Overloaded("busy"), Quota("no allowance"), StorageFull("full")])
async def test_a_document_for_which_there_is_no_room_waits(node: EdgeNode, error: CrossbearingError) -> None:
    refusing = True

    async def submit(document: dict[str, Any], alert_id: bytes) -> object:
        if refusing:
            raise error
        return await node.service.sending.send(document, alert_id=alert_id)

    folder = WatchedFolder(node.home / "watch", submit, now=node.clock, random=counting_random("watch"))
    drop(node, "case.yaml")
    await folder.step()
    for _ in range(3):
        with pytest.raises(type(error)):
            await folder.step()
    assert (len(names(node, ".claimed")), names(node, "failed"), names(node, "done")) == (1, [], [])
    refusing = False
    assert await folder.step() == 1
    assert names(node, "failed") == names(node, ".claimed") == []
    assert len(await sent(node)) == 1


async def test_a_flash_does_not_wait_in_the_folder_behind_a_full_outbox(
    node: EdgeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodes.store.outbox.MAX_OUTBOX", 1)
    folder = watched(node)
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        drop(node, name)
    drop(node, "z.yaml", GOOD + "precedence: flash\n")
    await folder.step()
    with pytest.raises(OutboxFull):
        await folder.step()
    assert [alert["precedence"] for alert in await sent(node)] == ["flash", "priority"]
    assert [name[37:] for name in names(node, ".claimed")] == ["b.yaml", "c.yaml"]
    assert names(node, "failed") == []


async def test_a_full_outbox_is_waited_out(node: EdgeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.store.outbox.MAX_OUTBOX", 1)
    folder = watched(node)
    drop(node, "a.yaml")
    drop(node, "b.yaml")
    running = asyncio.create_task(folder.run())
    try:
        while len(names(node, "done")) < 2 or len(names(node, ".claimed")) < 1:
            await asyncio.to_thread(names, node, "done")
        (first,) = await sent(node)
        await node.accept(first["id"])
        while names(node, ".claimed"):
            await asyncio.to_thread(names, node, "done")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert len(await sent(node)) == 2


async def test_a_missing_folder_does_not_end_the_watch(node: EdgeNode) -> None:
    folder = watched(node)
    inward = node.home / "watch" / "in"
    inward.rmdir()
    running = asyncio.create_task(folder.run())
    await asyncio.to_thread(inward.exists)
    inward.mkdir()
    drop(node, "case.yaml")
    while not names(node, "done"):
        await asyncio.to_thread(names, node, "done")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(await sent(node)) == 1


async def test_a_document_that_trips_the_program_goes_to_failed(node: EdgeNode) -> None:
    async def submit(document: dict[str, Any], alert_id: bytes) -> object:
        raise ZeroDivisionError

    folder = WatchedFolder(node.home / "watch", submit, now=node.clock, random=counting_random("watch"))
    drop(node, "case.yaml")
    await folder.step()
    assert await folder.step() == 0
    assert "Code: internal" in (node.home / "watch" / "failed" / "case.yaml.problems.txt").read_text()


async def test_links_and_strangers_stay_where_they_are(node: EdgeNode) -> None:
    folder = watched(node)
    drop(node, "photo.jpg", "x")
    (node.home / "watch" / "in" / "link.yaml").symlink_to("/etc/passwd")
    for _ in range(3):
        assert await folder.step() == 0
    assert names(node, "in") == ["link.yaml", "photo.jpg"]
    assert await sent(node) == []
