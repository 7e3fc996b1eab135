"""Seal an alert for its recipients: one body, one header, one wrap for each recipient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from schemas.alert.document import encode_alert
from schemas.envelope.body import CONTENT_KEY_SIZE, commitment, encode_inner, seal_encoded
from schemas.envelope.header import AttachmentRef, Header, Recipient, Relation, encode_header, sign_header
from schemas.envelope.opener import wrap
from schemas.errors import AlertExpired, OpenerMissing
from schemas.ids import parse_id, sha256
from schemas.keys import SigningKey
from schemas.limits import MAX_EXPIRY_MS

if TYPE_CHECKING:
    from schemas.alert.document import Alert
    from schemas.routing.resolve import Resolution

DEFAULT_EXPIRY_MS: Final = 30 * 86_400_000
"""An alert whose author set no expiry is delivered for thirty days: longer than any node is down for repair."""
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class PairKey:
    """The secret shared with one recipient, and the opener that tells it to them."""

    recipient: str
    secret: bytes = field(repr=False)
    opener_id: bytes
    opener: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed alert, ready to be submitted; these bytes are what is stored and sent again after a lost connection."""

    header: bytes
    signature: bytes
    body: bytes
    id: bytes
    recipients: tuple[str, ...]


def seal(
    alert: Alert,
    *,
    resolution: Resolution,
    directory_version: int,
    signing: SigningKey,
    pairs: Mapping[str, PairKey],
    now: int,
    random: Callable[[int], bytes],
    document: bytes | None = None,
) -> Sealed:
    """Seal ``alert`` for the recipients of ``resolution`` at ``now`` (ms), with a content key from ``random(32)``.

    ``pairs`` holds the pair key of every recipient; ``document`` is `encode_alert(alert)` where the caller has it. The
    addresses of the alert are in wire form. Raises `AlertExpired`, `OpenerMissing` for a recipient without pair key,
    `TooLarge`, or `Malformed` for what no header can hold.
    """
    content_key = random(CONTENT_KEY_SIZE)
    committed = commitment(content_key)
    alert_id = parse_id(alert.id)
    encoded = encode_alert(alert) if document is None else document
    body = seal_encoded(encode_inner(alert_id, alert.sender, encoded), content_key)
    header = encode_header(
        Header(
            id=alert_id,
            sender=alert.sender,
            key=signing.key_id,
            directory=directory_version,
            created=now,
            expires=expiry_of(alert, now),
            precedence=alert.precedence,
            marking=alert.marking,
            topic=alert.kind,
            status=alert.status,
            operation=alert.operation,
            modes=tuple(sorted(alert.modes)),
            subjects=resolution.subjects,
            address=tuple(alert.to),
            relation=Relation(alert.relation.type, parse_id(alert.relation.alert)) if alert.relation else None,
            recipients=tuple(
                _recipient(agency, pairs, alert_id, committed, content_key) for agency in resolution.recipients
            ),
            commitment=committed,
            body_digest=sha256(body),
            body_size=len(body),
            attachments=tuple(
                AttachmentRef(bytes.fromhex(attachment.digest), attachment.sealed_size)
                for attachment in alert.attachments
            ),
        )
    )
    return Sealed(header, sign_header(header, signing), body, alert_id, resolution.recipients)


def expiry_of(alert: Alert, now: int) -> int:
    """When an alert sealed at ``now`` expires (ms): its hours run from when it was composed. Raises `AlertExpired`."""
    if alert.expires_hours is None:
        return now + DEFAULT_EXPIRY_MS
    expires = alert.composed + alert.expires_hours * _HOUR_MS
    if expires <= now:
        raise AlertExpired(f"the alert expired {now - expires} ms before it could be sealed")
    return min(expires, now + MAX_EXPIRY_MS)


def _recipient(
    agency: str, pairs: Mapping[str, PairKey], alert_id: bytes, committed: bytes, content_key: bytes
) -> Recipient:
    pair = pairs.get(agency)
    if pair is None or pair.recipient != agency:
        raise OpenerMissing(f"there is no pair key for {agency}", hint="Make an opener for every recipient first.")
    return Recipient(agency, pair.opener_id, wrap(pair.secret, alert_id, committed, content_key))
