from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nodes.auditor.check import check_proof, proven_lines
from nodes.auditor.mirror import LogFolder
from nodes.auditor.prove import Proof, prove
from schemas.envelope.header import AttachmentRef, Header, Relation
from schemas.errors import (
    BadConfig,
    BadId,
    BadProof,
    BadSignature,
    CheckpointUntrusted,
    CrossbearingError,
    LogTampered,
    Missing,
    NotFound,
)
from schemas.keys import SigningKey
from schemas.log.merkle import prove_inclusion
from schemas.log.note import note_key
from schemas.log.proof import format_proof
from tests.support.auditing import flip, quiet
from tests.support.log_builder import LogBuilder


@pytest.fixture
def copy(log: LogBuilder, tmp_path: Path) -> LogFolder:
    log.alert("hk-customs", ["region:asia"], operation="marker")
    while log.size < 600:
        log.refusal()
    return LogFolder(log.write(tmp_path))


def proof_of(log: LogBuilder, copy: LogFolder, index: int = 5) -> Proof:
    return prove(copy, log.alert_id(index), keys=log.keys, progress=quiet)


def text(log: LogBuilder, data: bytes) -> str:
    return "\n".join(proven_lines(check_proof(data, log.keys)))


def test_a_proof_is_checked_with_the_logs_key_alone_and_says_what_it_proves(log: LogBuilder, copy: LogFolder) -> None:
    proof = proof_of(log, copy, 11)
    shown = text(log, proof.data)
    header = log.header(11)
    for expected in (
        f"Alert       {log.alert_id(11)}",
        f"From        hk-customs, signing key {header.key.hex()}",
        "To          au-abf, sg-cnb (2 agencies)",
        "Addressed   region:asia",
        "Kind        watch, priority, actual",
        "Marking     amber: ",
        "Operation   marker",
        f"sealed, SHA-256 {header.body_digest.hex()}",
        "entry 11 of a log of 600",
        f"Log         {log.world.origin}",
        log.world.log_key.public.hex(),
        log.tree.roots[600].hex(),
    ):
        assert expected in shown
    assert "lantern oil" not in shown


def test_the_outcome_as_data(log: LogBuilder, copy: LogFolder) -> None:
    data = check_proof(proof_of(log, copy).data, log.keys).as_dict()
    header = log.header(5)
    assert (data["ok"], data["index"], data["size"], data["log"]) == (True, 5, 600, log.world.origin)
    assert data["alert"] == {
        "id": log.alert_id(5),
        "sender": header.sender,
        "key": header.key.hex(),
        "recipients": [recipient.agency for recipient in header.recipients],
        "address": list(header.address),
        "kind": "watch",
        "marking": "amber",
        "precedence": "priority",
        "status": "actual",
        "operation": None,
        "sealed": header.created,
        "expires": header.expires,
        "body": {"sha256": header.body_digest.hex(), "size": header.body_size},
    }


@pytest.mark.parametrize("digits", [4, 8, 12, 20])
def test_the_end_of_an_id_is_enough(log: LogBuilder, copy: LogFolder, digits: int) -> None:
    wanted = log.alert_id(5).replace("-", "")[-digits:]
    assert prove(copy, wanted.upper(), progress=quiet).index == 5


def test_entries_that_do_not_decode_are_passed_over(log: LogBuilder, tmp_path: Path) -> None:
    log.append(b"nonsense")
    index = log.alert()
    assert proof_of(log, LogFolder(log.write(tmp_path)), index).index == index


def test_an_id_that_no_alert_has_is_not_found(copy: LogFolder) -> None:
    with pytest.raises(NotFound):
        prove(copy, "0123456789ab", progress=quiet)


@pytest.mark.parametrize("wanted", ["", "abc", "--a-b", "xyzw", "../../x"])
def test_what_is_no_end_of_an_id_is_refused(copy: LogFolder, wanted: str) -> None:
    with pytest.raises(BadId):
        prove(copy, wanted, progress=quiet)


def test_an_ending_that_several_share_asks_for_more(log: LogBuilder, tmp_path: Path) -> None:
    log.alert(change=lambda header: _renamed(header, b"\x01"))
    log.alert(change=lambda header: _renamed(header, b"\x02"))
    with pytest.raises(BadId, match="2 alerts"):
        prove(LogFolder(log.write(tmp_path)), "000000", progress=quiet)


def _renamed(header: Header, first: bytes) -> Header:
    return replace(header, id=first + bytes(5) + b"\x70" + bytes(1) + b"\x80" + bytes(7))


def test_a_copy_that_contradicts_itself_gives_no_proof(log: LogBuilder, copy: LogFolder) -> None:
    flip(copy.root / "tile/0/000", 32 * 4)
    with pytest.raises(LogTampered):
        proof_of(log, copy)


def test_a_copy_without_checkpoint_or_with_a_foreign_one_gives_no_proof(log: LogBuilder, copy: LogFolder) -> None:
    stranger = note_key(log.world.origin, SigningKey(bytes(32)).public)
    with pytest.raises(CheckpointUntrusted):
        prove(copy, log.alert_id(5), keys=[stranger], progress=quiet)
    copy.remove("checkpoint")
    with pytest.raises(Missing):
        proof_of(log, copy)


def test_no_byte_of_a_proof_can_change(log: LogBuilder, copy: LogFolder) -> None:
    data = proof_of(log, copy).data
    for offset in range(len(data)):
        bad = bytearray(data)
        bad[offset] ^= 1 << offset % 7
        with pytest.raises(CrossbearingError):
            check_proof(bytes(bad), log.keys)


def test_every_kind_of_entry_can_be_proven_and_is_told_in_words(log: LogBuilder) -> None:
    log.refusal("sg-cnb", "quota")
    log.purge(5)
    earlier = log.header(5).id
    log.alert(change=lambda header: _related(header, earlier))
    log.receipt("sg-cnb", [log.size - 1], "refused")
    for index, expected in (
        (0, "Directory   root version 1"),
        (6, "Receipt     stored, by hk-customs"),
        (11, "Refusal     of what sg-cnb sent, with the code quota"),
        (12, "Deletion    of the body of entry 5: retention"),
        (13, f"Relation    correct to {log.alert_id(5)}"),
        (13, "Attachment  68.4 KiB, sealed, SHA-256 0000"),
        (14, f"entry 13, alert {log.alert_id(13)}"),
    ):
        path = prove_inclusion(index, log.size, log.tree.read)
        data = format_proof(index, path, log.checkpoint(), log.entries[index])
        assert expected in text(log, data)
        assert "alert" in check_proof(data, log.keys).as_dict() or index != 13


def _related(header: Header, earlier: bytes) -> Header:
    return replace(header, relation=Relation("correct", earlier), attachments=(AttachmentRef(bytes(32), 70_000),))


def test_a_proof_without_the_entry_or_by_another_log_is_refused(log: LogBuilder) -> None:
    path = prove_inclusion(5, log.size, log.tree.read)
    with pytest.raises(BadProof, match="does not carry"):
        check_proof(format_proof(5, path, log.checkpoint()), log.keys)
    data = format_proof(5, path, log.checkpoint(), log.entries[5])
    with pytest.raises(CheckpointUntrusted, match="log key given"):
        check_proof(data, [note_key("other.example", log.world.log_key.public)])
    with pytest.raises(BadSignature):
        check_proof(data.replace(b"\n11\n", b"\n10\n"), log.keys)
    with pytest.raises(BadConfig):
        check_proof(data, [])
