"""The node as a witness: it cosigns what it holds durably, in one history, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from nodes.cosigning import NodeWitness, time_after
from nodes.identity import Identity
from nodes.openers import Keyring
from nodes.receive import Receiver
from nodes.session import Parts
from nodes.standing import Standing
from nodes.store.held import HeldCheckpoint
from schemas.directory.witness_policy import witness_keys, witness_name
from schemas.directory.witnesses import Witnesses
from schemas.errors import BadSignature, CheckpointUntrusted, Fork, StorageInDoubt
from schemas.example import example_seed
from schemas.limits import CLOCK_SKEW_MS
from schemas.log.checkpoint import Checkpoint, sign_checkpoint
from schemas.log.cosignature import signed_at
from schemas.log.note import SignedNote, format_note, note_key, parse_note
from schemas.log.witness import read_answer
from schemas.session.frames import TreeHead, WitnessedHead
from tests.support.cosigning import cosigned
from tests.support.directory import NOW, ORIGIN, make_world
from tests.support.fake_hub import FakeHub, example_seeds, node_parts

ME = "sg-cnb"


class Node:
    def __init__(self, parts: Parts, hub: FakeHub) -> None:
        self.parts, self.hub = parts, hub
        self.receiver = Receiver(
            store=parts.store,
            standing=parts.standing,
            identity=parts.identity,
            keyring=Keyring(parts.identity, _no_opener),
            clock=parts.clock,
            evidence=parts.evidence,
        )

    def head(self, *, both: bool = False) -> TreeHead:
        return TreeHead(self.hub.log.note(), self.hub.proof(self.parts.standing.checkpoint.size), both)

    async def held(self) -> HeldCheckpoint | None:
        return await self.parts.store.read(lambda tables: tables.held.checkpoint)


async def _no_opener(_: bytes) -> bytes:
    raise AssertionError("no opener is needed")


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub(make_world(witnesses=Witnesses()))


@pytest.fixture
async def node(hub: FakeHub, tmp_path: Path) -> AsyncIterator[Node]:
    async with node_parts(tmp_path, hub, ME) as parts:
        made = Node(parts, hub)
        await made.receiver.directory(hub.directory())
        yield made


async def test_a_new_checkpoint_is_held_before_it_is_cosigned(node: Node) -> None:
    node.hub.enter_alert()
    answer = await node.receiver.head(node.head())
    held = await node.held()
    assert held is not None
    assert (answer.size, held.note) == (node.hub.size, node.hub.log.note())
    assert node.parts.standing.checkpoint.size == node.hub.size
    keys = witness_keys(node.hub.world.directory, ME)
    (line,) = read_answer(answer.lines, held.note, keys)
    assert line.name == witness_name(ORIGIN, ME)
    assert signed_at(keys[0], line) == (NOW // 1000) * 1000


async def test_both_keys_sign_when_asked(node: Node) -> None:
    node.hub.enter_alert()
    answer = await node.receiver.head(node.head(both=True))
    keys = witness_keys(node.hub.world.directory, ME)
    assert len(read_answer(answer.lines, node.hub.log.note(), keys)) == 2


async def test_the_same_checkpoint_may_be_asked_for_again(node: Node) -> None:
    node.hub.enter_alert()
    first = await node.receiver.head(node.head())
    again = await node.receiver.head(node.head())
    assert first.size == again.size
    assert again.lines


async def test_a_commit_that_fails_leaves_nothing_signed(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.hub.enter_alert()
    before = await node.held()
    signed: list[object] = []
    monkeypatch.setattr(NodeWitness, "cosign", lambda *_, **__: signed.append(1))
    somebody = HeldCheckpoint(3, bytes(32), b"another")
    await node.parts.store.write(lambda tables: tables.held.set_checkpoint(somebody))
    with pytest.raises(StorageInDoubt):
        await node.receiver.head(node.head())
    assert await node.held() == somebody != before
    assert signed == []


async def test_another_history_is_evidence_and_never_cosigned(node: Node) -> None:
    held = node.parts.standing.checkpoint
    forked = sign_checkpoint(Checkpoint(ORIGIN, held.size, b"f" * 32), node.hub.world.log_key)
    with pytest.raises(Fork):
        await node.receiver.head(TreeHead(forked, (), False))
    assert node.parts.standing.checkpoint == held
    (case,) = node.parts.evidence.iterdir()
    assert (case / "received.checkpoint").read_bytes() == forked
    assert await node.parts.store.read(lambda tables: tables.held.halted) == str(case)


async def test_a_node_whose_clock_fell_back_holds_but_does_not_sign(node: Node) -> None:
    await node.parts.store.write(lambda tables: tables.held.set_cosigned(NOW + 2 * CLOCK_SKEW_MS))
    node.hub.enter_alert()
    answer = await node.receiver.head(node.head())
    assert (answer.size, answer.lines) == (node.hub.size, b"")


@pytest.mark.parametrize(
    ("last", "now", "stated"), [(0, 7, 7), (9, 7, 9), (CLOCK_SKEW_MS, 0, CLOCK_SKEW_MS), (CLOCK_SKEW_MS + 1, 0, None)]
)
def test_the_time_stated_never_goes_back(last: int, now: int, stated: int | None) -> None:
    assert time_after(last, now) == stated


def test_only_listed_keys_sign(hub: FakeHub) -> None:
    other = replace(example_seeds(ME), witness=(b"1" * 32,), witness_pq=())
    checkpoint = Checkpoint(ORIGIN, 1, b"r" * 32)
    directory = hub.world.directory
    assert NodeWitness(Identity(other)).cosign(checkpoint, directory, both=True, now=NOW) == b""
    suspended = make_world(witnesses=Witnesses(), suspended=(ME,)).directory
    assert NodeWitness(Identity(example_seeds(ME))).cosign(checkpoint, suspended, both=True, now=NOW) == b""
    unlisted = make_world().directory
    assert NodeWitness(Identity(example_seeds(ME))).cosign(checkpoint, unlisted, both=False, now=NOW) == b""


def test_a_key_that_came_later_in_the_keystore_is_used_once_listed(hub: FakeHub) -> None:
    seeds = replace(example_seeds(ME), witness=(example_seed(ME, "witness"), b"n" * 32))
    lines = NodeWitness(Identity(seeds)).cosign(
        Checkpoint(ORIGIN, 1, b"r" * 32), hub.world.directory, both=False, now=NOW
    )
    assert lines.startswith(f"— {witness_name(ORIGIN, ME)} ".encode())


# -- what others cosigned ----------------------------------------------------------------------------------------------


async def test_a_quorum_is_noted_and_kept(node: Node, tmp_path: Path) -> None:
    older, size = node.hub.log.note(), node.hub.size
    node.hub.enter_alert()
    await node.receiver.head(node.head())
    frame = WitnessedHead(cosigned(older, "au-abf", "hk-customs", "sg-cnb"), node.hub.proof(size))
    await node.receiver.witnessed(frame)
    shown = node.parts.standing.witnessed
    assert shown is not None
    assert (shown.checkpoint.size, len(shown.times), shown.reached) == (size, 3, True)
    again = Standing(
        ME,
        first_key=note_key(ORIGIN, node.hub.world.log_key.public),
        trusted_root=node.hub.world.trusted_root,
    )
    await node.parts.store.read(again.restore)
    assert again.witnessed == shown


async def test_too_few_are_shown_as_too_few(node: Node) -> None:
    await node.receiver.witnessed(WitnessedHead(cosigned(node.hub.log.note(), "au-abf"), ()))
    shown = node.parts.standing.witnessed
    assert shown is not None
    assert not shown.reached


async def test_what_others_cosigned_must_be_the_history_held(node: Node) -> None:
    size = node.parts.standing.checkpoint.size
    forked = sign_checkpoint(Checkpoint(ORIGIN, size, b"f" * 32), node.hub.world.log_key)
    with pytest.raises(Fork, match="others cosigned"):
        await node.receiver.witnessed(WitnessedHead(cosigned(forked, "au-abf", "hk-customs"), ()))
    assert len(list(node.parts.evidence.iterdir())) == 1
    assert node.parts.standing.witnessed is None


async def test_a_false_cosignature_spoils_it(node: Node) -> None:
    with pytest.raises(BadSignature):
        await node.receiver.witnessed(WitnessedHead(cosigned(node.hub.log.note(), "au-abf", falsely=True), ()))


async def test_cosignatures_without_the_logs_own_are_nothing(node: Node) -> None:
    note = cosigned(node.hub.log.note(), "au-abf")
    parsed = parse_note(note)
    with pytest.raises(CheckpointUntrusted):
        await node.receiver.witnessed(WitnessedHead(format_note(SignedNote(parsed.text, parsed.signatures[1:])), ()))
