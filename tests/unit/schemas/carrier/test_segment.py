"""Segments of the log give every proof between their two ends, and the very one that the whole log gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.carrier import segment as module
from schemas.carrier.records import Segment
from schemas.carrier.segment import Leaves, segments
from schemas.errors import CarrierDamaged
from schemas.log.merkle import prove_consistency, verify_consistency
from tests.support.trees import grow

TREE = grow(200)


def leaves(first: int, last: int) -> bytes:
    return b"".join(TREE.leaves[first:last])


def collected(start: int, end: int) -> Leaves:
    made = Leaves()
    for segment in segments(start, end, TREE.read, leaves):
        made.add(segment)
    return made


@given(st.data())
def test_every_root_and_proof_from_the_start_on(data: st.DataObject) -> None:
    start, old, end = sorted(data.draw(st.lists(st.integers(0, 200), min_size=3, max_size=3)))
    made = collected(start, end)
    assert (made.start, made.end) == (start, end)
    assert made.root(old) == TREE.roots[old]
    proof = made.proof(old, end)
    assert list(proof) == prove_consistency(old, end, TREE.read)
    verify_consistency(old, TREE.roots[old], end, TREE.roots[end], proof)


@pytest.mark.parametrize("start", [0, 1, 7, 64, 200])
def test_many_records_are_as_good_as_one(start: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LEAVES", 10)
    parts = list(segments(start, 200, TREE.read, leaves))
    assert len(parts) == max(1, -(-(200 - start) // 10))
    assert all(not part.frontier for part in parts[1:])
    made = collected(start, 200)
    assert made.root(200) == TREE.roots[200]


def test_an_empty_segment_is_one() -> None:
    made = collected(5, 5)
    assert made.begun
    assert made.root(5) == TREE.roots[5]
    assert not Leaves().begun


def test_other_leaves_give_another_root() -> None:
    made = Leaves()
    made.add(Segment(0, (), leaves(0, 5) + bytes(32)))
    assert made.root(5) == TREE.roots[5]
    assert made.root(6) != TREE.roots[6]


DEFECTS = {
    "too few whole subtrees": [Segment(3, (bytes(32),), b"")],
    "whole subtrees of nothing": [Segment(0, (bytes(32),), b"")],
    "a gap": [Segment(0, (), bytes(64)), Segment(3, (), bytes(32))],
    "twice": [Segment(0, (), bytes(64)), Segment(0, (), bytes(64))],
    "a second frontier": [Segment(0, (), bytes(32)), Segment(1, (bytes(32),), b"")],
}


@pytest.mark.parametrize("parts", DEFECTS.values(), ids=DEFECTS)
def test_segments_that_do_not_fit_are_refused(parts: list[Segment]) -> None:
    made = Leaves()
    for part in parts[:-1]:
        made.add(part)
    with pytest.raises(CarrierDamaged):
        made.add(parts[-1])


def test_leaves_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SEGMENT", 20)
    made = Leaves()
    made.add(Segment(0, (), bytes(32 * 20)))
    with pytest.raises(CarrierDamaged):
        made.add(Segment(20, (), bytes(32)))
