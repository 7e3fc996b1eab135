"""May this alert enter the log? One pure function from bytes and state to a verdict, in numbered steps.

    1   the header decodes strictly
    2   its sender is the agency of the TLS certificate
    3   its id is new; the very same submission again gives the same acceptance
    4   the sender is active in the directory in force
    5   the signing key is known and valid
    6   the signature verifies
    7   it was made within five minutes of now, and has not expired; one that was carried within so many days
    8   it was made under the newest directory version, or the one before while that change spreads; one that was
        carried under any that gives the same recipients and keys as the newest
    9   its recipients are exactly those that the routing rules give, and what it refers to is the sender's to refer to
    10  body, openers and attachments are those that the header names
    11  the sender is within its allowance

The same numbers stand in docs/spec/admission.md and in each refusal's context.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from broker.state import KnownOpener, Spent, View
from schemas.directory.history import Directory
from schemas.envelope.carriage import check_carried_directory, check_carried_time, is_current, verify_carried
from schemas.envelope.header import Header, decode_header, verify_header
from schemas.envelope.opener import OPENER_SIZE, opener_id
from schemas.errors import (
    AlertExpired,
    AttachmentMissing,
    BodyMismatch,
    BodyTooLarge,
    ClockOff,
    DirectoryStale,
    DirectoryUnknown,
    NotAParty,
    OpenerMismatch,
    OpenerMissing,
    ReplayDiffers,
    RoutingMismatch,
    Suspended,
    WrongSender,
)
from schemas.ids import format_id, sha256
from schemas.limits import CLOCK_SKEW_MS, SPREAD_MS
from schemas.routing.resolve import query_of, resolve
from schemas.session.frames import Submit
from schemas.steps import step


@dataclass(frozen=True, slots=True)
class AdmittedAlert:
    """An alert that may enter the log; only `admit_alert` makes one.

    `openers` are those not held before, `held` the others that it names. `carried` is the sender's word that it went on
    removable media, if that is what excuses its age.
    """

    header: Header
    fingerprint: bytes
    openers: dict[bytes, bytes]
    held: dict[bytes, KnownOpener]
    carried: bytes = b""
    spent: tuple[Spent, ...] = ()


@dataclass(frozen=True, slots=True)
class AlreadyLogged:
    """The very same bytes are in the log already, at `index`."""

    index: int


def admit_alert(
    submission: Submit,
    *,
    agency: str,
    view: View,
    directories: Callable[[int], Directory],
    newest: Directory,
    now: int,
    afford: Callable[[Header], tuple[Spent, ...]],
) -> AdmittedAlert | AlreadyLogged:
    """Decide on one submission by `agency`, as its certificate says, at `now` (ms).

    `directories` gives a version by its number, `newest` is the one in force; `afford` says what an alert takes from
    its sender's allowances, or raises `Quota`. Raises the refusal of the first step that fails, with
    `step` in its context.
    """
    with step(1):
        header = decode_header(submission.header)
    with step(2):
        if header.sender != agency:
            raise WrongSender(f"the header names {header.sender}, the certificate {agency}")
    with step(3):
        fingerprint = sha256(submission.header + submission.signature)
        if (known := view.alert(header.id)) is not None:
            return _same_again(header, submission, fingerprint, known.fingerprint, known.index)
    with step(4):
        if not newest.is_active(agency):
            raise Suspended(f"{agency} is suspended")
    with step(5):
        public = newest.signing_key(agency, header.key, now)
    with step(6):
        verify_header(submission.header, submission.signature, public)
        if submission.carried:
            verify_carried(submission.header, submission.carried, public)
    late = bool(submission.carried) and not is_current(header, newest, now)
    with step(7):
        (check_carried_time if late else _check_time)(header, newest, now)
        if header.expires <= now:
            raise AlertExpired(f"the alert expired {now - header.expires} ms ago")
    with step(8):
        if late:
            check_carried_directory(header, directories(header.directory), newest, now)
        else:
            _check_version(header, newest, now)
    with step(9):
        _check_recipients(header, directories(header.directory))
        _check_relation(header, view)
    with step(10):
        _check_body(header, submission.body, newest)
        openers, held = check_openers(header, submission.openers, view)
        check_attachments(header, view)
    with step(11):
        spent = afford(header)
    return AdmittedAlert(header, fingerprint, openers, held, submission.carried if late else b"", spent)


def _same_again(header: Header, submission: Submit, fingerprint: bytes, known: bytes, index: int) -> AlreadyLogged:
    if fingerprint != known or sha256(submission.body) != header.body_digest:
        raise ReplayDiffers(f"alert {format_id(header.id)} is in the log with other bytes")
    return AlreadyLogged(index)


def _check_time(header: Header, _newest: Directory, now: int) -> None:
    offset = header.created - now
    if abs(offset) > CLOCK_SKEW_MS:
        raise ClockOff(f"the alert was made {abs(offset)} ms {'after' if offset > 0 else 'before'} now", offset=offset)


def _check_version(header: Header, newest: Directory, now: int) -> None:
    if header.directory > newest.version:
        raise DirectoryUnknown(f"directory version {header.directory} is not there yet; {newest.version} is the newest")
    spreading = now - newest.since <= SPREAD_MS
    if header.directory < newest.version - (1 if spreading else 0):
        raise DirectoryStale(f"directory version {header.directory} is too old; {newest.version} is in force")


def _check_recipients(header: Header, directory: Directory) -> None:
    resolution = resolve(directory, query_of(header))
    expected, named = set(resolution.recipients), {recipient.agency for recipient in header.recipients}
    if expected == named:
        return
    agency = min(expected ^ named)
    rule = next((d.rule for d in resolution.trace if d.agency == agency), "none")
    what = "is missing from" if agency in expected else "does not belong into"
    raise RoutingMismatch(f"{agency} {what} the recipients, by rule {rule}", agency=agency, rule=rule)


def _check_relation(header: Header, view: View) -> None:
    if header.relation is None:
        return
    kind, target = header.relation
    known = view.alert(target)
    own = known is not None and known.sender == header.sender
    received = known is not None and view.delivery(header.sender, known.index) is not None
    if not own and (kind in {"recall", "correct"} or not received):
        raise NotAParty(f"{format_id(target)} is no alert that {header.sender} may {kind}")


def _check_body(header: Header, body: bytes, newest: Directory) -> None:
    limit = newest.require_document().limits.body_bytes
    if max(header.body_size, len(body)) > limit:
        raise BodyTooLarge(f"the body has {max(header.body_size, len(body))} bytes, {limit} are allowed", limit=limit)
    if len(body) != header.body_size or sha256(body) != header.body_digest:
        raise BodyMismatch("the body is not the one that the header names")


def check_openers(
    header: Header, openers: tuple[bytes, ...], view: View
) -> tuple[dict[bytes, bytes], dict[bytes, KnownOpener]]:
    """The openers given that are not held yet, and those named that are. Raises `OpenerMissing` or `OpenerMismatch`."""
    given = {opener_id(opener): opener for opener in openers if len(opener) == OPENER_SIZE}
    if len(given) != len(openers):
        raise OpenerMismatch(f"an opener is given twice or has not {OPENER_SIZE} bytes")
    wanted = {recipient.opener_id: recipient.agency for recipient in header.recipients}
    if len(wanted) != len(header.recipients):
        raise OpenerMismatch("two recipients share an opener")
    if stray := given.keys() - wanted.keys():
        raise OpenerMismatch(f"opener {min(stray).hex()} is named by no recipient")
    known: dict[bytes, KnownOpener] = {}
    for identity, recipient in wanted.items():
        held = view.opener(identity)
        if held is None and identity not in given:
            raise OpenerMissing(f"the opener {identity.hex()} for {recipient} is not held", agency=recipient)
        if held is not None and (held.sender, held.recipient) != (header.sender, recipient):
            raise OpenerMismatch(f"the opener {identity.hex()} serves another pair")
        if held is not None:
            given.pop(identity, None)
            known[identity] = held
    return given, known


def check_attachments(header: Header, view: View) -> None:
    """Whether the attachments named are held whole. Raises `AttachmentMissing`."""
    for digest, size in header.attachments:
        if view.attachment(digest) != size:
            raise AttachmentMissing(f"the attachment {digest.hex()} of {size} bytes is not held whole")
