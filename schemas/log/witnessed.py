"""Checkpoints under a policy: signed by a known log, and cosigned by enough of the witnesses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from schemas.errors import CheckpointUntrusted, NoQuorum
from schemas.log.checkpoint import Checkpoint, parse_checkpoint
from schemas.log.cosignature import Tree, check_signature, signed_at
from schemas.log.note import parse_note, verify_signatures
from schemas.log.policy import Policy


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A genuine checkpoint and who cosigned it. Made by `read_witnessed` only."""

    checkpoint: Checkpoint
    times: Mapping[str, int]
    """Of each witness that cosigned, by its name in the policy: when, in ms."""
    missing: tuple[str, ...]
    """The policy's witnesses that did not."""
    reached: bool
    """Whether those who did are enough."""


def read_witnessed(data: bytes, policy: Policy, *, origin: str | None = None) -> Witnessed:
    """Check every known signature under a checkpoint, and say whether its quorum is reached.

    Without ``origin`` any log of the policy will do. Raises `BadCheckpoint`, `BadSignature` if a line by a known key
    fails, whether a log's or a witness's, and `CheckpointUntrusted` if no known key of that log signed.
    """
    note = parse_note(data)
    checkpoint = parse_checkpoint(note.text)
    if origin not in (None, checkpoint.origin):
        raise CheckpointUntrusted(f"the checkpoint speaks for another log than {origin}")
    log_keys = policy.log_keys(checkpoint.origin)
    tree = Tree(checkpoint.origin, checkpoint.size, checkpoint.root)
    signed = verify_signatures(note, (*log_keys, *policy.witness_keys()), partial(check_signature, tree=tree))
    lines = {(line.name, line.key_id): line for line in signed.signatures}
    if not any((key.name, key.key_id) in lines for key in log_keys):
        raise CheckpointUntrusted("no key that the policy lists for the checkpoint's log signed it")
    times: dict[str, int] = {}
    for name, witness in policy.witnesses.items():
        line = lines.get((witness.key.name, witness.key.key_id))
        if line is not None:
            times[name] = signed_at(witness.key, line) or 0
    cosigners = {policy.witnesses[name].key for name in times}
    missing = tuple(name for name in policy.witnesses if name not in times)
    return Witnessed(checkpoint, times, missing, policy.reached_by(cosigners))


def verify_witnessed(data: bytes, policy: Policy, *, origin: str | None = None) -> Witnessed:
    """As `read_witnessed`, and raises `NoQuorum` if too few witnesses cosigned."""
    witnessed = read_witnessed(data, policy, origin=origin)
    if not witnessed.reached:
        raise NoQuorum(f"{len(witnessed.times)} known witnesses cosigned the checkpoint, which is not enough")
    return witnessed
