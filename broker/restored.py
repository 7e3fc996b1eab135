"""A restored log: what others say that was signed, and whether it is safe to sign again. No I/O; on the event loop.

A backup holds N entries; the hub may have signed more, and shown it to anybody. Going on from N would then sign a
second history. So a restored hub listens. Every node names in its `hello` the checkpoint it holds, with the log's
signature; outside witnesses answer with the size they cosigned last; a surviving anchor, or a checkpoint that an
auditor hands over, lies in DATA/heard. Somebody who holds more proves that something is missing. That nothing is
missing cannot be proven by the silence of some: it takes the operator's word, and the agreement of so many witnesses
that every quorum would have one among them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from broker.committer import Head
from broker.engines.port import Restoration
from schemas.codec import Value
from schemas.directory.history import Directory
from schemas.directory.witness_policy import policy_of, quorum_of, witness_of

HEARD = "heard"
"""The folder of the data directory with signed checkpoints that go beyond the log, as others hold them."""


@dataclass(frozen=True, slots=True)
class Report:
    """What `who` holds: a checkpoint of `size` entries, `proven` by the log's own signature.

    `agrees`: this log begins with it. `known`: entries that it was told exist, without holding a checkpoint of them.
    """

    who: str
    size: int
    proven: bool
    agrees: bool
    known: int = 0


class Listening:
    """What was heard since this hub started over a restored log; `directory` gives the one in force."""

    def __init__(self, restoration: Restoration, head: Head, directory: Callable[[], Directory]) -> None:
        self.restoration = restoration
        self.size = head.size
        self._directory = directory
        self._reports: dict[str, Report] = {}

    def hear(self, report: Report) -> bool:
        """Take a report in place of the last one of the same; whether it is news that matters to the operator."""
        before = self._reports.get(report.who)
        if before is not None and before.proven and before.size > report.size:
            return False  # what was proven once stays so, though its holder was restored from a backup too
        self._reports[report.who] = report
        return before is None or (before.size, before.agrees) != (report.size, report.agrees)

    @property
    def proven(self) -> int:
        """The largest size that the log's own signature proves was signed."""
        return max((r.size for r in self._reports.values() if r.proven), default=0)

    @property
    def confirming(self) -> tuple[str, ...]:
        """Agencies and outside witnesses that hold a signed checkpoint of this very history, and none beyond it.

        A file says what was held once, not that nothing more is held now: it can forbid, and never confirm.
        """
        counted = (r for r in self._reports.values() if r.proven and r.agrees and 0 < r.size <= self.size)
        return tuple(sorted({r.who for r in counted} & self._everyone()))

    @property
    def silent(self) -> tuple[str, ...]:
        """Agencies and outside witnesses that have not been heard."""
        return tuple(sorted(self._everyone() - self._reports.keys()))

    def needed(self) -> int:
        """How many must confirm: a quorum, and so many that every quorum has one of them."""
        directory = self._directory()
        every = len({witness_of(name) for name in policy_of(directory).witnesses})
        if not every:
            return len(self._everyone()) // 2 + 1
        quorum = quorum_of(directory)
        return max(quorum, every - quorum + 1)

    def obstacles(self, despite: Collection[str] = (), *, fewer: bool = False) -> list[str]:
        """Why nothing may be signed yet, in sentences; nothing, if it may.

        What is not proven may be set aside; with `fewer`, one who confirms is enough.
        """
        said: list[str] = []
        for report in sorted(self._reports.values(), key=lambda each: each.who):
            if report.size > self.size and (report.proven or report.who not in despite):
                word = "holds" if report.proven else "claims"
                said.append(f"{report.who} {word} a checkpoint of {report.size} entries, {self.size} are here")
            elif not report.agrees and report.size <= self.size and (report.proven or report.who not in despite):
                word = "holds a signed checkpoint" if report.proven else "claims a checkpoint"
                said.append(f"{report.who} {word} of {report.size} entries with another history than this log")
        confirming = self.confirming
        if len(confirming) < (1 if fewer else self.needed()):
            said.append(f"{len(confirming)} confirm that they hold nothing newer, {self.needed()} are needed")
        told = max((r.known for r in self._reports.values() if r.who not in despite), default=0)
        if told > self.size and self.silent:
            said.append(f"an acceptance at index {told - 1} was answered, so all must be heard that nobody holds more")
        return said

    def as_dict(self, despite: Collection[str] = ()) -> dict[str, Value]:
        """All of it, for the operator."""
        beyond = sorted((r.who, r.size) for r in self._reports.values() if r.size > self.size)
        return {
            "ahead": [[who, size] for who, size in beyond],
            "confirming": list(self.confirming),
            "missing": [self.size, self.proven] if self.proven > self.size else None,
            "needed": self.needed(),
            "obstacles": list(self.obstacles(despite)),
            "restored": self.restoration.time,
            "silent": list(self.silent),
            "since": self.restoration.size,
            "size": self.size,
        }

    def _everyone(self) -> set[str]:
        directory = self._directory()
        document = directory.require_document()
        agencies = {agency for agency in document.agencies if directory.is_active(agency)}
        return agencies | {witness.id for witness in document.witnesses.outside}
