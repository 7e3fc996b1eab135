"""Pair keys: openers bound to both parties and their keys, and wraps bound to alert and content key."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from schemas.envelope.body import commitment
from schemas.envelope.opener import OPENER_SIZE, make_opener, open_opener, opener_id, unwrap, wrap
from schemas.errors import OpenerUnknown, WrapFailed
from schemas.ids import sha256
from schemas.keys import SealingKey
from tests.support.directory import make_world

WORLD = make_world(publish=False)
SECRET = bytes(range(32))
SENDER_KEY = WORLD.signing["hk-customs"].key_id
MINE = WORLD.sealing["sg-cnb"]
BOUND: dict[str, Any] = {"sender": "hk-customs", "recipient": "sg-cnb", "sender_key_id": SENDER_KEY}
OPENER = make_opener(SECRET, **BOUND, recipient_public=MINE.public)
ID, CONTENT_KEY = bytes(16), b"k" * 32
COMMITMENT = commitment(CONTENT_KEY)


def test_an_opener_opens() -> None:
    assert len(OPENER) == OPENER_SIZE == 1168
    assert open_opener(OPENER, **BOUND, keys=[MINE]) == SECRET
    assert opener_id(OPENER) == sha256(OPENER)[:16]


def test_an_older_sealing_key_still_opens_what_was_made_for_it() -> None:
    newer = SealingKey(b"n" * 32)
    assert open_opener(OPENER, **BOUND, keys=[newer, MINE]) == SECRET


def test_two_openers_of_one_secret_differ() -> None:
    assert make_opener(SECRET, **BOUND, recipient_public=MINE.public) != OPENER


@pytest.mark.parametrize(
    "change",
    [
        {"sender": "au-abf"},
        {"recipient": "au-abf"},
        {"sender_key_id": WORLD.signing["au-abf"].key_id},
        {"keys": [WORLD.sealing["hk-customs"]]},
        {"keys": []},
    ],
)
def test_an_opener_is_bound_to_both_parties_and_their_keys(change: dict[str, Any]) -> None:
    with pytest.raises(OpenerUnknown):
        open_opener(OPENER, **{**BOUND, "keys": [MINE], **change})


def test_every_part_of_an_opener_matters() -> None:
    for position in (0, 500, 1087, 1088, 1119, 1120, OPENER_SIZE - 1):
        changed = bytearray(OPENER)
        changed[position] ^= 1
        with pytest.raises(OpenerUnknown):
            open_opener(bytes(changed), **BOUND, keys=[MINE])
    for wrong in (b"", OPENER[:-1], OPENER + b"\0"):
        with pytest.raises(OpenerUnknown):
            open_opener(wrong, **BOUND, keys=[MINE])


def test_a_wrap_unwraps() -> None:
    wrapped = wrap(SECRET, ID, COMMITMENT, CONTENT_KEY)
    assert len(wrapped) == 48
    assert unwrap(SECRET, ID, COMMITMENT, wrapped) == CONTENT_KEY


def test_a_wrap_is_what_the_specification_says() -> None:
    key = hashlib.blake2b(ID + COMMITMENT, digest_size=32, key=SECRET, person=b"xb1-wrap").digest()
    assert wrap(SECRET, ID, COMMITMENT, CONTENT_KEY) == ChaCha20Poly1305(key).encrypt(bytes(12), CONTENT_KEY, None)


def test_a_wrap_is_bound_to_secret_alert_and_commitment() -> None:
    wrapped = wrap(SECRET, ID, COMMITMENT, CONTENT_KEY)
    for secret, alert_id, committed in (
        (bytes(32), ID, COMMITMENT),
        (SECRET, b"\1" * 16, COMMITMENT),
        (SECRET, ID, bytes(32)),
        (SECRET[:-1], ID, COMMITMENT),
        (SECRET, ID[:-1], COMMITMENT),
    ):
        with pytest.raises(WrapFailed):
            unwrap(secret, alert_id, committed, wrapped)
    for position in range(48):
        changed = bytearray(wrapped)
        changed[position] ^= 1
        with pytest.raises(WrapFailed):
            unwrap(SECRET, ID, COMMITMENT, bytes(changed))
    for wrong in (b"", wrapped[:-1], wrapped + b"\0"):
        with pytest.raises(WrapFailed):
            unwrap(SECRET, ID, COMMITMENT, wrong)


def test_sealing_an_alert_again_never_repeats_a_wrapping_key() -> None:
    """A fresh content key has a fresh commitment, so the zero nonce meets a fresh key."""
    other_key = b"o" * 32
    first, second = (wrap(SECRET, ID, commitment(key), key) for key in (CONTENT_KEY, other_key))
    stream = bytes(a ^ b for a, b in zip(first[:32], CONTENT_KEY, strict=True))
    assert bytes(a ^ b for a, b in zip(second[:32], stream, strict=True)) != other_key
