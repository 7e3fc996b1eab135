"""The node's store on a disk that fails: at every single write and flush of a piece of work, in every way it can.

A file layer between SQLite and the disk counts what SQLite does and fails the n-th operation. For each n the work is
done on a fresh store, then what a crash would leave on the disk is opened, and it must hold all of the work or none.
Encryption sits in a file layer of its own, which is left out here.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from nodes.store.database import Database, Tables
from schemas.errors import CrossbearingError, StorageFailed, StorageFull, StorageInDoubt

KEY = bytes(range(32))


class Disk:
    """What the failing file layer is to do."""

    def __init__(self) -> None:
        self.armed = False
        self.count = 0
        self.flushes = 0
        self.fail_at = 0
        self.kind = ""
        self.writes_through = False

    def arm(self, kind: str, fail_at: int, *, writes_through: bool = False) -> None:
        """Fail the `fail_at`-th operation from now on; `writes_through`: the disk did it all the same."""
        self.armed, self.count, self.flushes = True, 0, 0
        self.kind, self.fail_at, self.writes_through = kind, fail_at, writes_through

    def operation(self, kind: str) -> bool:
        """Whether this operation is the one to fail."""
        if not self.armed or kind not in self.kind:
            return False
        self.count += 1
        return self.count == self.fail_at


class FailingFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        if self._disk.operation("write"):
            if self._disk.writes_through:
                super().xWrite(data, offset)
                raise apsw.IOError("the write failed, or so the disk says")
            raise apsw.FullError("no space left on device")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        if self._disk.operation("sync"):
            if self._disk.writes_through:
                super().xSync(flags)
            raise apsw.IOError("the flush failed")
        super().xSync(flags)
        self._disk.flushes += 1


class FailingLayer(apsw.VFS):
    def __init__(self, name: str, disk: Disk) -> None:
        super().__init__(name, "")
        self._disk = disk

    def xOpen(self, name: str | apsw.URIFilename, flags: list[int]) -> FailingFile:  # type: ignore[override]  # noqa: N802 - SQLite's name
        return FailingFile(self._disk, name, flags)


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    layer = FailingLayer("failing", made)
    yield made
    layer.unregister()


def open_store(path: Path) -> Database:
    return Database(path, KEY, vfs="failing")


def work(tables: Tables) -> None:
    """What one received block changes, in small."""
    tables.held.put("alert", os.urandom(20_000))
    tables.receipts.add(b"receipt", b"signature", now=1)
    tables.held.set_notices(7)


def state(tables: Tables) -> tuple[bool, int, int]:
    return tables.held.get("alert") is not None, tables.receipts.count(), tables.held.notices


NOTHING, EVERYTHING = (False, 0, 0), (True, 1, 7)


def attempt(folder: Path, disk: Disk, kind: str, n: int, *, writes_through: bool) -> CrossbearingError | None:
    """Do the work on a fresh store with the fault; its failure, if it failed. `crashed` is what a crash leaves."""
    folder.mkdir()
    database = open_store(folder / "node.db")
    copy(folder, folder / "flushed")
    disk.arm(kind, n, writes_through=writes_through)
    failure: CrossbearingError | None = None
    try:
        database.write(work)
    except CrossbearingError as error:
        failure = error
    disk.armed = False
    flushed = writes_through or failure is None or disk.flushes
    copy(folder if flushed else folder / "flushed", folder / "crashed")
    check_afterwards(database, failure)
    database.close()
    return failure


def copy(source: Path, target: Path) -> None:
    """The store's files as they are on the disk now."""
    target.mkdir()
    for file in source.glob("node.db*"):
        shutil.copy(file, target)


def check_afterwards(database: Database, failure: CrossbearingError | None) -> None:
    """A store that failed still reads; after doubt it takes nothing more, after a full disk it does."""
    assert database.read(state) == (NOTHING if failure else EVERYTHING)
    if isinstance(failure, StorageInDoubt):
        with pytest.raises(StorageInDoubt):
            database.write(lambda tables: tables.held.put("more", b"x"))
    elif failure is not None:
        database.write(lambda tables: tables.held.put("more", b"x"))


@pytest.mark.parametrize("kind", ["write", "sync"])
@pytest.mark.parametrize("writes_through", [False, True], ids=["lost", "persisted"])
def test_a_fault_at_every_operation_leaves_all_or_nothing(
    tmp_path: Path, disk: Disk, kind: str, writes_through: bool
) -> None:
    failures = 0
    for n in range(1, 200):
        failure = attempt(tmp_path / str(n), disk, kind, n, writes_through=writes_through)
        again = open_store(tmp_path / str(n) / "crashed" / "node.db")
        found = again.read(state)
        again.close()
        if failure is None:
            assert found == EVERYTHING
            break
        failures += 1
        assert found in (NOTHING, EVERYTHING)
        if not writes_through:
            assert found == NOTHING
    assert failure is None
    assert failures >= (1 if kind == "sync" else 3)


def test_a_full_disk_refuses_new_work_and_recovers(tmp_path: Path, disk: Disk) -> None:
    database = open_store(tmp_path / "node.db")
    disk.arm("write", 1)
    with pytest.raises(StorageFull) as refusal:
        database.write(work)
    assert "free space" in refusal.value.hint
    assert database.read(state) == NOTHING
    disk.armed = False
    database.write(work)
    assert database.read(state) == EVERYTHING
    database.close()


def test_a_flush_that_fails_is_doubt_until_the_store_is_opened_again(tmp_path: Path, disk: Disk) -> None:
    database = open_store(tmp_path / "node.db")
    disk.arm("sync", 1)
    with pytest.raises(StorageInDoubt) as refusal:
        database.write(work)
    assert "restart" in refusal.value.hint
    disk.armed = False
    with pytest.raises(StorageInDoubt):
        database.write(work)
    assert database.read(state) == NOTHING
    database.close()
    again = open_store(tmp_path / "node.db")
    again.write(lambda tables: tables.held.put("more", b"x"))
    assert again.read(lambda tables: tables.held.get("more")) == b"x"
    again.close()


def test_the_work_of_others_in_a_failed_commit_fails_with_it(tmp_path: Path, disk: Disk) -> None:
    database = open_store(tmp_path / "node.db")
    disk.arm("write", 1)
    results, topics = database.write_all([work, lambda tables: tables.held.put("other", b"x")])
    disk.armed = False
    assert [type(result.error) for result in results] == [StorageFull, StorageFull]
    assert topics == set()
    assert database.read(lambda tables: tables.held.get("other")) is None
    database.close()


def test_a_write_that_the_disk_denies_while_opening_is_named(tmp_path: Path, disk: Disk) -> None:
    disk.arm("sync", 1)
    with pytest.raises(StorageFailed):
        open_store(tmp_path / "node.db")
