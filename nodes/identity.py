"""The agency's private keys in use: which of them signs now, and which may open what was sealed to it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from nodes.keystore import Seeds
from schemas.errors import ExampleKeys, KeyNotValid
from schemas.example import is_example_seed, is_loopback
from schemas.keys import SealingKey, SigningKey

if TYPE_CHECKING:
    from schemas.directory.state import Directory


class Identity:
    """One agency's keys. A keystore may hold several of a kind, so that a new one can overlap with the old."""

    def __init__(self, seeds: Seeds) -> None:
        self.agency = seeds.agency
        self.adopt(seeds)

    def adopt(self, seeds: Seeds) -> None:
        """Take in a keystore with more keys; whoever holds this identity uses them from now on."""
        self._signing = {key.key_id: key for key in map(SigningKey, seeds.signing)}
        self._sealing_seeds = seeds.sealing
        self.witness_seeds = seeds.witness, seeds.witness_pq
        self.__dict__.pop("sealing_keys", None)

    def signing_key(self, directory: Directory, at: int) -> SigningKey:
        """The newest of the agency's signing keys that the directory lists as valid at the time `at` (ms).

        Raises KeyNotValid when none of the keys held here is.
        """
        published = directory.keys.get(self.agency)
        records = published.signing if published is not None else ()
        usable = [record for record in records if record.valid(at) and record.key_id in self._signing]
        if not usable:
            raise KeyNotValid(
                f"no signing key held here is valid for {self.agency} in directory version {directory.version}",
                hint="have the agency's administrators publish this node's public keys, or import those they published",
            )
        return self._signing[max(usable, key=lambda record: (record.not_before, record.key_id)).key_id]

    def signing_key_of(self, key_id: bytes) -> SigningKey:
        """The signing key of that id. Raises KeyNotValid when it is not held here any more."""
        if key_id not in self._signing:
            raise KeyNotValid(f"the signing key {key_id.hex()} is not held here any more")
        return self._signing[key_id]

    @cached_property
    def sealing_keys(self) -> tuple[SealingKey, ...]:
        """All sealing keys, newest first."""
        return tuple(SealingKey(seed) for seed in reversed(self._sealing_seeds))


def refuse_example_keys(seeds: Seeds, hub_host: str) -> None:
    """Refuse the published example keys unless the hub is on this machine. Raises ExampleKeys."""
    kinds = (
        ("signing", seeds.signing),
        ("sealing", seeds.sealing),
        ("witness", seeds.witness),
        ("witness-pq", seeds.witness_pq),
    )
    if is_loopback(hub_host):
        return
    for purpose, held in kinds:
        if any(is_example_seed(seeds.agency, purpose, seed) for seed in held):
            raise ExampleKeys(
                f"the {purpose} key of this node is the published example key, so anybody can sign and read as "
                f"{seeds.agency}; it is refused with the hub {hub_host}, which is not on this machine",
                hint="make fresh keys (bearing node init without --keys), or use a hub on loopback for an exercise",
            )
