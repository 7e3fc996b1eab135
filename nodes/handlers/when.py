"""For which alerts a handler runs: a filter over the clear header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Facts", "When"]


class Facts(Protocol):
    """The part of a header a filter sees."""

    @property
    def topic(self) -> str:
        """The alert's kind."""

    @property
    def marking(self) -> str:
        """TLP marking."""

    @property
    def precedence(self) -> str:
        """How fast it travels."""

    @property
    def status(self) -> str:
        """Actual, exercise or test."""

    @property
    def sender(self) -> str:
        """The agency that sent it."""

    @property
    def operation(self) -> str | None:
        """The operation it belongs to, if any."""


@dataclass(frozen=True, slots=True)
class When:
    """Every given list must contain the alert's value; an empty list allows any."""

    topics: tuple[str, ...] = ()
    markings: tuple[str, ...] = ()
    precedences: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()

    def matches(self, facts: Facts) -> bool:
        """Whether the handler wants this alert. An alert of no operation matches no list of operations."""
        return (
            _allows(self.topics, facts.topic)
            and _allows(self.markings, facts.marking)
            and _allows(self.precedences, facts.precedence)
            and _allows(self.statuses, facts.status)
            and _allows(self.senders, facts.sender)
            and _allows(self.operations, facts.operation)
        )


def _allows(allowed: tuple[str, ...], value: str | None) -> bool:
    return not allowed or value in allowed
