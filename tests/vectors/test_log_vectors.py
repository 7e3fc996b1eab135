"""Every vector of entries, receipts and proof files gives exactly its result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import CrossbearingError
from schemas.log.entry import decode_entry, encode_entry
from schemas.log.note import parse_vkey
from schemas.log.proof import parse_proof, verify_proof
from schemas.log.receipt import decode_receipt, encode_receipt, verify_receipt
from tests.vectors.generate import ROOT

WORLD = json.loads((ROOT / "world.json").read_bytes())


def vectors(folder: str) -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in sorted((ROOT / folder).glob("*.json"))]


def outcome(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a vector gives, and what it says that it gives."""
    vector = json.loads(path.read_bytes())
    judge = {"entry": entry, "receipt": receipt, "proof": proof}[path.parent.name]
    try:
        found = judge(vector["input"])
    except CrossbearingError as refusal:
        found = {"code": refusal.code}
    return found, vector["expected"]


def entry(given: dict[str, Any]) -> dict[str, Any]:
    data = bytes.fromhex(given["entry"])
    read = decode_entry(data)
    assert encode_entry(read) == data
    kind = type(read).__name__.removesuffix("Entry").lower()
    return {"kind": kind, "time": read.time, "directory": read.directory}


def receipt(given: dict[str, Any]) -> dict[str, Any]:
    data, signature, public = (bytes.fromhex(given[name]) for name in ("receipt", "signature", "public"))
    read = decode_receipt(data)
    assert encode_receipt(read) == data
    verify_receipt(data, signature, public)
    indexes = [item.index for item in read.items]
    return {"agency": read.agency, "sender": read.sender, "state": read.state, "indexes": indexes}


def proof(given: dict[str, Any]) -> dict[str, Any]:
    read = parse_proof(bytes.fromhex(given["file"]))
    said = given["entry"]
    data = read.extra if said is None else bytes.fromhex(said)
    assert data is not None
    checkpoint = verify_proof(read, data, WORLD["origin"], [parse_vkey(WORLD["log_vkey"])])
    inside = None if read.extra is None else read.extra.hex()
    return {"index": read.index, "size": checkpoint.size, "root": checkpoint.root.hex(), "entry": inside}


@pytest.mark.parametrize("path", [*vectors("entry"), *vectors("receipt"), *vectors("proof")])
def test_log_vector(path: Path) -> None:
    found, expected = outcome(path)
    assert found == expected


@pytest.mark.parametrize("folder", ["entry", "receipt", "proof"])
def test_there_are_good_ones_and_bad_ones(folder: str) -> None:
    codes = {json.loads(path.read_bytes())["expected"].get("code") for path in (ROOT / folder).glob("*.json")}
    assert None in codes
    assert len(codes) > 1
