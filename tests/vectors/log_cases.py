"""The vectors of the log's own parts: entries, receipts and proof files, and one defect in each of the others."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import msgpack

from schemas.example import example_seed
from schemas.ids import uuid7
from schemas.keys import SigningKey
from schemas.log.checkpoint import Checkpoint, sign_checkpoint
from schemas.log.merkle import prove_inclusion
from schemas.log.note import encode_base64
from schemas.log.proof import format_proof
from schemas.log.receipt import RECEIPT_CONTEXT
from tests.support.directory import NOW, ORIGIN
from tests.support.trees import grow
from tests.vectors.fixed import Fixed

Wire = dict[str, Any]
Change = Callable[[Wire], None]
BAD_ENTRY, BAD_RECEIPT, BAD_PROOF = "bad-entry", "bad-receipt", "bad-proof"

SIGNER = SigningKey(example_seed("sg-cnb", "signing"))
IDS = [uuid7(NOW + number, bytes) for number in range(2)]
TREE = grow(12)
INDEX = 10
ENTRY = str(INDEX).encode()
PATH = prove_inclusion(INDEX, 12, TREE.read)
LOG_KEY = SigningKey(example_seed("broker", "log"))

KINDS: dict[str, Wire] = {
    "alert": {"header": b"a header", "signature": bytes(64)},
    "receipt": {"receipt": b"a receipt", "signature": bytes(64)},
    "directory": {"role": "targets", "version": 1, "digest": bytes(32), "size": 4096},
    "refusal": {"agency": "sg-cnb", "code": "quota", "digest": bytes(32)},
    "purge": {"index": 10, "basis": "retention over", "approvers": ["governor-1", "governor-2"]},
    "escalation": {"index": 10, "alert": IDS[0], "agency": "sg-cnb", "outcome": "reached", "contact": "duty-desk"},
}
"""The fields of each kind of entry beside `kind`, `time` and `directory`."""


def files(fixed: Fixed) -> dict[str, Any]:
    """One file for each vector."""
    del fixed
    made: dict[str, Any] = {}
    for folder, cases in (("entry", _entries()), ("receipt", _receipts()), ("proof", _proofs())):
        for name, sentence, given, expected in cases:
            made[f"{folder}/{name}.json"] = {
                "name": name,
                "description": sentence,
                "expected": expected,
                "provenance": "tests/vectors/log_cases.py",
                "input": given,
            }
    return made


Case = tuple[str, str, dict[str, Any], dict[str, Any]]


def pack(wire: Any) -> bytes:
    """Msgpack as it comes, keys in the order given."""
    packed: bytes = msgpack.packb(wire, use_bin_type=True)
    return packed


def in_order(wire: Wire) -> Wire:
    """The map with its keys sorted, as the canonical form has them."""
    return dict(sorted(wire.items()))


# -- entries -----------------------------------------------------------------------------------------------------------


def entry_wire(kind: str, **changes: Any) -> Wire:
    """The map of a good entry, some fields changed; None leaves a field out."""
    wire = {"kind": kind, "time": NOW, "directory": 6, **KINDS[kind], **changes}
    return in_order({name: value for name, value in wire.items() if value is not None})


def _entries() -> Iterator[Case]:
    for kind in KINDS:
        good = {"kind": kind, "time": NOW, "directory": 6}
        yield f"good-{kind}", f"A {kind} entry as it should be.", {"entry": pack(entry_wire(kind)).hex()}, good
    carried = pack(entry_wire("alert", carried=bytes(64)))
    about = "An alert that its sender says it sent on removable media."
    yield "good-carried", about, {"entry": carried.hex()}, {"kind": "alert", "time": NOW, "directory": 6}
    alert = pack(entry_wire("alert"))
    unsorted = dict(reversed(entry_wire("alert").items()))
    long_number = alert.replace(pack("directory") + b"\x06", pack("directory") + b"\xcc\x06")
    long_text = alert.replace(pack("alert"), b"\xd9\x05alert")
    due = entry_wire("escalation", outcome="due")
    doubled = bytes([alert[0] + 1]) + alert[1:] + pack("time") + pack(NOW)
    assert alert not in (long_text, long_number)
    shapes = {
        "empty": ("There are no bytes.", b""),
        "truncated": ("The last byte is missing.", alert[:-1]),
        "trailing-byte": ("A byte follows the map.", alert + b"\0"),
        "not-a-map": ("It is a list.", pack(["alert"])),
        "keys-unsorted": ("The keys are in another order.", pack(unsorted)),
        "key-doubled": ("The time is there twice.", doubled),
        "text-head-too-long": ("A text has a longer head than it needs.", long_text),
        "number-head-too-long": ("A number has a longer head than it needs.", long_number),
        "time-as-float": ("The time is a float.", pack(entry_wire("alert", time=float(NOW)))),
        "time-negative": ("The time is before 1970.", pack(entry_wire("alert", time=-1))),
        "time-as-text": ("The time is text.", pack(entry_wire("alert", time=str(NOW)))),
        "time-missing": ("There is no time.", pack(entry_wire("alert", time=None))),
        "directory-zero": ("There is no directory version 0.", pack(entry_wire("alert", directory=0))),
        "directory-true": ("The directory version is a boolean.", pack(entry_wire("alert", directory=True))),
        "kind-unknown": ("The kind is none there is.", pack(in_order({**entry_wire("alert"), "kind": "note"}))),
        "field-unknown": ("There is a field that alerts do not have.", pack(entry_wire("alert", extra=1))),
        "header-empty": ("The header has no bytes.", pack(entry_wire("alert", header=b""))),
        "header-as-text": ("The header is text.", pack(entry_wire("alert", header="a header"))),
        "header-too-large": ("The header has a byte too many.", pack(entry_wire("alert", header=bytes(60_001)))),
        "signature-short": ("The signature has 63 bytes.", pack(entry_wire("alert", signature=bytes(63)))),
        "carried-empty": ("The word of carriage is there and empty.", pack(entry_wire("alert", carried=b""))),
        "carried-short": ("The word of carriage has 63 bytes.", pack(entry_wire("alert", carried=bytes(63)))),
        "receipt-signature-long": ("The signature has 65 bytes.", pack(entry_wire("receipt", signature=bytes(65)))),
        "role-of-nobody": ("The role is no agency's.", pack(entry_wire("directory", role="Targets"))),
        "role-version-zero": ("The role's version is 0.", pack(entry_wire("directory", version=0))),
        "digest-short": ("The digest has 31 bytes.", pack(entry_wire("directory", digest=bytes(31)))),
        "bundle-empty": ("The bundle has no bytes.", pack(entry_wire("directory", size=0))),
        "refusal-code-with-space": ("The code is no word.", pack(entry_wire("refusal", code="a quota"))),
        "refusal-of-nobody": ("The agency's id is none.", pack(entry_wire("refusal", agency="sg"))),
        "approvers-unsorted": ("The approvers are not sorted.", pack(entry_wire("purge", approvers=["b", "a"]))),
        "approver-twice": ("An approver is named twice.", pack(entry_wire("purge", approvers=["a", "a"]))),
        "basis-empty": ("There is no basis.", pack(entry_wire("purge", basis=""))),
        "basis-with-newline": ("The basis has a control character.", pack(entry_wire("purge", basis="a\nb"))),
        "purge-index-negative": ("The index is negative.", pack(entry_wire("purge", index=-1))),
        "outcome-unknown": ("The outcome is none there is.", pack(entry_wire("escalation", outcome="called"))),
        "contact-before-reached": ("A contact is named, and none was reached.", pack(due)),
        "contact-missing": (
            "One was reached, and none is named.",
            pack({**due, "outcome": "reached", "contact": None}),
        ),
        "contact-with-space": ("The contact's id is no word.", pack(entry_wire("escalation", contact="duty desk"))),
        "escalation-of-no-id": ("The alert's id is no UUIDv7.", pack(entry_wire("escalation", alert=bytes(16)))),
        "escalation-of-nobody": ("The agency's id is none.", pack(entry_wire("escalation", agency="sg"))),
    }
    for name, (sentence, data) in shapes.items():
        yield name, sentence, {"entry": data.hex()}, {"code": BAD_ENTRY}


# -- receipts ----------------------------------------------------------------------------------------------------------


def receipt_wire(state: str = "stored", **changes: Any) -> Wire:
    """The map of a good receipt for two alerts, some fields changed; `...` leaves a field out."""
    more: list[Any] = ["body-unreadable", 9] if state == "refused" else []
    items = [[index, alert_id, bytes([index]) * 32, *more] for index, alert_id in zip((10, 12), IDS, strict=True)]
    wire = {
        "agency": "sg-cnb",
        "items": items,
        "key": SIGNER.key_id,
        "officer": None,
        "sender": "au-abf",
        "state": state,
        "time": NOW,
        **changes,
    }
    return in_order({name: value for name, value in wire.items() if value is not ...})


def _signed(data: bytes, signature: bytes | None = None, public: bytes | None = None) -> dict[str, Any]:
    made = SIGNER.sign(RECEIPT_CONTEXT + data) if signature is None else signature
    return {"receipt": data.hex(), "signature": made.hex(), "public": (public or SIGNER.public).hex()}


def _receipts() -> Iterator[Case]:
    for state in ("stored", "read", "actioned", "refused"):
        expected = {"agency": "sg-cnb", "sender": "au-abf", "state": state, "indexes": [10, 12]}
        yield f"good-{state}", f"Two alerts {state}.", _signed(pack(receipt_wire(state))), expected
    named = _signed(pack(receipt_wire("read", officer="R. Tan")))
    yield "good-officer", "An officer is named.", named, {**expected, "state": "read"}
    good = pack(receipt_wire())
    item = [10, IDS[0], bytes(32)]
    shapes: dict[str, tuple[str, bytes]] = {
        "truncated": ("The last byte is missing.", good[:-1]),
        "trailing-byte": ("A byte follows the map.", good + b"\0"),
        "keys-unsorted": ("The keys are in another order.", pack(dict(reversed(receipt_wire().items())))),
        "field-unknown": ("There is a field that receipts do not have.", pack(receipt_wire(note="x"))),
        "officer-missing": ("The officer is left out, not nil.", pack(receipt_wire(officer=...))),
        "officer-empty": ("The officer's name is empty.", pack(receipt_wire(officer=""))),
        "officer-unprintable": ("The officer's name has a control character.", pack(receipt_wire(officer="R\x07"))),
        "state-unknown": ("The state is none there is.", pack(receipt_wire("seen"))),
        "key-short": ("The key id has 7 bytes.", pack(receipt_wire(key=bytes(7)))),
        "agency-is-sender": ("An agency receipts its own alerts.", pack(receipt_wire(sender="sg-cnb"))),
        "items-none": ("It speaks of no alert.", pack(receipt_wire(items=[]))),
        "items-unsorted": ("The alerts are not in order.", pack(receipt_wire(items=receipt_wire()["items"][::-1]))),
        "index-twice": ("An index is there twice.", pack(receipt_wire(items=[item, [10, IDS[1], bytes(32)]]))),
        "alert-twice": ("An alert is there twice.", pack(receipt_wire(items=[item, [11, IDS[0], bytes(32)]]))),
        "too-many-items": (
            "It speaks of 257 alerts.",
            pack(receipt_wire(items=[[n, uuid7(NOW + n, bytes), bytes(32)] for n in range(257)])),
        ),
        "leaf-short": ("A leaf hash has 31 bytes.", pack(receipt_wire(items=[[10, IDS[0], bytes(31)]]))),
        "id-of-another-version": ("An id is no UUIDv7.", pack(receipt_wire(items=[[10, bytes(16), bytes(32)]]))),
        "index-true": ("An index is a boolean.", pack(receipt_wire(items=[[True, IDS[0], bytes(32)]]))),
        "refusal-without-code": ("A refusal gives no code.", pack(receipt_wire("refused", items=[item]))),
        "code-without-refusal": ("A code, but no refusal.", pack(receipt_wire(items=[[*item, "fork", 2]]))),
        "step-12": ("There are eleven steps.", pack(receipt_wire("refused", items=[[*item, "fork", 12]]))),
    }
    for name, (sentence, data) in shapes.items():
        yield name, sentence, _signed(data), {"code": BAD_RECEIPT}
    flipped = bytearray(SIGNER.sign(RECEIPT_CONTEXT + good))
    flipped[7] ^= 1
    other = SigningKey(example_seed("au-abf", "signing")).public
    signatures = {
        "signature-flipped": ("One bit of the signature is another.", _signed(good, bytes(flipped))),
        "signature-short": ("The signature has 63 bytes.", _signed(good, bytes(flipped[:-1]))),
        "signature-of-another": ("The key is another agency's.", _signed(good, public=other)),
        "signature-without-context": (
            "Only the bytes are signed, without what they are.",
            _signed(good, SIGNER.sign(good)),
        ),
        "signature-as-header": (
            "The signature is one over a header of the same bytes.",
            _signed(good, SIGNER.sign(b"crossbearing/1/header\0" + good)),
        ),
    }
    for name, (sentence, given) in signatures.items():
        yield name, sentence, given, {"code": "bad-signature"}


# -- proofs ------------------------------------------------------------------------------------------------------------


def _proofs() -> Iterator[Case]:
    root = TREE.roots[12]
    note = sign_checkpoint(Checkpoint(ORIGIN, 12, root), LOG_KEY)
    good = format_proof(INDEX, PATH, note, ENTRY)
    expected = {"index": INDEX, "size": 12, "root": root.hex(), "entry": ENTRY.hex()}
    bare = {**expected, "entry": None}

    def given(data: bytes, entry: bytes | None = None) -> dict[str, Any]:
        return {"file": data.hex(), "entry": None if entry is None else entry.hex()}

    yield "good", "The entry stands in the file.", given(good), expected
    yield "good-without-entry", "The entry comes beside the file.", given(format_proof(INDEX, PATH, note), ENTRY), bare
    alone = sign_checkpoint(Checkpoint(ORIGIN, 1, TREE.roots[1]), LOG_KEY)
    single = {"index": 0, "size": 1, "root": TREE.roots[1].hex(), "entry": b"0".hex()}
    yield "good-log-of-one", "The path is empty.", given(format_proof(0, [], alone, b"0")), single
    first, extra = encode_base64(PATH[0]).encode(), b64encode(ENTRY)
    swapped = [PATH[1], PATH[0], *PATH[2:]]
    shapes: dict[str, tuple[str, bytes]] = {
        "another-version": ("The first line names another version.", good.replace(b"@v1", b"@v2", 1)),
        "first-line-missing": ("The first line is missing.", good.split(b"\n", 1)[1]),
        "carriage-return": ("The lines end in CR LF.", good.replace(b"\n", b"\r\n")),
        "index-with-zero": ("The index has a leading zero.", good.replace(b"index 10", b"index 010")),
        "index-with-plus": ("The index has a sign.", good.replace(b"index 10", b"index +10")),
        "index-with-underscore": ("The index has an underscore.", good.replace(b"index 10", b"index 1_0")),
        "index-missing": ("There is no index.", good.replace(b"index 10\n", b"")),
        "index-of-another": ("The index is another.", good.replace(b"index 10", b"index 9")),
        "index-beyond": ("The index is not in the tree.", good.replace(b"index 10", b"index 12")),
        "hash-without-padding": ("A hash lacks its padding.", good.replace(first, first.rstrip(b"="))),
        "hash-with-junk": ("A hash has a space in it.", good.replace(first, first[:5] + b" " + first[5:])),
        "hash-short": ("A hash has 31 bytes.", good.replace(first, b64encode(PATH[0][:31]))),
        "hash-missing": ("The first hash is missing.", good.replace(first + b"\n", b"", 1)),
        "hash-too-many": ("There is a hash too many.", format_proof(INDEX, [*PATH, bytes(32)], note, ENTRY)),
        "hashes-swapped": ("Two hashes are swapped.", format_proof(INDEX, swapped, note, ENTRY)),
        "extra-after-index": (
            "The extra line comes after the index.",
            good.replace(b"extra " + extra + b"\nindex 10\n", b"index 10\nextra " + extra + b"\n"),
        ),
        "entry-of-another": ("The entry is another.", format_proof(INDEX, PATH, note, b"11")),
        "checkpoint-missing": ("No checkpoint follows.", good.split(b"\n\n", 1)[0] + b"\n\n"),
        "checkpoint-of-another-size": (
            "The checkpoint is of a tree without the entry.",
            format_proof(INDEX, PATH, sign_checkpoint(Checkpoint(ORIGIN, 9, TREE.roots[9]), LOG_KEY), ENTRY),
        ),
        "checkpoint-of-another-tree": (
            "The checkpoint signs another root.",
            format_proof(INDEX, PATH, sign_checkpoint(Checkpoint(ORIGIN, 12, bytes(32)), LOG_KEY), ENTRY),
        ),
    }
    for name, (sentence, data) in shapes.items():
        assert data != good, name
        yield name, sentence, given(data), {"code": BAD_PROOF}
    stranger = SigningKey(example_seed("au-abf", "signing"))
    untrusted = {
        "checkpoint-of-a-stranger": sign_checkpoint(Checkpoint(ORIGIN, 12, root), stranger),
        "checkpoint-of-another-log": sign_checkpoint(Checkpoint("other.example/log", 12, root), LOG_KEY),
    }
    for name, other in untrusted.items():
        sentence = "The log's key did not sign the checkpoint under its name."
        yield name, sentence, given(format_proof(INDEX, PATH, other, ENTRY)), {"code": "checkpoint-untrusted"}
    tampered = note.replace(b"\n12\n", b"\n13\n")
    spoiled = given(format_proof(INDEX, PATH, tampered, ENTRY))
    yield "checkpoint-tampered", "The checkpoint's size was changed.", spoiled, {"code": "bad-signature"}
