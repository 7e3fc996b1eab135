"""Sessions against the real hub: delivery, receipts, resume, credit, and every way a session ends."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest

from broker import answers
from broker.draft import NewDirectory, Work
from broker.hub import Hub
from broker.sessions import Session
from broker.shipping import Shipment
from schemas.codec import encode
from schemas.directory.documents import ByPrecedence
from schemas.envelope.header import decode_header
from schemas.errors import CrossbearingError, StorageInDoubt, StorageTampered
from schemas.ids import format_id, sha256
from schemas.limits import CHUNK, CREDIT_RESERVE, MAX_FRAME, MAX_PENDING_UPLOADS, MAX_UNSENT_PIECES
from schemas.log.checkpoint import Checkpoint
from schemas.log.entry import AlertEntry, DirectoryEntry, ReceiptEntry, decode_entry
from schemas.session.frames import (
    Blob,
    Block,
    Bye,
    Credit,
    Fetch,
    Frame,
    Hello,
    Result,
    Submit,
    TreeHead,
    Upload,
    Uploaded,
    Welcome,
    encode_frame,
)
from tests.support.directory import NOW, World, make_world
from tests.support.envelope import make_alert, seal_alert
from tests.support.hub import TestClock, new_hub, running_hub
from tests.support.hub_client import HubClient, HubClosedError, client_tls, connect
from tests.support.hub_core import altered, submission

SENDER, RECIPIENT = "hk-customs", "sg-cnb"


@dataclass
class Scene:
    """A running hub and whoever is connected to it."""

    world: World
    hub: Hub
    folder: Path
    clock: TestClock
    stack: AsyncExitStack

    async def node(self, agency: str) -> HubClient:
        """A connection before its hello."""
        return await self.stack.enter_async_context(connect(self.world, agency, self.hub.server.address, self.folder))

    async def open(self, agency: str, *, credit: int = 256, notices: int = 0) -> HubClient:
        """A connection after hello and the directory."""
        node = await self.node(agency)
        await node.hello(credit=credit, notices=notices)
        await node.until(lambda: len(node.history) == self.hub.exchange.head.directory)
        return node

    async def reopen(self, node: HubClient, *, notices: int = 0) -> HubClient:
        """The same node again on a new connection, with what it holds."""
        await node.socket.close()
        again = await self.node(node.agency)
        again.held, again.history, again.openers = node.held, node.history, node.openers
        await again.hello(notices=notices)
        return again

    def alert(self, number: int = 1, sender: str = SENDER, **fields: object) -> Submit:
        """A sealed alert with its openers."""
        alert = make_alert(self.world, sender, number=number, **fields)
        return submission(*seal_alert(self.world, alert, now=self.clock.now, label=f"{sender} {number}"))

    async def publish(self, role: str) -> None:
        """Bring the world's next version of a role into force."""
        made = self.world.bundle(role)
        index = await self.hub.exchange.submit(Work("", NewDirectory(made.role, made.version, made.bundle)))
        assert isinstance(index, int), index
        entry = decode_entry(self.hub.exchange.engine.entries(index, index + 1)[0])
        assert isinstance(entry, DirectoryEntry)
        self.world.history.accept(index, entry, made.bundle, trusted_root=self.world.trusted_root)
        self.world.versions[role] = made.version


@asynccontextmanager
async def staged(folder: Path, **settings: int) -> AsyncIterator[Scene]:
    world, clock = make_world(), TestClock()
    async with running_hub(new_hub(world, folder, clock, **settings), clock) as hub, AsyncExitStack() as stack:
        yield Scene(world, hub, folder, clock, stack)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with staged(tmp_path) as scene:
        yield scene


async def send(node: HubClient, alert: Submit) -> int:
    """Submit, and give the index where the alert was logged."""
    await node.send(alert)
    identity = decode_header(alert.header).id
    await node.until(lambda: identity in node.results)
    result = node.results.pop(identity)
    assert result.accepted, result
    return result.index


async def goodbye(node: HubClient) -> str:
    """The code with which the hub ends the session."""
    with pytest.raises(HubClosedError) as caught:
        await node.until(lambda: False)
    return caught.value.code


# -- delivery ----------------------------------------------------------------------------------------------------------


async def test_an_alert_reaches_its_recipients_and_the_receipt_its_sender(scene: Scene) -> None:
    sender, recipient, other = [await scene.open(name) for name in (SENDER, RECIPIENT, "au-abf")]
    index = await send(sender, scene.alert())
    await recipient.until(lambda: recipient.inbox)
    await other.until(lambda: other.inbox)
    assert recipient.inbox[0].index == other.inbox[0].index == index
    assert (await recipient.acknowledge(recipient.inbox[0])).accepted
    await sender.until(lambda: sender.notices)
    assert isinstance(decode_entry(sender.notices[0].entry), ReceiptEntry)
    assert other.notices == []


async def test_what_waits_comes_by_precedence_then_age(scene: Scene) -> None:
    sender = await scene.open(SENDER)
    precedences = ["routine", "flash", "routine", "priority"]
    first = await send(sender, scene.alert(0, precedence=precedences[0]))
    for number, precedence in enumerate(precedences[1:], start=1):
        await send(sender, scene.alert(number, precedence=precedence))
    recipient = await scene.open(RECIPIENT)
    await recipient.until(lambda: len(recipient.inbox) == 4)
    assert [opened.index - first for opened in recipient.inbox] == [1, 3, 0, 2]


async def test_an_opener_travels_once_in_a_session(scene: Scene) -> None:
    sender, recipient = await scene.open(SENDER), await scene.open(RECIPIENT)
    first = scene.alert(1)
    await send(sender, first)
    await recipient.until(lambda: recipient.inbox)
    again = altered(scene.world, scene.alert(2), recipients=decode_header(first.header).recipients)
    await sender.send(replace(again, openers=()))
    await sender.until(lambda: decode_header(again.header).id in sender.results)
    frame = await recipient.socket.receive_bytes()
    block = recipient.machine.receive(frame)
    assert block.items[0].openers == ()  # type: ignore[union-attr]  # nothing but a block can come


async def test_credit_bounds_what_is_in_flight(scene: Scene) -> None:
    sender, recipient = await scene.open(SENDER), await scene.open(RECIPIENT, credit=2)
    for number in range(5):
        await send(sender, scene.alert(number))
    await recipient.until(lambda: len(recipient.inbox) == 2)
    await recipient.send(Credit(1))
    await recipient.until(lambda: len(recipient.inbox) == 3)
    await recipient.send(Credit(10))
    await recipient.until(lambda: len(recipient.inbox) == 5)


async def test_a_node_without_credit_still_hears_of_receipts(scene: Scene) -> None:
    sender, recipient = await scene.open(SENDER, credit=0), await scene.open(RECIPIENT)
    await send(sender, scene.alert(1))
    await recipient.until(lambda: recipient.inbox)
    await recipient.acknowledge(recipient.inbox[0])
    await sender.until(lambda: sender.notices)


async def test_an_expired_alert_is_not_delivered(scene: Scene) -> None:
    sender = await scene.open(SENDER)
    await send(sender, altered(scene.world, scene.alert(1), expires=NOW + 1_000))
    index = await send(sender, scene.alert(2))
    scene.clock.now += 1_000
    recipient = await scene.open(RECIPIENT)
    await recipient.until(lambda: recipient.inbox)
    assert [opened.index for opened in recipient.inbox] == [index]


async def test_an_alert_that_expires_while_the_node_has_no_credit_is_dropped(scene: Scene) -> None:
    sender, recipient = await scene.open(SENDER), await scene.open(RECIPIENT, credit=0)
    await send(sender, altered(scene.world, scene.alert(1), expires=NOW + 1_000))
    index = await send(sender, scene.alert(2))
    scene.clock.now += 1_000
    await recipient.send(Credit(5))
    await recipient.until(lambda: recipient.inbox)
    assert [opened.index for opened in recipient.inbox] == [index]


async def test_a_recalled_alert_is_not_delivered_but_its_recall_is(scene: Scene) -> None:
    sender, recipient = await scene.open(SENDER), await scene.open(RECIPIENT, credit=0)
    await send(sender, scene.alert(1))
    target = decode_header(scene.alert(1).header).id
    relation = {"type": "recall", "alert": format_id(target)}
    recall = scene.alert(2, kind="recall", subjects=[], relation=relation, recall={"reason": "a mistaken number"})
    index = await send(sender, recall)
    await recipient.send(Credit(5))
    await recipient.until(lambda: recipient.inbox)
    assert [opened.index for opened in recipient.inbox] == [index]


async def test_a_node_that_does_not_read_holds_up_nobody(scene: Scene) -> None:
    sender, stuck, brisk = [await scene.open(name) for name in (SENDER, "au-abf", RECIPIENT)]
    numbers = range(60)
    narrative = "".join(f"{number:06d}" for number in range(3_000))
    for number in numbers:
        await sender.send(scene.alert(number, narrative=narrative))
    await brisk.until(lambda: len(brisk.inbox) == len(numbers))
    assert stuck.inbox == []
    await stuck.until(lambda: len(stuck.inbox) == len(numbers))


async def test_a_node_that_asks_and_does_not_read_fills_no_memory(scene: Scene) -> None:
    node = await scene.open(SENDER)
    data = os.urandom(CHUNK)
    digest = sha256(data)
    await node.send(Upload(digest, 0, CHUNK, data))
    await node.expect(Uploaded)
    sealed = {"sealed_size": CHUNK, "digest": digest.hex(), "key": "00" * 32}
    await send(node, scene.alert(1, attachments=[{"name": "a", "media_type": "image/png", "size": 1, **sealed}]))
    asked = 200
    for _ in range(asked):
        await node.send(Fetch(digest, 0))
    session = scene.hub.server._roster._sessions[SENDER]
    assert session._outgoing is not None
    for _ in range(asked):
        assert session._outgoing.unsent_pieces <= MAX_UNSENT_PIECES
        assert len((await node.expect(Blob)).data) == CHUNK


async def test_a_node_that_uploads_and_does_not_read_fills_no_memory(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await scene.open(SENDER)
    session = scene.hub.server._roster._sessions[SENDER]
    outgoing = session._outgoing
    assert outgoing is not None
    monkeypatch.setattr(outgoing, "next_frame", never)  # as when the node takes nothing in
    crowded = asyncio.Event()
    limit = scene.hub.exchange.settings.session_submissions

    def clear() -> None:
        """From here on the hub would read no further; before, it may pause for pieces that it has yet to look at."""
        if len(outgoing.answers) >= limit:
            crowded.set()

    monkeypatch.setattr(session._room, "clear", clear)
    for _ in range(limit):
        await node.send(Upload(bytes(32), 0, 0, b""))
    async with asyncio.timeout(10):
        await crowded.wait()
    assert len(outgoing.answers) == limit


@pytest.mark.parametrize("how", ["reads nothing", "grants no credit", "never receipts"])
async def test_a_stalled_node_costs_the_others_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    await scene.open(RECIPIENT, credit=0 if how == "grants no credit" else 32)
    session = scene.hub.server._roster._sessions[RECIPIENT]
    if how == "reads nothing":
        monkeypatch.setattr(session._channel, "send", never)  # as when the connection takes nothing more
    sender, other = await scene.open(SENDER), await scene.open("au-abf")
    for number in range(60):
        await send(sender, scene.alert(number, precedence="routine"))
    await other.until(lambda: len(other.inbox) == 60)
    outgoing = session._outgoing
    assert outgoing is not None
    bounds = {"reads nothing": 1, "grants no credit": 0, "never receipts": 32 - 32 // CREDIT_RESERVE}
    assert outgoing._queue.sent <= bounds[how], "no more is made for it than it can take"
    assert scene.hub.exchange.pending == 0
    await send(sender, scene.alert(60, precedence="flash"))
    await other.until(lambda: len(other.inbox) == 61)


async def test_a_flash_does_not_wait_for_an_upload(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    node = await scene.open(SENDER)
    session = scene.hub.server._roster._sessions[SENDER]
    monkeypatch.setattr(session._transfers, "upload", never)
    for _ in range(MAX_UNSENT_PIECES - 1):
        await node.send(Upload(bytes(32), 0, CHUNK, bytes(CHUNK)))
    await send(node, scene.alert(precedence="flash"))


async def test_a_node_that_takes_no_more_routine_is_sent_a_flash(scene: Scene) -> None:
    sender, recipient = await scene.open(SENDER), await scene.open(RECIPIENT, credit=16)
    for number in range(20):
        await send(sender, scene.alert(number, precedence="routine"))
    await recipient.until(lambda: len(recipient.inbox) == 14)
    await send(sender, scene.alert(20, precedence="flash"))
    await recipient.until(lambda: len(recipient.inbox) == 15)
    assert [opened.alert.precedence for opened in recipient.inbox[-2:]] == ["routine", "flash"]


async def test_what_is_urgent_comes_in_a_frame_of_its_own(scene: Scene) -> None:
    sender = await scene.open(SENDER)
    for number in range(3):
        await send(sender, scene.alert(number, precedence="routine"))
    await send(sender, scene.alert(3, precedence="flash"))
    recipient = await scene.open(RECIPIENT)
    frame = await recipient.expect(Block)
    assert [decode_precedence(item.entry) for item in frame.items if item.is_alert] == ["flash"]


def decode_precedence(entry: bytes) -> str:
    found = decode_entry(entry)
    assert isinstance(found, AlertEntry)
    return decode_header(found.header).precedence


async def test_what_follows_a_quota_refusal_is_refused_before_it_costs_anything(scene: Scene) -> None:
    limits = replace(scene.world.document.limits, alerts_per_minute=ByPrecedence(1, 1, 1, 1))
    scene.world.document = replace(scene.world.document, limits=limits)
    await scene.publish("targets")
    sender = await scene.open(SENDER)
    await send(sender, scene.alert(1, precedence="routine"))
    for number in (2, 3):
        await sender.send(scene.alert(number, precedence="routine"))
        (item,) = (await sender.expect(Result)).items
        assert (item.accepted, item.code) == (False, "quota")
        assert item.retry > 0
    assert scene.hub.exchange.engine.size() == scene.hub.exchange.head.size
    assert item.message == f"{SENDER} is over its allowance"  # without a look at the log
    await send(sender, scene.alert(4, precedence="flash"))
    scene.clock.now += 60_000
    await send(sender, scene.alert(5, precedence="routine"))


async def never(*_: object) -> None:
    await asyncio.Event().wait()


# -- resume ------------------------------------------------------------------------------------------------------------


async def test_what_was_not_receipted_comes_again_and_what_was_does_not(scene: Scene) -> None:
    sender, recipient = await scene.open(SENDER), await scene.open(RECIPIENT)
    await send(sender, scene.alert(1))
    second = await send(sender, scene.alert(2))
    await recipient.until(lambda: len(recipient.inbox) == 2)
    await recipient.acknowledge(recipient.inbox[0])
    recipient = await scene.reopen(recipient)
    await recipient.until(lambda: recipient.inbox)
    assert [opened.index for opened in recipient.inbox] == [second]


async def test_receipts_come_from_where_the_node_says(scene: Scene) -> None:
    sender, recipient = await scene.open(SENDER), await scene.open(RECIPIENT)
    for number in (1, 2):
        await send(sender, scene.alert(number))
    await recipient.until(lambda: len(recipient.inbox) == 2)
    first = await recipient.acknowledge(recipient.inbox[0])
    second = await recipient.acknowledge(recipient.inbox[1])
    await sender.until(lambda: len(sender.notices) == 2)
    sender = await scene.reopen(sender, notices=first.index + 1)
    await sender.until(lambda: sender.notices)
    assert [item.index for item in sender.notices] == [second.index]


async def test_the_same_submission_again_gets_the_same_answer(scene: Scene) -> None:
    sender = await scene.open(SENDER)
    alert = scene.alert()
    index = await send(sender, alert)
    sender = await scene.reopen(sender)
    assert await send(sender, alert) == index


async def test_a_restarted_hub_goes_on(tmp_path: Path) -> None:
    world, clock = make_world(), TestClock()
    config = new_hub(world, tmp_path, clock)
    async with running_hub(config, clock) as hub, connect(world, SENDER, hub.server.address, tmp_path) as sender:
        await sender.hello()
        sealed, pairs = seal_alert(world, make_alert(world, SENDER))
        accepted = await sender.submit(sealed, pairs)
    async with running_hub(config, clock) as hub, connect(world, RECIPIENT, hub.server.address, tmp_path) as recipient:
        await recipient.hello()
        await recipient.until(lambda: recipient.inbox)
        assert recipient.inbox[0].index == accepted.index


async def test_a_backlog_larger_than_a_frame_arrives_whole(scene: Scene) -> None:
    sender = await scene.open(SENDER)
    narrative = "word " * 3000
    numbers = range(120)
    for number in numbers:
        await sender.send(scene.alert(number, narrative=narrative))
    await sender.until(lambda: len(sender.results) == len(numbers))
    assert all(result.accepted for result in sender.results.values())
    recipient = await scene.open(RECIPIENT)
    await recipient.until(lambda: len(recipient.inbox) == len(numbers))
    indexes = [opened.index for opened in recipient.inbox]
    assert indexes == sorted(set(indexes))


# -- the directory -----------------------------------------------------------------------------------------------------


async def test_a_new_directory_version_reaches_everyone_before_what_needs_it(scene: Scene) -> None:
    sender, recipient = await scene.open(SENDER), await scene.open(RECIPIENT)
    await scene.publish("targets")
    await send(sender, scene.alert())
    await recipient.until(lambda: recipient.inbox)
    assert len(recipient.history) == scene.world.directory.version
    assert recipient.inbox[0].entry.directory == scene.world.directory.version


async def test_a_suspended_agencys_session_is_closed_at_once(scene: Scene) -> None:
    node, other = await scene.open(SENDER), await scene.open(RECIPIENT)
    scene.world.change_agency(SENDER, status="suspended")
    await scene.publish("targets")
    assert await goodbye(node) == "suspended"
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await scene.node(SENDER)
    assert caught.value.status == 403
    await other.until(lambda: len(other.history) == scene.world.directory.version)


async def test_an_agency_suspended_while_it_is_welcomed_does_not_stay(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Session._send

    async def send_and_suspend(session: Session, frame: Frame) -> None:
        await send(session, frame)
        if isinstance(frame, Welcome):
            scene.world.change_agency(SENDER, status="suspended")
            await scene.publish("targets")

    monkeypatch.setattr(Session, "_send", send_and_suspend)
    node = await scene.node(SENDER)
    await node.hello()
    assert await goodbye(node) == "suspended"


async def test_a_session_whose_certificate_became_another_agencys_is_closed(scene: Scene) -> None:
    node, keys = await scene.open(SENDER), scene.world.keys
    taken = keys[SENDER].tls
    keys[SENDER] = replace(keys[SENDER], tls=(sha256(b"another key"),))
    keys["au-abf"] = replace(keys["au-abf"], tls=(*keys["au-abf"].tls, *taken))
    made = [scene.world.bundle(role) for role in (SENDER, "au-abf")]
    works = [Work("", NewDirectory(one.role, one.version, one.bundle)) for one in made]
    verdicts = await asyncio.gather(*map(scene.hub.exchange.submit, works))  # in one block
    assert [type(verdict) for verdict in verdicts] == [int, int]
    assert await goodbye(node) == "not-pinned"


async def test_a_session_whose_certificate_is_no_longer_pinned_is_closed(scene: Scene) -> None:
    node = await scene.open(SENDER)
    scene.world.keys[SENDER] = replace(scene.world.keys[SENDER], tls=(sha256(b"another key"),))
    await scene.publish(SENDER)
    assert await goodbye(node) == "not-pinned"


# -- attachments and openers -------------------------------------------------------------------------------------------


async def test_an_attachment_goes_up_and_comes_down(scene: Scene) -> None:
    sender, recipient = await scene.open(SENDER), await scene.open(RECIPIENT)
    stranger = await scene.open("au-abf")
    data = bytes(range(256)) * (CHUNK // 128)
    digest = sha256(data)
    await sender.send(Upload(digest, 0, len(data), b""))
    assert await sender.expect(Uploaded) == Uploaded(digest, 0)
    for offset in range(0, len(data), CHUNK):
        await sender.send(Upload(digest, offset, len(data), data[offset : offset + CHUNK]))
        held = await sender.expect(Uploaded)
    assert held == Uploaded(digest, len(data))
    sealed = {"sealed_size": len(data), "digest": digest.hex(), "key": "00" * 32}
    file = {"name": "x-ray.png", "media_type": "image/png", "size": 500_000, **sealed}
    await send(sender, scene.alert(1, to=[RECIPIENT], attachments=[file]))
    got = b""
    while len(got) < len(data):
        await recipient.send(Fetch(digest, len(got)))
        got += (await recipient.expect(Blob)).data
    assert got == data
    await stranger.send(Fetch(digest, 0))
    assert await stranger.expect(Blob) == Blob(digest, 0, 0, b"")


@pytest.mark.parametrize(
    ("total", "data", "code"),
    [
        (0, b"", "too-large"),
        (1 << 40, b"", "too-large"),
        (50_000, b"tiny", "malformed"),
        (20, b"not of this digest!!", "body-mismatch"),
    ],
)
async def test_an_upload_that_cannot_be_kept_is_refused(scene: Scene, total: int, data: bytes, code: str) -> None:
    sender = await scene.open(SENDER)
    await sender.send(Upload(bytes(32), 0, total, data))
    result = (await sender.expect(Result)).items[0]
    assert (result.ref, result.accepted, result.code) == (bytes(16), False, code)


async def test_uploads_that_no_alert_names_are_bounded(tmp_path: Path) -> None:
    async with staged(tmp_path, upload_bytes=40_000) as scene:
        sender = await scene.open(SENDER)
        await sender.send(Upload(sha256(b"one"), 0, 90_000, bytes(30_000)))
        assert (await sender.expect(Uploaded)).offset == 30_000
        await sender.send(Upload(sha256(b"two"), 0, 90_000, bytes(30_000)))
        assert (await sender.expect(Result)).items[0].code == "quota"


async def test_attachments_that_no_alert_names_are_counted_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene.hub.exchange.engine, "pending_uploads", lambda _: (MAX_PENDING_UPLOADS, 1))
    sender = await scene.open(SENDER)
    await sender.send(Upload(sha256(b"x"), 0, 1, b"x"))
    (item,) = (await sender.expect(Result)).items
    assert (item.code, item.retry) == ("quota", 60_000)


async def test_an_opener_can_be_fetched_again_by_its_two_parties_alone(scene: Scene) -> None:
    nodes = {name: await scene.open(name) for name in (SENDER, RECIPIENT, "au-abf")}
    alert = scene.alert(1, to=[RECIPIENT])
    await send(nodes[SENDER], alert)
    identity = decode_header(alert.header).recipients[0].opener_id
    for name, available in ((SENDER, True), (RECIPIENT, True), ("au-abf", False)):
        await nodes[name].send(Fetch(identity, 0))
        blob = await nodes[name].expect(Blob)
        assert (blob.data == alert.openers[0]) is available
        assert bool(blob.total) is available


# -- refusals ----------------------------------------------------------------------------------------------------------


async def test_a_refused_submission_leaves_the_session_open(scene: Scene) -> None:
    sender = await scene.open(SENDER)
    for broken, code in (
        (replace(scene.alert(1), signature=bytes(64)), "bad-signature"),
        (replace(scene.alert(2), body=b"other"), "body-mismatch"),
    ):
        await sender.send(broken)
        result = (await sender.expect(Result)).items[0]
        assert (result.ref, result.code) == (decode_header(broken.header).id, code)
        assert result.hint
    await sender.send(Submit(b"noise", b"", b"", ()))
    result = (await sender.expect(Result)).items[0]
    assert (result.ref, result.code) == (sha256(b"noise")[:16], "malformed")
    await send(sender, scene.alert(3))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "truncated"),
        (b"\xc1", "malformed"),
        (b"\x91" * 50 + b"\x00", "too-deep"),
        (encode_frame(Credit(1))[:-1] + b"\xcc\x01", "not-canonical"),
        (encode_frame(Welcome(1, "o", 1, 1, 1)), "protocol-error"),
        (encode_frame(Hello(1, SENDER, 0, 0, bytes(32), 0, 1)), "protocol-error"),
        (encode_frame(Credit(1 << 20)), "credit-exceeded"),
    ],
)
async def test_a_peer_that_breaks_the_protocol_is_told_and_cut(scene: Scene, data: bytes, code: str) -> None:
    node = await scene.open(SENDER)
    await node.socket.send_bytes(data)
    assert await goodbye(node) == code


async def test_a_text_message_breaks_the_protocol(scene: Scene) -> None:
    node = await scene.open(SENDER)
    await node.socket.send_str("hello")
    assert await goodbye(node) == "protocol-error"


async def test_an_oversized_message_is_cut_off(scene: Scene) -> None:
    node = await scene.open(SENDER)
    await node.socket.send_bytes(bytes(MAX_FRAME + 1))
    assert await goodbye(node) in {"", "closed"}
    assert scene.hub.exchange.ready


async def test_another_protocol_version_is_refused(scene: Scene) -> None:
    node = await scene.node(SENDER)
    await node.socket.send_bytes(encode(["hello", 2, "fields of a later version"]))
    assert await goodbye(node) == "version-unsupported"


async def test_a_hello_in_anothers_name_is_refused(scene: Scene) -> None:
    node = await scene.node(SENDER)
    with pytest.raises(HubClosedError) as caught:
        await node.hello(agency=RECIPIENT)
    assert caught.value.code == "wrong-sender"


@pytest.mark.parametrize(
    ("size", "root", "code"), [(10_000, bytes(32), "fork"), (3, bytes(32), "fork")], ids=["longer", "other"]
)
async def test_a_node_with_another_history_is_told(scene: Scene, size: int, root: bytes, code: str) -> None:
    node = await scene.node(SENDER)
    node.held = Checkpoint(scene.world.origin, size, root)
    with pytest.raises(HubClosedError) as caught:
        await node.hello()
    assert caught.value.code == code


async def test_a_node_with_a_later_directory_is_told(scene: Scene) -> None:
    node = await scene.node(SENDER)
    await node.send(Hello(1, SENDER, 99, 0, node.held.root, 0, 1))
    assert await goodbye(node) == "directory-unknown"


async def test_a_peer_that_says_nothing_is_cut(tmp_path: Path) -> None:
    async with staged(tmp_path, hello_seconds=1) as scene:
        assert await goodbye(await scene.node(SENDER)) == "idle-timeout"


async def test_a_silent_session_is_cut(tmp_path: Path) -> None:
    async with staged(tmp_path, ping_seconds=1, idle_seconds=1) as scene:
        node = await scene.open(SENDER)
        await node.expect(TreeHead)
        node.socket._autoping = False  # a machine that no longer runs does not answer pings
        async with asyncio.timeout(20):
            while True:
                message = await node.socket.receive()
                if message.type is aiohttp.WSMsgType.BINARY:
                    break
        assert node.machine.receive(message.data) == Bye("idle-timeout", "nothing was heard for 1 seconds")


# -- two nodes with one identity ---------------------------------------------------------------------------------------


async def answer_pings(node: HubClient) -> None:
    """Read on, so that pings are answered."""
    try:
        while True:
            await node.receive()
    except (HubClosedError, TimeoutError):
        return


async def test_a_second_node_of_the_same_identity_is_refused(scene: Scene) -> None:
    first = await scene.open(SENDER)
    reading = asyncio.create_task(answer_pings(first))
    second = await scene.node(SENDER)
    assert await goodbye(second) == "duplicate-session"
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await send(first, scene.alert())


async def test_a_dead_session_gives_way_to_a_new_one(tmp_path: Path) -> None:
    async with staged(tmp_path, probe_seconds=1) as scene:
        first = await scene.open(SENDER)
        first.socket._autoping = False
        second = await scene.node(SENDER)
        await second.hello()
        await send(second, scene.alert())


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_a_stopping_hub_says_goodbye_after_its_last_answers(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        world, clock = make_world(), TestClock()
        async with running_hub(new_hub(world, tmp_path, clock), clock) as hub:
            scene = Scene(world, hub, tmp_path, clock, stack)
            sender = await scene.open(SENDER)
            alert = scene.alert()
            watcher = Watcher()
            hub.exchange.subscribe("au-abf", watcher)
            await sender.send(alert)
            await watcher.heard.wait()
        assert await goodbye(sender) == "shutting-down"
        assert sender.results[decode_header(alert.header).id].accepted


async def test_a_stopping_hub_tells_of_receipts_whose_answer_waits_for_company(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "HELD_SECONDS", 1_000)
    async with AsyncExitStack() as stack:
        world, clock = make_world(), TestClock()
        async with running_hub(new_hub(world, tmp_path, clock), clock) as hub:
            scene = Scene(world, hub, tmp_path, clock, stack)
            sender, recipient = await scene.open(SENDER), await scene.open(RECIPIENT)
            await send(sender, scene.alert())
            await recipient.until(lambda: recipient.inbox)
            await recipient.say(recipient.inbox[0])
            await sender.until(lambda: sender.notices)
            assert not recipient.results
        assert await goodbye(recipient) == "shutting-down"
        assert [result.accepted for result in recipient.results.values()] == [True]


class Watcher:
    """Hears that an alert was logged for an agency that is not connected."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()

    def logged(self, key: tuple[int, int]) -> None:
        self.heard.set()

    def settled(self, index: int) -> None: ...

    def noticed(self) -> None: ...

    def directory_changed(self) -> None: ...

    def announced(self) -> None: ...


async def test_a_stranger_without_a_pinned_certificate_is_refused(scene: Scene) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await scene.node("nz-customs")
    assert caught.value.status == 403


async def test_an_auditor_has_no_session(scene: Scene) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await scene.node("auditor-1")
    assert caught.value.status == 403


async def test_no_certificate_no_connection(scene: Scene, tmp_path: Path) -> None:
    anonymous = ssl.create_default_context(cafile=str(tmp_path / "broker" / "ca.crt"))
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"https://{scene.hub.server.address}/checkpoint", ssl=anonymous)


async def test_only_the_newest_tls_is_spoken(scene: Scene) -> None:
    older = client_tls(scene.folder, SENDER)
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"https://{scene.hub.server.address}/checkpoint", ssl=older)


async def test_a_storage_fault_is_told_and_ends_the_hub(tmp_path: Path) -> None:
    world, clock = make_world(), TestClock()
    async with AsyncExitStack() as stack:
        async with running_hub(new_hub(world, tmp_path, clock), clock) as hub:
            scene = Scene(world, hub, tmp_path, clock, stack)
            sender = await scene.open(SENDER)
            hub.exchange._committer._anchor = BrokenAnchor()  # type: ignore[assignment]  # it fails at once
            await sender.send(scene.alert())
            async with asyncio.timeout(10):
                with pytest.raises(CrossbearingError):
                    await asyncio.shield(hub.failed)
            assert hub.exchange.fault is not None
            assert not hub.exchange.ready
        assert await goodbye(sender) == "storage-in-doubt"
        assert sender.results == {}


class BrokenAnchor:
    def swap(self, expected: bytes | None, note: bytes) -> None:
        raise StorageInDoubt("the disk is gone")


# -- our own failures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyError("a bug"), "not-ready"), (StorageTampered("a missing tile"), "storage-tampered")],
    ids=["a bug", "damage"],
)
async def test_a_failure_to_serve_one_session_ends_that_session_only(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    sender, recipient = await scene.open(SENDER), await scene.open(RECIPIENT)

    def fail(agency: str, *_: object, **__: object) -> Shipment:
        if agency == RECIPIENT:
            raise error
        return Shipment(None, (), (), (), (), 0)

    monkeypatch.setattr(scene.hub.exchange.shipping, "block", fail)
    await send(sender, scene.alert(1))
    assert await goodbye(recipient) == code
    assert scene.hub.exchange.metrics.damage._value.get() == (1 if code == "storage-tampered" else 0)
    await send(sender, scene.alert(2))
