from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from nodes.watch import claims as module
from nodes.watch.claims import Claim, Claims
from schemas.errors import BadDocument, Malformed, TooLarge
from schemas.ids import format_id, uuid7
from schemas.limits import MAX_DOCUMENT


def new_id(time: int = 1) -> bytes:
    return uuid7(time, bytes)


def drop(claims: Claims, name: str = "case.yaml", text: str = "kind: watch\n", *, time: int = 1) -> Claim:
    (claims.inward / name).write_text(text)
    claim = claims.take(claims.inward / name, new_id(time))
    assert claim is not None
    return claim


def test_the_folders_belong_to_the_node_alone(tmp_path: Path) -> None:
    Claims(tmp_path / "watch")
    made = [tmp_path / "watch", *sorted((tmp_path / "watch").iterdir())]
    assert [path.name for path in made] == ["watch", ".claimed", "done", "failed", "in"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}


def test_rights_given_by_the_administrator_stay(tmp_path: Path) -> None:
    Claims(tmp_path).inward.chmod(0o770)
    assert stat.S_IMODE(Claims(tmp_path).inward.stat().st_mode) == 0o770


def test_taking_moves_the_file_and_keeps_its_name_and_id(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    claim = drop(claims)
    assert list(claims.inward.iterdir()) == []
    assert claim.name == "case.yaml"
    assert claim.path.name == f"{format_id(new_id())}.case.yaml"
    assert Claims(tmp_path).open() == [claim]


def test_a_file_that_is_gone_is_not_taken(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    assert claims.take(claims.inward / "gone.yaml", new_id()) is None
    assert claims.open() == []


def test_claims_are_settled_in_the_order_they_were_taken(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    for name, time in (("z.yaml", 1), ("a.yaml", 2), ("m.yaml", 3)):
        drop(claims, name, time=time)
    assert [claim.name for claim in claims.open()] == ["z.yaml", "a.yaml", "m.yaml"]


def test_files_the_node_did_not_take_are_no_claims(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    (tmp_path / ".claimed" / "note.yaml").touch()
    (tmp_path / ".claimed" / f"{format_id(new_id())}.txt").touch()
    assert claims.open() == []


def test_done_holds_the_document_and_the_id_of_its_alert(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    assert claims.settle_done(drop(claims, text="x")) == tmp_path / "done" / "case.yaml"
    assert (tmp_path / "done" / "case.yaml").read_text() == "x"
    assert (tmp_path / "done" / "case.yaml.id").read_text() == format_id(new_id()) + "\n"
    assert claims.open() == []


def test_failed_holds_the_document_and_the_reasons(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    claims.settle_failed(drop(claims, text="x"), "wrong\n")
    assert (tmp_path / "failed" / "case.yaml").read_text() == "x"
    assert (tmp_path / "failed" / "case.yaml.problems.txt").read_text() == "wrong\n"


def test_a_name_used_before_loses_nothing(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    claims.settle_done(drop(claims, text="first"))
    second = claims.settle_done(drop(claims, text="second", time=2))
    assert second.name == f"case.{new_id(2).hex()[-8:]}.yaml"
    assert second.read_text() == "second"
    assert second.with_name(second.name + ".id").read_text() == format_id(new_id(2)) + "\n"
    assert (tmp_path / "done" / "case.yaml").read_text() == "first"


def test_settling_again_after_a_crash_between_note_and_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = Claims(tmp_path)
    claim = drop(claims)
    with monkeypatch.context() as crash:
        crash.setattr(Path, "rename", _rename_failing_into(tmp_path / "done" / "case.yaml"))
        with pytest.raises(OSError, match="crash"):
            claims.settle_done(claim)
    assert (tmp_path / "done" / "case.yaml.id").exists()
    (again,) = Claims(tmp_path).open()
    assert again == claim
    claims.settle_done(again)
    assert sorted(path.name for path in (tmp_path / "done").iterdir()) == ["case.yaml", "case.yaml.id"]


def _rename_failing_into(place: Path) -> object:
    real = Path.rename

    def rename(source: Path, target: Path) -> Path:
        if target == place:
            raise OSError(5, "crash")
        return real(source, target)

    return rename


@pytest.mark.parametrize("step", ["settle", "note"])
def test_a_failing_disk_leaves_the_claim_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    claims = Claims(tmp_path)
    claim = drop(claims)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(module, "sync_folder" if step == "settle" else "write_durably", fail)
        with pytest.raises(OSError, match="No space"):
            claims.settle_failed(claim, "wrong\n")
    if step == "note":
        assert claims.open() == [claim]
    else:
        assert (tmp_path / "failed" / "case.yaml").exists()


def test_a_take_that_cannot_be_made_durable_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = Claims(tmp_path)

    def fail(_: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(module, "sync_folder", fail)
    with pytest.raises(OSError, match="Input/output"):
        drop(claims)


def test_reading(tmp_path: Path) -> None:
    assert drop(Claims(tmp_path), text="title: 冰毒\n").read() == "title: 冰毒\n"
    assert len(drop(Claims(tmp_path), text="x" * MAX_DOCUMENT).read()) == MAX_DOCUMENT


def test_an_oversized_file_is_refused_without_reading_it_all(tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match=str(MAX_DOCUMENT)):
        drop(Claims(tmp_path), text="x" * (MAX_DOCUMENT + 1)).read()


def test_what_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    claim = drop(Claims(tmp_path))
    claim.path.write_bytes(b"title: \xff\xfe\n")
    with pytest.raises(Malformed, match="UTF-8"):
        claim.read()


def test_a_file_the_node_may_not_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = drop(Claims(tmp_path))

    def deny(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", deny)  # rights alone would not stop root
    with pytest.raises(BadDocument, match="cannot be read: Permission denied"):
        claim.read()


def test_a_link_put_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    claim = drop(Claims(tmp_path))
    claim.path.unlink()
    claim.path.symlink_to("/etc/passwd")
    with pytest.raises(BadDocument, match="cannot be read"):
        claim.read()


def test_a_pipe_put_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    claim = drop(Claims(tmp_path))
    claim.path.unlink()
    os.mkfifo(claim.path)
    with pytest.raises(BadDocument, match="not a regular file"):
        claim.read()


def test_a_file_that_vanished_is_the_disks_fault(tmp_path: Path) -> None:
    claim = drop(Claims(tmp_path))
    claim.path.unlink()
    with pytest.raises(FileNotFoundError):
        claim.read()
