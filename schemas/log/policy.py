"""Policies (C2SP tlog-policy): which logs and witnesses are known, and which of the witnesses are enough together.

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <member>...
    quorum <name>|none

One item a line, words separated by spaces and tabs, ``#`` before a comment; names are defined before they are used.
Bytes beyond ASCII are opaque: they are kept as lone surrogates, so that equal names are equal bytes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.errors import BadCheckpoint, BadPolicy
from schemas.limits import MAX_POLICY, MAX_POLICY_ITEMS
from schemas.log.note import LOG_TYPES, WITNESS_TYPES, NoteKey, parse_vkey

NONE: Final = "none"
"""The quorum that needs no witness."""

_THRESHOLD = re.compile(r"[1-9][0-9]{0,3}")
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_GAP = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True)
class KnownLog:
    """A log that may be trusted: its key, which is named after its origin, and where it is found, if that is said."""

    key: NoteKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class KnownWitness:
    """A witness's key, and the prefix under which it takes checkpoints, if that is said."""

    key: NoteKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Witnesses and groups, of which ``threshold`` are enough."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Who is known and who is enough. Witnesses and groups share the names of one policy file; both in its order."""

    logs: tuple[KnownLog, ...]
    witnesses: Mapping[str, KnownWitness]
    groups: Mapping[str, Group]
    quorum: str

    def log_keys(self, origin: str) -> tuple[NoteKey, ...]:
        """The keys of the log of that name; none for a log that the policy does not know."""
        return tuple(log.key for log in self.logs if log.key.name == origin)

    def witness_keys(self) -> tuple[NoteKey, ...]:
        """The keys of all witnesses."""
        return tuple(witness.key for witness in self.witnesses.values())

    def reached_by(self, cosigners: Collection[NoteKey]) -> bool:
        """Whether cosignatures made by these keys are enough."""
        reached = {name for name, witness in self.witnesses.items() if witness.key in cosigners}
        for name, group in self.groups.items():  # members are defined before their group
            if sum(member in reached for member in group.members) >= group.threshold:
                reached.add(name)
        return self.quorum == NONE or self.quorum in reached


def parse_policy(data: bytes) -> Policy:
    """Read a policy file. Raises `BadPolicy`, naming the line at fault."""
    if len(data) > MAX_POLICY:
        raise BadPolicy(f"the policy has more than {MAX_POLICY} bytes")
    if _FORBIDDEN.search(data):
        raise BadPolicy("the policy has a control character other than tab and newline")
    if data and not data.endswith(b"\n"):
        raise BadPolicy("the policy's last line does not end in a newline")
    reader = _Reader()
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), start=1):
        words = _GAP.split(line.strip(" \t"))
        if words[0] and not words[0].startswith("#"):
            try:
                reader.take(words)
            except (BadPolicy, BadCheckpoint) as error:
                raise BadPolicy(f"line {number}: {error.message}", line=number) from None
    return reader.finish()


def format_policy(policy: Policy) -> bytes:
    """The policy as a file, one item a line. Raises `BadPolicy` if `parse_policy` would not give it back."""
    lines = [_joined("log", log.key.vkey, log.url) for log in policy.logs]
    lines += [_joined("witness", name, witness.key.vkey, witness.url) for name, witness in policy.witnesses.items()]
    for name, group in policy.groups.items():
        every = len(group.members)
        threshold = "all" if group.threshold == every else "any" if group.threshold == 1 else str(group.threshold)
        lines.append(_joined("group", name, threshold, *group.members))
    lines.append(_joined("quorum", policy.quorum))
    data = "".join(lines).encode("utf-8", "surrogateescape")
    if parse_policy(data) != policy:
        raise BadPolicy("the policy cannot be written as a file")
    return data


def _joined(*words: str | None) -> str:
    return " ".join(word for word in words if word is not None) + "\n"


class _Reader:
    """Takes a policy line by line."""

    def __init__(self) -> None:
        self._logs: list[KnownLog] = []
        self._witnesses: dict[str, KnownWitness] = {}
        self._groups: dict[str, Group] = {}
        self._quorum: str | None = None
        self._publics: set[bytes] = set()
        self._grouped: set[str] = set()

    def take(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *rest] if len(rest) <= 1:
                self._room(self._logs)
                self._logs.append(KnownLog(self._key(vkey, LOG_TYPES), *rest))
            case ["witness", name, vkey, *rest] if len(rest) <= 1:
                self._room(self._witnesses)
                self._define(name)
                self._witnesses[name] = KnownWitness(self._key(vkey, WITNESS_TYPES), *rest)
            case ["group", name, threshold, member, *more]:
                self._room(self._groups)
                self._define(name)
                self._groups[name] = self._group(threshold, (member, *more))
            case ["quorum", name]:
                if self._quorum is not None:
                    raise BadPolicy("the quorum is defined twice")
                if name != NONE:
                    self._defined(name)
                self._quorum = name
            case _:
                raise BadPolicy("the line is no log, witness, group or quorum")

    def finish(self) -> Policy:
        if self._quorum is None:
            raise BadPolicy("the policy defines no quorum")
        return Policy(tuple(self._logs), self._witnesses, self._groups, self._quorum)

    def _group(self, threshold: str, members: tuple[str, ...]) -> Group:
        for member in members:
            self._defined(member)
            if member in self._grouped:
                raise BadPolicy("a name is a member more than once, so it would count twice")
            self._grouped.add(member)
        if threshold in ("all", "any"):
            return Group(len(members) if threshold == "all" else 1, members)
        if not _THRESHOLD.fullmatch(threshold) or int(threshold) > len(members):
            raise BadPolicy("the threshold is neither all, any, nor a number from 1 to that of the members")
        return Group(int(threshold), members)

    def _key(self, vkey: str, types: frozenset[int]) -> NoteKey:
        key = parse_vkey(vkey, types)
        if key.public in self._publics:
            raise BadPolicy("a key is listed twice")
        self._publics.add(key.public)
        return key

    def _define(self, name: str) -> None:
        if name == NONE or name in self._witnesses or name in self._groups:
            raise BadPolicy("the name is taken")

    def _defined(self, name: str) -> None:
        if name not in self._witnesses and name not in self._groups:
            raise BadPolicy("a name is used that no line before defines")

    @staticmethod
    def _room(items: Collection[object]) -> None:
        if len(items) >= MAX_POLICY_ITEMS:
            raise BadPolicy(f"there are more than {MAX_POLICY_ITEMS} of a kind")
