"""Cosignatures on the log's checkpoints: who gave one, and whether they are enough. No I/O; used on the event loop.

Cosignatures count only together, on one checkpoint. So the hub does not have every block cosigned, but opens a *round*
for the newest checkpoint, at most once a second: each node is sent that one before anything newer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

from broker.committer import Head
from schemas.directory.history import Directory
from schemas.directory.witness_policy import policy_of, quorum_of, witness_keys, witness_of
from schemas.errors import CheckpointUntrusted
from schemas.limits import MAX_NOTE_SIGNATURES, WITNESS_ROUNDS
from schemas.log.note import NoteKey, NoteSignature, SignedNote, format_note, parse_note
from schemas.log.witness import read_answer


class Round:
    """One checkpoint, and the signature lines gathered on it. `both` asks for each key of a witness."""

    def __init__(self, head: Head, *, both: bool) -> None:
        self.head = head
        self.both = both
        self._note = parse_note(head.note)
        self._own: list[NoteSignature] = []
        self._lines: dict[NoteKey, NoteSignature] = {}
        self.proofs: dict[int, tuple[bytes, ...]] = {}
        """Consistency proofs from earlier sizes: most nodes stand on the same one."""

    @property
    def size(self) -> int:
        """Entries in the log."""
        return self.head.size

    @property
    def cosigners(self) -> tuple[NoteKey, ...]:
        """The keys that cosigned."""
        return tuple(self._lines)

    @property
    def own(self) -> bool:
        """Whether the log has signed with its further key."""
        return bool(self._own)

    @property
    def signed(self) -> bytes:
        """The checkpoint with the log's own signatures, as witnesses are shown it."""
        return format_note(SignedNote(self._note.text, (*self._note.signatures, *self._own)))

    @property
    def note(self) -> bytes:
        """The checkpoint with every line gathered: the log's first, then the short ones."""
        lines = sorted(self._lines.values(), key=lambda line: (len(line.signature), line.name))
        every = (*self._note.signatures, *self._own, *lines)
        return format_note(SignedNote(self._note.text, every[:MAX_NOTE_SIGNATURES]))

    def sign(self, line: NoteSignature) -> None:
        """The log itself signs with a further key."""
        self._own.append(line)

    def add(self, answer: bytes, keys: Sequence[NoteKey]) -> bool:
        """Take a witness's lines, made by its `keys`; whether one was new. Raises as `read_answer` does."""
        by_id = {(key.name, key.key_id): key for key in keys}
        before = len(self._lines)
        for line in read_answer(answer, self.head.note, keys):
            self._lines[by_id[line.name, line.key_id]] = line
        return len(self._lines) > before


class Witnessing:
    """The rounds of one log. `directory` gives the directory in force; `changed` is called when a quorum is reached."""

    def __init__(self, directory: Callable[[], Directory], changed: Callable[[], None]) -> None:
        self._directory = directory
        self._changed = changed
        self._rounds: OrderedDict[int, Round] = OrderedDict()
        self.newest: Round | None = None
        """The round going on."""
        self.reached: Round | None = None
        """The newest that has its quorum."""
        self.shown: tuple[int, bytes] | None = None
        """Size and note of the one that nodes are shown."""

    def begin(self, head: Head, *, both: bool) -> Round:
        """Open a round for this checkpoint."""
        self.newest = self._rounds[head.size] = Round(head, both=both)
        while len(self._rounds) > WITNESS_ROUNDS:
            self._rounds.popitem(last=False)
        return self.newest

    def take(self, agency: str, size: int, lines: bytes) -> None:
        """A node's cosignatures. Raises as `read_answer` does, and `CheckpointUntrusted` if it is no witness."""
        keys = witness_keys(self._directory(), agency)
        if not keys:
            raise CheckpointUntrusted(f"the directory lists no witness key of {agency}")
        self.add(size, lines, keys)

    def add(self, size: int, lines: bytes, keys: Sequence[NoteKey]) -> None:
        """The cosignatures of the witness with these keys. Those on a checkpoint of long ago are not looked at."""
        found = self._rounds.get(size)
        if found is None or not found.add(lines, keys):
            return
        if (self.reached is None or self.reached.size < size) and self.is_reached(found):
            self.reached = found
            self._changed()

    def is_reached(self, looked_at: Round) -> bool:
        """Whether enough have cosigned it, as the directory in force says."""
        return policy_of(self._directory()).reached_by(looked_at.cosigners)

    def quorum(self) -> int:
        """How many are enough; 0 while the directory lists no witness at all."""
        directory = self._directory()
        return quorum_of(directory) if policy_of(directory).witnesses else 0

    def cosigners(self, looked_at: Round | None) -> tuple[str, ...]:
        """The agencies and outside witnesses that cosigned it."""
        return tuple(sorted(set(self._names(looked_at)))) if looked_at is not None else ()

    def missing(self, looked_at: Round | None) -> tuple[str, ...]:
        """Those that did not."""
        every = {witness_of(name) for name in policy_of(self._directory()).witnesses}
        return tuple(sorted(every.difference(self.cosigners(looked_at))))

    def show(self) -> None:
        """From now on nodes are shown the newest checkpoint that has its quorum."""
        if self.reached is not None:
            self.shown = self.reached.size, self.reached.note

    def _names(self, looked_at: Round) -> Iterator[str]:
        keys = set(looked_at.cosigners)
        for name, witness in policy_of(self._directory()).witnesses.items():
            if witness.key in keys:
                yield witness_of(name)
