"""The witness vectors: what a witness that holds something answers to a request, one reason to refuse in each."""

from __future__ import annotations

from typing import Any

from schemas.keys import SigningKey
from schemas.log.checkpoint import Checkpoint, sign_checkpoint
from schemas.log.merkle import prove_consistency
from schemas.log.note import encode_base64, note_key, sign_note
from tests.vectors.checkpoint_cases import LOG_KEY, ORIGIN, TREE
from tests.vectors.fixed import Fixed

HELD, NEW = 100, 333
WRONG = b"\x5a" * 32

Case = tuple[str, int | None, bytes, dict[str, Any]]
"""What is asked in a sentence, the size held, the request, and the answer expected."""


def checkpoint(size: int, root: bytes | None = None, *, origin: str = ORIGIN, key: SigningKey = LOG_KEY) -> bytes:
    """A checkpoint of the log, or one that it should not have signed."""
    return sign_checkpoint(Checkpoint(origin, size, root or TREE.roots[size]), key)


def proof(old: int, new: int) -> list[str]:
    """The consistency proof, a hash an item, in base64."""
    return [encode_base64(item) for item in prove_consistency(old, new, TREE.read)]


def request(old: int | str, hashes: list[str], note: bytes) -> bytes:
    """A request, which need not have its form."""
    return "".join(f"{line}\n" for line in (f"old {old}", *hashes, "")).encode() + note


def _accepted() -> dict[str, Case]:
    first = {"status": 200, "size": NEW}
    return {
        "good": ("The log grew.", HELD, request(HELD, proof(HELD, NEW), checkpoint(NEW)), first),
        "good-first": ("The first checkpoint needs no proof.", None, request(0, [], checkpoint(NEW)), first),
        "good-after-empty": ("From an empty tree to any.", 0, request(0, [], checkpoint(NEW)), first),
        "good-empty": ("A log without entries.", None, request(0, [], checkpoint(0)), {"status": 200, "size": 0}),
        "good-again": (
            "The same checkpoint, for a new time.",
            NEW,
            request(NEW, [], checkpoint(NEW)),
            {"status": 200, "size": NEW},
        ),
        "good-unknown-line": (
            "A line by a key not trusted for the log is ignored.",
            HELD,
            request(HELD, proof(HELD, NEW), checkpoint(NEW) + _stranger_line()),
            first,
        ),
    }


def _stranger_line() -> bytes:
    text = checkpoint(NEW).decode().partition("\n\n")[0] + "\n"
    return sign_note(text, "stranger.example", SigningKey(bytes(32))).line.encode()


def _malformed() -> dict[str, Case]:
    good, hashes = checkpoint(NEW), proof(HELD, NEW)
    one = hashes[0]
    bodies = {
        "empty": ("There is nothing.", b""),
        "old-missing": ("The first line is missing.", "".join(f"{line}\n" for line in (*hashes, "")).encode() + good),
        "old-leading-zero": ("The old size has a leading zero.", request("0100", hashes, good)),
        "old-plus-sign": ("The old size has a sign.", request("+100", hashes, good)),
        "old-underscore": ("The old size has an underscore.", request("1_00", hashes, good)),
        "old-negative": ("The old size is negative.", request(-1, hashes, good)),
        "old-out-of-range": ("The old size is 2^63.", request(1 << 63, hashes, good)),
        "old-above-size": ("The old size is above the checkpoint's.", request(NEW + 1, [], good)),
        "hash-unpadded": ("A hash's padding is missing.", request(HELD, [one.rstrip("="), *hashes[1:]], good)),
        "hash-short": ("A hash has 31 bytes.", request(HELD, [encode_base64(WRONG[:-1]), *hashes[1:]], good)),
        "hash-long": ("A hash has 33 bytes.", request(HELD, [encode_base64(WRONG + b"x"), *hashes[1:]], good)),
        "hashes-too-many": ("There are 64 hashes.", request(HELD, [encode_base64(WRONG)] * 64, good)),
        "separator-missing": ("No empty line follows the proof.", request(HELD, hashes, b"")[:-1] + good),
        "carriage-returns": ("Lines end as on another system.", request(HELD, hashes, good).replace(b"\n", b"\r\n")),
        "note-truncated": ("The checkpoint is cut off.", request(HELD, hashes, good[:-1])),
        "size-leading-zero": ("The checkpoint's size has a leading zero.", request(HELD, hashes, _resized("0333"))),
    }
    return {name: (sentence, HELD, body, {"status": 400}) for name, (sentence, body) in bodies.items()}


def _resized(size: str) -> bytes:
    text = checkpoint(NEW).decode().partition("\n\n")[0].replace(f"\n{NEW}\n", f"\n{size}\n") + "\n"
    return f"{text}\n{sign_note(text, ORIGIN, LOG_KEY).line}".encode()


def _refused() -> dict[str, Case]:
    good, hashes = checkpoint(NEW), proof(HELD, NEW)
    forged = good.replace(f"\n{NEW}\n".encode(), f"\n{NEW + 1}\n".encode())
    stranger = checkpoint(NEW, key=SigningKey(bytes(32)))
    other = checkpoint(NEW, origin="other.example/log")
    empty = checkpoint(0).replace(encode_base64(TREE.roots[0]).encode(), encode_base64(WRONG).encode())
    text = empty.decode().partition("\n\n")[0] + "\n"
    resigned = f"{text}\n{sign_note(text, ORIGIN, LOG_KEY).line}".encode()
    told = {"status": 409, "held": HELD}
    return {
        "signature-fails": ("The log's line fails.", HELD, request(HELD, hashes, forged), {"status": 403}),
        "signer-unknown": ("No trusted key signed.", HELD, request(HELD, hashes, stranger), {"status": 403}),
        "log-unknown": ("The witness does not know the log.", HELD, request(HELD, hashes, other), {"status": 404}),
        "old-behind": ("The witness is further.", HELD, request(50, proof(50, NEW), good), told),
        "old-ahead": ("The witness is not so far.", HELD, request(200, proof(200, NEW), good), told),
        "old-zero": ("The client asks where the witness stands.", HELD, request(0, [], good), told),
        "never-seen": ("Nothing was cosigned yet.", None, request(HELD, hashes, good), {"status": 409, "held": 0}),
        "proof-missing": ("There is no proof.", HELD, request(HELD, [], good), {"status": 422}),
        "proof-short": ("The last hash is missing.", HELD, request(HELD, hashes[:-1], good), {"status": 422}),
        "proof-long": ("There is a hash too many.", HELD, request(HELD, [*hashes, hashes[0]], good), {"status": 422}),
        "proof-of-another-size": ("It is from 99.", HELD, request(HELD, proof(99, NEW), good), {"status": 422}),
        "proof-from-nothing": ("From 0 there is none.", None, request(0, hashes[:1], good), {"status": 422}),
        "proof-of-nothing": ("To the same size there is none.", NEW, request(NEW, hashes[:1], good), {"status": 422}),
        "other-history": ("The root is another.", HELD, request(HELD, hashes, checkpoint(NEW, WRONG)), {"status": 422}),
        "fork": ("Two roots of one size.", NEW, request(NEW, [], checkpoint(NEW, WRONG)), {"status": 422}),
        "empty-other-root": ("Size 0, but not the empty root.", None, request(0, [], resigned), {"status": 422}),
    }


def files(_fixed: Fixed) -> dict[str, Any]:
    """One file for each vector."""
    key = note_key(ORIGIN, LOG_KEY.public).vkey
    made = {}
    for name, (sentence, held, body, expected) in {**_accepted(), **_malformed(), **_refused()}.items():
        state = None if held is None else {"size": held, "root": TREE.roots[held].hex()}
        made[f"witness/{name}.json"] = {
            "name": name,
            "description": sentence,
            "expected": expected,
            "provenance": "tests/vectors/witness_cases.py",
            "input": {"logs": {ORIGIN: [key]}, "held": state, "request": body.hex()},
        }
    return made
