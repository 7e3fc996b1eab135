"""Every committed checkpoint and witness vector gives exactly its result.

The vectors are read here as another implementation would read them.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import CrossbearingError, Malformed
from schemas.log.checkpoint import verify_checkpoint
from schemas.log.cosignature import Tree
from schemas.log.note import parse_vkey
from schemas.log.policy import parse_policy
from schemas.log.witness import Accepted, decide, parse_request
from schemas.log.witnessed import Witnessed, verify_witnessed
from tests.vectors.generate import ROOT


def vectors(folder: str) -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in sorted((ROOT / folder).glob("*.json"))]


def read(path: Path) -> dict[str, Any]:
    value = json.loads(path.read_bytes())
    assert isinstance(value, dict)
    return value


@lru_cache
def known() -> dict[str, Any]:
    return read(ROOT / "checkpoint.json")


def verified(note: bytes) -> Witnessed:
    return verify_witnessed(note, parse_policy(known()["policy"].encode()), origin=known()["origin"])


@pytest.mark.parametrize("path", vectors("checkpoint"))
def test_checkpoint(path: Path) -> None:
    vector = read(path)
    note = bytes.fromhex(vector["input"]["note"])
    if "code" not in vector["expected"]:
        checkpoint = verified(note).checkpoint
        assert {"size": checkpoint.size, "root": checkpoint.root.hex()} == vector["expected"]
        keys = parse_policy(known()["policy"].encode()).log_keys(known()["origin"])
        assert verify_checkpoint(note, known()["origin"], keys) == checkpoint
        return
    with pytest.raises(CrossbearingError) as caught:
        verified(note)
    assert caught.value.code == vector["expected"]["code"], caught.value.message


@pytest.mark.parametrize("name", ["good", "good-ed25519", "good-ml-dsa-44"])
def test_no_byte_of_a_good_checkpoint_can_change(name: str) -> None:
    """A changed line at most becomes one by an unknown key; the checkpoint itself is never another."""
    note = bytes.fromhex(read(ROOT / "checkpoint" / f"{name}.json")["input"]["note"])
    checkpoint = verified(note).checkpoint
    for at in range(len(note)):
        changed = note[:at] + bytes([note[at] ^ 0x01]) + note[at + 1 :]
        try:
            assert verified(changed).checkpoint == checkpoint
        except CrossbearingError:
            continue


def answered(given: dict[str, Any]) -> dict[str, Any]:
    logs = {origin: [parse_vkey(text) for text in texts] for origin, texts in given["logs"].items()}
    [origin] = logs
    held = given["held"] and Tree(origin, given["held"]["size"], bytes.fromhex(given["held"]["root"]))
    try:
        request = parse_request(bytes.fromhex(given["request"]))
    except Malformed:
        return {"status": 400}
    verdict = decide(held, request, logs)
    if isinstance(verdict, Accepted):
        return {"status": 200, "size": verdict.tree.end}
    answer: dict[str, Any] = {"status": int(verdict.status)}
    return answer if verdict.held is None else {**answer, "held": verdict.held}


@pytest.mark.parametrize("path", vectors("witness"))
def test_witness(path: Path) -> None:
    vector = read(path)
    assert answered(vector["input"]) == vector["expected"]
