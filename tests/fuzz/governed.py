"""What governors and administrators sign, and what is pinned: TUF metadata, JSON documents, keys, certificates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from broker.governance.source import read_source
from broker.governance.yaml_lines import load_lines
from broker.identity import identify
from nodes.keys.request import read_request
from schemas.codec import Value
from schemas.directory.agency_keys import AgencyKeys, encode_agency_keys, parse_agency_keys
from schemas.directory.authority import parse_public_key, public_key_text
from schemas.directory.contacts import contact_to_json, parse_contacts
from schemas.directory.documents import DirectoryDocument, encode_directory, parse_directory
from schemas.directory.metadata import Metadata, Root, Targets, expiry, read_root, read_targets
from schemas.directory.strict_json import dump_json, load_json
from schemas.directory.witnesses import read_witnesses, witnesses_to_json
from schemas.errors import BadId, BadSource, CrossbearingError, DirectoryInvalid, Malformed, NotPinned, Suspended
from schemas.limits import MAX_METADATA
from schemas.routing.requests import parse_requests, request_to_json
from schemas.routing.rules import parse_rule, rule_to_json
from tests.fuzz.promise import Target
from tests.support.directory import make_world

AGENCY: Final = "hk-customs"
AGENCIES: Final = ("au-abf", AGENCY, "sg-cnb")
_DIRECTORY = make_world(AGENCIES).directory
T = TypeVar("T")


def same_again(
    read: Callable[[bytes], T], write: Callable[[T], bytes], *refusals: type[CrossbearingError]
) -> Callable[[bytes], bool]:
    """The promise of a text with some latitude in how it is written: what `write` writes reads as the same value."""

    def target(data: bytes) -> bool:
        try:
            value = read(data)
        except refusals:
            return False
        assert read(write(value)) == value
        return True

    return target


def _section(name: str, read: Callable[[Value], T], write: Callable[[T], Value]) -> Target:
    """A part of a document by itself, as the value of one key."""

    def parse(data: bytes) -> T:
        return read(load_json(data, name).get(name))

    return same_again(parse, lambda made: dump_json({name: write(made)}), DirectoryInvalid, Malformed, BadId)


def _list(value: Value) -> list[Value]:
    if not isinstance(value, list):
        raise Malformed("not a list")
    return value


def fuzz_json(data: bytes) -> bool:
    """Strict JSON is written again as the same value, and holds nothing that has no encoding but large numbers."""
    try:
        value = load_json(data, "a document")
    except DirectoryInvalid:
        return False
    assert load_json(dump_json(value), "a document") == value
    return True


def fuzz_root(data: bytes) -> bool:
    """Root metadata is read whole or not at all; what is signed has one form and an end."""
    try:
        root: Metadata[Root] = read_root(data)
    except DirectoryInvalid:
        return False
    assert root.signed_bytes == read_root(root.to_bytes()).signed_bytes
    assert isinstance(expiry(root), int)
    return True


def fuzz_targets(data: bytes) -> bool:
    """The same of the governors' targets, and of an agency's own role; never of both."""
    accepted = []
    for role in ("targets", AGENCY):
        try:
            targets: Metadata[Targets] = read_targets(data, role)
        except DirectoryInvalid:
            continue
        assert targets.signed_bytes == read_targets(targets.to_bytes(), role).signed_bytes
        assert isinstance(expiry(targets), int)
        accepted.append(role)
    assert len(accepted) < 2
    return bool(accepted)


def _directory(data: bytes) -> DirectoryDocument:
    return parse_directory(data)


def _agency_keys(data: bytes) -> AgencyKeys:
    return parse_agency_keys(data, AGENCY)


def fuzz_public_key(data: bytes) -> bool:
    """A public key's text is written as it was read."""
    text = data.decode("utf-8", "replace")
    try:
        key = parse_public_key(text)
    except Malformed:
        return False
    assert public_key_text(key) == text
    return True


def fuzz_key_request(data: bytes) -> bool:
    """A key document on its way is read whole or not at all."""
    try:
        request = read_request(data)
    except DirectoryInvalid:
        return False
    assert read_request(request.bundle) == request
    return True


def fuzz_source(data: bytes) -> bool:
    """The governors' source file: all problems at once, each with its line, or a document."""
    text = data.decode("utf-8", "replace")
    try:
        lines = load_lines(text)
    except BadSource as refusal:
        assert refusal.as_dict()["problems"]
        return False
    assert len(lines.lines) <= len(text) + 1
    try:
        source = read_source(text)
    except BadSource as refusal:
        assert refusal.as_dict()["problems"]
        return False
    assert len(encode_directory(source.document)) <= MAX_METADATA * 2
    return True


def fuzz_certificate(data: bytes) -> bool:
    """Whatever a TLS library took for a certificate is somebody's, or is not."""
    try:
        party = identify(data, _DIRECTORY)
    except (NotPinned, Suspended):
        return False
    assert party.id
    return True


GOVERNED: Final[Mapping[str, Target]] = {
    "agency-keys": same_again(_agency_keys, encode_agency_keys, DirectoryInvalid),
    "certificate": fuzz_certificate,
    "contacts": _section(
        "contacts", lambda value: parse_contacts(_list(value)), lambda made: [contact_to_json(c) for c in made]
    ),
    "directory-json": same_again(_directory, encode_directory, DirectoryInvalid),
    "key-request": fuzz_key_request,
    "public-key": fuzz_public_key,
    "requests": _section(
        "requests", lambda value: parse_requests(_list(value)), lambda made: [request_to_json(r) for r in made]
    ),
    "root": fuzz_root,
    "rule": _section("rule", parse_rule, rule_to_json),
    "source": fuzz_source,
    "strict-json": fuzz_json,
    "targets": fuzz_targets,
    "witnesses": _section("witnesses", lambda value: read_witnesses(value, AGENCIES), witnesses_to_json),
}
"""By the name of the folder in the corpus."""
