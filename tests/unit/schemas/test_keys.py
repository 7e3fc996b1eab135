from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadSignature, Malformed, WrapFailed
from schemas.keys import (
    ML_DSA_44_PUBLIC_SIZE,
    ML_DSA_44_SIGNATURE_SIZE,
    SEALED_OVERHEAD,
    X_WING_PUBLIC_SIZE,
    MlDsaKey,
    SealingKey,
    SigningKey,
    WitnessKey,
    seal_to,
    verify,
    verify_ml_dsa,
)

X_WING = json.loads((Path(__file__).parents[2] / "vectors" / "xwing" / "vectors.json").read_text("ascii"))

# RFC 8032 section 7.1, tests 1 to 3: seed, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_ed25519_is_that_of_rfc_8032(seed: str, public: str, message: str, signature: str) -> None:
    key = SigningKey(bytes.fromhex(seed))
    assert key.public.hex() == public
    assert key.key_id == hashlib.sha256(key.public).digest()[:8]
    assert key.sign(bytes.fromhex(message)).hex() == signature
    verify(key.public, bytes.fromhex(message), bytes.fromhex(signature))


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_changed_byte_anywhere_spoils_a_signature(message: bytes, data: st.DataObject) -> None:
    key = SigningKey(bytes(range(32)))
    parts = [key.public, message, key.sign(message)]
    verify(parts[0], parts[1], parts[2])
    part = data.draw(st.integers(0, 2))
    at = data.draw(st.integers(0, len(parts[part]) - 1))
    changed = bytearray(parts[part])
    changed[at] ^= data.draw(st.integers(1, 255))
    parts[part] = bytes(changed)
    with pytest.raises(BadSignature):
        verify(parts[0], parts[1], parts[2])


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_signature_of_another_length_is_bad(size: int) -> None:
    with pytest.raises(BadSignature, match="length"):
        verify(SigningKey(bytes(32)).public, b"m", bytes(size))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_public_key_of_another_length_is_bad(size: int) -> None:
    with pytest.raises(BadSignature, match="length"):
        verify(bytes(size), b"m", bytes(64))


def test_a_signature_has_no_second_form() -> None:
    """Adding the group order to the number in a signature must not give another valid signature."""
    key = SigningKey(bytes(32))
    signature = key.sign(b"m")
    order = (1 << 252) + 27742317777372353535851937790883648493
    larger = int.from_bytes(signature[32:], "little") + order
    with pytest.raises(BadSignature):
        verify(key.public, b"m", signature[:32] + larger.to_bytes(32, "little"))


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"])
def test_a_key_of_small_order_verifies_nothing(point: bytes) -> None:
    with pytest.raises(BadSignature):
        verify(point, b"m", b"\x01" + bytes(63))


@pytest.mark.parametrize("kind", [SigningKey, WitnessKey, SealingKey, MlDsaKey])
@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_seed_has_32_bytes(kind: type[SigningKey | SealingKey | MlDsaKey], size: int) -> None:
    with pytest.raises(Malformed, match="32 bytes"):
        kind(bytes(size))


# -- sealing -----------------------------------------------------------------------------------------------------------


def hpke_seal_with(shared_secret: bytes, encapsulated: bytes, info: bytes, plaintext: bytes) -> bytes:
    """HPKE base mode by the words of RFC 9180 sections 4 and 5, for 0x647a, 0x0001, 0x0003, from a KEM's output."""
    suite = b"HPKE" + bytes.fromhex("647a" + "0001" + "0003")

    def extract(label: bytes, secret: bytes, salt: bytes = b"") -> bytes:
        return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + secret, "sha256")

    def expand(secret: bytes, label: bytes, about: bytes, size: int) -> bytes:
        labeled = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + about
        return hmac.digest(secret, labeled + b"\x01", "sha256")[:size]

    context = b"\x00" + extract(b"psk_id_hash", b"") + extract(b"info_hash", info)
    secret = extract(b"secret", b"", shared_secret)
    key, nonce = expand(secret, b"key", context, 32), expand(secret, b"base_nonce", context, 12)
    return encapsulated + ChaCha20Poly1305(key).encrypt(nonce, plaintext, b"")


@pytest.mark.parametrize("vector", X_WING, ids=lambda vector: vector["seed"][:8])
def test_x_wing_is_that_of_the_draft(vector: dict[str, str]) -> None:
    """The public key follows from the seed, and what was encapsulated in the vector opens under its shared secret."""
    key = SealingKey(bytes.fromhex(vector["seed"]))
    assert key.public.hex() == vector["pk"]
    sealed = hpke_seal_with(bytes.fromhex(vector["ss"]), bytes.fromhex(vector["ct"]), b"info", b"secret")
    assert key.open(sealed, b"info") == b"secret"


def test_there_are_three_x_wing_vectors() -> None:
    assert len(X_WING) == 3


def test_sealing_opens_again() -> None:
    key = SealingKey(bytes(32))
    sealed = seal_to(key.public, bytes(range(32)), b"info")
    assert len(key.public) == X_WING_PUBLIC_SIZE == 1216
    assert len(sealed) == 32 + SEALED_OVERHEAD == 1168
    assert key.open(sealed, b"info") == bytes(range(32))
    assert seal_to(key.public, bytes(range(32)), b"info") != sealed


def test_sealed_bytes_open_only_as_sealed() -> None:
    key = SealingKey(bytes(32))
    sealed = seal_to(key.public, bytes(32), b"info")
    with pytest.raises(WrapFailed):
        key.open(sealed, b"other info")
    with pytest.raises(WrapFailed):
        SealingKey(b"\x01" * 32).open(sealed, b"info")
    for wrong in (b"", sealed[:-1], sealed + b"\0", sealed[:1119], bytes(len(sealed))):
        with pytest.raises(WrapFailed):
            key.open(wrong, b"info")


@given(st.integers(0, 1167), st.integers(1, 255))
def test_a_changed_byte_anywhere_spoils_sealed_bytes(at: int, change: int) -> None:
    key = SealingKey(bytes(32))
    sealed = bytearray(seal_to(key.public, bytes(32), b"info"))
    sealed[at] ^= change
    with pytest.raises(WrapFailed):
        key.open(bytes(sealed), b"info")


@pytest.mark.parametrize("public", [b"", bytes(1215), bytes(1217), b"\xff" * 1216])
def test_what_is_no_sealing_key_is_refused(public: bytes) -> None:
    with pytest.raises(Malformed):
        seal_to(public, bytes(32), b"info")


# -- post-quantum witnessing -------------------------------------------------------------------------------------------


def test_ml_dsa_signs_and_verifies() -> None:
    key = MlDsaKey(bytes(32))
    signature = key.sign(b"m")
    assert (len(key.public), len(signature)) == (ML_DSA_44_PUBLIC_SIZE, ML_DSA_44_SIGNATURE_SIZE)
    assert key.key_id == hashlib.sha256(key.public).digest()[:8]
    verify_ml_dsa(key.public, b"m", signature)
    for public, message, wrong in [
        (key.public, b"n", signature),
        (MlDsaKey(b"\x01" * 32).public, b"m", signature),
        (key.public, b"m", signature[:-1]),
        (key.public, b"m", bytes(len(signature))),
        (key.public[:-1], b"m", signature),
    ]:
        with pytest.raises(BadSignature):
            verify_ml_dsa(public, message, wrong)


def test_an_ml_dsa_key_follows_from_its_seed() -> None:
    assert MlDsaKey(bytes(32)).public == MlDsaKey(bytes(32)).public
    assert MlDsaKey(bytes(32)).public != MlDsaKey(b"\x01" * 32).public
