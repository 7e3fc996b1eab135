"""Who a certificate belongs to, by its key and the directory in force."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from broker.identity import Party, identify
from certs.example.pki import leaf
from schemas.errors import NotPinned, Suspended
from schemas.pins import spki_digest
from tests.support.directory import make_world
from tests.support.directory import spki_digest as pin_of


def certificate(name: str) -> bytes:
    return load_pem_x509_certificate(leaf(name).certificate).public_bytes(Encoding.DER)


def test_the_digest_is_over_the_public_key() -> None:
    assert spki_digest(certificate("sg-cnb")) == pin_of("sg-cnb")
    assert spki_digest(certificate("sg-cnb")).hex() == leaf("sg-cnb").pin


def test_members_and_auditors() -> None:
    directory = make_world().directory
    assert identify(certificate("sg-cnb"), directory) == Party("agency", "sg-cnb")
    assert identify(certificate("auditor-1"), directory) == Party("auditor", "auditor-1")


@pytest.mark.parametrize("name", ["nz-customs", "broker", "ca"])
def test_a_certificate_of_our_authority_is_not_enough(name: str) -> None:
    with pytest.raises(NotPinned):
        identify(certificate(name), make_world().directory)


def test_no_certificate() -> None:
    with pytest.raises(NotPinned):
        identify(None, make_world().directory)


def test_a_suspended_agency() -> None:
    with pytest.raises(Suspended):
        identify(certificate("sg-cnb"), make_world(suspended=["sg-cnb"]).directory)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\x30\x03\x02\x01\x05",
        certificate("sg-cnb").replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03", 1),  # version 4
        certificate("sg-cnb").replace(
            b"\x2b\x65\x70\x03\x21\x00", b"\x2b\x65\x7f\x03\x21\x00", 1
        ),  # no known kind of key
    ],
    ids=["nothing", "no certificate", "an unknown version", "an unknown key type"],
)
def test_what_cannot_be_read_is_nobodys(damaged: bytes) -> None:
    with pytest.raises(NotPinned):
        identify(damaged, make_world().directory)
