"""Allowances: how much each agency may have logged per minute, so that one that floods uses up only its own share."""

from __future__ import annotations

from schemas.errors import Quota

MINUTE_MS = 60_000
PUBLICATIONS_PER_MINUTE = 12
"""New key documents of one agency: each is kept by every node for good, and is needed a few times a year."""


class Allowance:
    """Token buckets, one per agency: `per_minute` at a steady pace, as much again at once after a quiet minute.

    Kept in memory only: a restart grants each agency one fresh minute.
    """

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, int]] = {}

    def take(self, agency: str, now: int, per_minute: int, amount: int = 1) -> bool:
        """Use up `amount` at the time `now` (ms) if that much is left."""
        left, since = self._left.get(agency, (float(per_minute), now))
        left = min(float(per_minute), left + max(0, now - since) * per_minute / MINUTE_MS)
        granted = left >= amount
        self._left[agency] = (left - amount if granted else left, max(now, since))
        return granted


class Quotas:
    """What every agency may have logged: alerts and receipts, and how many of its refusals."""

    def __init__(self, *, receipts_per_minute: int, refusals_per_minute: int) -> None:
        self._receipts_per_minute = receipts_per_minute
        self._refusals_per_minute = refusals_per_minute
        self._alerts = Allowance()
        self._receipts = Allowance()
        self._refusals = Allowance()
        self._publications = Allowance()

    def spend_alert(self, agency: str, now: int, per_minute: int) -> None:
        """Count one alert against the directory's limit. Raises `Quota`."""
        if not self._alerts.take(agency, now, per_minute):
            raise Quota(f"{agency} may have {per_minute} alerts a minute")

    def spend_receipt(self, agency: str, now: int) -> None:
        """Count one receipt. Raises `Quota`."""
        if not self._receipts.take(agency, now, self._receipts_per_minute):
            raise Quota(f"{agency} may have {self._receipts_per_minute} receipts a minute")

    def spend_publication(self, agency: str, now: int) -> None:
        """Count one new version of an agency's keys. Raises `Quota`."""
        if not self._publications.take(agency, now, PUBLICATIONS_PER_MINUTE):
            raise Quota(f"{agency} may publish its keys {PUBLICATIONS_PER_MINUTE} times a minute")

    def logs_refusal(self, agency: str, now: int) -> bool:
        """Whether one more refusal of this agency is worth an entry."""
        return self._refusals.take(agency, now, self._refusals_per_minute)
