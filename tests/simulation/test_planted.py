"""Every bug planted is one that can still be planted, and has a seed that finds it. `make planted` runs these seeds."""

from __future__ import annotations

import pytest

from tests.simulation.planted import BUGS, SEEN, Bug, found_by


def test_every_bug_has_its_seed() -> None:
    assert sorted(bug.name for bug in BUGS) == sorted(SEEN)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_what_a_bug_replaces_is_there_and_comes_back(bug: Bug) -> None:
    before = [getattr(where, name) for where, name, _ in bug.replaced]
    with bug.planted():
        planted = [getattr(where, name) for where, name, _ in bug.replaced]
    assert all(new is not old for new, old in zip(planted, before, strict=True))
    assert [getattr(where, name) for where, name, _ in bug.replaced] == before


def test_a_seed_finds_a_planted_bug_and_nothing_in_the_right_program() -> None:
    (bug,) = (bug for bug in BUGS if bug.name == "a sender does not note what became of an alert")
    seed, only = SEEN[bug.name]
    found = found_by(bug, [seed], only)
    assert found is not None
    assert found[1].startswith("views-equal: ")
    assert found_by(Bug("none", ()), [seed], only) is None
