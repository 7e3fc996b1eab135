"""Which logged alerts would have gone elsewhere under a proposed directory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.errors import Refusal
from schemas.ids import format_id
from schemas.routing.plan import Plan
from schemas.routing.resolve import Decision, query_of, weigh

if TYPE_CHECKING:
    from schemas.directory.documents import DirectoryDocument
    from schemas.directory.state import Directory
    from schemas.envelope.header import Header


@dataclass(frozen=True, slots=True)
class Change:
    """One alert that would have gone elsewhere."""

    index: int
    header: Header
    gained: tuple[Decision, ...]
    """Who would have received it and did not, with the rule that puts them in."""
    lost: tuple[Decision, ...]
    """Who received it and would not have, with the rule that keeps them out."""
    refusal: str | None
    """Why it could not have been sent at all."""

    def as_dict(self) -> dict[str, object]:
        """JSON-ready data."""
        header = self.header
        return {
            "index": self.index,
            "id": format_id(header.id),
            "sender": header.sender,
            "topic": header.topic,
            "marking": header.marking,
            "address": list(header.address),
            "gained": [decision._asdict() for decision in self.gained],
            "lost": [decision._asdict() for decision in self.lost],
            "refusal": self.refusal,
        }


def proposal(document: DirectoryDocument, held: Directory) -> Plan:
    """A proposed document with the standing requests in force.

    Keys play no part: an agency that has none yet is shown as it will be when it does.
    """
    return Plan(document, held.keys, sealing=False)


def simulate(plan: Plan, headers: Iterable[tuple[int, Header]]) -> Iterator[Change]:
    """The changes among logged alerts, given with their log index. Operations count as at the time of sealing.

    Types of subjects that a header did not disclose are not known, so a request about them changes nothing here.
    """
    for index, header in headers:
        went = {recipient.agency for recipient in header.recipients}
        try:
            resolution = weigh(plan, query_of(header))
        except Refusal as refusal:
            yield Change(index, header, (), (), refusal.message)
            continue
        if went == set(resolution.recipients):
            continue
        known = {decision.agency: decision for decision in resolution.trace}
        gained = tuple(known[agency] for agency in resolution.recipients if agency not in went)
        lost = tuple(
            known.get(agency) or Decision(agency, False, "built-in:removed", "is no agency any more")
            for agency in sorted(went.difference(resolution.recipients))
        )
        yield Change(index, header, gained, lost, None if resolution.recipients else "it would have reached nobody")
