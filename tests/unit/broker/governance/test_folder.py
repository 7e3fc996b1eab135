from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.governance.folder import OpenDraft, collect, open_draft, write_draft
from broker.governance.repository import open_repository
from schemas.errors import (
    BadConfig,
    BadSignature,
    CrossbearingError,
    DirectoryInvalid,
    DirectoryRollback,
    NotFound,
    UnknownKey,
)
from tests.support.ceremony import Secretariat
from tests.support.directory import signer


@pytest.fixture
def opened(secretariat: Secretariat) -> OpenDraft:
    """A draft that renames the directory, signed by one governor."""
    draft = secretariat.draft(secretariat.source().replace("name: Test directory", "name: Renamed"))
    return secretariat.signed(draft, "governor-1")


def signature_file(opened: OpenDraft) -> Path:
    return next((opened.folder / "signatures" / "targets").iterdir())


def rewrite(path: Path, change: Callable[[dict[str, str]], object]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_it_reads_back(opened: OpenDraft) -> None:
    again = open_draft(opened.folder)
    assert [part.role for part in again.draft.parts] == ["targets"]
    assert list(again.signatures["targets"]) == [signer("governor-1").public_key.keyid]


def test_a_folder_that_is_no_draft(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        open_draft(tmp_path)


def test_a_folder_is_not_written_over(opened: OpenDraft) -> None:
    with pytest.raises(BadConfig, match="exists already"):
        write_draft(opened.folder, opened.draft, opened.in_force)


def test_what_a_crash_left_is_swept_away(secretariat: Secretariat, opened: OpenDraft, tmp_path: Path) -> None:
    half = tmp_path / ".again.part"
    half.mkdir()
    (half / "root.json").write_text("{")
    write_draft(tmp_path / "again", opened.draft, opened.in_force)
    assert open_draft(tmp_path / "again").draft.part("root") is None
    assert not half.exists()


FAULTS: dict[str, tuple[Callable[[OpenDraft], object], type[CrossbearingError], str]] = {
    "signature altered": (
        lambda o: rewrite(signature_file(o), lambda v: v.update(sig="00" * 64)),
        BadSignature,
        "does not verify",
    ),
    "signature under another name": (
        lambda o: signature_file(o).rename(signature_file(o).with_name("0" * 64 + ".json")),
        BadSignature,
        "named after",
    ),
    "signature by a stranger": (
        lambda o: (o.folder / "signatures" / "targets" / ("0" * 64 + ".json")).write_text(
            json.dumps({"keyid": "0" * 64, "sig": "00" * 64})
        ),
        UnknownKey,
        "by nobody who may sign",
    ),
    "signature for another role": (
        lambda o: (o.folder / "signatures" / "targets").rename(o.folder / "signatures" / "root"),
        DirectoryInvalid,
        "does not change",
    ),
    "signature with a field too many": (
        lambda o: rewrite(signature_file(o), lambda v: v.update(note="x")),
        CrossbearingError,
        "not a field",
    ),
    "signature too long": (lambda o: signature_file(o).write_text(" " * 2_000), BadSignature, "too long"),
    "signature that is no JSON": (lambda o: signature_file(o).write_text("{"), DirectoryInvalid, "strict JSON"),
    "document altered": (
        lambda o: (o.folder / "directory.json").write_bytes((o.folder / "directory.json").read_bytes() + b" "),
        DirectoryInvalid,
        "not the file vouched for",
    ),
    "version skipped": (
        lambda o: rewrite_version(o, 3),
        DirectoryRollback,
        "targets is version 3, where 2 comes next",
    ),
    "version going back": (
        lambda o: rewrite_version(o, 1),
        DirectoryRollback,
        "targets is version 1, where 2 comes next",
    ),
    "in force altered": (
        lambda o: rewrite(o.folder / "in-force" / "targets.json", lambda v: v["signed"].update(version=7)),  # type: ignore[attr-defined]  # JSON
        CrossbearingError,
        "signed by 0 of the 3",
    ),
    "root history missing": (
        lambda o: rewrite(o.folder / "in-force" / "root.json", lambda v: v["signed"].update(version=2)),  # type: ignore[attr-defined]  # JSON
        DirectoryInvalid,
        "1.root.json is missing",
    ),
}


def rewrite_version(opened: OpenDraft, version: int) -> None:
    rewrite(opened.folder / "targets.json", lambda v: v["signed"].update(version=version))  # type: ignore[attr-defined]  # JSON


@pytest.mark.parametrize("name", FAULTS)
def test_a_folder_with_a_fault_is_refused(opened: OpenDraft, name: str) -> None:
    spoil, error, words = FAULTS[name]
    spoil(opened)
    with pytest.raises(error, match=words):
        open_draft(opened.folder)


def test_a_copy_of_another_draft_is_not_collected(secretariat: Secretariat, opened: OpenDraft) -> None:
    other = secretariat.draft(secretariat.source().replace("name: Test directory", "name: Something else"))
    with pytest.raises(BadSignature, match="another draft"):
        collect(opened, other)


def test_a_repository_that_cannot_be_read(secretariat: Secretariat) -> None:
    (secretariat.repository / "9.root.json").mkdir()
    with pytest.raises(BadConfig, match="cannot be read"):
        open_repository(secretariat.repository)


def test_a_draft_copied_elsewhere_is_the_same(opened: OpenDraft, tmp_path: Path) -> None:
    shutil.copytree(opened.folder, tmp_path / "copy")
    assert collect(opened, open_draft(tmp_path / "copy")) == 0
