from __future__ import annotations

import pytest

from nodes import openers
from nodes.identity import Identity
from nodes.openers import Keyring, own_opener_id
from nodes.store.openers import OpenerRow
from schemas.envelope.header import Header
from schemas.errors import NotFound, OpenerUnknown
from tests.support.fake_hub import FakeHub, example_seeds

ME = "sg-cnb"
KEY = b"sender k"


async def nothing(_: bytes) -> bytes:
    raise NotFound("no such opener")


@pytest.fixture
def keyring() -> Keyring:
    return Keyring(Identity(example_seeds(ME)), nothing)


def alert() -> tuple[Header, bytes, bytes]:
    """An alert's header, our opener of it, and the secret in it."""
    hub = FakeHub()
    index = hub.enter_alert()
    pair = hub.pairs["hk-customs", ME]
    return hub.header(index), pair.opener, pair.secret


def test_a_header_names_the_opener_of_each_recipient() -> None:
    header, _, _ = alert()
    assert own_opener_id(header, ME) == next(r.opener_id for r in header.recipients if r.agency == ME)
    assert own_opener_id(header, "hk-customs") is None


async def test_an_opener_that_came_along_is_taken(keyring: Keyring) -> None:
    header, opener, secret = alert()
    given = await keyring.openers_for(header, [b"another", opener])
    (wanted,) = given
    found, row = keyring.secret(wanted, "hk-customs", header.key, openers=given)
    assert found == secret
    assert row == OpenerRow(wanted, "hk-customs", header.key, secret)


async def test_an_opener_for_another_sender_or_key_opens_nothing(keyring: Keyring) -> None:
    header, opener, _ = alert()
    given = await keyring.openers_for(header, [opener])
    (wanted,) = given
    for sender, key in (("au-abf", header.key), ("hk-customs", b"01234567")):
        with pytest.raises(OpenerUnknown):
            keyring.secret(wanted, sender, key, openers=given)


async def test_what_nobody_has_is_unknown(keyring: Keyring) -> None:
    header, _, _ = alert()
    given = await keyring.openers_for(header, [])
    assert given == {}
    wanted = own_opener_id(header, ME)
    assert wanted is not None
    with pytest.raises(OpenerUnknown):
        keyring.secret(wanted, "hk-customs", header.key, openers=given)


async def test_fetched_bytes_must_have_the_digest_asked_for() -> None:
    header, opener, _ = alert()

    async def lie(_: bytes) -> bytes:
        return bytes(len(opener))

    keyring = Keyring(Identity(example_seeds(ME)), lie)
    given = await keyring.openers_for(header, [])
    (wanted,) = given
    with pytest.raises(OpenerUnknown):
        keyring.secret(wanted, "hk-customs", header.key, openers=given)


def test_a_remembered_secret_counts_for_its_sender_and_key_only(keyring: Keyring) -> None:
    keyring.remember([OpenerRow(b"o" * 16, "hk-customs", KEY, b"secret")])
    assert keyring.secret(b"o" * 16, "hk-customs", KEY, openers={}) == (b"secret", None)
    for sender, key in (("au-abf", KEY), ("hk-customs", b"another!")):
        with pytest.raises(OpenerUnknown):
            keyring.secret(b"o" * 16, sender, key, openers={})


async def test_a_known_opener_is_not_asked_for(keyring: Keyring) -> None:
    header, _, _ = alert()
    wanted = own_opener_id(header, ME)
    assert wanted is not None
    keyring.remember([OpenerRow(wanted, "hk-customs", header.key, b"secret")])
    assert await keyring.openers_for(header, []) == {}


def test_memory_is_bounded(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openers, "MAX_KNOWN_OPENERS", 3)
    names = [bytes([n]) * 16 for n in range(5)]
    for n in range(5):
        keyring.remember([OpenerRow(names[n], "hk-customs", KEY, b"secret")])
    assert [keyring.knows(names[n]) for n in range(5)] == [False, False, True, True, True]
