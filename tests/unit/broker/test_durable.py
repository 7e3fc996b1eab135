from __future__ import annotations

import os
from pathlib import Path

import pytest

from broker.durable import write_durably
from broker.evidence import keep_conflict
from broker.governance.folder import add_signatures
from broker.governance.repository import open_repository, write_version
from broker.governance.signing import sign
from schemas.directory.metadata import encode_bundle
from schemas.errors import BadConfig, StorageFailed
from tests.support.ceremony import Secretariat
from tests.support.directory import make_world, signer


def fail(_: int) -> None:
    raise OSError(5, "Input/output error")


def test_a_file_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_durably(path, b"one", mode=0o600)
    assert path.stat().st_mode & 0o777 == 0o600
    (tmp_path / ".file.part").symlink_to(tmp_path / "elsewhere")
    write_durably(path, b"two")
    assert (path.read_bytes(), (tmp_path / "elsewhere").exists()) == (b"two", False)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        write_durably(path, b"three")
    assert path.read_bytes() == b"two"


def test_evidence_that_cannot_be_kept_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageFailed, match="cannot be kept"):
        keep_conflict(tmp_path / "evidence", "targets", 2, encode_bundle(b"{}", b"{}"))


def test_a_repository_that_cannot_be_written_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secretariat = Secretariat(make_world(), tmp_path)
    before = open_repository(secretariat.repository)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(BadConfig, match="cannot be written"):
            write_version(secretariat.repository, {"targets.json": b"{}"})
    assert open_repository(secretariat.repository) == before


def test_a_signature_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secretariat = Secretariat(make_world(), tmp_path)
    opened = secretariat.draft(secretariat.source().replace("name: Test directory", "name: Renamed"))
    made = sign(opened.draft, opened.held, signer("governor-1"))
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(BadConfig, match="cannot be written"):
        add_signatures(opened, made.items())
