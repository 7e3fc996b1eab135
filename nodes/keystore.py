"""The node's private keys at rest: one file, opened by a passphrase.

The file is a canonical msgpack map. Argon2id (RFC 9106) turns the passphrase into the key of a SecretBox
(XSalsa20-Poly1305) that seals the seeds; the cost parameters stand beside it and are bounded when read, so that a
file put there by somebody else can neither weaken the derivation nor exhaust the machine. See docs/spec/keystore.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

from nodes.durable import write_durably
from nodes.ports import Random
from nodes.private_files import read_private
from schemas import codec, ids
from schemas.codec import Fields
from schemas.errors import BadConfig, CrossbearingError, EncodingRefusal, WrongPassphrase
from schemas.keys import SEED_SIZE

FORMAT: Final = "crossbearing/keystore/1"
OPS: Final = 3
"""Argon2id passes: RFC 9106's second recommendation, with MEMORY."""
MEMORY: Final = 67_108_864
"""Argon2id memory in bytes (64 MiB), given back to the system at once."""
OPS_BOUNDS: Final = (3, 16)
MEMORY_BOUNDS: Final = (67_108_864, 1_073_741_824)
SALT_SIZE: Final = 16
MAX_KEYSTORE: Final = 65_536
"""Bytes of the whole file: some hundred keys of each kind fit."""
MAX_KEYS: Final = 64
"""Keys of one kind, current and former: a former sealing key still opens what was sealed to it."""


@dataclass(frozen=True, slots=True)
class Seeds:
    """An agency's private keys as 32-byte seeds, the newest last, and the key of its database."""

    agency: str
    signing: tuple[bytes, ...]
    sealing: tuple[bytes, ...]
    witness: tuple[bytes, ...]
    witness_pq: tuple[bytes, ...]
    database: bytes

    def __post_init__(self) -> None:
        ids.check_agency_id(self.agency)
        for what, seeds in (("signing", self.signing), ("sealing", self.sealing)):
            if not seeds:
                raise BadConfig(f"a keystore holds at least one {what} key")
        every = (*self.signing, *self.sealing, *self.witness, *self.witness_pq, self.database)
        if any(len(seed) != SEED_SIZE for seed in every):
            raise BadConfig(f"every key in a keystore is a seed of {SEED_SIZE} bytes")
        if len(set(every)) != len(every):
            raise BadConfig("a keystore holds one seed twice; every key must be a key of its own")


def fresh_seeds(agency: str, random: Random) -> Seeds:
    """New keys of every kind for an agency."""
    signing, sealing, witness, witness_pq, database = (random(SEED_SIZE) for _ in range(5))
    return Seeds(agency, (signing,), (sealing,), (witness,), (witness_pq,), database)


def write_keystore(
    path: Path, seeds: Seeds, passphrase: bytes, random: Random, *, ops: int = OPS, memory: int = MEMORY
) -> None:
    """Seal the seeds into a new file, mode 0600, whole or not at all. Raises OSError."""
    salt, nonce = random(SALT_SIZE), random(SecretBox.NONCE_SIZE)
    inner: dict[str, codec.Value] = {
        "agency": seeds.agency,
        "database": seeds.database,
        "sealing": list(seeds.sealing),
        "signing": list(seeds.signing),
        "witness": list(seeds.witness),
        "witness_pq": list(seeds.witness_pq),
    }
    sealed = SecretBox(_derive(passphrase, salt, ops, memory)).encrypt(codec.encode(inner), nonce).ciphertext
    outer: dict[str, codec.Value] = {
        "format": FORMAT,
        "kdf": "argon2id",
        "memory": memory,
        "nonce": nonce,
        "ops": ops,
        "salt": salt,
        "sealed": sealed,
    }
    write_durably(path, codec.encode(outer), mode=0o600)


def read_keystore(path: Path, passphrase: bytes) -> Seeds:
    """Open a keystore file.

    Raises NotFound, OpenPermissions (group or others may read it), BadConfig (not a keystore, or its cost parameters
    are out of bounds), WrongPassphrase (or the file was altered: the two cannot be told apart).
    """
    data = read_private(path, max_size=MAX_KEYSTORE, what="keystore")
    try:
        fields = Fields(codec.decode(data, max_size=MAX_KEYSTORE), "keystore")
        if fields.text("format") != FORMAT or fields.text("kdf") != "argon2id":
            raise BadConfig(f"{path} is of another format than {FORMAT}")
        ops = _within(fields.integer("ops"), OPS_BOUNDS, "ops")
        memory = _within(fields.integer("memory"), MEMORY_BOUNDS, "memory")
        salt = fields.blob("salt", size=SALT_SIZE)
        nonce, sealed = fields.blob("nonce", size=SecretBox.NONCE_SIZE), fields.blob("sealed")
        fields.done()
    except EncodingRefusal as error:
        raise BadConfig(f"{path} is not a keystore: {error.message}") from None
    try:
        inner = SecretBox(_derive(passphrase, salt, ops, memory)).decrypt(sealed, nonce)
    except CryptoError:
        raise WrongPassphrase(f"the passphrase does not open {path}") from None
    return _seeds(inner, path)


def _seeds(inner: bytes, path: Path) -> Seeds:
    try:
        fields = Fields(codec.decode(inner, max_size=MAX_KEYSTORE), "keystore")
        seeds = Seeds(
            agency=fields.text("agency"),
            signing=_blobs(fields, "signing"),
            sealing=_blobs(fields, "sealing"),
            witness=_blobs(fields, "witness"),
            witness_pq=_blobs(fields, "witness_pq"),
            database=fields.blob("database", size=SEED_SIZE),
        )
        fields.done()
    except CrossbearingError as error:
        raise BadConfig(f"{path} opens but does not hold what a keystore holds: {error.message}") from None
    return seeds


def _blobs(fields: Fields, name: str) -> tuple[bytes, ...]:
    items = fields.items(name, max_items=MAX_KEYS)
    if not all(isinstance(item, bytes) for item in items):
        raise BadConfig(f"{name} is not a list of seeds")
    return tuple(cast("list[bytes]", list(items)))


def _within(value: int, bounds: tuple[int, int], what: str) -> int:
    low, high = bounds
    if not low <= value <= high:
        raise BadConfig(f"the keystore's {what} is {value}, outside {low} to {high}")
    return value


def _derive(passphrase: bytes, salt: bytes, ops: int, memory: int) -> bytes:
    return argon2id.kdf(SecretBox.KEY_SIZE, passphrase, salt, opslimit=ops, memlimit=memory)
