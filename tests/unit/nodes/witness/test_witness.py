from __future__ import annotations

import errno
import threading
from pathlib import Path
from typing import cast

import pytest

from nodes.durable import write_durably
from nodes.witness import evidence
from nodes.witness.state import origin_hash
from nodes.witness.witness import Cosigned
from schemas.errors import ClockOff, StorageFailed
from schemas.limits import CLOCK_SKEW_MS
from schemas.log.checkpoint import verify_signers
from schemas.log.cosignature import signed_at
from schemas.log.note import parse_note
from schemas.log.witness import AddCheckpoint, Refused, Status
from tests.support.witnessing import COSIGNER, LOG_KEYS, NOW, ORIGIN, note, request
from tests.unit.nodes.witness.conftest import World

HASH = origin_hash(ORIGIN)
WRONG = b"\x5a" * 32


def served(world: World) -> bytes:
    data = world.witness.checkpoint(HASH)
    assert data is not None
    return data


def test_a_log_grows_under_its_witness(world: World) -> None:
    size = 0
    for new in (0, 1, 2, 3, 20, 20, 256, 300):
        outcome = world.witness.add_checkpoint(request(size, new))
        assert isinstance(outcome, Cosigned)
        size = new
        signed = verify_signers(served(world), (LOG_KEYS[0], *COSIGNER.keys))
        assert parse_note(served(world)).signatures == signed.signatures
        assert signed.signatures[1:] == outcome.lines
        world.now += 1000
    world.restart()
    assert isinstance(world.witness.add_checkpoint(request(300, 300)), Cosigned)


def test_the_same_size_is_cosigned_anew(world: World) -> None:
    world.witness.add_checkpoint(request(0, 5))
    world.now += 60_000
    world.witness.add_checkpoint(request(5, 5))
    line = verify_signers(served(world), COSIGNER.keys).signatures[0]
    assert signed_at(COSIGNER.keys[0], line) == NOW + 60_000


def test_an_unknown_log_is_not_served(world: World) -> None:
    assert world.witness.checkpoint(HASH) is None
    assert world.witness.checkpoint("0" * 64) is None


def test_a_crash_before_the_write_forgets_and_one_after_it_remembers(world: World) -> None:
    world.witness.add_checkpoint(request(0, 5))

    def lost(path: Path, data: bytes) -> None:
        raise OSError(errno.EIO, "lost")

    def kept(path: Path, data: bytes) -> None:
        write_durably(path, data)
        raise OSError(errno.EIO, "in doubt")

    for write, size in ((lost, 5), (kept, 9)):
        world.write = write
        with pytest.raises(StorageFailed):
            world.witness.add_checkpoint(request(5, 9))
        world.write = write_durably
        world.restart()
        conflict = world.witness.add_checkpoint(request(1, 9))
        assert isinstance(conflict, Refused)
        assert (conflict.status, conflict.held) == (Status.CONFLICT, size)


def test_a_crash_between_persisting_and_answering_loses_nothing(world: World) -> None:
    """The log asks again from where it stands, is told the size held, and gets its cosignature."""
    world.witness.add_checkpoint(request(0, 5))
    world.witness.add_checkpoint(request(5, 9))  # persisted; the answer is lost with the process
    world.restart()
    again = world.witness.add_checkpoint(request(5, 9))
    assert isinstance(again, Refused)
    assert again.held == 9
    assert isinstance(world.witness.add_checkpoint(request(9, 9)), Cosigned)


def test_of_concurrent_requests_for_one_old_size_one_wins(world: World) -> None:
    world.witness.add_checkpoint(request(0, 5))
    sizes = range(6, 18)
    barrier = threading.Barrier(len(sizes))
    outcomes: dict[int, Cosigned | Refused] = {}

    def rival(size: int) -> None:
        barrier.wait()
        outcomes[size] = world.witness.add_checkpoint(request(5, size))

    threads = [threading.Thread(target=rival, args=(size,)) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = [size for size, outcome in outcomes.items() if isinstance(outcome, Cosigned)]
    for size, outcome in outcomes.items():
        if size != winner:
            assert isinstance(outcome, Refused)
            assert (outcome.status, outcome.held) == (Status.CONFLICT, winner)
    assert served(world).startswith(f"{ORIGIN}\n{winner}\n".encode())


def test_concurrent_refreshes_all_succeed(world: World) -> None:
    world.witness.add_checkpoint(request(0, 5))
    outcomes: list[object] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(world.witness.add_checkpoint(request(5, 5)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(outcome) for outcome in outcomes] == [Cosigned] * 8


def test_the_time_stated_never_goes_back(world: World) -> None:
    world.witness.add_checkpoint(request(0, 5))
    world.now = NOW - CLOCK_SKEW_MS
    outcome = world.witness.add_checkpoint(request(5, 9))
    assert isinstance(outcome, Cosigned)
    assert signed_at(COSIGNER.keys[0], outcome.lines[0]) == NOW
    world.now -= 1
    with pytest.raises(ClockOff):
        world.witness.add_checkpoint(request(9, 12))
    world.restart()
    with pytest.raises(ClockOff):
        world.witness.add_checkpoint(request(9, 12))
    world.now = NOW
    assert isinstance(world.witness.add_checkpoint(request(9, 12)), Cosigned)


# -- evidence ----------------------------------------------------------------------------------------------------------


def test_a_fork_is_kept_with_both_sides(world: World) -> None:
    world.witness.add_checkpoint(request(0, 20))
    before = served(world)
    forked = AddCheckpoint(20, (), note(20, WRONG))
    assert cast("Refused", world.witness.add_checkpoint(forked)).status == Status.INCONSISTENT
    [case] = world.cases()
    assert case.parent.name == HASH
    assert case.name.startswith("fork-20-")
    assert (case / "received.checkpoint").read_bytes() == forked.note
    assert (case / "held.checkpoint").read_bytes() == before
    assert (case / "consistency.proof").read_bytes() == b""
    world.witness.add_checkpoint(forked)
    assert world.cases() == [case]
    assert served(world) == before


def test_a_failing_proof_is_kept(world: World) -> None:
    world.witness.add_checkpoint(request(0, 20))
    world.witness.add_checkpoint(AddCheckpoint(20, (WRONG,), note(33)))
    [case] = world.cases()
    assert case.name.startswith("inconsistent-33-")
    assert (case / "consistency.proof").read_text() == "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo=\n"


def test_a_first_checkpoint_that_fails_has_nothing_to_stand_against(world: World) -> None:
    world.witness.add_checkpoint(AddCheckpoint(0, (WRONG,), note(5)))
    [case] = world.cases()
    assert (case / "held.checkpoint").read_bytes() == b""


def test_what_the_log_did_not_sign_is_no_evidence(world: World) -> None:
    world.witness.add_checkpoint(request(0, 20))
    unsigned = note(20, WRONG).replace(b"log.example/crossbearing\n20", b"log.example/crossbearing\n21")
    for asked in (AddCheckpoint(20, (), unsigned), request(0, 33), request(33, 33)):
        assert isinstance(world.witness.add_checkpoint(asked), Refused)
    assert world.cases() == []


def test_evidence_does_not_fill_the_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MAX_CASES", 3)
    world.witness.add_checkpoint(request(0, 20))
    for size in range(21, 30):
        world.witness.add_checkpoint(AddCheckpoint(20, (WRONG,), note(size)))
    assert len(world.cases()) == 3
    world.witness.add_checkpoint(AddCheckpoint(20, (), note(20, WRONG)))
    assert world.cases()[0].name.startswith("fork-20-")


def test_a_refusal_stands_when_its_evidence_cannot_be_kept(world: World) -> None:
    world.witness.add_checkpoint(request(0, 20))
    (world.folder / "evidence").rmdir()
    (world.folder / "evidence").write_bytes(b"")
    refused = world.witness.add_checkpoint(AddCheckpoint(20, (), note(20, WRONG)))
    assert isinstance(refused, Refused)
    assert refused.status == Status.INCONSISTENT
