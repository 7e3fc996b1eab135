"""Frames proven together: what comes out is what each of them alone would give, in the last one's tree."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nodes.proving import prove_together
from nodes.taking import Proven, prove
from schemas.envelope.opening import trust_checkpoint
from schemas.errors import CrossbearingError
from schemas.keys import MlDsaKey, SigningKey
from schemas.log.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from schemas.log.merkle import EMPTY_ROOT, verify_inclusion
from schemas.log.note import parse_note
from schemas.session.frames import Block, TreeHead
from tests.support.fake_hub import FakeHub

HUB = FakeHub()
START = HUB.log.checkpoint()
NOTHING = Checkpoint(START.origin, 0, EMPTY_ROOT)


def _frames() -> list[Block | TreeHead]:
    """Of a log that grows: some with several alerts, one with none, two on one checkpoint, and a tree head."""
    made: list[Block | TreeHead] = []
    proven = HUB.size
    for count in (1, 3, 0, 1, 2):
        indexes = [HUB.enter_alert() for _ in range(count)]
        HUB.enter_alert("au-abf", to=["hk-customs"])
        made.append(HUB.block(*indexes, proven=proven))
        proven = HUB.size
    made.append(HUB.block(indexes[0], proven=proven))
    HUB.enter_alert("au-abf", to=["hk-customs"])
    made.append(TreeHead(HUB.log.note(), HUB.proof(proven), both=False))
    return made


FRAMES = _frames()
KEYS = HUB.world.directory.log_keys()
HEADS = [START, *(parse_checkpoint(parse_note(frame.checkpoint).text) for frame in FRAMES)]


def together(frames: Sequence[Block | TreeHead], held: Checkpoint = START) -> list[Proven] | None:
    return prove_together(frames, origin=START.origin, keys=KEYS, held=held)


def each(frames: Sequence[Block | TreeHead], held: Checkpoint = START) -> list[Proven]:
    proven = []
    for frame in frames:
        trusted = trust_checkpoint(frame.checkpoint, origin=START.origin, keys=KEYS, held=held, proof=frame.proof)
        proven.append(prove(frame, trusted))
        held = trusted.checkpoint
    return proven


@pytest.mark.parametrize("last", range(2, len(FRAMES) + 1))
def test_all_items_are_proven_by_the_last_checkpoint(last: int) -> None:
    frames = FRAMES[:last]
    proven = together(frames)
    assert proven is not None
    assert {one.trusted.note for one in proven} == {frames[-1].checkpoint}
    assert [[(i.item.index, i.included, i.alert) for i in one.arrived] for one in proven] == [
        [(i.item.index, i.included, i.alert) for i in one.arrived] for one in each(frames)
    ]
    for one in proven:
        for arrived in one.arrived:
            item = arrived.item
            verify_inclusion(arrived.included.leaf, item.index, HEADS[last].size, item.path, HEADS[last].root)


def test_one_alone_is_not_proven_together() -> None:
    assert together(FRAMES[:1]) is None


def test_the_first_contact_is_no_exception() -> None:
    first = replace(FRAMES[0], proof=())
    assert together([first, *FRAMES[1:]], held=NOTHING) is not None


def test_a_claim_needs_no_signature_where_the_next_checkpoint_vouches_for_it() -> None:
    unsigned = sign_checkpoint(HEADS[1], HUB.world.log_key)[:-20] + sign_checkpoint(START, HUB.world.log_key)[-20:]
    proven = together([replace(FRAMES[0], checkpoint=unsigned), *FRAMES[1:3]])
    assert proven is not None
    assert {one.trusted.note for one in proven} == {FRAMES[2].checkpoint}


@pytest.mark.parametrize("at", [0, 1, 2])
def test_no_stranger_makes_a_claim(at: int) -> None:
    frames = FRAMES[:3]
    frames[at] = replace(frames[at], checkpoint=sign_checkpoint(HEADS[at + 1], SigningKey(bytes(32))))
    assert together(frames) is None


def test_a_note_of_two_lines_is_judged_by_itself() -> None:
    both = sign_checkpoint(HEADS[1], HUB.world.log_key, MlDsaKey(bytes(32)))
    assert together([replace(FRAMES[0], checkpoint=both), *FRAMES[1:3]]) is None
    assert together([*FRAMES[:2], replace(FRAMES[2], checkpoint=sign_checkpoint(HEADS[3], HUB.world.log_key))])


@given(st.data())
def test_whatever_is_wrong_is_left_to_be_found_in_its_frame(data: st.DataObject) -> None:
    frames = FRAMES[:5]
    at = data.draw(st.integers(0, 4))
    frame = frames[at]
    assert isinstance(frame, Block)
    hashes = [hash_ for other in frames for hash_ in other.proof]
    match data.draw(st.sampled_from(["proof", "path", "index", "entry", "checkpoint", "order"])):
        case "proof":
            changed = list(frame.proof)
            place = data.draw(st.integers(0, len(changed)))
            changed[place : place + data.draw(st.integers(0, 1))] = data.draw(st.sampled_from([[], hashes[:1]]))
            frames[at] = replace(frame, proof=tuple(changed))
        case "checkpoint":
            frames[at] = replace(frame, checkpoint=data.draw(st.sampled_from(FRAMES)).checkpoint)
        case "order":
            other = data.draw(st.integers(0, 4))
            frames[at], frames[other] = frames[other], frames[at]
        case what:
            items = list(frame.items)
            if items:
                item = items[0]
                path = list(item.path)
                place = data.draw(st.integers(0, len(path)))
                path[place : place + data.draw(st.integers(0, 1))] = data.draw(st.sampled_from([[], hashes[-1:]]))
                index = data.draw(st.integers(0, HUB.size))
                items[0] = {
                    "path": replace(item, path=tuple(path)),
                    "index": replace(item, index=index),
                    "entry": replace(item, entry=item.entry[:-1] + b"\x00"),
                }[what]
                frames[at] = replace(frame, items=tuple(items))
    try:
        expected = each(frames)
    except CrossbearingError:
        assert together(frames) is None
    else:
        proven = together(frames)
        assert proven is not None
        assert [one.frame.checkpoint for one in proven] == [one.frame.checkpoint for one in expected]
