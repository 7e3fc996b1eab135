"""Make a node's home: keys, database, configuration and folders, readable by its user alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nodes.config import DATABASE, FILE, KEYSTORE, format_config, hub_address, load_config, parse_pin
from nodes.durable import write_durably
from nodes.identity import refuse_example_keys
from nodes.keystore import Seeds, write_keystore
from nodes.ports import Random
from nodes.store.database import Database, Tables
from nodes.tls import tls_context
from schemas.directory.agency_keys import AgencyKeys, KeyRecord, encode_agency_keys
from schemas.directory.metadata import read_root, verify_root
from schemas.errors import BadConfig, NotFound
from schemas.keys import SEED_SIZE, SealingKey, SigningKey
from schemas.limits import MAX_METADATA
from schemas.log.note import parse_vkey
from schemas.pins import spki_digest

VALIDITY_MS: Final = 2 * 365 * 86_400_000
"""How long the public key document of fresh keys proposes to use them: two years."""
_MAX_FILE: Final = 65_536
_KINDS: Final = ("signing", "sealing", "witness", "witness_pq")


@dataclass(frozen=True, slots=True)
class HomePlan:
    """What a new node is told: who it is, where the hub is, what to trust, and the TLS files to copy."""

    agency: str
    hub: str
    hub_pin: str
    log_vkey: str
    ca: Path
    tls_certificate: Path
    tls_key: Path
    root: Path


def create_home(home: Path, plan: HomePlan, seeds: Seeds, passphrase: bytes, random: Random) -> None:
    """Make the home. node.toml is written last, so a home that has it is complete.

    Raises BadConfig for what does not fit together, ExampleKeys, NotFound for a missing file, OSError.
    """
    refuse_example_keys(seeds, hub_address(plan.hub))
    pin = parse_pin(plan.hub_pin)
    parse_vkey(plan.log_vkey)
    root = _read(plan.root, "root metadata", MAX_METADATA)
    verify_root(read_root(root), None)
    tls = {
        "ca.pem": _read(plan.ca, "certificate authority"),
        "node.pem": _read(plan.tls_certificate, "certificate"),
        "node.key": _read(plan.tls_key, "certificate key"),
    }
    if home.exists() and any(home.iterdir()):
        raise BadConfig(f"{home} exists and is not empty", hint="name another directory; a home is made only once")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    for folder in ("tls", "watch", "watch/in", "watch/done", "watch/failed"):
        (home / folder).mkdir(mode=0o700)
    for name, data in tls.items():
        write_durably(home / "tls" / name, data)
    write_durably(home / "root.json", root)
    write_keystore(home / KEYSTORE, seeds, passphrase, random)
    Database(home / DATABASE, seeds.database).close()
    config = format_config(plan.agency, url=plan.hub, pin=pin, log_vkey=plan.log_vkey)
    write_durably(home / FILE, config.encode())
    tls_context(load_config(home).hub)


def import_seeds(path: Path, agency: str, random: Random) -> Seeds:
    """Keys made elsewhere: JSON with `signing`, `sealing`, `witness` and `witness_pq`, each a seed in hex.

    Raises BadConfig, NotFound.
    """
    try:
        value = json.loads(_read(path, "key file"))
    except ValueError:
        raise BadConfig(f"{path} is not JSON") from None
    if not isinstance(value, dict) or set(value) != set(_KINDS):
        raise BadConfig(f"{path} does not hold exactly {', '.join(_KINDS)}")
    signing, sealing, witness, witness_pq = (_seed(value[kind], kind, path) for kind in _KINDS)
    return Seeds(agency, (signing,), (sealing,), (witness,), (witness_pq,), random(SEED_SIZE))


def public_document(seeds: Seeds, certificate: Path, *, now: int) -> bytes:
    """`agencies/<id>.json` for these keys, for the agency's administrators to sign and publish."""
    start = now - now % 1000

    def record(public: bytes) -> KeyRecord:
        return KeyRecord(public, start, start + VALIDITY_MS)

    return encode_agency_keys(
        AgencyKeys(
            agency=seeds.agency,
            signing=tuple(record(SigningKey(seed).public) for seed in seeds.signing),
            sealing=tuple(record(SealingKey(seed).public) for seed in seeds.sealing),
            tls=(spki_digest(_der(certificate)),),
        )
    )


def _der(certificate: Path) -> bytes:
    from ssl import PEM_cert_to_DER_cert

    try:
        return PEM_cert_to_DER_cert(_read(certificate, "certificate").decode())
    except ValueError:
        raise BadConfig(f"{certificate} is not a certificate in PEM form") from None


def _seed(text: object, kind: str, path: Path) -> bytes:
    if not isinstance(text, str) or len(text) != 2 * SEED_SIZE or not set(text) <= set("0123456789abcdef"):
        raise BadConfig(f"{kind} in {path} is not a seed of {SEED_SIZE} bytes in lower-case hex")
    return bytes.fromhex(text)


def _read(path: Path, what: str, limit: int = _MAX_FILE) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no {what} at {path}") from None
    except OSError as error:
        raise BadConfig(f"{what} {path} cannot be read: {error.strerror}") from None
    if len(data) > limit:
        raise BadConfig(f"{what} {path} is larger than {limit} bytes")
    return data


def clear_halt(database: Path, key: bytes) -> bool:
    """Let a halted node call the hub again; False when it was not halted. Raises the store's faults."""
    store = Database(database, key)
    try:
        return store.write(_clear)
    finally:
        store.close()


def _clear(tables: Tables) -> bool:
    halted = tables.held.halted is not None
    tables.held.resume()
    return halted
