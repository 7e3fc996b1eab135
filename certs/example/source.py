"""The governed documents of the example: what `agencies.yaml` and `rules.yaml` say, with the example keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from certs.example.pki import DOMAIN, NOT_AFTER, NOT_BEFORE, pin, tls_key
from schemas.carrier.keys import carrier_key
from schemas.codec import Value
from schemas.directory.agency_keys import AgencyKeys, KeyRecord, WitnessRecord, encode_agency_keys
from schemas.directory.contacts import parse_contacts
from schemas.directory.documents import encode_directory, parse_directory
from schemas.directory.strict_json import FORMAT, dump_json
from schemas.directory.witnesses import usual_quorum
from schemas.example import example_seed
from schemas.keys import MlDsaKey, SealingKey, SigningKey, WitnessKey
from schemas.log.note import ED25519, ML_DSA_44, vkey
from schemas.routing.requests import parse_requests

HERE = Path(__file__).parent
AUDITORS = ("auditor-1", "auditor-2")
BROKER = "broker"
DESK = "desk"
"""Whose key answers for every duty desk."""
ORIGIN = f"{DOMAIN}/log"


@dataclass(frozen=True, slots=True)
class Source:
    """The readable source files."""

    lists: Mapping[str, Any]
    rules: Mapping[str, Any]
    requests: Mapping[str, Any]
    contacts: Mapping[str, Any]

    @property
    def agencies(self) -> list[str]:
        """The agency ids, in the order of the list."""
        return [agency["id"] for agency in self.lists["agencies"]]


def load_source(folder: Path = HERE) -> Source:
    """Read `agencies.yaml`, `rules.yaml`, `requests.yaml` and `contacts.yaml`."""
    names = ("agencies.yaml", "rules.yaml", "requests.yaml", "contacts.yaml")
    return Source(*(yaml.safe_load((folder / name).read_text(encoding="utf-8")) for name in names))


def log_vkey() -> str:
    """Return the log's verifier key as a C2SP vkey."""
    return vkey(ORIGIN, ED25519, SigningKey(example_seed(BROKER, "log")).public)


def log_mldsa_vkey() -> str:
    """Return the verifier key of the log's ML-DSA-44 signatures."""
    return vkey(ORIGIN, ML_DSA_44, MlDsaKey(example_seed(BROKER, "log-mldsa")).public)


def _carrier_key() -> SealingKey:
    return carrier_key(example_seed(BROKER, "log"))


def directory_document(source: Source) -> bytes:
    """Return `directory.json`, in the form the directory's own reader accepts. Raises `DirectoryInvalid`."""
    value: dict[str, Value] = {
        "format": FORMAT,
        "name": "Crossbearing EXAMPLE directory, worthless keys",
        "regions": source.lists["regions"],
        "agencies": [_agency(agency) for agency in source.lists["agencies"]],
        "operations": [_operation(operation) for operation in source.lists["operations"]],
        "rules": source.rules["rules"],
        "limits": source.rules["limits"],
        "auditors": [{"id": name, "name": f"Example {name}", "tls": [_pin(name)]} for name in AUDITORS],
        "log": {"origin": ORIGIN, "keys": [log_vkey(), log_mldsa_vkey()]},
        "brokers": [{"id": BROKER, "tls": [_pin(BROKER)], "sealing": _carrier_key().public.hex()}],
        "witnesses": {"quorum": usual_quorum(len(source.agencies))},
    }
    return encode_directory(parse_directory(dump_json(value)))


def agency_document(
    agency: str, requests: list[Value] | None = None, contacts: list[dict[str, Value]] | None = None
) -> bytes:
    """Return `agencies/<id>.json`: one key of each kind, valid as long as the certificates; requests and contacts."""
    signing = SigningKey(example_seed(agency, "signing")).public
    sealing = SealingKey(example_seed(agency, "sealing")).public
    return encode_agency_keys(
        AgencyKeys(
            agency=agency,
            signing=(_record(signing),),
            sealing=(_record(sealing),),
            tls=(bytes.fromhex(_pin(agency)),),
            witness=(
                WitnessRecord("ed25519", WitnessKey(example_seed(agency, "witness")).public),
                WitnessRecord("ml-dsa-44", MlDsaKey(example_seed(agency, "witness-pq")).public),
            ),
            requests=parse_requests(requests or []),
            contacts=parse_contacts([{**each, "kind": "webhook", "pin": _pin(DESK)} for each in contacts or []]),
        )
    )


def agency_seeds(agency: str) -> dict[str, str]:
    """Return the private seeds a node imports, in hex."""
    purposes = {"signing": "signing", "sealing": "sealing", "witness": "witness", "witness_pq": "witness-pq"}
    return {name: example_seed(agency, purpose).hex() for name, purpose in purposes.items()}


def _agency(listed: Mapping[str, Any]) -> dict[str, Value]:
    return {
        "id": listed["id"],
        "name": listed["name"],
        "country": listed["country"],
        "timezone": listed["timezone"],
        "regions": [listed["region"]],
        "status": "active",
    }


def _operation(listed: Mapping[str, Any]) -> dict[str, Value]:
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in listed.items()}


def _record(public: bytes) -> KeyRecord:
    return KeyRecord(public, int(NOT_BEFORE.timestamp()) * 1000, int(NOT_AFTER.timestamp()) * 1000)


def _pin(name: str) -> str:
    return pin(tls_key(name).public_key())
