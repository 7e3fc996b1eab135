"""A sampled stack belongs to one stage, and the stages of a process add up to the processor time it used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.profile.stages import REST, STAGES, WAITING, Samples, read_samples, share_out, stage_of

ROOT = Path(__file__).parents[3]
LOOP = "Runner.run (asyncio/runners.py:86)"
THREAD = ["Thread._bootstrap (threading.py:988)", "_worker (concurrent/futures/thread.py:69)"]


@pytest.mark.parametrize(
    ("frames", "stage"),
    [
        ([LOOP], "event loop, socket calls"),
        ([LOOP, "Session._work (nodes/session.py:255)"], "taking in, dispatch"),
        (
            [LOOP, "Session._receive (broker/sessions.py:200)", "decode_frame (schemas/session/frames.py:2)"],
            "session frames",
        ),
        ([LOOP, "decode_header (schemas/envelope/header.py:211)", "decode (schemas/codec.py:40)"], "header and entry"),
        ([LOOP, "verify (schemas/keys.py:66)", "crypto_sign_open (nacl/bindings/crypto_sign.py:90)"], "signatures"),
        ([LOOP, "SSLObject.write (ssl.py:924)"], "TLS, WebSocket"),
        (THREAD, WAITING),
        ([THREAD[0], "_work (nodes/store/thread.py:69)"], WAITING),
        ([THREAD[0], "_work (nodes/store/thread.py:69)", "_do (nodes/store/thread.py:80)"], "thread hand-over"),
        ([*THREAD, "Database.write_all (nodes/store/database.py:89)"], "commit and fsync"),
        (
            [*THREAD, "Database.write_all (nodes/store/database.py:88)", "Inbox.add (nodes/store/inbox.py:5)"],
            "store statements",
        ),
        (["<module> (something:1)"], REST),
    ],
)
def test_the_innermost_known_frame_decides(frames: list[str], stage: str) -> None:
    assert stage_of(frames) == stage


def test_a_thread_that_waited_and_now_works_is_not_waiting() -> None:
    assert stage_of([*THREAD, "<lambda> (<string>:1)"]) != WAITING


def test_samples_are_read_by_kind_of_thread() -> None:
    samples = read_samples([f"{LOOP} 3", ";".join([*THREAD, "Inbox.add (nodes/store/inbox.py:5)"]) + " 4"])
    assert samples.main == {"event loop, socket calls": 3}
    assert samples.others == {"store statements": 4}


def test_shares_add_up_to_what_was_used() -> None:
    samples = Samples()
    samples.main.update({"signatures": 1, "session frames": 3})
    samples.others.update({WAITING: 90, "store statements": 10})
    shares = share_out(samples, 4.0, 6.0)
    assert shares == {"signatures": 1.0, "session frames": 3.0, "store statements": 6.0}


def test_what_nobody_sampled_is_unexplained() -> None:
    samples = Samples()
    samples.others[WAITING] = 5
    assert share_out(samples, 0.5, 1.5) == {REST: 2.0}


def test_no_stage_stands_for_modules_that_are_gone() -> None:
    ours = [path for top in ("broker", "nodes", "schemas") for path in (ROOT / top).rglob("*.py")]
    names = ("something", "commit", "verify", "_work")
    lines = [f"{name} ({path.relative_to(ROOT)}:1)" for path in ours for name in names]
    found = {stage_of([line]) for line in lines}
    assert {stage for stage, pattern in STAGES if re.search("broker|nodes|schemas", pattern)} <= found


def test_every_pattern_is_a_pattern_and_every_stage_has_one_name() -> None:
    assert len({stage for stage, _ in STAGES}) == len(STAGES)
    for _, pattern in STAGES:
        re.compile(pattern)
