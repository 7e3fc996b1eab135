"""How the auditor shows what it read: nothing taken from a log may steer the terminal it is shown on."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?)?")


def plain(text: str) -> str:
    """Return `text` with every character a terminal would obey, or that reorders text, written as an escape."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def when(ms: int) -> str:
    """Return a time in ms since the epoch as `2026-09-01 08:15:30.123 UTC`; far beyond the calendar, the number."""
    try:
        moment = _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return f"{ms} ms"
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d} UTC"


def day(ms: int) -> str:
    """Return the day of a time in ms since the epoch as `1 September 2026`, in UTC."""
    try:
        moment = _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return f"{ms} ms"
    return f"{moment.day} {moment:%B %Y}"


def count(number: int, noun: str, plural: str = "") -> str:
    """Return `1 alert`, `2 alerts`, `1,000 entries`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(octets: int) -> str:
    """Return a number of bytes the way a person reads it: `812 bytes`, `1.5 KiB`, `3.2 MiB`."""
    if octets < 1024:
        return count(octets, "byte")
    value = octets / 1024
    for unit in ("KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def entries_text(first: int, last: int) -> str:
    """Return `entry 7` or `entries 7 to 12`."""
    return f"entry {first}" if first == last else f"entries {first} to {last}"


def span(milliseconds: int) -> str:
    """Return a length of time in its largest sensible unit: `40 s`, `3 min`, `2 h`, `5 days`."""
    seconds = milliseconds // 1000
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 48 * 3600:
        return f"{seconds // 3600} h"
    return f"{seconds // 86_400} days"


def parse_moment(text: str) -> int:
    """Return the time, in ms, that `2026-09-01` or `2026-09-01T08:15` or `2026-09-01T08:15:30` names, all in UTC.

    Raises `ValueError`.
    """
    if not _MOMENT.fullmatch(text):
        raise ValueError(text)
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)
