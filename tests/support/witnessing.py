"""A small log and a witness for it, with fixed keys: what tests of witnessing are made of."""

from __future__ import annotations

from schemas.keys import MlDsaKey, SigningKey, WitnessKey
from schemas.log.checkpoint import Checkpoint, sign_checkpoint
from schemas.log.cosignature import Cosigner, Tree
from schemas.log.merkle import prove_consistency
from schemas.log.note import ML_DSA_44, note_key
from schemas.log.witness import AddCheckpoint, format_request
from tests.support.trees import grow

ORIGIN = "log.example/crossbearing"
LOG_KEY = SigningKey(b"\x01" * 32)
LOG_PQ = MlDsaKey(b"\x02" * 32)
LOG_KEYS = (note_key(ORIGIN, LOG_KEY.public), note_key(ORIGIN, LOG_PQ.public, ML_DSA_44))
LOGS = {ORIGIN: LOG_KEYS}
WITNESS = "witness.example/w1"
COSIGNER = Cosigner(WITNESS, WitnessKey(b"\x03" * 32), MlDsaKey(b"\x04" * 32))
NOW = 1_790_000_000_000
GROWN = grow(300)


def tree(size: int) -> Tree:
    return Tree(ORIGIN, size, GROWN.roots[size])


def note(size: int, root: bytes | None = None) -> bytes:
    return sign_checkpoint(Checkpoint(ORIGIN, size, root or GROWN.roots[size]), LOG_KEY)


def proof(old: int, new: int) -> tuple[bytes, ...]:
    return tuple(prove_consistency(old, new, GROWN.read))


def request(old: int, new: int, root: bytes | None = None) -> AddCheckpoint:
    return AddCheckpoint(old, proof(old, new), note(new, root))


def body(old: int, new: int, root: bytes | None = None) -> bytes:
    return format_request(request(old, new, root))
