from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]  # public, but no __all__

from schemas.directory.authority import (
    HOLDER,
    Quorum,
    Signatory,
    make_quorum,
    parse_public_key,
    public_key_text,
    quorum_of,
)
from schemas.errors import DirectoryInvalid, Malformed
from tests.support.directory import make_world

P256 = SSlibKey.from_crypto(ec.generate_private_key(ec.SECP256R1()).public_key())
P384 = SSlibKey.from_crypto(ec.generate_private_key(ec.SECP384R1()).public_key())


@pytest.mark.parametrize("key", [CryptoSigner.generate_ed25519().public_key, P256, P384])
def test_a_key_and_its_text_are_the_same_key(key: SSlibKey) -> None:
    text = public_key_text(key)
    assert parse_public_key(text).keyid == key.keyid
    assert public_key_text(parse_public_key(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ed25519:" + "0" * 62,
        "ed25519:" + "0" * 66,
        "ed25519:" + "A" * 64,
        "ed25519:" + "0" * 64 + "\n",
        "rsa:" + "0" * 64,
        "p256:" + "0" * 66,
        "p256:" + "02" + "f" * 64,
        "p256:" + "04" + "0" * 64,
        public_key_text(P384).replace("p384", "p256"),
        public_key_text(P256).replace("p256", "p384"),
        public_key_text(P256)[:-1],
    ],
)
def test_no_key(text: str) -> None:
    with pytest.raises(Malformed):
        parse_public_key(text)


def test_a_kind_of_key_without_a_text_form() -> None:
    key = SSlibKey.from_crypto(rsa.generate_private_key(65537, 2048).public_key())
    with pytest.raises(DirectoryInvalid, match="no text form"):
        public_key_text(key)


def test_the_holders_name_stands_beside_the_key() -> None:
    member = Signatory("Anna", public_key_text(P256))
    assert member.tuf_key().unrecognized_fields == {HOLDER: "Anna"}
    assert member.tuf_key().keyid == P256.keyid


def test_a_quorum_is_of_different_people_with_different_keys() -> None:
    anna, ben = Signatory("Anna", public_key_text(P256)), Signatory("Ben", public_key_text(P384))
    assert str(make_quorum(1, [anna, ben])) == "1 of 2"
    for members in ([anna, anna], [anna, Signatory("Ben", anna.key)], [anna, Signatory("Anna", ben.key)]):
        with pytest.raises(Malformed, match="is there twice"):
            make_quorum(1, members)
    for threshold in (0, 3):
        with pytest.raises(Malformed, match="cannot be reached"):
            make_quorum(threshold, [anna, ben])


def test_whoever_is_named_in_metadata() -> None:
    root = make_world().directory.root.signed
    found = quorum_of(root, "root")
    assert isinstance(found, Quorum)
    assert str(found) == "3 of 5"
    assert found.signatories[0].name.startswith("holder of ed25519:")
    with pytest.raises(DirectoryInvalid, match="nobody is named"):
        quorum_of(root, "mirrors")
