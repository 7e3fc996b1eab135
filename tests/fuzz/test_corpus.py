"""Every input that fuzzing starts from or has found, without the fuzzer: no parser breaks its promise for any."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.corpus import CORPUS, inputs, made
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_corpus_breaks_no_promise(name: str) -> None:
    accepted = {of: TARGETS[name](given) for of, given in inputs(name).items()}
    assert any(accepted.values()), "the corpus holds nothing that is accepted, so it reaches nothing behind the form"


def test_every_folder_of_the_corpus_and_every_seed_has_its_target() -> None:
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} | made().keys() == TARGETS.keys()


@pytest.mark.parametrize("name", sorted(TARGETS))
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_what_stands_near_the_corpus_breaks_no_promise(name: str, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(sorted(inputs(name).values())))
    start = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(start, min(len(seed), start + 8)))
    TARGETS[name](seed[:start] + data.draw(st.binary(max_size=8)) + seed[end:])
