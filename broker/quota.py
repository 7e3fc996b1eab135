"""Allowances: how much each agency may have logged, so that one that floods uses up only its own share."""

from __future__ import annotations

from schemas.errors import Quota
from schemas.limits import DAY_MS

MINUTE_MS = 60_000
PUBLICATIONS_PER_DAY = 24
"""New key documents of one agency: every node keeps and replays each of them for good, the evidence for an alert
holds 5,000 versions at most, and an agency needs a few in a year."""


class Allowance:
    """Token buckets, one per agency: so many in a `period` (ms), at a steady pace or all at once after a quiet one.

    Kept in memory only: a restart grants each agency one fresh period.
    """

    def __init__(self, period: int = MINUTE_MS) -> None:
        self._period = period
        self._left: dict[str, tuple[float, int]] = {}

    def take(self, agency: str, now: int, allowed: int, amount: int = 1) -> bool:
        """Use up `amount` of what is `allowed` in a period, at the time `now` (ms), if that much is left."""
        left, since = self._left.get(agency, (float(allowed), now))
        left = min(float(allowed), left + max(0, now - since) * allowed / self._period)
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
        self._publications = Allowance(DAY_MS)

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
        if not self._publications.take(agency, now, PUBLICATIONS_PER_DAY):
            raise Quota(f"{agency} may publish its keys {PUBLICATIONS_PER_DAY} times a day")

    def logs_refusal(self, agency: str, now: int) -> bool:
        """Whether one more refusal of this agency is worth an entry."""
        return self._refusals.take(agency, now, self._refusals_per_minute)
