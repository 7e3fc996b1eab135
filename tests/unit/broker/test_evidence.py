"""Evidence is kept, and whoever makes it without end fills no disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.evidence import keep_conflict, keep_contradiction
from schemas.errors import StorageFailed
from schemas.limits import MAX_CASES, MAX_CONFLICTING
from tests.support.directory import make_world


def test_a_witness_that_contradicts_at_every_block_is_kept_so_many_times(tmp_path: Path) -> None:
    for when in range(MAX_CASES):
        keep_contradiction(tmp_path, "sg-cnb", when, {"hello": b"another history"})
    with pytest.raises(StorageFailed, match="64 cases of evidence of sg-cnb"):
        keep_contradiction(tmp_path, "sg-cnb", MAX_CASES, {"hello": b"another history"})
    assert (keep_contradiction(tmp_path, "hk-customs", 0, {"hello": b"x"}) / "hello").read_bytes() == b"x"


def test_of_one_version_no_more_files_are_kept_than_prove_it(tmp_path: Path) -> None:
    world = make_world()
    made = [world.bundle("targets", version=2 + number).bundle for number in range(MAX_CONFLICTING + 3)]
    for bundle in made:
        keep_conflict(tmp_path, "targets", 2, bundle)
    assert len(list((tmp_path / "targets-2").glob("*.metadata.json"))) == MAX_CONFLICTING
