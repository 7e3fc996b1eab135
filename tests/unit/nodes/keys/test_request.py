from __future__ import annotations

import pytest

from nodes.keys.request import check_signatures, draft_request, key_text, read_request, sign_request
from schemas.directory.metadata import decode_bundle, encode_bundle
from schemas.directory.state import apply_bundle
from schemas.errors import DirectoryInvalid, DirectoryThreshold
from schemas.example import example_seed
from tests.support.directory import NOW, World, make_world

ME = "sg-cnb"
EXPIRES = NOW + 700 * 86_400_000
ADMINISTRATOR = example_seed(ME, "administrator-1")


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


def draft(world: World, version: int = 2) -> bytes:
    return draft_request(world.keys[ME], version=version, expires=EXPIRES).bundle


def test_a_draft_says_what_it_is_and_carries_no_signature(world: World) -> None:
    request = read_request(draft(world))
    assert (request.agency, request.version, request.keys) == (ME, 2, world.keys[ME])
    assert request.expires == EXPIRES // 1000 * 1000
    assert request.signed_by == ()


def test_one_administrators_signature_makes_it_acceptable(world: World) -> None:
    request = sign_request(draft(world), ADMINISTRATOR)
    assert len(request.signed_by) == 1
    assert world.directory.targets is not None
    check_signatures(request.bundle, world.directory.targets)
    after = apply_bundle(world.directory, ME, 2, request.bundle, at=NOW, trusted_root=world.trusted_root)
    assert after.published[ME].metadata.signed.version == 2


def test_signing_again_with_the_same_key_changes_nothing(world: World) -> None:
    once = sign_request(draft(world), ADMINISTRATOR)
    assert sign_request(once.bundle, ADMINISTRATOR).bundle == once.bundle


def test_signatures_add_up(world: World) -> None:
    both = sign_request(sign_request(draft(world), ADMINISTRATOR).bundle, example_seed(ME, "administrator-2"))
    assert len(both.signed_by) == 2


def test_the_hint_names_who_could_still_sign(world: World) -> None:
    assert world.directory.targets is not None
    with pytest.raises(DirectoryThreshold) as refused:
        check_signatures(draft(world), world.directory.targets)
    assert "bearing keys sign" in refused.value.hint
    assert refused.value.context == {"signed": 0, "needed": 1}


def test_a_strangers_signature_does_not_count(world: World) -> None:
    assert world.directory.targets is not None
    strange = sign_request(draft(world), example_seed("hk-customs", "administrator-1"))
    with pytest.raises(DirectoryThreshold):
        check_signatures(strange.bundle, world.directory.targets)


def test_another_document_under_the_signature_is_refused(world: World) -> None:
    signed = decode_bundle(sign_request(draft(world), ADMINISTRATOR).bundle)
    other = decode_bundle(draft_request(world.keys["hk-customs"], version=2, expires=EXPIRES).bundle)
    for mixed in (encode_bundle(signed.metadata, other.target), encode_bundle(other.metadata, signed.target)):
        with pytest.raises(DirectoryInvalid):
            read_request(mixed)


@pytest.mark.parametrize(
    "data",
    [b"", b"junk", encode_bundle(b"{}", b"{}"), encode_bundle(b"", b""), encode_bundle(b"{}", b'{"agency": "no id"}')],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises((DirectoryInvalid,)):
        read_request(data)


def test_a_public_key_is_written_as_the_governors_enter_it() -> None:
    assert key_text(ADMINISTRATOR).startswith("ed25519:")
    assert len(key_text(ADMINISTRATOR)) == len("ed25519:") + 64
