"""A directory's witnesses as a C2SP tlog-policy: who may cosign, and which of them are enough together.

An agency that publishes keys of both types is a group of which either is enough, so that it counts once. The same
policy, written out with `schemas.log.policy.format_policy`, lets any tool of the family judge our checkpoints.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from schemas.directory.agency_keys import WitnessRecord
from schemas.directory.state import Directory
from schemas.log.note import ED25519_COSIGNATURE, ML_DSA_44, NoteKey, note_key
from schemas.log.policy import NONE, Group, KnownLog, KnownWitness, Policy

MEMBERS: Final = "members"
"""The group of all witnesses, of which the quorum is enough."""

_TYPES: Final = {"ed25519": ED25519_COSIGNATURE, "ml-dsa-44": ML_DSA_44}


def witness_name(origin: str, agency: str) -> str:
    """The name under which an agency's node cosigns the log called ``origin``, as its signature lines carry it."""
    return f"{origin}/witness/{agency}"


def witness_keys(directory: Directory, agency: str) -> tuple[NoteKey, ...]:
    """The keys under which an agency's node may cosign; none if it is suspended or lists none."""
    document = directory.require_document()
    keys = directory.keys.get(agency)
    if keys is None or not directory.is_active(agency):
        return ()
    return tuple(_key(witness_name(document.log.origin, agency), record) for record in keys.witness)


@lru_cache(maxsize=8)
def policy_of(directory: Directory) -> Policy:
    """The policy that the directory in force lays down. Raises `DirectoryInvalid` before the first document.

    Suspended agencies do not count, but neither do they lower the quorum.
    """
    document = directory.require_document()
    witnesses: dict[str, KnownWitness] = {}
    groups: dict[str, Group] = {}
    members: list[str] = []
    for agency in document.agencies:
        names = []
        for number, key in enumerate(witness_keys(directory, agency), start=1):
            names.append(f"{agency}/{number}")
            witnesses[names[-1]] = KnownWitness(key)
        if names:
            groups[agency] = Group(1, tuple(names))
            members.append(agency)
    for witness in document.witnesses.outside:
        witnesses[witness.id] = KnownWitness(witness.key, witness.url)
        members.append(witness.id)
    logs = tuple(KnownLog(key) for key in directory.log_keys())
    if not members:
        return Policy(logs, witnesses, groups, NONE)
    groups[MEMBERS] = Group(quorum_of(directory), tuple(members))
    return Policy(logs, witnesses, groups, MEMBERS)


def quorum_of(directory: Directory) -> int:
    """How many witnesses must cosign."""
    document = directory.require_document()
    return document.witnesses.needed(len(document.agencies))


def witness_of(name: str) -> str:
    """The agency or outside witness behind a witness's name in the policy."""
    return name.partition("/")[0]


def _key(name: str, record: WitnessRecord) -> NoteKey:
    return note_key(name, record.public, _TYPES[record.type])
