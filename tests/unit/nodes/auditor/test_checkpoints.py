from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from schemas.example import example_seed
from schemas.keys import SigningKey
from schemas.log.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
from schemas.log.note import ED25519, SignedNote, format_note, sign_note, vkey
from tests.support.auditing import audit, audited, found, only
from tests.support.directory import make_world
from tests.support.log_builder import LogBuilder


def test_older_checkpoints_that_fit_are_compared_and_counted(log: LogBuilder, tmp_path: Path) -> None:
    for size in (0, 1, 6, 8):
        log.files[f"checkpoints/{size}"] = log.checkpoint(size=size)
    report = audited(log, tmp_path)
    assert report.ok
    assert report.checkpoints == 5


def test_an_older_checkpoint_of_another_history_is_a_fork_by_the_hub(log: LogBuilder, tmp_path: Path) -> None:
    log.files["checkpoints/8"] = log.checkpoint(size=8, root=bytes(32))
    finding = only(audited(log, tmp_path))
    assert (finding.kind.code, finding.party, finding.file) == ("fork", "broker", "checkpoints/8")


def test_two_signed_trees_of_one_size_are_a_fork(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    (folder / "checkpoint").write_bytes(log.checkpoint(root=bytes(32)))
    finding = only(audit(log, folder))
    assert (finding.kind.code, finding.party) == ("fork", "broker")


def test_a_checkpoint_by_another_key_proves_nothing(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    stranger = SigningKey(example_seed("stranger", "log"))
    note = sign_checkpoint(Checkpoint(log.world.origin, log.size, log.tree.roots[-1]), stranger)
    (folder / "checkpoint").write_bytes(note)
    (folder / f"checkpoints/{log.size}").write_bytes(note)
    report = audit(log, folder)
    assert {row[0] for row in found(report)} >= {"checkpoint-untrusted"}
    assert not report.proven
    assert report.size == 0


def test_without_the_checkpoint_the_kept_one_serves_and_the_loss_is_said(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    (folder / "checkpoint").unlink()
    report = audit(log, folder)
    assert only(report).kind.code == "checkpoint-missing"
    assert report.proven


def test_a_checkpoint_kept_under_another_size_is_named(log: LogBuilder, tmp_path: Path) -> None:
    log.files["checkpoints/9"] = log.checkpoint(size=8)
    finding = only(audited(log, tmp_path))
    assert (finding.kind.code, finding.file) == ("checkpoint-differs", "checkpoints/9")


def test_an_old_checkpoint_put_in_place_of_the_newest_is_named(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    (folder / "checkpoint").write_bytes(log.checkpoint(size=8))
    report = audit(log, folder)
    assert only(report).kind.code == "checkpoint-differs"
    assert report.size == log.size


def test_a_plain_copy_without_kept_checkpoints_verifies(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    (folder / f"checkpoints/{log.size}").unlink()
    assert audit(log, folder).ok


def test_two_copies_of_one_checkpoint_must_be_the_same_bytes(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    (folder / "checkpoint").write_bytes(_cosigned(log, "witness.example", SigningKey(bytes(32))))
    finding = only(audit(log, folder))
    assert (finding.kind.code, finding.file) == ("checkpoint-differs", "checkpoint")
    assert finding.offset == len(log.checkpoint())


def test_evidence_that_contradicts_nothing_is_no_fork(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    for size in (8, log.size, log.size + 1):
        log.refusal()
        (folder / f"forks/{size}").mkdir(parents=True)
        (folder / f"forks/{size}/checkpoint").write_bytes(log.checkpoint(size=size))
    assert [row[0] for row in found(audit(log, folder))] == ["stray-file"] * 3


def _cosigned(log: LogBuilder, name: str, key: SigningKey, *, text: str | None = None) -> bytes:
    signed = format_checkpoint(Checkpoint(log.world.origin, log.size, log.tree.roots[-1]))
    own = sign_note(signed, log.world.origin, log.world.log_key)
    return format_note(SignedNote(signed, (own, sign_note(text or signed, name, key))))


def test_a_signature_line_of_a_stranger_is_pointed_at(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    note = _cosigned(log, "witness.example", SigningKey(bytes(32)))
    for name in ("checkpoint", f"checkpoints/{log.size}"):
        (folder / name).write_bytes(note)
    finding = only(audit(log, folder))
    assert finding.kind.code == "checkpoint-unknown-signer"
    assert finding.offset == note.find("— witness.example".encode())


def test_the_line_of_the_logs_second_key_is_checked_by_the_directory(tmp_path: Path) -> None:
    second = SigningKey(example_seed("broker", "second"))
    log = _log_with_second_key(second)
    folder = log.write(tmp_path)
    for note, ok in (
        (_cosigned(log, log.world.origin, second), True),
        (_cosigned(log, log.world.origin, second, text="other\n"), False),
    ):
        for name in ("checkpoint", f"checkpoints/{log.size}"):
            (folder / name).write_bytes(note)
        report = audit(log, folder)
        assert report.ok is ok
        assert ok or only(report).kind.code == "checkpoint-untrusted"


def _log_with_second_key(second: SigningKey) -> LogBuilder:
    world = make_world()
    keys = (*world.document.log.keys, vkey(world.origin, ED25519, second.public))
    world.document = replace(world.document, log=replace(world.document.log, keys=keys))
    world.publish("targets")
    log = LogBuilder(world)
    log.some_traffic(1)
    return log


def test_a_log_key_that_the_directory_does_not_list_is_named(tmp_path: Path) -> None:
    world = make_world()
    other = vkey(world.origin, ED25519, SigningKey(bytes(32)).public)
    world.document = replace(world.document, log=replace(world.document.log, keys=(other,)))
    world.publish("targets")
    log = LogBuilder(world)
    finding = only(audited(log, tmp_path))
    assert (finding.kind.code, finding.party) == ("log-key-unlisted", "broker")
