from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from nodes.openers import Keyring
from nodes.receive import Receiver
from nodes.session import Parts
from nodes.store.alerts import Filter
from nodes.store.database import Tables, Work
from nodes.store.receipts import SignedReceipt
from schemas.alert.document import encode_alert
from schemas.codec import decode
from schemas.envelope.opener import opener_id
from schemas.envelope.opening import STEPS, open_included
from schemas.errors import CheckpointUntrusted, Fork, NotFound, NotIncluded, ProtocolError, StorageFull
from schemas.ids import format_id
from schemas.keys import SigningKey
from schemas.log.checkpoint import Checkpoint, sign_checkpoint
from schemas.log.entry import AlertEntry, RefusalEntry, decode_entry, encode_entry
from schemas.log.note import note_key
from schemas.log.receipt import Receipt, decode_receipt
from schemas.session.frames import Block, DirectoryUpdate, Item, TreeHead
from tests.support.directory import NOW
from tests.support.envelope import make_alert
from tests.support.fake_hub import FakeHub, id_of, node_parts

ME = "sg-cnb"


class Node:
    """A receiver with its parts; `fetched` are the openers the hub hands out on request."""

    def __init__(self, parts: Parts, hub: FakeHub) -> None:
        self.parts = parts
        self.hub = hub
        self.fetched: dict[bytes, bytes] = {}
        self.asked: list[bytes] = []
        self.receiver = self.make_receiver()

    def make_receiver(self, outlet: Outlet | None = None) -> Receiver:
        parts = self.parts
        return Receiver(
            store=parts.store,
            standing=parts.standing,
            identity=parts.identity,
            keyring=Keyring(parts.identity, self._fetch),
            clock=parts.clock,
            evidence=parts.evidence,
            outlet=outlet,
        )

    def counting_writes(self) -> list[int]:
        """Counts commits from now on, in its one item."""
        count, write = [0], self.parts.store.write

        async def counted(work: Work[Any]) -> Any:
            count[0] += 1
            return await write(work)

        self.parts.store.write = counted  # type: ignore[method-assign]  # of this test's own store
        return count

    async def _fetch(self, opener_id: bytes) -> bytes:
        self.asked.append(opener_id)
        if opener_id not in self.fetched:
            raise NotFound("no such opener")
        return self.fetched[opener_id]

    async def take(self, *indexes: int, opener: bool = True) -> int:
        return await self.receiver.block(self.hub.block(*indexes, proven=self.proven, opener=opener))

    @property
    def proven(self) -> int:
        return self.parts.standing.checkpoint.size

    async def inbox(self) -> list[bytes]:
        rows = await self.parts.store.read(lambda tables: tables.alerts.page(Filter("in")))
        return [row.id for row in reversed(rows)]

    async def receipts(self) -> list[Receipt]:
        rows = await self.parts.store.read(lambda tables: tables.receipts.all())
        return [decode_receipt(row.receipt) for row in rows]

    async def answered(self) -> None:
        """The hub has answered every receipt."""

        def done(tables: Tables) -> None:
            for row in tables.receipts.all():
                tables.receipts.done(row.ref)

        await self.parts.store.write(done)


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
async def node(tmp_path: Path, hub: FakeHub) -> AsyncIterator[Node]:
    async with node_parts(tmp_path, hub, ME) as parts:
        made = Node(parts, hub)
        await made.receiver.directory(hub.directory())
        yield made


async def test_the_document_is_kept_byte_for_byte_as_the_sender_sealed_it(hub: FakeHub, node: Node) -> None:
    alerts = [make_alert(hub.world, "hk-customs", number=number, title=f"Ⅷ tonnes {number}") for number in range(3)]
    await node.take(*(hub.enter_sealed(alert) for alert in alerts))
    kept = await node.parts.store.read(
        lambda tables: [tables.alerts.content(row.number).document for row in tables.alerts.page(Filter("in"))]
    )
    assert kept[::-1] == [decode(encode_alert(alert), max_size=10_000) for alert in alerts]


async def test_directory_versions_are_held_and_survive_a_restart(tmp_path: Path, hub: FakeHub, node: Node) -> None:
    assert node.parts.standing.version == 5
    await node.parts.store.close()
    async with node_parts(tmp_path, hub, ME) as again:
        assert again.standing.version == 5
        assert again.standing.checkpoint.size == 5
        assert again.standing.directory.is_active("hk-customs")


async def test_a_directory_that_could_not_be_kept_is_not_held(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_: object) -> None:
        raise StorageFull("no space left")

    async with node_parts(tmp_path, hub, ME) as parts:
        made = Node(parts, hub)
        with monkeypatch.context() as patch:
            patch.setattr(parts.store, "write", full)
            with pytest.raises(StorageFull):
                await made.receiver.directory(hub.directory())
        assert parts.standing.version == 0  # or the hub would be asked for what follows, and the store keep a gap
        await made.receiver.directory(hub.directory())
        assert parts.standing.version == 5


async def test_an_alert_is_opened_and_receipted_in_one_commit(node: Node, hub: FakeHub) -> None:
    index = hub.enter_alert(title="Look at this")
    assert await node.take(index) == 1
    (row,) = await node.parts.store.read(lambda tables: tables.alerts.page(Filter("in")))
    assert (row.title, row.sender, row.index, row.state) == ("Look at this", "hk-customs", index, "unread")
    (receipt,) = await node.receipts()
    assert (receipt.state, receipt.sender, receipt.items[0].index) == ("stored", "hk-customs", index)
    held = await node.parts.store.read(lambda tables: tables.held.checkpoint)
    assert held is not None
    assert held.size == node.proven == hub.size


async def test_evidence_of_inclusion_is_kept(node: Node, hub: FakeHub) -> None:
    index = hub.enter_alert()
    await node.take(index)
    proof = await node.parts.store.read(lambda tables: tables.alerts.proof(1))
    assert proof is not None
    assert (proof.entry, proof.size, proof.note) == (hub.log.leaves[index], hub.size, hub.log.note())
    assert proof.path == tuple(hub.log.path(index))


async def test_receipts_cover_many_alerts_of_one_sender_each(node: Node, hub: FakeHub) -> None:
    indexes = [hub.enter_alert(sender) for sender in ("hk-customs", "au-abf", "hk-customs")]
    await node.take(*indexes)
    said = {receipt.sender: [item.index for item in receipt.items] for receipt in await node.receipts()}
    assert said == {"hk-customs": [indexes[0], indexes[2]], "au-abf": [indexes[1]]}


async def test_a_second_alert_needs_no_opener_again(node: Node, hub: FakeHub) -> None:
    first, second = hub.enter_alert(), hub.enter_alert()
    await node.take(first)
    await node.take(second, opener=False)
    assert len(await node.inbox()) == 2
    assert node.asked == []


async def test_an_alert_that_fails_after_its_opener_opened_leaves_the_opener_known(node: Node, hub: FakeHub) -> None:
    bad, good = hub.enter_alert(), hub.enter_alert()
    hub.bodies[bad] = hub.bodies[bad][:-1] + b"?"
    await node.take(bad)
    await node.take(good, opener=False)
    assert node.asked == []
    assert await node.inbox() == [hub.header(good).id]


async def test_a_known_opener_outlives_the_session(node: Node, hub: FakeHub) -> None:
    first, second = hub.enter_alert(), hub.enter_alert()
    await node.take(first)
    node.receiver = node.make_receiver()
    await node.take(second, opener=False)
    assert len(await node.inbox()) == 2
    assert node.asked == []


async def test_an_unknown_opener_is_fetched(node: Node, hub: FakeHub) -> None:
    index = hub.enter_alert()
    wanted = next(r.opener_id for r in hub.header(index).recipients if r.agency == ME)
    node.fetched[wanted] = hub.openers[index][ME]
    await node.take(index, opener=False)
    assert node.asked == [wanted]
    assert len(await node.inbox()) == 1


async def test_an_opener_that_cannot_be_had_is_refused_at_step_seven(node: Node, hub: FakeHub) -> None:
    index = hub.enter_alert()
    await node.take(index, opener=False)
    await refused(node, index, "opener-unknown", 7)


async def test_a_body_with_another_digest_is_refused_at_step_nine(node: Node, hub: FakeHub) -> None:
    index = hub.enter_alert()
    hub.bodies[index] = hub.bodies[index][:-1] + b"?"
    await node.take(index)
    await refused(node, index, "body-unreadable", 9)


async def test_an_alert_for_others_is_refused_at_step_six(node: Node, hub: FakeHub) -> None:
    index = hub.enter_alert(to=["au-abf"])
    await node.take(index)
    await refused(node, index, "not-recipient", 6)


async def test_a_forged_header_is_refused_at_step_five(node: Node, hub: FakeHub) -> None:
    index = hub.enter_alert()
    entry = decode_entry(hub.log.leaves[index])
    assert isinstance(entry, AlertEntry)
    hub.log.leaves[index] = encode_entry(replace(entry, signature=bytes(64)))
    await node.take(index)
    await refused(node, index, "bad-signature", 5)


async def test_an_entry_under_another_directory_than_in_force_is_refused_at_step_four(node: Node, hub: FakeHub) -> None:
    index = hub.enter_alert()
    entry = decode_entry(hub.log.leaves[index])
    assert isinstance(entry, AlertEntry)
    hub.log.leaves[index] = encode_entry(replace(entry, directory=entry.directory - 1))
    await node.take(index)
    await refused(node, index, "wrong-directory", 4)


async def refused(node: Node, index: int, code: str, step: int) -> None:
    """The alert was quarantined, not shown, and its sender is told the step."""
    assert step in STEPS
    assert await node.inbox() == []
    (kept,) = await node.parts.store.read(lambda tables: tables.quarantine.newest())
    assert (kept.index, kept.code, kept.step) == (index, code, step)
    (receipt,) = await node.receipts()
    assert receipt.state == "refused"
    assert [(item.index, item.code, item.step) for item in receipt.items] == [(index, code, step)]


async def test_an_unreadable_header_is_quarantined_without_a_receipt(node: Node, hub: FakeHub) -> None:
    index = hub.enter(AlertEntry(NOW, hub.world.directory.version, b"no header", bytes(64)))
    hub.bodies[index] = b"body"
    await node.take(index)
    (kept,) = await node.parts.store.read(lambda tables: tables.quarantine.newest())
    assert (kept.index, kept.sender) == (index, None)
    assert await node.receipts() == []


async def test_one_bad_alert_does_not_hold_up_the_others(node: Node, hub: FakeHub) -> None:
    bad, good = hub.enter_alert(to=["au-abf"]), hub.enter_alert()
    await node.take(bad, good)
    assert await node.inbox() == [hub.header(good).id]


async def test_a_second_delivery_shows_nothing_twice_and_sends_the_receipt_again(node: Node, hub: FakeHub) -> None:
    index = hub.enter_alert()
    await node.take(index)
    await node.answered()
    await node.take(index)
    assert len(await node.inbox()) == 1
    (receipt,) = await node.receipts()
    assert (receipt.state, receipt.items[0].index) == ("stored", index)


async def test_a_receipt_still_on_its_way_is_not_made_twice(node: Node, hub: FakeHub) -> None:
    index = hub.enter_alert()
    await node.take(index)
    await node.take(index)
    assert len(await node.receipts()) == 1


async def test_a_second_delivery_of_a_refused_alert_sends_the_refusal_again(node: Node, hub: FakeHub) -> None:
    index = hub.enter_alert(to=["au-abf"])
    await node.take(index)
    await node.answered()
    await node.take(index)
    await refused(node, index, "not-recipient", 6)


async def test_one_alert_logged_twice_is_shown_once_and_refused_once(node: Node, hub: FakeHub) -> None:
    alert = make_alert(hub.world, "hk-customs")
    first, second = hub.enter_sealed(alert), hub.enter_sealed(alert)
    await node.take(first)
    await node.take(second)
    assert await node.inbox() == [id_of(alert)]
    (kept,) = await node.parts.store.read(lambda tables: tables.quarantine.newest())
    assert (kept.index, kept.code) == (second, "replay-differs")


async def test_one_alert_twice_in_one_block_is_shown_once(node: Node, hub: FakeHub) -> None:
    alert = make_alert(hub.world, "hk-customs")
    await node.take(hub.enter_sealed(alert), hub.enter_sealed(alert))
    assert await node.inbox() == [id_of(alert)]


async def test_an_entry_outside_the_tree_ends_the_session(node: Node, hub: FakeHub) -> None:
    index = hub.enter_alert()
    block = hub.block(index, proven=node.proven)
    moved = structs.replace(block.items[0], path=(*block.items[0].path[:-1], bytes(32)))
    with pytest.raises(NotIncluded) as refusal:
        await node.receiver.block(Block(block.checkpoint, block.proof, (moved,)))
    assert refusal.value.context["step"] == 3
    assert await node.inbox() == []
    assert node.proven == 5


async def test_an_entry_of_another_kind_breaks_the_protocol(node: Node, hub: FakeHub) -> None:
    index = hub.enter(RefusalEntry(NOW, hub.world.directory.version, "hk-customs", "quota", bytes(32)))
    with pytest.raises(ProtocolError):
        await node.take(index)
    block = hub.block(index, proven=node.proven)
    with pytest.raises(ProtocolError):
        await node.receiver.directory(DirectoryUpdate(block.checkpoint, block.proof, block.items))


async def test_an_alert_before_its_directory_breaks_the_protocol(node: Node, hub: FakeHub) -> None:
    hub.publish("hk-customs")
    index = hub.enter_alert()
    with pytest.raises(ProtocolError, match="before the directory"):
        await node.take(index)
    await node.receiver.directory(hub.directory(proven=node.proven, after=5))
    await node.take(index)
    assert len(await node.inbox()) == 1


async def test_a_fork_stops_the_node_and_keeps_the_evidence(node: Node, hub: FakeHub) -> None:
    await node.take(hub.enter_alert())
    held = hub.log.note()
    other = FakeHub(hub.world)
    for _ in range(3):
        index = other.enter_alert("au-abf")
    with pytest.raises(Fork):
        await node.receiver.block(other.block(index, proven=5))
    halted = await node.parts.store.read(lambda tables: tables.held.halted)
    assert halted is not None
    folder = Path(halted)
    assert (folder / "held.checkpoint").read_bytes() == held
    assert (folder / "received.checkpoint").read_bytes() == other.log.note()
    assert (folder / "consistency.proof").read_text(encoding="ascii").count("\n") == len(other.proof(5))
    (alarm,) = await node.parts.store.read(lambda tables: tables.alarms.standing())
    assert alarm.code == "fork"
    assert str(folder) in alarm.hint


async def test_a_smaller_checkpoint_is_a_fork_too(node: Node, hub: FakeHub) -> None:
    first = hub.enter_alert()
    earlier = hub.block(first, proven=node.proven)
    await node.take(first, hub.enter_alert())
    with pytest.raises(Fork):
        await node.receiver.block(earlier)


async def test_a_checkpoint_by_a_stranger_is_not_a_fork(node: Node, hub: FakeHub) -> None:
    index = hub.enter_alert()
    block = hub.block(index, proven=node.proven)
    stranger = sign_checkpoint(Checkpoint("log.other.test", hub.size, bytes(32)), hub.world.log_key)
    with pytest.raises(CheckpointUntrusted, match="no key known here"):
        await node.receiver.block(structs.replace(block, checkpoint=stranger))
    assert await node.parts.store.read(lambda tables: tables.held.halted) is None


async def test_the_checkpoint_held_is_not_verified_again(
    node: Node, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.take(hub.enter_alert())
    with monkeypatch.context() as patch:
        patch.delattr("nodes.receive.trust_checkpoint")
        await node.receiver.head(TreeHead(hub.log.note(), (), both=False))
    with pytest.raises(Fork, match="must be empty"):
        await node.receiver.head(TreeHead(hub.log.note(), (bytes(32),), both=False))


async def test_by_other_keys_the_checkpoint_held_is_verified_again(
    node: Node, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.take(hub.enter_alert())
    other = note_key(hub.world.origin, SigningKey(bytes(32)).public)
    monkeypatch.setattr(type(node.parts.standing), "log_keys", property(lambda _: (other,)))
    with pytest.raises(CheckpointUntrusted, match="no key known here"):
        await node.receiver.head(TreeHead(hub.log.note(), (), both=False))


async def test_the_checkpoint_of_frames_taken_together_is_not_verified_again(
    node: Node, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = hub.block(hub.enter_alert(), proven=node.proven)
    await node.receiver.take([first, hub.block(hub.enter_alert(), proven=hub.size - 1)])
    monkeypatch.delattr("nodes.receive.trust_checkpoint")
    await node.receiver.head(TreeHead(hub.log.note(), (), both=False))


@pytest.mark.parametrize(("relation", "column"), [("recall", "recalled_by"), ("correct", "corrected_by")])
@pytest.mark.parametrize("original_first", [True, False])
async def test_a_recall_or_correction_marks_its_target(
    node: Node, hub: FakeHub, relation: str, column: str, original_first: bool
) -> None:
    original = hub.enter_alert()
    target = hub.header(original).id
    change = hub.enter_alert(
        kind=KIND[relation], relation={"type": relation, "alert": format_id(target)}, **MORE[relation]
    )
    await node.take(*((original, change) if original_first else (change, original)))
    row = await node.parts.store.read(lambda tables: tables.alerts.get("in", target))
    assert row is not None
    assert getattr(row, column) == hub.header(change).id


async def test_nobody_recalls_the_alert_of_another(node: Node, hub: FakeHub) -> None:
    original = hub.enter_alert("hk-customs")
    target = hub.header(original).id
    recall = hub.enter_alert(
        "au-abf", kind="recall", relation={"type": "recall", "alert": format_id(target)}, **MORE["recall"]
    )
    await node.take(original, recall)
    row = await node.parts.store.read(lambda tables: tables.alerts.get("in", target))
    assert row is not None
    assert row.recalled_by is None


async def test_without_a_valid_key_alerts_are_kept_and_receipts_wait(node: Node, hub: FakeHub) -> None:
    keys = hub.world.keys[ME]
    hub.world.keys[ME] = replace(keys, signing=(replace(keys.signing[0], status="retired"),))
    hub.publish(ME)
    await node.receiver.directory(hub.directory(proven=node.proven, after=5))
    index = hub.enter_alert()
    await node.take(index)
    assert len(await node.inbox()) == 1
    assert await node.receipts() == []
    (alarm,) = await node.parts.store.read(lambda tables: tables.alarms.standing())
    assert alarm.code == "key-not-valid"


KIND = {"recall": "recall", "correct": "correction"}
MORE: dict[str, Any] = {
    "recall": {"subjects": [], "recall": {"reason": "sent in error"}},
    "correct": {"correction": {"reason": "wrong number"}},
}


async def test_attachments_are_queued_for_download(node: Node, hub: FakeHub) -> None:
    sealed = {"digest": "ab" * 32, "sealed_size": 1_000, "size": 900, "key": "cd" * 32}
    index = hub.enter_alert(attachments=[{"name": "x.png", "media_type": "image/png", **sealed}])
    await node.take(index)
    (row,) = await node.parts.store.read(lambda tables: tables.attachments.incomplete())
    assert (row.digest, row.size, row.stored) == (bytes.fromhex("ab" * 32), 1_000, 0)


# Several frames at once -----------------------------------------------------------------------------------------------


class Outlet:
    """Takes what a session would send."""

    def __init__(self) -> None:
        self.offered: list[SignedReceipt] = []
        self.accepted: list[bytes] = []

    def offer(self, receipts: Sequence[SignedReceipt]) -> None:
        self.offered += receipts

    def answered(self) -> tuple[bytes, ...]:
        return tuple(self.accepted)

    def deleted(self, refs: Sequence[bytes]) -> None:
        self.accepted = [ref for ref in self.accepted if ref not in refs]


def frames(hub: FakeHub, proven: int, *blocks: Sequence[int]) -> list[Block | TreeHead]:
    """One block after the other, each from the checkpoint of the one before, as the log stands now."""
    made: list[Block | TreeHead] = []
    for indexes in blocks:
        made.append(hub.block(*indexes, proven=proven))
        proven = hub.size
    return made


async def test_several_frames_share_a_commit_and_a_receipt(node: Node, hub: FakeHub) -> None:
    first = hub.block(a := hub.enter_alert(), proven=node.proven)
    between = hub.size
    second = hub.block(b := hub.enter_alert(), c := hub.enter_alert(), proven=between)
    writes = node.counting_writes()
    assert (await node.receiver.take([first, second])).alerts == 3
    assert writes == [1]
    (receipt,) = await node.receipts()
    assert [item.index for item in receipt.items] == [a, b, c]
    assert node.proven == hub.size
    proofs = await node.parts.store.read(lambda tables: [tables.alerts.proof(number) for number in (1, 2)])
    assert [proof.size if proof else 0 for proof in proofs] == [hub.size, hub.size]


async def test_a_tree_head_behind_blocks_is_cosigned_with_their_commit(node: Node, hub: FakeHub) -> None:
    block = hub.block(hub.enter_alert(), proven=node.proven)
    between = hub.size
    hub.enter_alert("au-abf", to=["hk-customs"])
    writes = node.counting_writes()
    taken = await node.receiver.take([block, TreeHead(hub.log.note(), hub.proof(between), both=False)])
    assert taken.alerts == 1
    assert taken.cosign is not None
    assert taken.cosign.size == hub.size == node.proven
    assert writes == [1]


async def test_what_came_before_a_frame_that_fails_is_kept(node: Node, hub: FakeHub) -> None:
    good, bad = hub.enter_alert(), hub.enter(RefusalEntry(NOW, 5, "hk-customs", "quota", bytes(32)))
    after = hub.enter_alert()
    with pytest.raises(ProtocolError):
        await node.receiver.take(frames(hub, node.proven, [good], [after, bad], [after]))
    assert await node.inbox() == [hub.header(good).id]  # and nothing of the frame that fails, nor of what follows it


async def test_what_came_before_an_unproven_frame_is_kept(node: Node, hub: FakeHub) -> None:
    good, other = hub.enter_alert(), hub.enter_alert()
    first, second = frames(hub, node.proven, [good], [other])
    assert isinstance(second, Block)
    moved = structs.replace(second.items[0], index=good)
    with pytest.raises(NotIncluded):
        await node.receiver.take([first, structs.replace(second, items=(moved,))])
    assert await node.inbox() == [hub.header(good).id]
    assert node.proven == hub.size


async def test_what_came_before_an_unforeseen_failure_is_kept(
    node: Node, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, other = hub.enter_alert(), hub.enter_alert()

    def stumbles(opened: Any, **kwargs: Any) -> Any:
        if opened.index == other:
            raise ZeroDivisionError
        return open_included(opened, **kwargs)

    monkeypatch.setattr("nodes.taking.open_included", stumbles)
    with pytest.raises(ZeroDivisionError):
        await node.receiver.take(frames(hub, node.proven, [good], [other]))
    assert await node.inbox() == [hub.header(good).id]


async def test_a_fork_among_frames_is_kept_beside_the_checkpoint_before_it(node: Node, hub: FakeHub) -> None:
    other = FakeHub(hub.world)
    for _ in range(3):
        index = other.enter_alert("au-abf")
    first = hub.block(hub.enter_alert(), proven=node.proven)
    with pytest.raises(Fork):
        await node.receiver.take([first, other.block(index, proven=5)])
    assert len(await node.inbox()) == 1
    halted = await node.parts.store.read(lambda tables: tables.held.halted)
    assert halted is not None
    assert (Path(halted) / "held.checkpoint").read_bytes() == first.checkpoint
    assert (Path(halted) / "received.checkpoint").read_bytes() == other.log.note()


async def test_an_alert_in_two_frames_at_once_is_shown_and_receipted_once(node: Node, hub: FakeHub) -> None:
    index, refused = hub.enter_alert(), hub.enter_alert(to=["au-abf"])
    await node.receiver.take(frames(hub, node.proven, [index, refused], [index, refused]))
    assert len(await node.inbox()) == 1
    said = {receipt.state: [item.index for item in receipt.items] for receipt in await node.receipts()}
    assert said == {"stored": [index], "refused": [refused]}
    assert await node.parts.store.read(lambda tables: tables.quarantine.count()) == 1


async def test_one_alert_logged_twice_in_two_frames_at_once_is_shown_once(node: Node, hub: FakeHub) -> None:
    alert = make_alert(hub.world, "hk-customs")
    first, second = hub.enter_sealed(alert), hub.enter_sealed(alert)
    await node.receiver.take(frames(hub, node.proven, [first], [second]))
    assert await node.inbox() == [id_of(alert)]
    (kept,) = await node.parts.store.read(lambda tables: tables.quarantine.newest())
    assert (kept.index, kept.code) == (second, "replay-differs")


async def test_frames_with_something_known_are_taken_in_again_knowing_it(node: Node, hub: FakeHub) -> None:
    """The opener is known by now, so that the second time nothing is asked before the alerts are opened."""
    stored, refused = hub.enter_alert(), hub.enter_alert(to=["au-abf"])
    await node.take(stored, refused)
    await node.answered()
    fresh, opened = hub.enter_alert(), hub.enter_alert("au-abf")
    await node.receiver.take(frames(hub, node.proven, [fresh], [opened, stored, refused]))
    assert await node.inbox() == [hub.header(index).id for index in (stored, fresh, opened)]
    said = [
        (receipt.sender, receipt.state, [item.index for item in receipt.items]) for receipt in await node.receipts()
    ]
    assert sorted(said) == [
        ("au-abf", "stored", [opened]),
        ("hk-customs", "refused", [refused]),
        ("hk-customs", "stored", [stored, fresh]),
    ]
    known = await node.parts.store.read(lambda tables: tables.openers.get(opener_id(hub.openers[opened][ME])))
    assert known is not None  # it was opened the first time, and is kept with the second


async def test_an_alert_that_is_held_and_comes_again_damaged_is_receipted_as_held(node: Node, hub: FakeHub) -> None:
    index = hub.enter_alert()
    await node.take(index)
    await node.answered()
    again = hub.block(index, proven=node.proven, opener=False)
    (item,) = again.items
    damaged = Item(item.index, item.entry, item.path, b"damaged", item.openers)
    await node.receiver.block(Block(again.checkpoint, again.proof, (damaged,)))
    assert [(receipt.state, receipt.items[0].index) for receipt in await node.receipts()] == [("stored", index)]
    assert await node.parts.store.read(lambda tables: tables.quarantine.count()) == 0


async def test_receipts_are_handed_over_once_the_store_has_them(node: Node, hub: FakeHub) -> None:
    outlet = Outlet()
    node.receiver = node.make_receiver(outlet)
    seen = node.parts.store.revision("receipts")
    await node.take(hub.enter_alert())
    kept = await node.parts.store.read(lambda tables: tables.receipts.all())
    assert outlet.offered == kept
    assert node.parts.store.revision("receipts") == seen  # nobody has to read for it
    outlet.accepted = [kept[0].ref]
    await node.take(hub.enter_alert())
    assert outlet.accepted == []
    left = await node.parts.store.read(lambda tables: tables.receipts.all())
    assert left == outlet.offered[1:]


async def test_what_a_failed_commit_would_have_deleted_stays(
    node: Node, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    outlet = Outlet()
    node.receiver = node.make_receiver(outlet)
    await node.take(hub.enter_alert())
    (kept,) = await node.parts.store.read(lambda tables: tables.receipts.all())
    outlet.accepted, outlet.offered = [kept.ref], []

    async def full(_: object) -> None:
        raise StorageFull("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(node.parts.store, "write", full)
        with pytest.raises(StorageFull):
            await node.take(hub.enter_alert())
    assert (outlet.accepted, outlet.offered) == ([kept.ref], [])
