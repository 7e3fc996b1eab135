from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.auditor.bundles import bundles_of, split
from schemas.log.tiles import entry_bundle


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_a_whole_bundle_gives_its_entries_and_their_offsets(entries: list[bytes]) -> None:
    data = entry_bundle(entries)
    bundle = split(data, len(entries))
    assert bundle.whole
    assert list(bundle.entries) == entries
    assert bundle.offset(len(entries)) == len(data)


@pytest.mark.parametrize("kept", range(len(entry_bundle([b"one", b"three"]))))
def test_a_cut_bundle_gives_the_entries_before_the_cut(kept: int) -> None:
    bundle = split(entry_bundle([b"one", b"three"])[:kept], 2)
    assert not bundle.whole
    assert bundle.entries == ((b"one",) if kept >= 5 else ())


def test_bytes_after_the_last_entry_are_no_whole_bundle() -> None:
    bundle = split(entry_bundle([b"one"]) + b"x", 1)
    assert (bundle.whole, bundle.entries) == (False, (b"one",))


def test_the_bundles_of_a_log() -> None:
    assert list(bundles_of(0)) == []
    assert list(bundles_of(1)) == [(0, 1)]
    assert list(bundles_of(256)) == [(0, 256)]
    assert list(bundles_of(600)) == [(0, 256), (1, 256), (2, 88)]
    assert list(bundles_of(600, start=256)) == [(1, 256), (2, 88)]
    assert list(bundles_of(600, start=511)) == [(1, 256), (2, 88)]
    assert list(bundles_of(512, start=512)) == []
