"""Every committed vector gives exactly its result, and the committed files are what the generator writes.

The vectors are read here as another implementation would read them: nothing of the generator is used but to compare.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from schemas.alert.document import alert_to_wire
from schemas.directory.documents import parse_directory
from schemas.directory.history import Directory, DirectoryHistory, apply_bundle, genesis_order
from schemas.directory.strict_json import dump_json
from schemas.envelope.attachment import open_attachment
from schemas.envelope.opener import open_opener, opener_id
from schemas.envelope.opening import OpenedAlert, open_alert, trust_checkpoint
from schemas.errors import REGISTRY, CrossbearingError, OpenerUnknown
from schemas.keys import SealingKey
from schemas.log.checkpoint import Checkpoint
from schemas.log.entry import DirectoryEntry, decode_entry
from schemas.log.note import parse_vkey
from schemas.routing.requests import parse_requests
from schemas.routing.resolve import RoutingQuery, resolve
from schemas.routing.rules import parse_rule
from tests.support.directory import make_world
from tests.vectors.generate import ROOT, differences, generate


def vectors(folder: str) -> list[Any]:
    """The vectors of a folder, as parameters named by their defect."""
    return [pytest.param(path, id=path.stem) for path in sorted((ROOT / folder).glob("*.json"))]


def read(path: Path) -> dict[str, Any]:
    value = json.loads(path.read_bytes())
    assert isinstance(value, dict)
    return value


@lru_cache
def world() -> dict[str, Any]:
    return read(ROOT / "world.json")


@lru_cache
def history() -> DirectoryHistory:
    held = DirectoryHistory()
    for item in world()["directory"]:
        entry = decode_entry(bytes.fromhex(item["entry"]))
        assert isinstance(entry, DirectoryEntry)
        bundle, root = bytes.fromhex(item["bundle"]), bytes.fromhex(world()["trusted_root"])
        held.accept(item["index"], entry, bundle, trusted_root=root)
    return held


def test_the_committed_files_are_current() -> None:
    assert differences(generate()) == []


def test_every_vector_says_what_it_is() -> None:
    for path in ROOT.glob("*/*.json"):
        vector = read(path)
        assert set(vector) == {"name", "description", "expected", "provenance", "input"}
        assert vector["name"] == path.stem
        assert vector["expected"].get("code", "nobody") in REGISTRY


def test_every_step_of_opening_has_vectors() -> None:
    steps = {read(path)["expected"].get("step") for path in (ROOT / "envelope").glob("*.json")}
    assert steps == {None, *range(1, 12)}


# -- envelope ----------------------------------------------------------------------------------------------------------


def opened(given: dict[str, Any]) -> OpenedAlert:
    me = given["me"]
    openers = {opener_id(data): data for data in map(bytes.fromhex, given["openers"])}
    sealing = SealingKey(bytes.fromhex(world()["seeds"][me]["sealing"]))

    def secret_for(identity: bytes, sender: str, sender_key_id: bytes) -> bytes:
        if identity not in openers:
            raise OpenerUnknown("no such opener was sent")
        return open_opener(openers[identity], sender=sender, recipient=me, sender_key_id=sender_key_id, keys=[sealing])

    trusted = trust_checkpoint(
        given["checkpoint"].encode(),
        origin=world()["origin"],
        keys=[parse_vkey(world()["log_vkey"])],
        held=Checkpoint(world()["origin"], given["held"]["size"], bytes.fromhex(given["held"]["root"])),
        proof=[bytes.fromhex(node) for node in given["consistency"]],
    )
    return open_alert(
        given["index"],
        bytes.fromhex(given["entry"]),
        [bytes.fromhex(node) for node in given["path"]],
        trusted,
        history=history(),
        me=me,
        body=bytes.fromhex(given["body"]),
        secret_for=secret_for,
    )


@pytest.mark.parametrize("path", vectors("envelope"))
def test_envelope(path: Path) -> None:
    vector = read(path)
    if "code" not in vector["expected"]:
        alert = opened(vector["input"]).alert
        assert alert_to_wire(alert)["title"] == "Container to be looked at"
        return
    with pytest.raises(CrossbearingError) as caught:
        opened(vector["input"])
    got = {"code": caught.value.code, "step": caught.value.context.get("step")}
    assert got == vector["expected"], caught.value.message


@pytest.mark.parametrize("field", ["entry", "body", "openers", "path", "checkpoint"])
def test_no_byte_of_a_good_vector_can_change(field: str) -> None:
    given = read(ROOT / "envelope" / "good.json")["input"]
    for changed in mutations(given[field]):
        with pytest.raises(CrossbearingError):
            opened({**given, field: changed})


def mutations(value: Any) -> Iterator[Any]:
    """A value with one bit of one byte changed, for every byte of short parts and every seventh of an opener."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            for changed in mutations(item):
                yield [*value[:number], changed, *value[number + 1 :]]
    elif "\n" in value:
        for position, character in enumerate(value):
            yield value[:position] + chr(ord(character) ^ 1) + value[position + 1 :]
    else:
        data = bytes.fromhex(value)
        for position in range(0, len(data), 7 if len(data) > 1000 else 1):
            yield (data[:position] + bytes([data[position] ^ 1 << position % 8]) + data[position + 1 :]).hex()


# -- directory ---------------------------------------------------------------------------------------------------------


def applied(given: dict[str, Any]) -> Directory:
    held = history().version(given["held"]) if given["held"] else None
    return apply_bundle(
        held,
        given["role"],
        given["version"],
        bytes.fromhex(given["bundle"]),
        at=given["at"],
        trusted_root=bytes.fromhex(world()["trusted_root"]),
    )


@pytest.mark.parametrize("path", vectors("directory"))
def test_directory(path: Path) -> None:
    vector = read(path)
    if "code" not in vector["expected"]:
        assert applied(vector["input"]).version == vector["input"]["held"] + 1
        return
    with pytest.raises(CrossbearingError) as caught:
        applied(vector["input"])
    assert caught.value.code == vector["expected"]["code"], caught.value.message


# -- routing -----------------------------------------------------------------------------------------------------------


@lru_cache
def routing_directory() -> Directory:
    """A directory with the document of `routing.json`, in which every agency has a valid sealing key."""
    document = parse_directory(dump_json(read(ROOT / "routing.json")))
    made = make_world(document.agencies, publish=False)
    made.document = document
    for agency, requests in read(ROOT / "requests.json").items():
        made.keys[agency] = replace(made.keys[agency], requests=parse_requests(requests))
    made.publish(*genesis_order(list(document.agencies)))
    return made.directory


@pytest.mark.parametrize("path", vectors("routing"))
def test_routing(path: Path) -> None:
    vector = read(path)
    question, expected = vector["input"]["query"], vector["expected"]
    query = RoutingQuery(**question | {name: tuple(question[name]) for name in ("address", "modes", "subjects")})
    base = routing_directory()
    rules = tuple(parse_rule(rule) for rule in vector["input"]["rules"])
    directory = replace(base, document=replace(base.require_document(), rules=rules))
    if "code" in expected:
        with pytest.raises(CrossbearingError) as caught:
            resolve(directory, query)
        assert caught.value.code == expected["code"]
        return
    resolution = resolve(directory, query)
    assert list(resolution.recipients) == expected["recipients"]
    assert [list(decision) for decision in resolution.trace] == expected["trace"]


# -- attachments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", vectors("attachment"))
def test_attachment(path: Path) -> None:
    vector = read(path)
    key, digest, sealed = (bytes.fromhex(vector["input"][name]) for name in ("key", "digest", "sealed"))
    if "code" not in vector["expected"]:
        assert b"".join(open_attachment([sealed], key, digest=digest)).hex() == vector["expected"]["plaintext"]
        return
    with pytest.raises(CrossbearingError) as caught:
        b"".join(open_attachment([sealed], key, digest=digest))
    assert caught.value.code == vector["expected"]["code"]
