"""Allowances: how much each agency may have logged, so that one that floods uses up only its own share.

Each allowance is one number, the time at which it is whole again (the generic cell rate algorithm): what enters the
log moves it on by its share of the period, and nothing enters that would move it further than one period from now. So
a whole period's worth may come at once, and then as much as a steady pace gives. Every number follows from the log's
entries, their times and the limits in force, is kept with the rest of the state, and comes back with it after a crash.

Each precedence of alerts has allowances of its own: a flood of routine alerts leaves those of `flash` as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from broker.state import Spent, View
from schemas.directory.documents import Limits
from schemas.envelope.header import PRECEDENCE_RANK, Header
from schemas.envelope.words import PRECEDENCES
from schemas.errors import Quota
from schemas.limits import (
    DAY_MS,
    MINUTE_MS,
    PUBLICATION_ATTEMPTS_PER_DAY,
    PUBLICATIONS_PER_DAY,
    RECEIPT_BYTES_PER_DAY,
)

_MICROSECONDS = 1_000  # of a millisecond: a byte's share of a day is less than one


class Kind(IntEnum):
    """What is counted; alerts and their bytes once for each rank of precedence, at `kind + rank`."""

    ALERTS = 0
    BYTES = 4
    RECEIPTS = 8
    RECEIPT_BYTES = 9
    PUBLICATIONS = 10
    REFUSALS = 11


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many in a period (ms). What is larger than a whole one takes a whole one: nothing is refused for ever."""

    allowed: int
    period: int

    def take(self, until: int, now: int, amount: int) -> int:
        """When it is whole again (µs) once `amount` was taken at `now` (ms) from one that was to be whole at `until`.

        Raises `Quota` without words, with `retry_after` (ms): when so much may be taken.
        """
        moment, period = now * _MICROSECONDS, self.period * _MICROSECONDS
        share = min(period, -(-amount * period // self.allowed))
        moved = max(until, moment) + share
        if moved - moment > period:
            raise Quota("", retry_after=min(self.period, -(-(moved - moment - period) // _MICROSECONDS)))
        return moved


PUBLICATIONS = Allowance(PUBLICATIONS_PER_DAY, DAY_MS)
RECEIPT_BYTES = Allowance(RECEIPT_BYTES_PER_DAY, DAY_MS)
_ATTEMPTS = Allowance(PUBLICATION_ATTEMPTS_PER_DAY, DAY_MS)


def volume(header: Header, header_size: int) -> int:
    """Bytes that an alert makes the hub keep: header, body and attachments."""
    return header_size + header.body_size + sum(size for _, size in header.attachments)


class Quotas:
    """Asks the state whether an agency may have one thing more logged, and says what that takes from its allowances."""

    def __init__(self, *, receipts_per_minute: int, refusals_per_minute: int) -> None:
        self._receipts = Allowance(receipts_per_minute, MINUTE_MS)
        self._refusals = Allowance(refusals_per_minute, MINUTE_MS)
        self._attempts: dict[str, int] = {}

    def alert(self, view: View, header: Header, size: int, limits: Limits, now: int) -> tuple[Spent, ...]:
        """What an alert takes whose header has `size` bytes. Raises `Quota`."""
        rank = PRECEDENCE_RANK[header.precedence]
        word, asked = PRECEDENCES[rank], _Asked(view, header.sender, now)
        rate, daily = limits.alerts_per_minute[rank], limits.bytes_per_day[rank]
        return (
            asked.take(Kind.ALERTS + rank, Allowance(rate, MINUTE_MS), 1, f"{rate} {word} alerts a minute"),
            asked.take(
                Kind.BYTES + rank,
                Allowance(daily, DAY_MS),
                volume(header, size),
                f"{daily} bytes of {word} alerts a day",
            ),
        )

    def receipt(self, view: View, agency: str, size: int, now: int) -> tuple[Spent, ...]:
        """What a receipt of `size` bytes takes. Raises `Quota`."""
        asked, rate = _Asked(view, agency, now), self._receipts
        return (
            asked.take(Kind.RECEIPTS, rate, 1, f"{rate.allowed} receipts a minute"),
            asked.take(Kind.RECEIPT_BYTES, RECEIPT_BYTES, size, "a gigabyte of receipts a day"),
        )

    def attempt(self, agency: str, now: int) -> None:
        """Count one more key document to be looked at; in memory, for it is the hub's time that it takes and no room.

        Raises `Quota`.
        """
        told = f"{agency} may try to publish its keys {_ATTEMPTS.allowed} times a day"
        self._attempts[agency] = _with_words(told, lambda: _ATTEMPTS.take(self._attempts.get(agency, 0), now, 1))

    def publication(self, view: View, agency: str, now: int) -> tuple[Spent, ...]:
        """What a new version of an agency's keys takes. Raises `Quota`."""
        told = f"{PUBLICATIONS_PER_DAY} new versions of its keys a day"
        return (_Asked(view, agency, now).take(Kind.PUBLICATIONS, PUBLICATIONS, 1, told),)

    def refusal(self, view: View, agency: str, now: int) -> tuple[Spent, ...] | None:
        """What a refusal's entry takes; None when one more is not worth an entry."""
        try:
            return (_Asked(view, agency, now).take(Kind.REFUSALS, self._refusals, 1, ""),)
        except Quota:
            return None


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whose allowances are asked for, and when."""

    view: View
    agency: str
    now: int

    def take(self, kind: int, allowance: Allowance, amount: int, what: str) -> Spent:
        """Raises `Quota` that says `what` is allowed."""
        until = self.view.spent(self.agency, kind)
        told = f"{self.agency} may have {what}"
        return Spent(self.agency, kind, _with_words(told, lambda: allowance.take(until, self.now, amount)))


def _with_words(message: str, take: Callable[[], int]) -> int:
    try:
        return take()
    except Quota as quota:
        raise Quota(message, retry_after=quota.retry_after) from None
