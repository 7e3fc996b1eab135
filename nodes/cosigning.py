"""This node as a witness of the log: which of its keys the directory lists, and what they sign.

Signing comes last. `nodes.receive` first checks that a checkpoint continues the one held and commits it in its place,
in one transaction that compares and replaces; only what is held so is cosigned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodes.identity import Identity
from schemas.directory.witness_policy import witness_keys, witness_name
from schemas.keys import MlDsaKey, WitnessKey
from schemas.limits import CLOCK_SKEW_MS
from schemas.log.checkpoint import Checkpoint, format_checkpoint
from schemas.log.cosignature import Cosigner, Tree
from schemas.log.witness import format_answer

if TYPE_CHECKING:
    from schemas.directory.state import Directory


class NodeWitness:
    """Cosigns under the newest of the agency's witness keys that the directory lists and the keystore holds."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._found: tuple[Directory, tuple[WitnessKey | None, MlDsaKey | None]] | None = None

    def cosign(self, checkpoint: Checkpoint, directory: Directory, *, both: bool, now: int) -> bytes:
        """Signature lines on a checkpoint that is held durably, at ``now`` (ms); none without a key to make them.

        ML-DSA-44 costs twenty Ed25519 signatures, so it signs when ``both`` are asked for, or where it is alone.
        """
        if directory.document is None:
            return b""
        ed25519, ml_dsa = self._keys(directory)
        if ed25519 is None and ml_dsa is None:
            return b""
        name = witness_name(checkpoint.origin, self._identity.agency)
        cosigner = Cosigner(name, ed25519, ml_dsa if both or ed25519 is None else None)
        tree = Tree(checkpoint.origin, checkpoint.size, checkpoint.root)
        return format_answer(cosigner.cosign(format_checkpoint(checkpoint), tree, now=now))

    def _keys(self, directory: Directory) -> tuple[WitnessKey | None, MlDsaKey | None]:
        if self._found is None or self._found[0] is not directory:
            listed = {key.public for key in witness_keys(directory, self._identity.agency)}
            seeds, seeds_pq = self._identity.witness_seeds
            ed25519 = next((key for key in map(WitnessKey, reversed(seeds)) if key.public in listed), None)
            ml_dsa = next((key for key in map(MlDsaKey, reversed(seeds_pq)) if key.public in listed), None)
            self._found = directory, (ed25519, ml_dsa)
        return self._found[1]


def time_after(last: int, now: int) -> int | None:
    """The time (ms) to state in a cosignature: never before that of an earlier one, which it would contradict.

    None when this machine's clock fell so far behind the last one that no time would be right: then nothing is signed.
    """
    return None if last - now > CLOCK_SKEW_MS else max(last, now)
