"""What brings a directory version into force, what is refused, and what the directory then answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.directory.documents import Agency
from schemas.directory.metadata import Metadata, encode_bundle
from schemas.directory.state import apply_bundle
from schemas.errors import (
    CrossbearingError,
    DirectoryExpired,
    DirectoryInvalid,
    DirectoryRollback,
    DirectoryThreshold,
    KeyNotValid,
    KeyRetired,
    NotPinned,
    UnknownAgency,
    UnknownKey,
)
from schemas.example import example_seed
from schemas.keys import SealingKey, SigningKey
from schemas.routing.requests import StandingRequest
from tests.support.directory import (
    DAY_MS,
    EXPIRES,
    GOVERNORS,
    NOW,
    RoleBundle,
    World,
    make_world,
    moment,
    record,
    root_payload,
    signer,
    spki_digest,
)


def apply(world: World, bundle: RoleBundle, *, at: int = NOW, version: int | None = None) -> object:
    held = world.directory if len(world.history) else None
    announced = bundle.version if version is None else version
    return apply_bundle(held, bundle.role, announced, bundle.bundle, at=at, trusted_root=world.trusted_root)


def test_a_world_begins() -> None:
    world = make_world()
    directory = world.directory
    assert directory.version == 2 + 3
    assert set(directory.keys) == set(world.agencies)
    assert not directory.dropped
    assert directory.log_keys()[0].public == world.log_key.public
    assert (
        directory.signing_key("hk-customs", world.signing["hk-customs"].key_id, NOW)
        == world.signing["hk-customs"].public
    )
    assert directory.sealing_key("hk-customs", NOW).public == world.sealing["hk-customs"].public
    assert directory.agency_by_tls(spki_digest("sg-cnb")) == "sg-cnb"
    assert directory.auditor_by_tls(spki_digest("auditor-1")) == "auditor-1"
    assert directory.expires()["targets"] == int(EXPIRES.timestamp()) * 1000


def test_before_the_first_document_nothing_is_known() -> None:
    world = make_world(publish=False)
    world.publish("root")
    with pytest.raises(UnknownAgency):
        world.directory.agency("hk-customs")
    with pytest.raises(DirectoryInvalid, match="no document yet"):
        world.directory.require_document()
    assert not world.directory.is_active("hk-customs")
    assert world.directory.log_keys() == ()
    assert set(world.directory.expires()) == {"root"}


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_the_first_bundle_is_the_trusted_root_byte_for_byte() -> None:
    world = make_world(publish=False)
    other = world.bundle("root", signers=GOVERNORS[1:4])
    for bundle in (other, world.bundle("targets")):
        with pytest.raises(DirectoryInvalid, match="does not begin with the root") as caught:
            apply(world, bundle)
        assert caught.value.context["role"] == bundle.role


def test_a_trusted_root_still_needs_its_own_threshold() -> None:
    world = make_world(publish=False)
    weak = world.bundle("root", signers=GOVERNORS[:2])
    metadata = Metadata(root_payload())
    for name in GOVERNORS[:2]:
        metadata.sign(signer(name), append=True)
    world.trusted_root = metadata.to_bytes()
    with pytest.raises(DirectoryThreshold):
        apply(world, weak)


@pytest.mark.parametrize("role", ["root", "targets", "hk-customs"])
def test_below_threshold(role: str) -> None:
    world = make_world()
    signers = GOVERNORS[:2] if role != "hk-customs" else ("sg-cnb/administrator-1",)
    with pytest.raises(DirectoryThreshold) as caught:
        apply(world, world.bundle(role, signers=signers))
    assert caught.value.context["role"] == role
    assert "of the" in caught.value.message


def test_a_new_root_needs_the_old_threshold_too() -> None:
    world = make_world()
    usurpers = [f"usurper-{number}" for number in range(1, 4)]
    root = root_payload(version=2)
    for name in usurpers:
        key = signer(name).public_key
        for name_of_role in root.roles:
            root.add_key(key, name_of_role)
    for role in root.roles.values():
        role.keyids = [signer(name).public_key.keyid for name in usurpers]
    root.keys = {keyid: key for keyid, key in root.keys.items() if keyid in root.roles["root"].keyids}
    metadata = Metadata(root)
    for name in usurpers:
        metadata.sign(signer(name), append=True)
    bundle = RoleBundle("root", 2, encode_bundle(metadata.to_bytes()))
    with pytest.raises(DirectoryThreshold, match="by the old root's keys, is signed by 0 of the 3"):
        apply(world, bundle)
    for name in GOVERNORS[:3]:
        metadata.sign(signer(name), append=True)
    both = RoleBundle("root", 2, encode_bundle(metadata.to_bytes()))
    assert apply(world, both).version == world.directory.version + 1  # type: ignore[attr-defined]  # a Directory


@pytest.mark.parametrize(("role", "version"), [("root", 1), ("root", 3), ("targets", 1), ("hk-customs", 1)])
def test_versions_grow(role: str, version: int) -> None:
    world = make_world()
    with pytest.raises(DirectoryRollback):
        apply(world, world.bundle(role, version=version))


@pytest.mark.parametrize("role", ["targets", "hk-customs"])
def test_targets_and_agencies_may_skip_versions(role: str) -> None:
    world = make_world()
    assert apply(world, world.bundle(role, version=9)).version == 6  # type: ignore[attr-defined]  # a Directory


def test_the_announced_version_is_the_signed_one() -> None:
    world = make_world()
    with pytest.raises(DirectoryInvalid, match="announced as version 3 and is version 2"):
        apply(world, world.bundle("targets"), version=3)


@pytest.mark.parametrize("role", ["root", "targets", "hk-customs"])
def test_expired(role: str) -> None:
    world = make_world()
    expires = moment(NOW) + timedelta(seconds=1)
    bundle = world.bundle(role, expires=expires)
    ends = int(expires.replace(microsecond=0).timestamp() * 1000)
    assert apply(world, bundle, at=ends - 1)
    with pytest.raises(DirectoryExpired, match=f"{role} version 2 expired"):
        apply(world, bundle, at=ends)


def test_an_expired_delegator_delegates_nothing_but_can_be_replaced() -> None:
    world = make_world()
    late = int(EXPIRES.timestamp()) * 1000
    longer = EXPIRES + timedelta(days=365)
    with pytest.raises(DirectoryExpired, match="root version 1"):
        apply(world, world.bundle("targets", expires=longer), at=late)
    world.history.add(len(world.entries), apply(world, world.bundle("root", expires=longer), at=late))  # type: ignore[arg-type]  # a Directory
    with pytest.raises(DirectoryExpired, match="targets version 1"):
        apply(world, world.bundle("hk-customs", expires=longer), at=late)
    assert apply(world, world.bundle("targets", expires=longer), at=late)


@pytest.mark.parametrize("role", ["targets", "hk-customs"])
def test_the_target_is_the_one_vouched_for(role: str) -> None:
    world = make_world()
    with pytest.raises(DirectoryInvalid, match="not the file vouched for"):
        apply(world, world.bundle(role, target=b"{}"))


def test_a_root_bundle_carries_no_target() -> None:
    world = make_world()
    made = world.bundle("root")
    metadata = apply(world, made).root  # type: ignore[attr-defined]  # a Directory
    with pytest.raises(DirectoryInvalid, match="carries a target"):
        apply(world, RoleBundle("root", 2, encode_bundle(metadata.to_bytes(), b"x")))


def test_agencies_come_after_targets_and_only_if_delegated() -> None:
    world = make_world(publish=False)
    world.publish("root")
    with pytest.raises(DirectoryInvalid, match="before the governors' first targets"):
        apply(world, world.bundle("hk-customs"))
    world.publish("targets")
    stranger = replace(world.bundle("hk-customs"), role="jp-customs")
    with pytest.raises(DirectoryInvalid, match="neither root, targets nor an agency"):
        apply(world, stranger)


def test_an_agencys_keys_name_that_agency() -> None:
    world = make_world()
    world.keys["hk-customs"] = replace(world.keys["hk-customs"], agency="sg-cnb")
    with pytest.raises(DirectoryInvalid, match="holds the keys of sg-cnb"):
        apply(world, world.bundle("hk-customs"))


def test_delegations_and_agencies_are_the_same_set() -> None:
    world = make_world()
    del world.administrators["sg-cnb"]
    with pytest.raises(DirectoryInvalid, match="differ in sg-cnb"):
        apply(world, world.bundle("targets"))


def test_no_active_agency() -> None:
    world = make_world()
    for agency in world.agencies:
        world.change_agency(agency, status="suspended")
    with pytest.raises(DirectoryInvalid, match="no active agency"):
        apply(world, world.bundle("targets"))


STOLEN: dict[str, Callable[[World], None]] = {
    "signing": lambda w: w.keys.update({"hk-customs": replace(w.keys["hk-customs"], signing=w.keys["sg-cnb"].signing)}),
    "sealing": lambda w: w.keys.update({"hk-customs": replace(w.keys["hk-customs"], sealing=w.keys["sg-cnb"].sealing)}),
    "certificate": lambda w: w.keys.update({"hk-customs": replace(w.keys["hk-customs"], tls=w.keys["sg-cnb"].tls)}),
    "auditor": lambda w: w.keys.update({"hk-customs": replace(w.keys["hk-customs"], tls=(spki_digest("auditor-1"),))}),
    "broker": lambda w: w.keys.update({"hk-customs": replace(w.keys["hk-customs"], tls=(spki_digest("broker"),))}),
}


@pytest.mark.parametrize("what", STOLEN)
def test_no_key_is_two_parties(what: str) -> None:
    world = make_world()
    STOLEN[what](world)
    with pytest.raises(DirectoryInvalid, match="listed for both"):
        apply(world, world.bundle("hk-customs"))


def test_a_refused_bundle_changes_nothing() -> None:
    world = make_world()
    before = world.directory
    keys = dict(before.keys)
    for faulty in (world.bundle("targets", signers=GOVERNORS[:1]), world.bundle("hk-customs", version=1)):
        with pytest.raises(CrossbearingError):
            apply(world, faulty)
    assert world.directory is before
    assert dict(before.keys) == keys


# -- in force ----------------------------------------------------------------------------------------------------------


def test_rotation_retires_and_replaces() -> None:
    world = make_world()
    old = world.signing["hk-customs"]
    fresh, sealing = (
        SigningKey(example_seed("hk-customs", "signing-2")),
        SealingKey(example_seed("hk-customs", "seal-2")),
    )
    held = world.keys["hk-customs"]
    world.keys["hk-customs"] = replace(
        held,
        signing=(replace(held.signing[0], status="retired"), record(fresh.public)),
        sealing=(*held.sealing, record(sealing.public, starts=NOW)),
    )
    world.publish("hk-customs")
    directory = world.directory
    with pytest.raises(KeyRetired):
        directory.signing_key("hk-customs", old.key_id, NOW)
    assert directory.signing_key("hk-customs", fresh.key_id, NOW) == fresh.public
    assert directory.sealing_key("hk-customs", NOW).public == sealing.public
    assert directory.sealing_key("hk-customs", NOW - DAY_MS).public == held.sealing[0].public
    assert world.history.version(5).signing_key("hk-customs", old.key_id, NOW) == old.public


def test_keys_outside_their_time_and_unknown_keys() -> None:
    world = make_world()
    key = world.signing["hk-customs"].key_id
    for at in (NOW - 31 * DAY_MS, NOW + 731 * DAY_MS):
        with pytest.raises(KeyNotValid):
            world.directory.signing_key("hk-customs", key, at)
        with pytest.raises(KeyNotValid):
            world.directory.sealing_key("hk-customs", at)
    with pytest.raises(UnknownKey):
        world.directory.signing_key("hk-customs", world.signing["sg-cnb"].key_id, NOW)
    with pytest.raises(UnknownAgency):
        world.directory.signing_key("jp-customs", key, NOW)


def test_an_agency_without_published_keys_has_none() -> None:
    world = make_world(publish=False)
    world.publish("root", "targets")
    with pytest.raises(UnknownKey):
        world.directory.sealing_key("hk-customs", NOW)
    with pytest.raises(UnknownKey):
        world.directory.signing_key("hk-customs", world.signing["hk-customs"].key_id, NOW)


def test_pins_of_one_kind_are_not_pins_of_another() -> None:
    directory = make_world().directory
    for spki in (spki_digest("auditor-1"), spki_digest("broker"), bytes(32)):
        with pytest.raises(NotPinned):
            directory.agency_by_tls(spki)
    for spki in (spki_digest("hk-customs"), spki_digest("broker"), bytes(32)):
        with pytest.raises(NotPinned):
            directory.auditor_by_tls(spki)


def test_a_request_names_regions_there_are_and_survives_their_end() -> None:
    world = make_world()
    asking = StandingRequest("near", (), ("asia",), (), "Near to us.")
    world.keys["sg-cnb"] = replace(world.keys["sg-cnb"], requests=(replace(asking, regions=("atlantis",)),))
    with pytest.raises(DirectoryInvalid, match="atlantis"):
        world.publish("sg-cnb")
    world.keys["sg-cnb"] = replace(world.keys["sg-cnb"], requests=(asking,))
    world.publish("sg-cnb")
    assert world.directory.keys["sg-cnb"].requests == (asking,)
    for agency in world.agencies:
        world.change_agency(agency, regions=())
    world.document = replace(world.document, regions={})
    world.publish("targets")
    assert world.directory.keys["sg-cnb"].requests == (asking,)


def test_suspension_needs_only_the_governors() -> None:
    world = make_world()
    world.change_agency("sg-cnb", status="suspended")
    world.publish("targets")
    assert not world.directory.is_active("sg-cnb")
    assert "sg-cnb" in world.directory.keys


def test_new_administrators_drop_the_keys_the_old_ones_signed() -> None:
    world = make_world()
    world.administrators["sg-cnb"] = ("sg-cnb/administrator-3",)
    world.publish("targets")
    assert "sg-cnb" not in world.directory.keys
    assert "0 of the 1" in world.directory.dropped["sg-cnb"]
    with pytest.raises(NotPinned):
        world.directory.agency_by_tls(spki_digest("sg-cnb"))
    with pytest.raises(DirectoryRollback):
        apply(world, world.bundle("sg-cnb", version=1))
    world.publish("sg-cnb")
    assert "sg-cnb" in world.directory.keys
    assert not world.directory.dropped


def test_an_agency_that_leaves_takes_its_keys_with_it() -> None:
    world = make_world()
    agencies: dict[str, Agency] = dict(world.document.agencies)
    del agencies["sg-cnb"], world.administrators["sg-cnb"]
    world.document = replace(world.document, agencies=agencies)
    world.publish("targets")
    assert "sg-cnb" not in world.directory.keys
    assert "delegate nothing" in world.directory.dropped["sg-cnb"]
    with pytest.raises(UnknownAgency):
        world.directory.agency("sg-cnb")


def test_a_directory_is_a_value_of_its_own() -> None:
    world = make_world()
    with pytest.raises(AttributeError):
        world.directory.version = 99  # type: ignore[misc]  # that is what is tested
    with pytest.raises(TypeError):
        world.directory.keys["hk-customs"] = world.keys["hk-customs"]  # type: ignore[index]  # that is what is tested
