from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from nodes.durable import write_durably
from nodes.witness.state import Held, WitnessState, origin_hash
from schemas.errors import StorageFailed, StorageFull, StorageTampered
from schemas.keys import WitnessKey
from schemas.log.cosignature import Cosigner
from schemas.log.note import SignedNote, format_note, parse_note
from tests.support.witnessing import COSIGNER, NOW, ORIGIN, note, tree


def held(size: int, now: int = NOW, cosigner: Cosigner = COSIGNER) -> Held:
    signed = parse_note(note(size))
    lines = cosigner.cosign(signed.text, tree(size), now=now)
    return Held(tree(size), format_note(SignedNote(signed.text, (*signed.signatures, *lines))), now)


def state(folder: Path, write: Callable[[Path, bytes], None] = write_durably) -> WitnessState:
    return WitnessState(folder, COSIGNER.keys, write=write)


def test_nothing_is_held_at_first(tmp_path: Path) -> None:
    assert state(tmp_path).held(ORIGIN) is None
    assert state(tmp_path).by_hash(origin_hash(ORIGIN)) is None


def test_its_folder_is_made_for_nobody_else_to_read(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "state"
    assert state(folder).compare_and_persist(None, held(5))
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_is_persisted_is_found_again(tmp_path: Path) -> None:
    first, five, nine = state(tmp_path), held(5), held(9)
    assert first.compare_and_persist(None, five)
    assert first.compare_and_persist(five, nine)
    for store in (first, state(tmp_path)):
        assert store.held(ORIGIN) == nine
        assert store.by_hash(origin_hash(ORIGIN)) == nine
    assert [path.name for path in tmp_path.iterdir()] == [origin_hash(ORIGIN)]


def test_what_moved_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    store = state(tmp_path)
    five, nine = held(5), held(9)
    assert store.compare_and_persist(None, five)
    assert not store.compare_and_persist(None, nine)
    assert store.compare_and_persist(five, nine)
    assert not store.compare_and_persist(five, held(7))
    assert store.held(ORIGIN) == nine


def test_of_many_threads_one_wins(tmp_path: Path) -> None:
    store, five = state(tmp_path), held(5)
    assert store.compare_and_persist(None, five)
    rivals = [held(size) for size in range(6, 22)]
    barrier, outcomes = threading.Barrier(len(rivals)), dict.fromkeys(range(len(rivals)), False)

    def rival(number: int) -> None:
        barrier.wait()
        outcomes[number] = store.compare_and_persist(five, rivals[number])

    threads = [threading.Thread(target=rival, args=(number,)) for number in outcomes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = [number for number, won in outcomes.items() if won]
    assert store.held(ORIGIN) == rivals[winner]
    assert (tmp_path / origin_hash(ORIGIN)).read_bytes() == rivals[winner].note


@pytest.mark.parametrize(("number", "fault"), [(errno.ENOSPC, StorageFull), (errno.EIO, StorageFailed)])
@pytest.mark.parametrize("persisted", [False, True], ids=["lost", "persisted"])
def test_a_failed_write_leaves_what_was_held(
    tmp_path: Path, number: int, fault: type[Exception], *, persisted: bool
) -> None:
    broken = False

    def write(path: Path, data: bytes) -> None:
        if persisted or not broken:
            write_durably(path, data)
        if broken:
            raise OSError(number, "the disk says no")

    store, five = state(tmp_path, write), held(5)
    assert store.compare_and_persist(None, five)
    broken = True
    with pytest.raises(fault):
        store.compare_and_persist(five, held(9))
    assert store.held(ORIGIN) == five
    restarted = state(tmp_path).held(ORIGIN)
    assert restarted is not None
    assert restarted.tree == tree(9 if persisted else 5)
    broken = False
    assert store.compare_and_persist(five, held(12))


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    assert state(tmp_path).compare_and_persist(None, held(5))
    file = tmp_path / origin_hash(ORIGIN)
    good = file.read_bytes()
    text_end = good.index(b"\n\n")
    for at in range(text_end + 1):
        changed = bytearray(good)
        changed[at] ^= 0x01
        file.write_bytes(changed)
        with pytest.raises(StorageTampered):
            state(tmp_path)
    for wrong in (b"", good[:-1], good[:text_end], note(5)):
        file.write_bytes(wrong)
        with pytest.raises(StorageTampered):
            state(tmp_path)


def test_a_file_under_another_logs_name_is_found(tmp_path: Path) -> None:
    assert state(tmp_path).compare_and_persist(None, held(5))
    (tmp_path / origin_hash(ORIGIN)).rename(tmp_path / origin_hash("log.example/other"))
    with pytest.raises(StorageTampered, match="another log"):
        state(tmp_path)


def test_another_witnesss_state_is_refused(tmp_path: Path) -> None:
    other = Cosigner("other.example", WitnessKey(b"\x09" * 32), None)
    assert WitnessState(tmp_path, other.keys).compare_and_persist(None, held(5, cosigner=other))
    with pytest.raises(StorageTampered):
        state(tmp_path)


def test_what_a_crash_left_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / f".{origin_hash(ORIGIN)}.part").write_bytes(b"half a check")
    store = state(tmp_path)
    assert store.held(ORIGIN) is None
    assert store.compare_and_persist(None, held(5))


def test_a_folder_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(StorageFailed):
        state(tmp_path / "state")
