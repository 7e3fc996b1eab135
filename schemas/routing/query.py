"""The routing question: what of an alert decides who receives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from schemas.envelope.words import MARKING_RANK, MODES, PRECEDENCE_RANK, PRECEDENCES, STATUSES, SUBJECTS, TOPICS
from schemas.errors import Malformed

if TYPE_CHECKING:
    from schemas.alert.document import Alert
    from schemas.envelope.header import Header

_TOPICS: Final = frozenset(TOPICS)
_MODES: Final = frozenset(MODES)
_SUBJECTS: Final = frozenset(SUBJECTS)


@dataclass(frozen=True, slots=True)
class RoutingQuery:
    """What routing depends on. ``at`` is the time of sealing (ms).

    All of it stands in the clear header; of the types of subjects only those that decide anything do.
    """

    sender: str
    address: tuple[str, ...]
    topic: str
    marking: str
    precedence: str
    status: str
    operation: str | None
    modes: tuple[str, ...]
    at: int
    subjects: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (
            self.topic in _TOPICS
            and self.marking in MARKING_RANK
            and self.precedence in PRECEDENCE_RANK
            and self.status in STATUSES
            and _MODES.issuperset(self.modes)
            and _SUBJECTS.issuperset(self.subjects)
        ):
            return
        for word, words in (
            (self.topic, TOPICS),
            (self.marking, MARKING_RANK),
            (self.precedence, PRECEDENCES),
            (self.status, STATUSES),
            *((mode, MODES) for mode in self.modes),
            *((subject, SUBJECTS) for subject in self.subjects),
        ):
            if word not in words:
                raise Malformed(f"{word[:40]!a} is none of {', '.join(words)}")


def query_of(header: Header, subjects: tuple[str, ...] | None = None) -> RoutingQuery:
    """The routing question that a sealed alert's header asks; with ``subjects``, about an alert of these types."""
    return RoutingQuery(
        header.sender,
        header.address,
        header.topic,
        header.marking,
        header.precedence,
        header.status,
        header.operation,
        header.modes,
        header.created,
        header.subjects if subjects is None else subjects,
    )


def query_of_alert(alert: Alert, *, at: int) -> RoutingQuery:
    """The routing question of an alert that is to be sealed at ``at`` (ms); its addresses are in their wire form."""
    return RoutingQuery(
        alert.sender,
        tuple(alert.to),
        alert.kind,
        alert.marking,
        alert.precedence,
        alert.status,
        alert.operation,
        tuple(alert.modes),
        at,
        tuple(sorted({subject.type for subject in alert.subjects})),
    )
