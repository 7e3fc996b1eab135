"""Sealing: what stands in the header is what stands in the alert."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.envelope.body import commitment, open_body
from schemas.envelope.header import Relation, decode_header, verify_header
from schemas.envelope.opener import unwrap
from schemas.envelope.seal import DEFAULT_EXPIRY_MS, PairKey, seal
from schemas.errors import AlertExpired, BadAddress, OpenerMissing
from schemas.ids import format_id, parse_id, sha256
from schemas.limits import MAX_EXPIRY_MS
from schemas.routing.resolve import query_of_alert, resolve
from tests.support.directory import NOW, make_world
from tests.support.envelope import counting_random, make_alert, make_pairs, seal_alert

WORLD = make_world()
EARLIER = format_id(bytes.fromhex("0190a0b0c0d07000800000000000000a"))
HOUR = 3_600_000


def test_the_header_says_what_the_alert_says() -> None:
    attachment = {
        "name": "scan.png",
        "media_type": "image/png",
        "size": 10,
        "sealed_size": 51,
        "digest": "ab" * 32,
        "key": "cd" * 32,
    }
    alert = make_alert(
        WORLD,
        "hk-customs",
        to=["sg-cnb", "region:asia"],
        operation="marker",
        modes=["sea", "air"],
        marking="green",
        precedence="flash",
        status="exercise",
        expires_hours=5,
        relation={"type": "follow-up", "alert": EARLIER},
        attachments=[attachment],
    )
    sealed, pairs = seal_alert(WORLD, alert, now=NOW + HOUR)
    header = decode_header(sealed.header)
    verify_header(sealed.header, sealed.signature, WORLD.signing["hk-customs"].public)
    assert (header.id, format_id(header.id)) == (sealed.id, alert.id)
    assert (header.sender, header.key) == ("hk-customs", WORLD.signing["hk-customs"].key_id)
    assert (header.directory, header.created, header.expires) == (5, NOW + HOUR, NOW + 5 * HOUR)
    assert (header.precedence, header.marking, header.topic, header.status) == ("flash", "green", "watch", "exercise")
    assert (header.operation, header.modes) == ("marker", ("air", "sea"))
    assert header.address == ("sg-cnb", "region:asia")
    assert header.relation == Relation("follow-up", parse_id(EARLIER))
    assert header.attachments == ((bytes.fromhex("ab" * 32), 51),)
    assert (header.body_digest, header.body_size) == (sha256(sealed.body), len(sealed.body))
    assert tuple(r.agency for r in header.recipients) == sealed.recipients == ("au-abf", "sg-cnb")
    for recipient in header.recipients:
        pair = pairs[recipient.agency]
        assert recipient.opener_id == pair.opener_id
        content_key = unwrap(pair.secret, header.id, header.commitment, recipient.wrap)
        assert commitment(content_key) == header.commitment
        inner = open_body(sealed.body, content_key)
        assert isinstance(inner, dict)
        assert (inner["id"], inner["sender"]) == (header.id, "hk-customs")


def test_sealing_again_takes_a_fresh_key() -> None:
    alert = make_alert(WORLD, "hk-customs")
    first, second = (decode_header(seal_alert(WORLD, alert, label=label)[0].header) for label in ("one", "two"))
    assert first.commitment != second.commitment
    assert first.recipients[0].wrap != second.recipients[0].wrap


def test_expiry() -> None:
    without = make_alert(WORLD, "hk-customs")
    assert decode_header(seal_alert(WORLD, without)[0].header).expires == NOW + DEFAULT_EXPIRY_MS
    short = make_alert(WORLD, "hk-customs", expires_hours=2)
    assert decode_header(seal_alert(WORLD, short, now=NOW + 2 * HOUR - 1)[0].header).expires == NOW + 2 * HOUR
    with pytest.raises(AlertExpired):
        seal_alert(WORLD, short, now=NOW + 2 * HOUR)
    longest = make_alert(WORLD, "hk-customs", expires_hours=366 * 24)
    assert decode_header(seal_alert(WORLD, longest, now=NOW - 10)[0].header).expires == NOW - 10 + MAX_EXPIRY_MS


def test_every_recipient_needs_its_own_pair_key() -> None:
    alert = make_alert(WORLD, "hk-customs")
    resolution = resolve(WORLD.directory, query_of_alert(alert, at=NOW))
    pairs = make_pairs(WORLD, "hk-customs", resolution.recipients)
    swapped: dict[str, PairKey] = {**pairs, "sg-cnb": pairs["au-abf"]}
    for faulty in ({"au-abf": pairs["au-abf"]}, swapped):
        with pytest.raises(OpenerMissing, match="sg-cnb"):
            seal(
                alert,
                resolution=resolution,
                directory_version=5,
                signing=WORLD.signing["hk-customs"],
                pairs=faulty,
                now=NOW,
                random=counting_random(),
            )


def test_addresses_are_in_wire_form() -> None:
    alert = make_alert(WORLD, "hk-customs")
    resolution = resolve(WORLD.directory, query_of_alert(alert, at=NOW))
    loose = alert.model_copy(update={"to": ["asia"]})
    with pytest.raises(BadAddress):
        seal(
            loose,
            resolution=resolution,
            directory_version=5,
            signing=WORLD.signing["hk-customs"],
            pairs=make_pairs(WORLD, "hk-customs", resolution.recipients),
            now=NOW,
            random=counting_random(),
        )


def test_secrets_are_not_shown() -> None:
    pair = make_pairs(WORLD, "hk-customs", ["sg-cnb"])["sg-cnb"]
    assert pair.secret.hex() not in repr(pair)
    assert "secret" not in repr(replace(pair))
