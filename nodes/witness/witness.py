"""The witness itself: decide, cosign, make durable, and only then answer. Blocking; call it from threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from nodes.ports import Clock
from nodes.witness.evidence import EvidenceFolder
from nodes.witness.state import Held, WitnessState
from schemas.errors import ClockOff
from schemas.limits import CLOCK_SKEW_MS
from schemas.log.checkpoint import parse_tree
from schemas.log.cosignature import Cosigner
from schemas.log.note import NoteKey, NoteSignature, SignedNote, format_note, parse_note
from schemas.log.witness import AddCheckpoint, Refused, decide

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The cosignatures on a checkpoint that is now the newest of its log, durably."""

    lines: tuple[NoteSignature, ...]


class Witness:
    """One witness: its keys, the logs it knows (origin to trusted keys), and what it has cosigned of each.

    ``logs`` is looked into anew for every request, so its keys may change while the witness runs.
    """

    def __init__(
        self,
        cosigner: Cosigner,
        logs: Mapping[str, Sequence[NoteKey]],
        state: WitnessState,
        evidence: EvidenceFolder,
        clock: Clock,
    ) -> None:
        self._cosigner = cosigner
        self._logs = logs
        self._state = state
        self._evidence = evidence
        self._clock = clock

    def add_checkpoint(self, request: AddCheckpoint) -> Cosigned | Refused:
        """Cosign the checkpoint if it continues what was cosigned of its log.

        Raises ClockOff when this machine's clock fell behind the last cosignature, StorageFull or StorageFailed.
        """
        while True:
            held = self._held(request)
            verdict = decide(held.tree if held is not None else None, request, self._logs)
            if isinstance(verdict, Refused):
                self._keep_evidence(verdict, request, held)
                return verdict
            now = self._time_after(held)
            lines = self._cosigner.cosign(verdict.note.text, verdict.tree, now=now)
            note = format_note(SignedNote(verdict.note.text, (*verdict.note.signatures, *lines)))
            new = Held(verdict.tree, note, now)
            if self._state.compare_and_persist(held, new):
                return Cosigned(lines)

    def checkpoint(self, name: str) -> bytes | None:
        """The newest checkpoint cosigned of a log, with its signatures; found by the SHA-256 of its origin in hex."""
        held = self._state.by_hash(name)
        return held.note if held is not None else None

    def _held(self, request: AddCheckpoint) -> Held | None:
        return self._state.held(parse_note(request.note).text.partition("\n")[0])

    def _time_after(self, held: Held | None) -> int:
        """The time to state, in ms: never before that of an earlier cosignature, which would contradict it."""
        now = self._clock()
        if held is None or now >= held.cosigned:
            return now
        if held.cosigned - now > CLOCK_SKEW_MS:
            raise ClockOff(f"the clock is {held.cosigned - now} ms behind the last cosignature", hint="Set the clock.")
        return held.cosigned

    def _keep_evidence(self, refused: Refused, request: AddCheckpoint, held: Held | None) -> None:
        log.info("refused", status=int(refused.status), reason=refused.message)
        if refused.evidence is None:
            return
        tree = parse_tree(parse_note(request.note).text, any_log=True)
        try:
            self._evidence.keep(refused.evidence, tree, request, held)
        except OSError as error:
            log.error("evidence not kept", origin=tree.origin, kind=refused.evidence, error=str(error))
