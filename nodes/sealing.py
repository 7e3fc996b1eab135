"""Seal composed alerts for the recipients that the newest directory gives them.

A pair key is drawn once for a recipient and used for 24 hours or 10,000 alerts, so that the post-quantum step is paid
rarely. It ends sooner when either side has a new key: the recipient another sealing key, we another signing key.

Sealing runs inside one transaction of the store: the sealed bytes, the pair keys they need and the recipients they
were made for become durable together, before anything is submitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from nodes.identity import Identity
from nodes.ports import Random
from nodes.store.pairs import LastUsed, PairRow
from schemas.alert.document import alert_from_wire
from schemas.codec import decode
from schemas.envelope.body import seal_body
from schemas.envelope.header import decode_header
from schemas.envelope.opener import make_opener, opener_id, unwrap
from schemas.envelope.seal import PairKey, expiry_of, seal
from schemas.errors import AlertExpired, InnerMismatch, OpenerUnknown, Refusal
from schemas.ids import format_id, sha256
from schemas.limits import MAX_BODY, PAIR_KEY_ALERTS, PAIR_KEY_LIFE_MS
from schemas.routing.resolve import query_of_alert, resolve

if TYPE_CHECKING:
    from nodes.store.database import Tables
    from nodes.store.fresh import Outgoing
    from schemas.alert.document import Alert
    from schemas.codec import Value
    from schemas.directory.state import Directory
    from schemas.envelope.header import Header
    from schemas.keys import SigningKey
    from schemas.routing.resolve import Resolution

SECRET_SIZE = 32

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SealedNow:
    """What sealing made: `attachments` are named by digest and size, `openers` are those the hub may not hold yet."""

    header: bytes
    signature: bytes
    body: bytes
    directory: int
    created: int
    opener_ids: tuple[bytes, ...]
    openers: tuple[bytes, ...]
    attachments: tuple[tuple[bytes, int], ...]


def seal_or_refuse(
    tables: Tables, outgoing: Outgoing, *, identity: Identity, directory: Directory, now: int, random: Random
) -> SealedNow | None:
    """Seal one waiting alert, or note for the officer why it cannot be, and give None."""
    try:
        return seal_outgoing(tables, outgoing, identity=identity, directory=directory, now=now, random=random)
    except Refusal as refusal:
        state = "expired" if isinstance(refusal, AlertExpired) else "refused"
        tables.outbox.refuse(outgoing.id, refusal.code, refusal.message, refusal.hint, now=now, state=state)
        log.warning("alert not sealed", alert=format_id(outgoing.id), code=refusal.code)
        return None


def seal_outgoing(
    tables: Tables, outgoing: Outgoing, *, identity: Identity, directory: Directory, now: int, random: Random
) -> SealedNow:
    """Seal one waiting alert and keep the sealed bytes.

    Raises the Refusal that keeps it from being sent: no recipient, an unknown address, an expired alert, no valid key.
    """
    if outgoing.expires is not None and outgoing.expires <= now:
        raise AlertExpired("the alert expired before it could be sent", hint="send it again if it still matters")
    alert, document = tables.outbox.fresh(outgoing.number) or _stored(tables, outgoing.number)
    resolution = resolve(directory, query_of_alert(alert, at=now))
    signing = identity.signing_key(directory, now)
    used = _pair_keys(
        tables, resolution, sender=identity.agency, signing=signing, directory=directory, now=now, random=random
    )
    sealed = seal(
        alert,
        resolution=resolution,
        directory_version=directory.version,
        signing=signing,
        pairs=used.pairs,
        now=now,
        random=random,
        document=document,
    )
    tables.pairs.use(used.opener_ids)
    tables.outbox.set_sealed(
        outgoing,
        header=sealed.header,
        signature=sealed.signature,
        body=sealed.body,
        directory=directory.version,
        expires=expiry_of(alert, now),
        recipients=sealed.recipients,
        now=now,
    )
    return SealedNow(
        sealed.header,
        sealed.signature,
        sealed.body,
        directory.version,
        now,
        used.opener_ids,
        tuple(row.opener for row in used.rows if not row.known),
        tuple((bytes.fromhex(attachment.digest), attachment.sealed_size) for attachment in alert.attachments),
    )


def _stored(tables: Tables, number: int) -> tuple[Alert, bytes]:
    encoded = tables.outbox.document(number)
    return alert_from_wire(decode(encoded, max_size=MAX_BODY), size=len(encoded)), encoded


def _pair_keys(
    tables: Tables,
    resolution: Resolution,
    *,
    sender: str,
    signing: SigningKey,
    directory: Directory,
    now: int,
    random: Random,
) -> LastUsed:
    """The pair keys of all recipients.

    The very same resolution as last time means the same directory and no key that began or ended since (`resolve`), so
    that nothing is left to ask of the pair keys used then but their age and number of uses. Raises as `pair_key` does.
    """
    last = tables.pairs.last
    if last is not None and last.resolution is resolution and last.signing_key == signing.key_id and last.live(now):
        return last
    pairs = {
        recipient: pair_key(
            tables, recipient, sender=sender, signing=signing, directory=directory, now=now, random=random
        )
        for recipient in resolution.recipients
    }
    rows = [tables.pairs.newest(recipient) for recipient in resolution.recipients]
    last = LastUsed.of(resolution, signing.key_id, [row for row in rows if row is not None], pairs)
    tables.pairs.last = last
    return last


def pair_key(
    tables: Tables, recipient: str, *, sender: str, signing: SigningKey, directory: Directory, now: int, random: Random
) -> PairKey:
    """The pair key to use for a recipient now: the current one while it may live, else a new one.

    Raises the directory's refusals when the recipient has no valid sealing key.
    """
    to = directory.sealing_key(recipient, now)
    held = tables.pairs.newest(recipient)
    if held is not None and _usable(held, to.key_id, signing.key_id, now):
        return PairKey(recipient, held.secret, held.opener_id, held.opener)
    secret = random(SECRET_SIZE)
    opener = make_opener(
        secret,
        sender=sender,
        recipient=recipient,
        sender_key_id=signing.key_id,
        recipient_public=to.public,
    )
    pair = PairRow(
        opener_id=opener_id(opener),
        recipient=recipient,
        secret=secret,
        opener=opener,
        sealing_key=to.key_id,
        signing_key=signing.key_id,
        created=now,
        uses=0,
        known=False,
    )
    tables.pairs.add(pair)
    return PairKey(recipient, secret, pair.opener_id, opener)


def seal_same(tables: Tables, header: Header, document: Value) -> bytes:
    """The sealed body that a header of ours was made for, out of the alert's wire map: the same bytes once more.

    Raises OpenerUnknown when no pair key that its header names is held any more, InnerMismatch if other bytes come out.
    """
    secrets = {pair.opener_id: pair.secret for pair in tables.pairs.get([r.opener_id for r in header.recipients])}
    for recipient in header.recipients:
        if recipient.opener_id in secrets:
            key = unwrap(secrets[recipient.opener_id], header.id, header.commitment, recipient.wrap)
            body = seal_body({"id": header.id, "sender": header.sender, "alert": document}, key)
            if sha256(body) != header.body_digest:
                raise InnerMismatch(f"alert {format_id(header.id)} is not what its header was made for")
            return body
    raise OpenerUnknown(f"the pair key of alert {format_id(header.id)} is no longer held")


def openers_to_send(tables: Tables, header: bytes) -> tuple[bytes, ...]:
    """The openers the hub may not hold yet, of those an alert's header names."""
    named: Sequence[bytes] = [recipient.opener_id for recipient in decode_header(header).recipients]
    return tuple(pair.opener for pair in tables.pairs.get(named) if not pair.known)


def openers_named(tables: Tables, header: bytes) -> tuple[bytes, ...]:
    """Every opener that an alert's header names."""
    return tuple(pair.opener for pair in tables.pairs.get([r.opener_id for r in decode_header(header).recipients]))


def _usable(pair: PairRow, sealing_key: bytes, signing_key: bytes, now: int) -> bool:
    return pair.sealing_key == sealing_key and pair.signing_key == signing_key and _lives(pair, now)


def _lives(pair: PairRow, now: int) -> bool:
    return 0 <= now - pair.created < PAIR_KEY_LIFE_MS and pair.uses < PAIR_KEY_ALERTS
