"""A witness's private keys at rest: one Ed25519 and one ML-DSA-44 seed in a file sealed under a passphrase."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nodes.ports import Random
from nodes.sealed_file import read_sealed, write_sealed
from schemas.codec import Fields, Value
from schemas.errors import BadConfig, CrossbearingError
from schemas.keys import SEED_SIZE, MlDsaKey, WitnessKey
from schemas.log.cosignature import Cosigner

FORMAT: Final = "crossbearing/witness-keystore/1"


@dataclass(frozen=True, slots=True)
class WitnessSeeds:
    """The name that the cosignatures carry, and the seed of each key."""

    name: str
    ed25519: bytes
    ml_dsa: bytes

    def cosigner(self) -> Cosigner:
        """The keys in use. Raises BadCheckpoint for a name that no cosignature can carry."""
        return Cosigner(self.name, WitnessKey(self.ed25519), MlDsaKey(self.ml_dsa))


def fresh_seeds(name: str, random: Random) -> WitnessSeeds:
    """New keys for the witness of that name."""
    return WitnessSeeds(name, random(SEED_SIZE), random(SEED_SIZE))


def write_witness_keys(path: Path, seeds: WitnessSeeds, passphrase: bytes, random: Random) -> None:
    """Seal the seeds into a new file, mode 0600. Raises OSError."""
    value: dict[str, Value] = {"ed25519": seeds.ed25519, "ml_dsa": seeds.ml_dsa, "name": seeds.name}
    write_sealed(path, FORMAT, value, passphrase, random)


def read_witness_keys(path: Path, passphrase: bytes) -> WitnessSeeds:
    """Open the file. Raises NotFound, OpenPermissions, BadConfig and WrongPassphrase, as `read_sealed` does."""
    value = read_sealed(path, FORMAT, passphrase)
    try:
        fields = Fields(value, "keystore")
        seeds = WitnessSeeds(
            fields.text("name"), fields.blob("ed25519", size=SEED_SIZE), fields.blob("ml_dsa", size=SEED_SIZE)
        )
        fields.done()
    except CrossbearingError as error:
        raise BadConfig(f"{path} opens but does not hold a witness's keys: {error.message}") from None
    return seeds
