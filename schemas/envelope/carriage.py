"""Alerts that go on removable media: the sender's word for it, and what excuses their age.

An alert is normally logged within five minutes of its sealing. One that a courier brings is not, so its sender signs
that it sent these very bytes so, and the hub puts that word into the entry where it is what lets the alert in. A hub
can then not pass off its own delay as a courier's, and hub, auditor and recipients judge by the same two checks.
"""

from __future__ import annotations

from schemas.directory.history import Directory
from schemas.envelope.header import Header
from schemas.errors import ClockOff, DirectoryStale, DirectoryUnknown, KeyRefusal, RoutingMismatch
from schemas.keys import SigningKey, verify
from schemas.limits import CLOCK_SKEW_MS, DAY_MS, SPREAD_MS
from schemas.routing.resolve import query_of, resolve

_CONTEXT = b"crossbearing/1/carried\0"


def sign_carried(header_bytes: bytes, key: SigningKey) -> bytes:
    """The sender's word that the alert with exactly these header bytes goes on removable media."""
    return key.sign(_CONTEXT + header_bytes)


def verify_carried(header_bytes: bytes, carried: bytes, public: bytes) -> None:
    """Check the sender's word over exactly these header bytes. Raises `BadSignature`."""
    verify(public, _CONTEXT + header_bytes, carried)


def is_current(header: Header, newest: Directory, now: int) -> bool:
    """Whether it was sealed about ``now`` (ms) under the newest directory, so that its age needs no excuse."""
    spreading = now - newest.since <= SPREAD_MS
    recent = abs(header.created - now) <= CLOCK_SKEW_MS
    return recent and newest.version - (1 if spreading else 0) <= header.directory <= newest.version


def check_carried_time(header: Header, newest: Directory, now: int) -> None:
    """It was sealed no more than the days ago that the governors allow, and not after ``now``. Raises `ClockOff`."""
    days = newest.require_document().limits.carried_days
    age = now - header.created
    if age < -CLOCK_SKEW_MS:
        raise ClockOff(f"the alert was made {-age} ms after now", offset=-age)
    if age > days * DAY_MS:
        raise ClockOff(f"the alert was made {age} ms before now, and may be {days} days on the way", offset=-age)


def check_carried_directory(header: Header, sealed_under: Directory, newest: Directory, now: int) -> None:
    """What changed in the directory since does not touch it: it would go to the same agencies, under keys still good.

    ``sealed_under`` is the version that the header names. Raises `DirectoryUnknown`, `RoutingMismatch`,
    `DirectoryStale`, and as `resolve` does.
    """
    if header.directory > newest.version:
        raise DirectoryUnknown(f"directory version {header.directory} is not there yet; {newest.version} is the newest")
    due = set(resolve(newest, query_of(header)).recipients)
    if changed := due ^ {recipient.agency for recipient in header.recipients}:
        agency = min(changed)
        what = "would receive it too" if agency in due else "would not receive it any more"
        raise RoutingMismatch(f"under directory version {newest.version}, in force now, {agency} {what}", agency=agency)
    for recipient in header.recipients:
        if not _still_good(recipient.agency, header, sealed_under, newest, now):
            raise DirectoryStale(
                f"{recipient.agency} no longer lists the sealing key it had in version {header.directory}",
                agency=recipient.agency,
            )


def _still_good(agency: str, header: Header, sealed_under: Directory, newest: Directory, now: int) -> bool:
    try:
        used = sealed_under.sealing_key(agency, header.created)
    except KeyRefusal:
        return False
    listed = newest.keys.get(agency)
    return any(record.public == used.public and record.valid(now) for record in (listed.sealing if listed else ()))
