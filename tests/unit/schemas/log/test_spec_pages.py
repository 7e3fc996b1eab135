"""The examples and error codes in docs/spec are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from schemas.codec import decode, encode
from schemas.errors import REGISTRY
from schemas.example import example_seed
from schemas.ids import sha256
from schemas.keys import SigningKey, WitnessKey
from schemas.log.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from schemas.log.cosignature import sign_text
from schemas.log.entry import DirectoryEntry, RefusalEntry, decode_entry, encode_entry
from schemas.log.merkle import Frontier, leaf_hash
from schemas.log.note import ED25519, WITNESS_TYPES, SignedNote, format_note, parse_note, parse_vkey, vkey
from schemas.log.policy import parse_policy
from schemas.log.proof import parse_proof, verify_proof
from schemas.log.receipt import decode_receipt, sign_receipt, verify_receipt
from schemas.log.witness import Status
from schemas.log.witnessed import read_witnessed

SPEC = Path(__file__).parents[4] / "docs" / "spec"
PAGES = ["encoding", "log", "checkpoint", "receipts", "proof", "witness"]
ORIGIN = "crossbearing.example/log"
LOG_KEY = SigningKey(example_seed("broker", "log"))
TIME = 1_788_220_800_000
ENTRIES = [
    encode_entry(DirectoryEntry(TIME, 1, "root", 1, sha256(b"bundle"), 4096)),
    encode_entry(RefusalEntry(TIME, 33, "sg-cnb", "routing-mismatch", sha256(b"header"))),
]


def page(name: str) -> str:
    return (SPEC / f"{name}.md").read_text("utf-8")


def example(name: str, label: str) -> bytes:
    found = re.findall(rf"^```(hex|text) {label}\n(.*?)^```$", page(name), re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    language, body = found[0]
    return bytes.fromhex(body) if language == "hex" else body.encode()


def test_encoding() -> None:
    value = {"sender": "hk-customs", "created": TIME, "id": bytes(range(4)), "address": ["all"], "officer": None}
    assert decode(example("encoding", "value"), max_size=100) == value
    assert encode(decode(example("encoding", "value"), max_size=100)) == example("encoding", "value")


def test_log() -> None:
    assert example("log", "directory-entry") == ENTRIES[0]
    assert example("log", "directory-leaf") == leaf_hash(ENTRIES[0])
    assert isinstance(decode_entry(ENTRIES[0]), DirectoryEntry)


def test_checkpoint() -> None:
    tree = Frontier()
    for entry in ENTRIES:
        tree.append(leaf_hash(entry))
    key = example("checkpoint", "log-key").decode().rstrip("\n")
    checkpoint = Checkpoint(ORIGIN, 2, tree.root())
    assert key == vkey(ORIGIN, ED25519, LOG_KEY.public)
    assert example("checkpoint", "checkpoint") == sign_checkpoint(checkpoint, LOG_KEY)
    assert verify_checkpoint(example("checkpoint", "checkpoint"), ORIGIN, [parse_vkey(key)]) == checkpoint


def test_cosigned_checkpoint_and_policy() -> None:
    key = parse_vkey(example("checkpoint", "witness-key").decode().rstrip("\n"), WITNESS_TYPES)
    cosigned = example("checkpoint", "cosigned")
    note = parse_note(example("checkpoint", "checkpoint"))
    witness = WitnessKey(example_seed("hk-customs", "witness"))
    line = sign_text(note.text, "hk-customs.example", witness, now=TIME)
    assert cosigned == format_note(SignedNote(note.text, (*note.signatures, line)))
    policy = parse_policy(example("witness", "policy"))
    assert policy.witnesses["hk-customs"].key == key
    witnessed = read_witnessed(cosigned, policy, origin=ORIGIN)
    assert witnessed.times == {"hk-customs": TIME}
    assert not witnessed.reached


def test_the_steps_of_a_witness_are_those_of_its_page() -> None:
    statuses = {int(status) for status in re.findall(r"^\| [1-6] \|.*\| ([0-9]{3}) \|$", page("witness"), re.MULTILINE)}
    assert statuses == {int(status) for status in Status} - {Status.OK}


def test_receipts() -> None:
    key = SigningKey(example_seed("hk-customs", "signing"))
    data, signature = example("receipts", "receipt"), example("receipts", "receipt-signature")
    verify_receipt(data, signature, key.public)
    assert sign_receipt(decode_receipt(data), key) == (data, signature)


def test_proof() -> None:
    proof = parse_proof(example("proof", "proof"))
    assert proof.extra == ENTRIES[1]
    key = parse_vkey(vkey(ORIGIN, ED25519, LOG_KEY.public))
    assert verify_proof(proof, ENTRIES[1], ORIGIN, [key]).size == 2


@pytest.mark.parametrize("name", PAGES)
def test_error_codes(name: str) -> None:
    text, _, table = page(name).partition("## Error codes\n")
    rows = re.findall(r"^\| (`[a-z`, -]+`) \|", table, re.MULTILINE)
    codes = set(re.findall(r"`([a-z-]+)`", " ".join(rows)))
    assert codes
    assert codes <= set(REGISTRY)
    used = set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", text)) & set(REGISTRY)
    assert used <= codes
