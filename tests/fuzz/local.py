"""What is handed over on the machine itself: documents, requests to the local API, settings, an auditor's files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

from yarl import URL

from broker.config import load_config as load_broker
from broker.config import parse_address as parse_hub_address
from nodes.auditor.bundles import split
from nodes.auditor.fetch import open_checkpoint
from nodes.auditor.findings import Findings
from nodes.auditor.seen import read_seen
from nodes.auditor.text import parse_moment
from nodes.config import load_config as load_node
from nodes.config import parse_pin
from nodes.service.requests import Given, read_object
from nodes.witness.config import load_config as load_witness
from nodes.witness.config import parse_address as parse_witness_address
from schemas.alert.document import alert_to_wire, check_document, compose_alert, load_document
from schemas.directory.witness_policy import policy_of
from schemas.errors import (
    BadAddress,
    BadCheckpoint,
    BadConfig,
    BadDocument,
    BadId,
    BadSignature,
    CheckpointUntrusted,
    CrossbearingError,
    Malformed,
    TooDeep,
    TooLarge,
    UnknownAgency,
    UnknownOperation,
    UnknownRegion,
)
from schemas.ids import format_id, parse_id
from schemas.log.checkpoint import claimed_checkpoint, parse_checkpoint
from schemas.log.note import parse_note
from schemas.log.tiles import entry_bundle
from schemas.log.witnessed import read_witnessed
from schemas.routing.address import normalise, parse_address
from tests.fuzz.promise import Target
from tests.fuzz.sealed import disclosing, world

_ID: Final = bytes.fromhex("0192000000007000800000000000000a")


def _document(form: Literal["yaml", "json"]) -> Target:
    """A document is read with no more parts than characters; its problems are listed, or it makes an alert."""

    def target(data: bytes) -> bool:
        try:
            document = load_document(data.decode("utf-8", "surrogateescape"), format=form)
        except (TooLarge, TooDeep, Malformed, BadDocument):
            return False
        assert _parts(document) <= len(data) + 1
        return _composed(document)

    return target


def _composed(document: Mapping[str, object]) -> bool:
    problems = check_document(document)
    assert len(problems) <= 200
    assert all(problem.code and problem.message for problem in problems)
    try:
        alert = compose_alert(document, alert_id=_ID, sender="hk-customs", composed=1_790_000_000_000)
    except BadDocument as refusal:
        assert refusal.problems
        return False
    assert not any(problem.severity == "error" for problem in problems)
    assert alert_to_wire(alert)
    return True


def _parts(value: object) -> int:
    """Values in a value, each counted wherever it stands, so that one in many places counts often."""
    if isinstance(value, dict):
        return 1 + sum(1 + _parts(item) for item in value.values())
    return 1 + sum(map(_parts, value)) if isinstance(value, list) else 1


def fuzz_request(data: bytes) -> bool:
    """The body of a request to the local API: an object, of which every field is taken in one way or refused."""
    try:
        value = read_object(data)
    except (Malformed, TooDeep, TooLarge):
        return False
    assert _parts(value) <= len(data) + 1
    _taken(value)
    if isinstance(document := value.get("document"), dict):
        _composed(document)
    return True


def fuzz_query(data: bytes) -> bool:
    """A query string of the local API: every parameter is taken in one way or refused."""
    url = URL.build(path="/v1/inbox", query_string=data.decode("utf-8", "replace").replace("#", ""), encoded=True)
    _taken(url.query)
    return len(url.query) > 0


def _taken(value: Mapping[str, Any]) -> None:
    for name in list(value):
        for method in ("text", "object", "list", "blob", "number", "flag"):
            given = Given(value)
            with suppress(Malformed):
                getattr(given, method)(name)
                given.done()
        with suppress(Malformed):
            Given(value).word(name, ("read", "actioned"))
    with suppress(Malformed):
        Given(value).done()


def fuzz_address(data: bytes) -> bool:
    """An address is its own text; what a person typed becomes one, or a refusal that names what is near."""
    text = data.decode("utf-8", "replace")
    known = False
    with suppress(BadAddress):
        address = parse_address(text)
        assert text == ("all" if address.kind == "all" else address.name if address.kind == "agency" else text)
        known = True
    with suppress(BadAddress, UnknownAgency, UnknownOperation, UnknownRegion):
        assert parse_address(normalise(text, world().directory))
    return known


def fuzz_id(data: bytes) -> bool:
    """An alert's id is written as it was read."""
    text = data.decode("utf-8", "replace")
    try:
        value = parse_id(text)
    except BadId:
        return False
    assert format_id(value) == text
    return True


def fuzz_settings(data: bytes) -> bool:
    """Each of the three settings files: read, or refused as such."""
    accepted = False
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        home = Path(folder)
        for load, name in ((load_broker, "broker.toml"), (load_node, "node.toml"), (load_witness, "witness.toml")):
            (home / name).write_bytes(data)
            with suppress(BadConfig):
                load(home)
                accepted = True
    return accepted


def fuzz_settings_text(data: bytes) -> bool:
    """The small texts in settings and options."""
    text = data.decode("utf-8", "replace")
    accepted = False
    for parse in (lambda t: parse_hub_address(t, "listen"), parse_witness_address, parse_pin, parse_moment):
        with suppress(CrossbearingError, ValueError):
            parse(text)
            accepted = True
    return accepted


def fuzz_split(data: bytes) -> bool:
    """A damaged bundle is split up to the damage: what is given is the beginning of the file."""
    width, bundle = data[0] if data else 0, data[1:]
    made = split(bundle, width)
    again = entry_bundle(made.entries)
    assert bundle.startswith(again)
    assert made.whole is (len(made.entries) == width and again == bundle)
    assert made.offset(len(made.entries)) == len(again)
    return made.whole


def fuzz_served_note(data: bytes) -> bool:
    """A checkpoint as an auditor is served it, or was given by others: the log's own, or a finding."""
    known = disclosing()
    findings = Findings()
    [(_, seen)] = read_seen([("a file", data)], known.keys, findings)
    with suppress(BadCheckpoint):
        open_checkpoint(data, ())
    claimed = claimed_checkpoint(data, known.world.origin, known.keys)
    assert claimed is None or claimed == parse_checkpoint(parse_note(data).text)
    with suppress(BadCheckpoint, BadSignature, CheckpointUntrusted):
        read_witnessed(data, policy_of(known.world.directory), origin=known.world.origin)
    try:
        checkpoint = open_checkpoint(data, known.keys)
    except (BadCheckpoint, BadSignature, CheckpointUntrusted):
        assert seen is None
        return False
    assert checkpoint == seen == known.log.checkpoint()
    return True


LOCAL: Final[Mapping[str, Target]] = {
    "address": fuzz_address,
    "document-json": _document("json"),
    "document-yaml": _document("yaml"),
    "id": fuzz_id,
    "query": fuzz_query,
    "request": fuzz_request,
    "served-note": fuzz_served_note,
    "settings": fuzz_settings,
    "settings-text": fuzz_settings_text,
    "split": fuzz_split,
}
"""By the name of the folder in the corpus."""
