"""The directory vectors: one bundle each, offered to a directory that holds the first entries of `world.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from schemas.directory.documents import encode_agency_keys, encode_directory
from schemas.directory.metadata import Metadata, Root, decode_bundle, encode_bundle
from tests.support.directory import (
    EXPIRES,
    GOVERNORS,
    NOW,
    RoleBundle,
    World,
    make_world,
    moment,
    root_payload,
    signer,
    spki_digest,
)
from tests.vectors.fixed import Fixed
from tests.vectors.vector_log import AGENCIES

GENESIS = 2 + len(AGENCIES)
SOON = moment(NOW).replace(microsecond=0) + timedelta(seconds=1)
SOON_MS = int(SOON.timestamp() * 1000)
USURPERS = ("usurper-1", "usurper-2", "usurper-3")

Case = tuple[str, str, str | None, RoleBundle, dict[str, Any]]
"""Name, sentence, code (None for a good one), bundle, and what else differs from the usual input."""


def files(_: Fixed) -> dict[str, Any]:
    """One file for each vector."""
    made: dict[str, Any] = {}
    for name, sentence, code, bundle, changes in all_cases(make_world(AGENCIES)):
        given = {
            "held": GENESIS,
            "role": bundle.role,
            "version": bundle.version,
            "at": NOW,
            "bundle": bundle.bundle.hex(),
            **changes,
        }
        made[f"directory/{name}.json"] = {
            "name": name,
            "description": sentence,
            "expected": {"result": "in force"} if code is None else {"code": code},
            "provenance": "tests/vectors/directory_cases.py, from the example seeds; signatures are Ed25519",
            "input": given,
        }
    return made


def all_cases(world: World) -> Iterator[Case]:
    """Every vector."""
    yield from good(world)
    yield from signatures(world)
    yield from versions_and_times(world)
    yield from bundles(world)
    yield from documents(world)
    yield from contradictions(world)


def good(world: World) -> Iterator[Case]:
    """What comes into force."""
    for role in ("root", "targets", "hk-customs"):
        yield f"good-{role}", "Every part is as it should be.", None, world.bundle(role), {}
    yield "good-version-skipped", "Only root versions follow one by one.", None, world.bundle("targets", version=9), {}
    first = RoleBundle("root", 1, world.bundles[0].bundle)
    yield "good-first-root", "The first bundle is the trusted root.", None, first, {"held": 0}


def signatures(world: World) -> Iterator[Case]:
    """Too few signatures that count."""
    code = "directory-threshold"
    two, three = GOVERNORS[:2], GOVERNORS[:3]
    yield "targets-two-of-three", "One signature is missing.", code, world.bundle("targets", signers=two), {}
    yield "root-two-of-three", "One signature is missing.", code, world.bundle("root", signers=two), {}
    strangers = (*two, "hk-customs/administrator-1")
    yield "targets-by-a-stranger", "A stranger's does not count.", code, world.bundle("targets", signers=strangers), {}
    foreign = world.bundle("hk-customs", signers=("sg-cnb/administrator-1",))
    yield "agency-by-another-agency", "Another agency's administrator signed.", code, foreign, {}
    governed = world.bundle("hk-customs", signers=three)
    yield "agency-by-governors", "The governors cannot sign an agency's keys.", code, governed, {}
    usurped = Metadata(usurped_root())
    for name in USURPERS:
        usurped.sign(signer(name), append=True)
    bundle = RoleBundle("root", 2, encode_bundle(usurped.to_bytes()))
    yield "root-without-the-old-governors", "Only keys of the new root signed it.", code, bundle, {}
    metadata = json.loads(decode_bundle(world.bundle("targets", signers=two).bundle).metadata)
    twice = dict(metadata["signatures"][0], keyid=signer(GOVERNORS[2]).public_key.keyid)
    metadata["signatures"].append(twice)
    bundle = repacked(world.bundle("targets"), metadata)
    yield "targets-signature-under-another-id", "One signature stands under two key ids.", code, bundle, {}


def versions_and_times(world: World) -> Iterator[Case]:
    """Versions that do not grow, and times that are over."""
    code = "directory-rollback"
    for role, version in (("root", 1), ("root", 3), ("targets", 1), ("hk-customs", 1)):
        sentence = f"Version {version} does not follow version 1."
        yield f"{role}-version-{version}", sentence, code, world.bundle(role, version=version), {}
    announced = {"version": 3}
    sentence = "The log announces another version than the one signed."
    yield "announced-version-differs", sentence, "directory-invalid", world.bundle("targets"), announced
    for role in ("root", "targets", "hk-customs"):
        bundle = world.bundle(role, expires=SOON)
        yield f"{role}-expired", "It expires at the moment of entry.", "directory-expired", bundle, {"at": SOON_MS}
        yield f"good-{role}-just-in-time", "It expires just after.", None, bundle, {"at": SOON_MS - 1}
    late = {"at": int(EXPIRES.timestamp()) * 1000}
    bundle = world.bundle("targets", expires=EXPIRES + timedelta(days=1))
    yield "targets-under-an-expired-root", "The root in force has expired.", "directory-expired", bundle, late


def bundles(world: World) -> Iterator[Case]:
    """Bundles and metadata that are not in their one form."""
    code = "directory-invalid"
    usual = world.bundle("targets")
    for name, sentence, data in (
        ("bundle-truncated", "The last byte is missing.", usual.bundle[:-1]),
        ("bundle-trailing-byte", "A byte follows the bundle.", usual.bundle + b"\0"),
        ("bundle-empty", "The bundle has no bytes.", b""),
    ):
        yield name, sentence, code, replace(usual, bundle=data), {}
    parts = decode_bundle(usual.bundle)
    doubled = parts.metadata.replace(b'"version":2', b'"version":9,"version":2')
    bundle = replace(usual, bundle=encode_bundle(doubled, parts.target))
    yield "metadata-doubled-key", "A key of the signed JSON is there twice.", code, bundle, {}
    for name, sentence, change in (
        ("metadata-unknown-field", "The metadata has a field that TUF does not know.", {"note": "x"}),
        ("metadata-of-another-type", "The metadata is of the type root.", {"_type": "root"}),
        ("metadata-version-is-true", "The version is a truth value.", {"version": True}),
    ):
        metadata = json.loads(parts.metadata)
        metadata["signed"].update(change)
        yield name, sentence, code, repacked(usual, metadata), {}
    metadata = json.loads(decode_bundle(world.bundle("root").bundle).metadata)
    keys = metadata["signed"]["keys"]
    keys["00" * 32] = next(iter(keys.values()))
    yield "root-one-key-two-ids", "One key is listed under two ids.", code, repacked(world.bundle("root"), metadata), {}
    carrying = replace(
        world.bundle("root"), bundle=encode_bundle(decode_bundle(world.bundle("root").bundle).metadata, b"x")
    )
    yield "root-with-a-target", "A root bundle carries a file.", code, carrying, {}
    other = world.bundle("targets", target=b"{}")
    yield "target-not-the-file", "The file is not the one vouched for.", code, other, {}
    untrusted = world.bundle("root", version=1, signers=GOVERNORS[1:4])
    yield "first-root-not-trusted", "The first root is not the trusted one.", code, untrusted, {"held": 0}
    metadata = json.loads(parts.metadata)
    metadata["signed"]["delegations"]["roles"][0]["paths"] = ["agencies/*.json"]
    yield "delegation-by-pattern", "A delegation covers more than one file.", code, repacked(usual, metadata), {}
    metadata = json.loads(parts.metadata)
    roles = metadata["signed"]["delegations"]["roles"]
    roles[1]["keyids"].append(roles[0]["keyids"][0])
    yield (
        "delegation-shares-a-key",
        "Two agencies have an administrator's key in common.",
        code,
        repacked(usual, metadata),
        {},
    )


def documents(world: World) -> Iterator[Case]:
    """Signed files that break their schema."""
    code = "directory-invalid"
    directory = encode_directory(world.document)
    keys = encode_agency_keys(world.keys["hk-customs"])
    contact = {"id": "desk", "kind": "webhook", "url": "https://desk.example/page", "pin": "00" * 32}
    http = {**contact, "url": "http://desk.example/page"}
    for name, sentence, role, document in (
        ("document-unknown-field", "A field is unknown.", "targets", edited(directory, note="x")),
        ("document-other-format", "The format is unknown.", "targets", edited(directory, format=2)),
        (
            "document-doubled-key",
            "A key is there twice.",
            "targets",
            directory.replace(b'"format": 1', b'"format": 1, "format": 1'),
        ),
        ("document-float", "A number has a fraction.", "targets", directory.replace(b'"format": 1', b'"format": 1.0')),
        ("keys-of-another-agency", "The file names another agency.", "hk-customs", edited(keys, agency="sg-cnb")),
        ("keys-sealing-key-short", "A sealing key lacks its X25519 half.", "hk-customs", short_sealing(keys)),
        ("keys-in-capitals", "A key is in capital hex.", "hk-customs", capital_signing(keys)),
        ("contact-without-tls", "A contact is not reached by https.", "hk-customs", edited(keys, contacts=[http])),
        ("contact-twice", "Two contacts have one id.", "hk-customs", edited(keys, contacts=[contact, contact])),
    ):
        yield name, sentence, code, world.bundle(role, document=document), {}


def contradictions(world: World) -> Iterator[Case]:
    """Documents that read well and contradict each other."""
    code = "directory-invalid"
    agencies = dict(world.document.agencies)
    idle = {name: replace(agency, status="suspended") for name, agency in agencies.items()}
    document = encode_directory(replace(world.document, agencies=idle))
    yield "nobody-active", "Every agency is suspended.", code, world.bundle("targets", document=document), {}
    missing = edited(encode_directory(world.document), agencies=json.loads(document)["agencies"][1:])
    bundle = world.bundle("targets", document=missing)
    yield "delegation-without-agency", "A delegation is to no agency of the document.", code, bundle, {}
    stranger = replace(world.bundle("hk-customs"), role="jp-customs")
    yield "agency-unknown", "The role is no agency of the directory.", code, stranger, {}
    early = world.bundle("hk-customs", version=1)
    yield "agency-before-targets", "Nothing is delegated yet.", code, early, {"held": 1}
    mine, theirs = world.keys["hk-customs"], world.keys["sg-cnb"]
    for name, sentence, keys in (
        ("signing-key-of-another", "It lists another agency's signing key.", replace(mine, signing=theirs.signing)),
        ("sealing-key-of-another", "It lists another agency's sealing key.", replace(mine, sealing=theirs.sealing)),
        ("certificate-of-another", "It pins another agency's certificate key.", replace(mine, tls=theirs.tls)),
        (
            "certificate-of-an-auditor",
            "It pins an auditor's certificate key.",
            replace(mine, tls=(spki_digest("auditor-1"),)),
        ),
    ):
        yield name, sentence, code, world.bundle("hk-customs", document=encode_agency_keys(keys)), {}


def usurped_root() -> Root:
    """A second root in which only strangers govern."""
    root = root_payload(version=2)
    for name in USURPERS:
        root.add_key(signer(name).public_key, "root")
    keyids = [signer(name).public_key.keyid for name in USURPERS]
    for role in root.roles.values():
        role.keyids = keyids
    root.keys = {keyid: root.keys[keyid] for keyid in keyids}
    return root


def repacked(bundle: RoleBundle, metadata: dict[str, Any]) -> RoleBundle:
    """The bundle with metadata changed after signing."""
    data = json.dumps(metadata, separators=(",", ":"), sort_keys=True).encode()
    return replace(bundle, bundle=encode_bundle(data, decode_bundle(bundle.bundle).target))


def edited(document: bytes, **changes: Any) -> bytes:
    """A JSON document with other fields."""
    return json.dumps({**json.loads(document), **changes}).encode()


def short_sealing(document: bytes) -> bytes:
    """Agency keys whose sealing key is ML-KEM-768 alone."""
    value = json.loads(document)
    value["sealing"][0]["public"] = value["sealing"][0]["public"][: 2 * 1184]
    return json.dumps(value).encode()


def capital_signing(document: bytes) -> bytes:
    """Agency keys whose signing key is in capital letters."""
    value = json.loads(document)
    value["signing"][0]["public"] = value["signing"][0]["public"].upper()
    return json.dumps(value).encode()
