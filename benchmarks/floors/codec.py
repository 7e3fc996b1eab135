"""Packing and unpacking a header, and checking an alert's fields."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgpack
from pydantic import BaseModel, ConfigDict

from benchmarks.floors.timing import Floor, processor


class _Subject(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    type: str
    number: str


class _Alert(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    id: str
    sender: str
    kind: str
    title: str
    narrative: str
    marking: str
    precedence: str
    status: str
    created: int
    expires: int
    to: list[str]
    subjects: list[_Subject]


def floors() -> Iterator[Floor]:
    """Each floor in turn."""
    header = {
        "id": os.urandom(16),
        "sender": "hk-customs",
        "created": 1_790_000_000_000,
        "recipients": [[f"xx-agency-{n:02}", os.urandom(16), os.urandom(48)] for n in range(30)],
        "commitment": os.urandom(32),
        "body_digest": os.urandom(32),
        "body_size": 1_200,
    }
    packed = msgpack.packb(header)
    yield processor("pack", "msgpack pack, a header with 30 recipients", lambda: msgpack.packb(header))
    yield processor("unpack", "msgpack unpack, the same", lambda: msgpack.unpackb(packed))
    alert = {
        **dict.fromkeys(("id", "sender", "kind", "title", "marking", "precedence", "status"), "some words"),
        "narrative": "n" * 900,
        "created": 1,
        "expires": 2,
        "to": [f"xx-agency-{n:02}" for n in range(30)],
        "subjects": [{"type": "container", "number": "CSQU3054383"}],
    }
    yield processor("validate", "pydantic, a strict model of 12 fields, 1 kB", lambda: _Alert.model_validate(alert))
