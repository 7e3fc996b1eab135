"""A process says what its garbage collector took, when it is asked, and only if it was told to count."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.brokers.collecting import FOLDER, Collections, collected, tell_collections


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    callbacks, handler = list(gc.callbacks), signal.getsignal(signal.SIGUSR1)
    yield
    gc.callbacks[:] = callbacks
    signal.signal(signal.SIGUSR1, handler)


def test_collections_are_counted_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    tell_collections()
    before = collected(os.getpid(), tmp_path)
    held = [[n] for n in range(10_000)]
    gc.collect()
    assert collected(os.getpid(), tmp_path) > before
    assert len(held) == 10_000


def test_nobody_counts_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER, raising=False)
    before = list(gc.callbacks)
    tell_collections()
    assert gc.callbacks == before


def test_what_never_ends_takes_nothing() -> None:
    collections = Collections()
    collections("start", {})
    assert collections.seconds == 0
