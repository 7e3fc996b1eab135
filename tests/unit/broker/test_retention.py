"""Deleting in the background, on the running hub: bounded steps, failing disks, what nodes and auditors are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

import broker.retention as retention_module
from broker.engines.sqlite import SqliteEngine
from broker.retention import Retention
from schemas.envelope.header import decode_header
from schemas.errors import StorageFull
from schemas.ids import sha256
from schemas.limits import CHUNK, DAY_MS
from schemas.log.checkpoint import verify_checkpoint
from schemas.log.entry import PurgeEntry, decode_entry
from schemas.log.evidence import decode_evidence, evidence_name
from schemas.log.merkle import leaf_hash, verify_inclusion
from schemas.session.frames import Blob, Fetch, Result, Upload, Uploaded
from tests.support.hub_client import HubClient, client_tls
from tests.unit.broker.test_sessions import RECIPIENT, SENDER, Scene, send, staged

RETENTION = 30 * DAY_MS


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with staged(tmp_path, purge_seconds=3_600) as scene:
        yield scene


def purges(scene: Scene) -> list[int]:
    """The alerts, by index, whose deletion the log tells of."""
    engine = scene.hub.exchange.engine
    entries = map(decode_entry, engine.entries(0, engine.size()))
    return [entry.index for entry in entries if isinstance(entry, PurgeEntry)]


async def delivered(scene: Scene) -> tuple[HubClient, HubClient, int]:
    """Sender and recipient of an alert that arrived, and its index."""
    sender, recipient = await scene.open(SENDER), await scene.open(RECIPIENT)
    index = await send(sender, scene.alert(1, to=[RECIPIENT]))
    await recipient.until(lambda: recipient.inbox)
    assert (await recipient.acknowledge(recipient.inbox[0])).accepted
    return sender, recipient, index


async def upload(node: HubClient, data: bytes) -> bytes:
    digest = sha256(data)
    for offset in range(0, len(data), CHUNK):
        await node.send(Upload(digest, offset, len(data), data[offset : offset + CHUNK]))
        await node.expect(Uploaded)
    return digest


async def rounds(scene: Scene) -> int:
    """Steps until nothing is left to do; how many there were."""
    steps = 0
    while await scene.hub.retention.step():
        steps += 1
    return steps


async def test_a_body_is_deleted_when_it_is_due_and_the_log_says_so(scene: Scene) -> None:
    _, _, index = await delivered(scene)
    scene.clock.now += RETENTION - 1
    assert await rounds(scene) == 0
    scene.clock.now += 1
    assert await rounds(scene) == 1
    assert purges(scene) == [index]
    exchange = scene.hub.exchange
    assert exchange.shipping._parcel(index) is None, "not even in memory"


async def test_many_bodies_go_in_bounded_steps(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_module, "BODIES", 2)
    sender = await scene.open(SENDER)
    indexes = [await send(sender, scene.alert(number)) for number in range(5)]
    expires = max(decode_header(scene.alert(number).header).expires for number in range(5))
    scene.clock.now = expires + RETENTION
    assert await scene.hub.retention.step() >= 2
    assert purges(scene) == indexes[:2]
    await rounds(scene)
    assert purges(scene) == indexes


async def test_openers_go_with_the_last_day_they_may_be_needed(scene: Scene) -> None:
    _, _, index = await delivered(scene)
    engine = scene.hub.exchange.engine
    alert = decode_header(scene.alert(1, to=[RECIPIENT]).header)
    assert engine.alert_at(index) is not None
    held = [digest for (digest,) in engine._rows("SELECT id FROM opener")]  # type: ignore[attr-defined]  # the real engine
    assert held
    scene.clock.now = alert.expires + RETENTION
    await rounds(scene)
    assert all(engine.blob(digest) is not None for digest in held)
    scene.clock.now += DAY_MS
    await rounds(scene)
    assert not any(engine.blob(digest) for digest in held)


async def test_a_node_that_asks_for_a_deleted_attachment_is_told_so(scene: Scene) -> None:
    sender = await scene.open(SENDER)
    data = bytes(range(256)) * (CHUNK // 128)
    digest = await upload(sender, data)
    sealed = {"sealed_size": len(data), "digest": digest.hex(), "key": "00" * 32}
    file = {"name": "x-ray.png", "media_type": "image/png", "size": 500_000, **sealed}
    recipient = await scene.open(RECIPIENT)
    await send(sender, scene.alert(1, to=[RECIPIENT], attachments=[file]))
    await recipient.until(lambda: recipient.inbox)
    assert (await recipient.acknowledge(recipient.inbox[0])).accepted
    scene.clock.now += RETENTION
    await rounds(scene)
    await recipient.send(Fetch(digest, 0))
    (item,) = (await recipient.expect(Result)).items
    assert (item.ref, item.accepted, item.code) == (digest[:16], False, "purged")
    stranger = await scene.open("au-abf")
    await stranger.send(Fetch(digest, 0))
    assert await stranger.expect(Blob) == Blob(digest, 0, 0, b""), "others learn nothing of it"
    engine = scene.hub.exchange.engine
    assert engine._rows("SELECT 1 FROM piece") == []  # type: ignore[attr-defined]  # the real engine


async def test_a_full_disk_leaves_all_to_the_next_round(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, index = await delivered(scene)
    scene.clock.now += RETENTION
    engine = scene.hub.exchange.engine
    assert isinstance(engine, SqliteEngine)
    monkeypatch.setattr(engine, "_reserve", 1 << 60)
    with pytest.raises(StorageFull):
        await scene.hub.retention.step()
    assert purges(scene) == []
    monkeypatch.setattr(engine, "_reserve", 0)
    await rounds(scene)
    assert purges(scene) == [index]


async def test_rounds_go_on_after_every_pause_whatever_one_of_them_met(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, index = await delivered(scene)
    scene.clock.now += RETENTION
    engine, pauses = scene.hub.exchange.engine, []
    monkeypatch.setattr(engine, "_reserve", 1 << 60)

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            monkeypatch.setattr(scene.hub.exchange, "read", broken)
        elif len(pauses) == 2:
            monkeypatch.undo()
        else:
            raise asyncio.CancelledError

    async def broken(_work: object) -> object:
        raise RuntimeError("a bug")

    with pytest.raises(asyncio.CancelledError):
        await Retention(scene.hub.exchange, sleep=pause).run()
    assert pauses == [3_600] * 3
    assert purges(scene) == [index]


async def test_a_party_gets_evidence_and_nobody_else_does(scene: Scene) -> None:
    sender, recipient, index = await delivered(scene)
    for party in (sender, recipient):
        await party.send(Fetch(evidence_name(index), 0))
        blob = await party.expect(Blob)
        evidence = decode_evidence(blob.data)
        keys = scene.world.directory.log_keys()
        head = verify_checkpoint(evidence.checkpoint, scene.world.origin, keys)
        verify_inclusion(leaf_hash(evidence.entry), index, head.size, evidence.path, head.root)
        entries = scene.hub.exchange.engine.entries(0, head.size)
        assert [place.index for place in evidence.directory] == [0, 1, 2, 3, 4]
        for place in evidence.directory:
            verify_inclusion(leaf_hash(entries[place.index]), place.index, head.size, place.path, head.root)
    stranger = await scene.open("au-abf")
    for name in (evidence_name(index), evidence_name(0), evidence_name(9_999), b"\xff" * 8):
        await stranger.send(Fetch(name, 0))
        assert await stranger.expect(Blob) == Blob(name, 0, 0, b"")


async def test_an_auditor_is_shown_bodies_and_told_of_deletions(scene: Scene) -> None:
    _, _, index = await delivered(scene)
    tls = client_tls(scene.folder, "auditor-1")
    member = client_tls(scene.folder, SENDER)

    async def ask(name: object, context: object = tls) -> tuple[int, bytes]:
        url = f"https://{scene.hub.server.address}/body/{name}"
        async with aiohttp.ClientSession() as session, session.get(url, ssl=context) as answer:  # type: ignore[arg-type]  # a TLS context
            return answer.status, await answer.read()

    status, body = await ask(index)
    assert (status, sha256(body)) == (200, decode_header(scene.alert(1, to=[RECIPIENT]).header).body_digest)
    for name in (0, 999_999, "01", "x", "-1"):
        assert (await ask(name))[0] == 404
    assert (await ask(index, member))[0] == 403
    scene.clock.now += RETENTION
    await rounds(scene)
    assert (await ask(index))[0] == 410
