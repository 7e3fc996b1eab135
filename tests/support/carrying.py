"""Files on removable media for tests: made from records, and read as their addressee would."""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import BytesIO

from schemas.carrier.file import CarrierReader, CarrierWriter
from schemas.carrier.keys import carrier_key
from schemas.carrier.records import HUB, Manifest, Record
from schemas.example import example_seed
from schemas.keys import SealingKey, SigningKey
from schemas.log.merkle import EMPTY_ROOT
from schemas.session.frames import PROTOCOL, Hello, Side, Welcome
from tests.support.directory import NOW, ORIGIN

AGENCY = "hk-customs"
HUB_KEY = carrier_key(example_seed("broker", "log"))
LOG_KEY = SigningKey(example_seed("broker", "log"))
NODE_KEY = SealingKey(example_seed(AGENCY, "sealing"))
SIGNING = SigningKey(example_seed(AGENCY, "signing"))
HELLO = Hello(PROTOCOL, AGENCY, 3, 0, EMPTY_ROOT, 0, 16)
WELCOME = Welcome(PROTOCOL, ORIGIN, 3, 40, NOW)
TO_HUB = Manifest(AGENCY, HUB, ORIGIN, NOW, SIGNING.key_id)
TO_NODE = Manifest(HUB, AGENCY, ORIGIN, NOW, LOG_KEY.key_id)


def written(maker: Side, records: Sequence[Record] = (), **changes: object) -> bytes:
    """A good file of these records; `changes` are the manifest, the keys it is sealed for, the greeting, the signer."""
    to_hub = maker == "node"
    given = {
        "manifest": TO_HUB if to_hub else TO_NODE,
        "keys": [(HUB_KEY if to_hub else NODE_KEY).public],
        "sign": (SIGNING if to_hub else LOG_KEY).sign,
        "random": os.urandom,
    }
    greeting = changes.pop("greeting", HELLO if to_hub else WELCOME)
    writer = CarrierWriter(**given | changes)  # type: ignore[arg-type]  # by name
    parts = [writer.begin(greeting), *(writer.add(record) for record in records), writer.end()]  # type: ignore[arg-type]
    return b"".join(parts)


def reader(data: bytes, maker: Side, keys: Sequence[SealingKey] | None = None) -> CarrierReader:
    """A reader on a file's bytes, with the addressee's key unless others are given."""
    own = [HUB_KEY if maker == "node" else NODE_KEY]
    return CarrierReader(BytesIO(data).read, own if keys is None else keys, sender=maker)


def records_of(data: bytes, maker: Side) -> list[Record]:
    """Every record between greeting and end, of a file that is whole and signed."""
    opened = reader(data, maker)
    opened.verify((SIGNING if maker == "node" else LOG_KEY).public)
    return list(opened.records())
