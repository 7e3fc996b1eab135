"""Times as an officer says them: local clock time and age in words. Times come in as milliseconds since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
LATEST = 253_402_128_000_000
"""30 December 9999, near the end of the calendar: a partner may state a time beyond it, and is shown with this one."""


def now_ms() -> int:
    """This machine's clock, in milliseconds since the epoch."""
    return int(datetime.now(UTC).timestamp() * SECOND)


def age(then: int | None, now: int) -> str:
    """How long ago in words: `just now`, `3 min ago`, `2 h ago`, `yesterday`, `5 days ago`, `12 Nov`, `12 Nov 2025`."""
    if then is None:
        return ""
    passed = now - then
    if passed < -MINUTE:
        return f"in {span(-passed)}"  # the other side's clock, or an expiry
    if passed < MINUTE:
        return "just now"
    if passed < 12 * HOUR or _days_between(then, now) == 0:
        return f"{span(passed)} ago"
    days = _days_between(then, now)
    if days == 1:
        return "yesterday"
    if days <= 6:
        return f"{days} days ago"
    moment = _local(then)
    return f"{moment.day} {moment:%b}" if moment.year == _local(now).year else f"{moment.day} {moment:%b %Y}"


def span(milliseconds: int) -> str:
    """A length of time in its largest sensible unit: `40 s`, `3 min`, `2 h`, `5 days`."""
    if milliseconds < MINUTE:
        return f"{milliseconds // SECOND} s"
    if milliseconds < HOUR:
        return f"{milliseconds // MINUTE} min"
    if milliseconds < 48 * HOUR:
        return f"{milliseconds // HOUR} h"
    return f"{milliseconds // (24 * HOUR)} days"


def clock(then: int | None, now: int) -> str:
    """Local time, with the date only when it is not today: `14:05`, `12 Nov 14:05`, `12 Nov 2025 14:05`."""
    if then is None:
        return ""
    moment, today = _local(then), _local(now)
    if moment.date() == today.date():
        return f"{moment:%H:%M}"
    if moment.year == today.year:
        return f"{moment.day} {moment:%b %H:%M}"
    return f"{moment.day} {moment:%b %Y %H:%M}"


def full(then: int | None) -> str:
    """Date and local time in full, with its zone: `Mon 23 Nov 2026 14:05:09 +08`."""
    if then is None:
        return ""
    moment = _local(then)
    return f"{moment:%a} {moment.day} {moment:%b %Y %H:%M:%S %Z}"


def iso(then: int | None) -> str:
    """For other programs: UTC in ISO 8601 to the second, `2026-11-23T06:05:09Z`; empty when there is no time."""
    return "" if then is None else f"{_utc(then):%Y-%m-%dT%H:%M:%SZ}"


def _utc(then: int) -> datetime:
    return datetime.fromtimestamp(min(then, LATEST) / SECOND, UTC)


def _local(then: int) -> datetime:
    return _utc(then).astimezone()


def _days_between(then: int, now: int) -> int:
    return (_local(now).date() - _local(then).date()).days
