"""Judging one logged alert: would an honest hub have entered it, and can its sender be held to it?

The checks are those of admission that the log lets anybody repeat: sender, key, signature, freshness, directory
version, and the routing decision, which is taken again from the rules in force.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nodes.auditor import findings as found
from nodes.auditor.findings import Kind
from nodes.auditor.ledger import Ledger
from nodes.auditor.text import plain, when
from schemas.directory.history import Directory, DirectoryHistory
from schemas.envelope.carriage import check_carried_directory, check_carried_time, verify_carried
from schemas.envelope.header import Header, verify_header
from schemas.errors import BadSignature, CrossbearingError, KeyRefusal
from schemas.ids import format_id
from schemas.limits import CLOCK_SKEW_MS, SPREAD_MS
from schemas.log.entry import AlertEntry
from schemas.routing.resolve import query_of, resolve

if TYPE_CHECKING:
    from nodes.auditor.survey import AlertFacts

OWN_ONLY = {"recall", "correct"}
"""What only the sender of the earlier alert may do; a reply or follow-up may come from a recipient too."""

Problem = tuple[Kind, str]
"""A kind of finding and what exactly is wrong, in words."""


def alert_problems(
    entry: AlertEntry, header: Header, directory: Directory, history: DirectoryHistory
) -> Iterator[Problem]:
    """Yield what is wrong with an alert under `directory`, the one in force at its place."""
    yield from _sender_problems(entry, header, directory)
    if entry.carried:
        yield from _carriage_problems(entry, header, directory, history)
    else:
        yield from _age_problems(entry, header, directory)
    if header.expires <= entry.time:
        yield found.NOT_FRESH, f"it had expired at {when(header.expires)} and was entered at {when(entry.time)}"
    yield from _routing_problems(header, history)


def relation_problems(alert: AlertFacts, ledger: Ledger, *, whole: bool) -> Iterator[Problem]:
    """Yield what is wrong with an alert's relation to an earlier one: recalls and corrections are the sender's own.

    Unless the log is there as a `whole`, an alert that is not may simply be one between others.
    """
    if alert.relation is None:
        return
    kind, target = alert.relation
    earlier = ledger.find(target)
    if earlier is None and not whole:
        return
    own = earlier is not None and earlier.sender == alert.sender
    received = earlier is not None and alert.sender in earlier.recipients
    if not own and (kind in OWN_ONLY or not received):
        yield found.RELATION_FOREIGN, f"{alert.sender} may not {kind} alert {format_id(target)}"


def _sender_problems(entry: AlertEntry, header: Header, directory: Directory) -> Iterator[Problem]:
    sender = header.sender
    if directory.document is None or sender not in directory.document.agencies:
        yield found.SENDER_UNKNOWN, f"{sender} was no agency of directory version {directory.version}"
        return
    if not directory.is_active(sender):
        yield found.SENDER_SUSPENDED, f"{sender} was suspended in directory version {directory.version}"
    try:
        public = directory.signing_key(sender, header.key, entry.time)
        verify_header(entry.header, entry.signature, public)
        if entry.carried:
            verify_carried(entry.header, entry.carried, public)
    except BadSignature:
        yield found.SENDER_SIGNATURE, f"the signature is not one of {sender} over this header"
    except KeyRefusal as refusal:
        yield found.SENDER_KEY, refusal.message


def _carriage_problems(
    entry: AlertEntry, header: Header, directory: Directory, history: DirectoryHistory
) -> Iterator[Problem]:
    """Of an alert that its sender says it sent on removable media; a hub that held one back has no such word."""
    try:
        check_carried_time(header, directory, entry.time)
    except CrossbearingError as refusal:
        yield found.NOT_FRESH, plain(refusal.message)
    try:
        check_carried_directory(header, history.version(header.directory), directory, entry.time)
    except CrossbearingError as refusal:
        yield found.VERSION_STALE, plain(refusal.message)


def _age_problems(entry: AlertEntry, header: Header, directory: Directory) -> Iterator[Problem]:
    offset = header.created - entry.time
    if abs(offset) > CLOCK_SKEW_MS:
        direction = "after" if offset > 0 else "before"
        yield (
            found.NOT_FRESH,
            f"it was sealed {abs(offset) // 1000} s {direction} it was entered, at {when(entry.time)}",
        )
    spreading = entry.time - directory.since <= SPREAD_MS
    if not directory.version - (1 if spreading else 0) <= header.directory <= directory.version:
        message = f"it was made under directory version {header.directory}; version {directory.version} was in force"
        yield found.VERSION_STALE, message


def _routing_problems(header: Header, history: DirectoryHistory) -> Iterator[Problem]:
    signed = {recipient.agency for recipient in header.recipients}
    try:
        due = set(resolve(history.version(header.directory), query_of(header)).recipients)
    except CrossbearingError as refusal:
        yield found.ROUTING_DIFFERS, f"the rules give no recipients: {refusal.message}"
        return
    if signed == due:
        return
    parts = [("too many", signed - due), ("missing", due - signed)]
    names = "; ".join(f"{what}: {', '.join(sorted(agencies))}" for what, agencies in parts if agencies)
    yield found.ROUTING_DIFFERS, f"the recipients are not those of directory version {header.directory} ({names})"
