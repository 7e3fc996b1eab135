"""What ends, when, and how loudly to say so: 30, 7 and 1 days ahead, and once it has ended.

Whatever an agency stands on ends one day: its keys, its certificate, the metadata that vouches for them and for the
directory itself. Each step is an alarm of its own, so each one makes an event and a line in the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from schemas.directory.metadata import ROOT, TARGETS

if TYPE_CHECKING:
    from schemas.directory.agency_keys import KeyRecord
    from schemas.directory.state import Directory

DAY_MS: Final = 86_400_000
STEPS: Final[tuple[tuple[int, str, str], ...]] = (
    (0, "ended", "has ended"),
    (1 * DAY_MS, "ends-in-1-day", "ends within a day"),
    (7 * DAY_MS, "ends-in-7-days", "ends within 7 days"),
    (30 * DAY_MS, "ends-in-30-days", "ends within 30 days"),
)
"""How long before an end (ms) each alarm begins, its code and its words; the most urgent first."""
ALARMS: Final = frozenset(code for _, code, _ in STEPS)
URGENT: Final = frozenset({"ended", "ends-in-1-day"})


@dataclass(frozen=True, slots=True)
class Ending:
    """One thing with an end: `what` in words, `at` in ms, `hint` what renews it."""

    what: str
    at: int
    hint: str

    @property
    def day(self) -> str:
        """The day of the end, UTC."""
        return f"{datetime.fromtimestamp(self.at / 1_000, UTC):%Y-%m-%d}"


def endings(directory: Directory | None, agency: str, certificate: int | None, now: int) -> list[Ending]:
    """All that this agency stands on and that ends, the soonest first. `certificate` is when that one ends (ms)."""
    found = []
    if certificate is not None:
        found.append(Ending("the TLS certificate", certificate, "Renew it: bearing keys rotate tls."))
    if directory is not None:
        found += _roles(directory, agency)
        keys = directory.keys.get(agency)
        for kind, records in (("signing", keys.signing), ("sealing", keys.sealing)) if keys is not None else ():
            at = last_end(records, now)
            if at is not None:
                found.append(Ending(f"the {kind} key", at, f"Renew it: bearing keys rotate {kind}."))
    return sorted(found, key=lambda ending: (ending.at, ending.what))


def last_end(records: Sequence[KeyRecord], now: int) -> int | None:
    """When the last of these keys ends that is not retired and has begun; None when there is none."""
    begun = [record for record in records if record.status == "active" and record.not_before <= now]
    return max((record.not_after for record in begun), default=None)


def step(at: int, now: int) -> tuple[str, str] | None:
    """The alarm that an end at `at` is worth, as code and words; None when it is more than 30 days away."""
    return next(((code, words) for before, code, words in STEPS if at - now <= before), None)


def alarms(found: Sequence[Ending], now: int) -> Mapping[str, tuple[str, str]]:
    """The message and hint of each alarm that stands now, by code."""
    standing: dict[str, tuple[list[str], list[str]]] = {}
    for ending in found:
        reached = step(ending.at, now)
        if reached is not None:
            code, words = reached
            messages, hints = standing.setdefault(code, ([], []))
            messages.append(f"{ending.what} {words} ({ending.day})")
            hints.append(ending.hint)
    return {code: ("; ".join(messages), " ".join(dict.fromkeys(hints))) for code, (messages, hints) in standing.items()}


def _roles(directory: Directory, agency: str) -> list[Ending]:
    ends = directory.expires()
    governors = "The governors must sign the next version before that day: ask them."
    hints = {ROOT: governors, TARGETS: governors, agency: "Have your administrators sign again: bearing keys rotate."}
    return [Ending(f"the directory's {role} metadata", ends[role], hints[role]) for role in hints if role in ends]
