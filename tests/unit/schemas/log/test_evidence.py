"""Evidence reads back as it was written, and in no other form."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.codec import Value, decode, encode
from schemas.errors import EncodingRefusal
from schemas.log.evidence import Evidence, Included, decode_evidence, encode_evidence, evidence_name

HASH = bytes(range(32))
GOOD = Evidence(b"note", b"entry", (HASH, HASH), (Included(0, (HASH,)), Included(7, ())))

Change = Callable[[dict[str, Value]], dict[str, Value]]
FORMS: dict[str, Change] = {
    "one field more": lambda wire: wire | {"more": 1},
    "one field less": lambda wire: {name: value for name, value in wire.items() if name != "path"},
    "checkpoint as text": lambda wire: wire | {"checkpoint": "note"},
    "a path that is no list": lambda wire: wire | {"path": HASH},
    "a short hash": lambda wire: wire | {"path": [HASH[:-1]]},
    "a path longer than any": lambda wire: wire | {"path": [HASH] * 129},
    "a place without its path": lambda wire: wire | {"directory": [[0]]},
    "a place with more": lambda wire: wire | {"directory": [[0, [], 1]]},
    "a place that is a flag": lambda wire: wire | {"directory": [[True, []]]},
    "a place below zero": lambda wire: wire | {"directory": [[-1, []]]},
    "a place beyond any log": lambda wire: wire | {"directory": [[1 << 63, []]]},
}


def test_round_trip() -> None:
    assert decode_evidence(encode_evidence(GOOD)) == GOOD


def test_it_is_fetched_under_its_index() -> None:
    assert evidence_name(258) == b"\0\0\0\0\0\0\x01\x02"


@pytest.mark.parametrize("form", FORMS)
def test_another_form_is_refused(form: str) -> None:
    wire = decode(encode_evidence(GOOD), max_size=10_000)
    assert isinstance(wire, dict)
    with pytest.raises(EncodingRefusal):
        decode_evidence(encode(FORMS[form](wire)))


@pytest.mark.parametrize("data", [b"", encode_evidence(GOOD)[:-1], encode_evidence(GOOD) + b"\0"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(EncodingRefusal):
        decode_evidence(data)
