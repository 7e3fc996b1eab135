"""What the hub's answers mean for what waits here: the same whether they came by the line or in a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from nodes.identity import Identity
from nodes.receipts import sign_again
from nodes.sealing import SealedNow, openers_to_send
from nodes.standing import Standing
from nodes.store.receipts import SignedReceipt, receipt_ref
from nodes.verdicts import MAX_ATTEMPTS, receipt_verdict, retry_after, retry_delay, verdict
from schemas.envelope.header import decode_header
from schemas.errors import ClockOff, KeyNotValid
from schemas.ids import format_id
from schemas.limits import CLOCK_SKEW_MS
from schemas.session.frames import ResultItem, Submit

if TYPE_CHECKING:
    from nodes.store.database import Tables
    from nodes.store.fresh import Outgoing

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ready:
    """A sealed alert to submit. `attachments` are those the hub may not hold yet, as digest and size."""

    number: int
    id: bytes
    rank: int
    submit: Submit
    opener_ids: tuple[bytes, ...]
    attachments: tuple[tuple[bytes, int], ...]
    directory: int
    created: int
    attempts: int
    delays: int

    @property
    def size(self) -> int:
        """Bytes on the wire, without its attachments."""
        return len(self.submit.header) + len(self.submit.body) + sum(map(len, self.submit.openers))


def ready_of(tables: Tables, sealed: Outgoing) -> Ready:
    """An alert that was sealed before, as it is submitted."""
    if sealed.header is None or sealed.signature is None or sealed.body is None or sealed.directory is None:
        raise TypeError("an alert that is ready to submit is sealed")
    header = decode_header(sealed.header)
    openers = openers_to_send(tables, sealed.header)
    return Ready(
        number=sealed.number,
        id=sealed.id,
        rank=sealed.rank,
        submit=Submit(sealed.header, sealed.signature, sealed.body, openers, sealed.carried or b""),
        opener_ids=tuple(recipient.opener_id for recipient in header.recipients),
        attachments=_missing(tables, header.attachments),
        directory=sealed.directory,
        created=header.created,
        attempts=sealed.attempts,
        delays=sealed.delays,
    )


def ready_now(tables: Tables, waiting: Outgoing, sealed: SealedNow) -> Ready:
    """An alert that waited and was sealed just now, as it is submitted: what `ready_of` gives, without reading it."""
    return Ready(
        number=waiting.number,
        id=waiting.id,
        rank=waiting.rank,
        submit=Submit(sealed.header, sealed.signature, sealed.body, sealed.openers, waiting.carried or b""),
        opener_ids=sealed.opener_ids,
        attachments=_missing(tables, sealed.attachments),
        directory=sealed.directory,
        created=sealed.created,
        attempts=waiting.attempts,
        delays=waiting.delays,
    )


def _missing(tables: Tables, named: Iterable[tuple[bytes, int]]) -> tuple[tuple[bytes, int], ...]:
    """Those attachments that the hub may not hold yet."""
    missing = []
    for digest, size in named:
        row = tables.attachments.get(digest)
        if row is None or not row.uploaded:
            missing.append((digest, size))
    return tuple(missing)


def settle_alert(tables: Tables, ready: Ready, item: ResultItem, standing: Standing, *, now: int) -> None:
    """Act on the hub's answer to one alert: it is in the log, or what its refusal asks for."""
    if item.accepted:
        _accept(tables, ready, item.index, now)
        return
    code = item.code
    newer = standing.version > ready.directory
    waited = code == ClockOff.code and now - ready.created > CLOCK_SKEW_MS  # it grew too old here, being put off
    fresh = newer or waited
    step = verdict(code, 0 if fresh else ready.attempts)
    log.warning("alert refused by the hub", alert=format_id(ready.id), code=code, then=step)
    later = now + (retry_after(item.retry) or retry_delay(max(ready.attempts, ready.delays)))
    if code == ClockOff.code and ready.attempts + 1 >= MAX_ATTEMPTS:
        told = f"the hub takes no alerts from here: {item.message}"
        tables.alarms.raise_(code, told, "compare this machine's clock and the hub's with the right time", now=now)
    match step:
        case "seal-again":
            tables.outbox.seal_again(ready.id, code=code, not_before=now if fresh else later, anew=fresh)
        case "send-openers":
            tables.pairs.set_known(ready.opener_ids, known=False)
            tables.outbox.postpone(ready.id, code=code, not_before=now)
        case "upload-again":
            for digest, _ in decode_header(ready.submit.header).attachments:
                tables.attachments.set_uploaded(digest, uploaded=False)
            tables.outbox.postpone(ready.id, code=code, not_before=later)
        case "later":
            tables.outbox.postpone(ready.id, code=code, not_before=later, delayed=True)
        case "expired":
            tables.outbox.refuse(ready.id, code, item.message, item.hint, now=now, state="expired")
        case "final" if (stands := tables.alerts.by_number(ready.number).index) is not None:
            # It was accepted there before, and is only submitted again: the log has it, whatever this copy lacks.
            tables.outbox.accept(ready.id, stands, now=now)
        case "final":
            tables.outbox.refuse(ready.id, code, item.message, item.hint, now=now)


def _accept(tables: Tables, ready: Ready, index: int, now: int) -> None:
    tables.outbox.accept(ready.id, index, now=now)
    tables.pairs.set_known(ready.opener_ids, known=True)
    tables.alarms.clear(ClockOff.code, now=now)


def settle_receipt(
    tables: Tables, receipt: SignedReceipt, item: ResultItem, identity: Identity, standing: Standing, *, now: int
) -> None:
    """Act on the hub's answer to one receipt."""
    if item.accepted:
        tables.receipts.done(receipt.ref)
        return
    step = receipt_verdict(item.code)
    log.warning("receipt refused by the hub", ref=receipt.ref.hex(), code=item.code, then=step)
    later = now + (retry_after(item.retry) or retry_delay(receipt.attempts))
    if step == "sign-again":
        try:
            key = identity.signing_key(standing.directory, now)
        except KeyNotValid:
            step = "later"
        else:
            data, signature = sign_again(receipt.receipt, key, now=now)
            tables.receipts.done(receipt.ref)
            tables.receipts.add(data, signature, now=now)
            tables.receipts.postpone(receipt_ref(data), not_before=later)
    if step == "later":
        tables.receipts.postpone(receipt.ref, not_before=later)
    if step == "final":
        tables.receipts.done(receipt.ref)
        message = f"the hub takes no receipt of ours for an alert it delivered: {item.message}"
        tables.alarms.raise_(item.code, message, item.hint or "ask the hub's operator", now=now)
