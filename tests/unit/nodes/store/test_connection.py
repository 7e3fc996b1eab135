from __future__ import annotations

import os
from pathlib import Path

import apsw
import pytest

from nodes.store.alerts import ProofRow
from nodes.store.connection import open_connection, refuse_plain
from nodes.store.database import Database, Tables
from nodes.store.held import HeldCheckpoint
from nodes.store.receipts import SignedReceipt
from nodes.store.schema import MIGRATIONS
from schemas.errors import StorageFailed, StorageLocked, StorageTampered

KEY = bytes(range(32))
NEEDLE = "the needle in the haystack"


def fill(path: Path) -> None:
    database = Database(path, KEY)
    database.write(lambda tables: tables.held.put("needle", NEEDLE.encode()))
    database.write(lambda tables: tables.alarms.raise_("fork", NEEDLE, "hint", now=1))
    database.close()


def test_nothing_in_the_file_or_its_log_can_be_read_without_the_key(tmp_path: Path) -> None:
    database = Database(tmp_path / "node.db", KEY)
    database.write(lambda tables: tables.held.put("needle", NEEDLE.encode()))
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert len(on_disk) > 10_000
    assert NEEDLE.encode() not in on_disk
    assert b"CREATE TABLE" not in on_disk
    database.close()


def test_the_file_is_closed_to_others(tmp_path: Path) -> None:
    fill(tmp_path / "node.db")
    assert (tmp_path / "node.db").stat().st_mode & 0o777 == 0o600


def test_another_key_does_not_open_it(tmp_path: Path) -> None:
    fill(tmp_path / "node.db")
    with pytest.raises(StorageTampered):
        Database(tmp_path / "node.db", bytes(32))


def test_a_key_of_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed):
        open_connection(tmp_path / "node.db", b"short")


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    fill(path)
    data = bytearray(path.read_bytes())
    for offset in range(2_000, len(data), 4_096):
        data[offset] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(StorageTampered):
        Database(path, KEY)


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    first = Database(tmp_path / "node.db", KEY)
    with pytest.raises(StorageLocked) as refusal:
        Database(tmp_path / "node.db", KEY)
    assert "other daemon" in refusal.value.hint
    first.close()


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match=r"missing/node\.db"):
        Database(tmp_path / "missing" / "node.db", KEY)


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("nodes.store.connection.MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (x)"))
        fill(tmp_path / "node.db")
    with pytest.raises(StorageFailed, match="newer version"):
        Database(tmp_path / "node.db", KEY)


def test_an_older_store_is_migrated_and_keeps_what_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "node.db")
    monkeypatch.setattr("nodes.store.connection.MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (x)"))
    database = Database(tmp_path / "node.db", KEY)
    assert database.read(lambda tables: tables.held.get("needle")) == NEEDLE.encode()
    database.close()


def test_a_store_from_before_the_notes_were_shared_keeps_its_checkpoint_and_its_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("nodes.store.connection.MIGRATIONS", MIGRATIONS[:5])
        older = open_connection(tmp_path / "node.db", KEY)
    older.executemany(
        "INSERT INTO held (name, value) VALUES (?, ?)",
        [("checkpoint-size", (9).to_bytes(8, "big")), ("checkpoint-root", b"r" * 32), ("checkpoint-note", b"note 9")],
    )
    older.execute(
        "INSERT INTO alert (number, direction, id, sender, kind, title, marking, status, precedence, rank, address, "
        "composed, received, state, document) VALUES (1, 'in', zeroblob(16), 'hk-customs', 'watch', 't', 'green', "
        "'actual', 'routine', 3, 'all', 1, 1, 'unread', x'80')"
    )
    older.execute("INSERT INTO proof (number, entry, size, path, note) VALUES (1, x'aa', 9, zeroblob(32), x'bb')")
    older.close()
    database = Database(tmp_path / "node.db", KEY)
    assert database.read(lambda tables: tables.held.checkpoint) == HeldCheckpoint(9, b"r" * 32, b"note 9")
    assert database.read(lambda tables: tables.alerts.proof(1)) == ProofRow(b"\xaa", 9, (bytes(32),), b"\xbb")
    database.close()


def test_a_store_from_before_the_evidence_was_in_the_alerts_row_keeps_all_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("nodes.store.connection.MIGRATIONS", MIGRATIONS[:9])
        older = open_connection(tmp_path / "node.db", KEY)
    for number, size in ((1, 9), (2, None), (3, 9), (4, 12)):
        direction = "out" if size is None else "in"
        older.execute(
            "INSERT INTO alert (number, direction, id, sender, kind, title, marking, status, precedence, rank, "
            "address, composed, received, state, document, header) VALUES (?, ?, ?, 'hk-customs', 'watch', 't', "
            "'green', 'actual', 'routine', 3, 'all', 1, 1, 'unread', x'80', x'4848')",
            (number, direction, bytes([number]) * 16),
        )
        if size is not None:
            older.execute(
                "INSERT INTO proof (number, entry, size, path, header_at) VALUES (?, x'aabb', ?, zeroblob(64), ?)",
                (number, size, None if number == 4 else 1),
            )
    older.execute("INSERT INTO note (size, note) VALUES (9, x'09'), (12, x'12')")
    refs = [b"z" * 16, b"a" * 16]
    older.executemany(
        "INSERT INTO receipt (ref, made, receipt, signature, attempts, not_before) VALUES (?, ?, x'01', x'02', 3, 4)",
        [(ref, made) for made, ref in enumerate(refs)],
    )
    older.execute("INSERT INTO event (seq, time, type, data) VALUES (4, 1, 'link', x'80'), (7, 1, 'link', x'80')")
    older.execute("DELETE FROM event WHERE seq = 7")
    older.close()
    database = Database(tmp_path / "node.db", KEY)

    def look(tables: Tables) -> None:
        path = (bytes(32), bytes(32))
        assert [tables.alerts.proof(number) for number in (1, 2, 3, 4)] == [
            ProofRow(b"\xaaHH\xbb", 9, path, b"\x09"),
            None,
            ProofRow(b"\xaaHH\xbb", 9, path, b"\x09"),
            ProofRow(b"\xaa\xbb", 12, path, b"\x12"),
        ]
        assert tables.receipts.all() == [SignedReceipt(ref, b"\x01", b"\x02", 3) for ref in refs]
        assert [event.seq for event in tables.events.after(0)] == [4, 7]
        assert tables.check() is None

    database.read(look)
    assert database.write(lambda tables: tables.events.add("link", {"connected": True}, now=2)) == 8
    database.close()


def test_an_empty_store_of_any_version_becomes_one_of_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in range(len(MIGRATIONS) + 1):
        path = tmp_path / f"{version}.db"
        with monkeypatch.context() as patch:
            patch.setattr("nodes.store.connection.MIGRATIONS", MIGRATIONS[:version])
            open_connection(path, KEY).close()
        database = Database(path, KEY)
        assert database.read(lambda tables: tables.events.after(0)) == []
        assert database.read(lambda tables: tables.check()) is None
        database.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "node.db")
    with monkeypatch.context() as patch:
        patch.setattr("nodes.store.connection.MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (x); CREATE nonsense"))
        with pytest.raises(StorageFailed):
            Database(tmp_path / "node.db", KEY)
    database = Database(tmp_path / "node.db", KEY)
    assert database.read(lambda tables: tables.held.get("needle")) == NEEDLE.encode()
    database.close()


def test_a_plain_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    plain = apsw.Connection(os.fspath(path))
    plain.execute("CREATE TABLE t (x)")
    plain.close()
    with pytest.raises(StorageTampered):
        Database(path, KEY)


def test_going_on_without_encryption_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    plain = apsw.Connection(os.fspath(path))
    plain.execute("CREATE TABLE t (x)")
    with pytest.raises(StorageFailed, match="not encrypted"):
        refuse_plain(path, plain)
