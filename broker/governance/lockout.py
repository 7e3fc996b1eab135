"""What no directory may do, however many governors sign it: shut everybody out. And what deserves a second thought."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.directory.agency_keys import AgencyKeys
from schemas.directory.authority import Quorum
from schemas.directory.documents import DirectoryDocument
from schemas.directory.governed import Governed
from schemas.errors import DirectoryLockout
from schemas.routing.lint import lint

DAY_MS = 86_400_000
SHORT_DAYS = 90
"""Less than the time in which governors can be expected to meet again."""


def check_lockout(before: Governed | None, after: Governed, now: int) -> None:
    """Refuse a directory under which nobody could use, serve or check the exchange. Raises `DirectoryLockout`."""
    for reason in _reasons(before, after, now):
        raise DirectoryLockout(reason)


def _reasons(before: Governed | None, after: Governed, now: int) -> Iterator[str]:
    document = after.document
    if document is None:
        yield "there is no document"
        return
    active = [agency.id for agency in document.agencies.values() if agency.status == "active"]
    if not any(_usable(after.keys[agency], now) for agency in active if agency in after.keys):
        yield "no active agency would have keys that count today, so nobody could connect"
    if not any(auditor.tls for auditor in document.auditors.values()):
        yield "no auditor would be left who can read the log"
    if not any(broker.tls for broker in document.brokers):
        yield "no hub would be left with a certificate"
    if before is not None and before.document is not None:
        yield from _dropped(before.document, document)


def _dropped(before: DirectoryDocument, after: DirectoryDocument) -> Iterator[str]:
    if before.log.origin != after.log.origin:
        yield f"the log {before.log.origin} would lose its name, and every checkpoint with it"
    if not set(before.log.keys) & set(after.log.keys):
        yield "every key of the log would be dropped at once; add the new one first, and drop the old one later"
    pins = [{pin for broker in document.brokers for pin in broker.tls} for document in (before, after)]
    if not pins[0] & pins[1]:
        yield "every hub's certificate would be dropped at once; add the new one first, and drop the old one later"


def _usable(keys: AgencyKeys, now: int) -> bool:
    return all(any(record.valid(now) for record in records) for records in (keys.signing, keys.sealing)) and bool(
        keys.tls
    )


def cautions(after: Governed, now: int) -> list[str]:
    """What a governor should have thought of, in sentences; none of it is refused."""
    found = [*_thin("the governors", after.governors)]
    if after.document is not None:
        found += [f"Rules: {finding.message}." for finding in lint(after.document)]
    for agency, quorum in after.administrators.items():
        found += _thin(f"the administrators of {agency}", quorum)
    dates = {"root": after.root_expires, "document": after.document_expires}
    for what, expires in dates.items():
        if expires is not None and expires < now + SHORT_DAYS * DAY_MS:
            found.append(f"The {what} expires in {(expires - now) // DAY_MS} days.")
    return found


def _thin(who: str, quorum: Quorum) -> Iterator[str]:
    if quorum.threshold == len(quorum.signatories):
        yield f"If one key of {who} is lost, they can sign nothing any more ({quorum} are needed)."
    if quorum.threshold == 1 and who == "the governors":
        yield "One governor alone can change everything."
