"""The node's private keys at rest: one file under a passphrase (`nodes.sealed_file`). See docs/spec/keystore.md."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

from nodes.ports import Random
from nodes.sealed_file import MEMORY, OPS, read_sealed, write_sealed
from schemas import codec, ids
from schemas.codec import Fields
from schemas.errors import BadConfig, CrossbearingError
from schemas.keys import SEED_SIZE

FORMAT: Final = "crossbearing/keystore/1"
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


def with_fresh(seeds: Seeds, kinds: Collection[str], random: Random) -> Seeds:
    """The seeds with a new key of each of `kinds` (`signing`, `sealing`, `witness`: both types) added as the newest."""

    def grown(held: tuple[bytes, ...], kind: str) -> tuple[bytes, ...]:
        return (*held, random(SEED_SIZE))[-MAX_KEYS:] if kind in kinds else held

    return replace(
        seeds,
        signing=grown(seeds.signing, "signing"),
        sealing=grown(seeds.sealing, "sealing"),
        witness=grown(seeds.witness, "witness"),
        witness_pq=grown(seeds.witness_pq, "witness"),
    )


def write_keystore(
    path: Path, seeds: Seeds, passphrase: bytes, random: Random, *, ops: int = OPS, memory: int = MEMORY
) -> None:
    """Seal the seeds into a new file, mode 0600, whole or not at all. Raises OSError."""
    inner: dict[str, codec.Value] = {
        "agency": seeds.agency,
        "database": seeds.database,
        "sealing": list(seeds.sealing),
        "signing": list(seeds.signing),
        "witness": list(seeds.witness),
        "witness_pq": list(seeds.witness_pq),
    }
    write_sealed(path, FORMAT, inner, passphrase, random, ops=ops, memory=memory)


def read_keystore(path: Path, passphrase: bytes) -> Seeds:
    """Open a keystore file.

    Raises NotFound, OpenPermissions (group or others may read it), BadConfig (not a keystore, or its cost parameters
    are out of bounds), WrongPassphrase (or the file was altered: the two cannot be told apart).
    """
    value = read_sealed(path, FORMAT, passphrase)
    try:
        fields = Fields(value, "keystore")
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
