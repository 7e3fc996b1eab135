"""Attachments and openers on request: pieces in, pieces out, with the access rules of docs/spec/session.md."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import structlog

from broker.exchange import Exchange
from broker.lane import Turn
from broker.shipping import RESTORE
from schemas.errors import CrossbearingError, Malformed, Purged, Quota, StorageFailed, StorageTampered, TooLarge
from schemas.limits import (
    CHUNK,
    MAX_ATTACHMENT,
    MAX_EVIDENCE,
    MAX_INDEX,
    MAX_MESSAGE,
    MAX_PENDING_UPLOADS,
    MAX_RETRY_MS,
)
from schemas.log.evidence import INDEX_SIZE
from schemas.session.frames import Blob, Fetch, ResultItem, Upload, Uploaded

log = structlog.get_logger()

REFERENCE_SIZE = 16
RETRY_MS = 60_000  # by then an alert may have named some of them
SMALLEST_PIECE = 16_384  # but for the last one: tiny pieces would cost more than they carry


class Transfers:
    """What `agency` uploads and fetches on one session."""

    def __init__(self, exchange: Exchange, agency: str) -> None:
        self._exchange = exchange
        self._agency = agency

    async def upload(self, frame: Upload) -> Uploaded | ResultItem:
        """Keep a piece. The answer says up to where all is held; a refusal names the digest's first 16 bytes."""
        try:
            self._check(frame)
            exchange, engine = self._exchange, self._exchange.engine
            count, pending = await self._exchange.read(partial(engine.pending_uploads, self._agency), Turn.PIECES)
            if pending + len(frame.data) > self._exchange.settings.upload_bytes:
                raise Quota(f"{pending} bytes of attachments wait for an alert that names them", retry_after=RETRY_MS)
            if count >= MAX_PENDING_UPLOADS and frame.offset == 0 and frame.data:
                raise Quota(f"{count} attachments wait for an alert that names them", retry_after=RETRY_MS)
            keep = partial(
                engine.upload, self._agency, frame.digest, frame.offset, frame.total, frame.data, at=exchange.clock()
            )
            held = await self._exchange.write(keep)
        except CrossbearingError as error:
            return refused(frame.digest[:REFERENCE_SIZE], error)
        return Uploaded(frame.digest, held.have)

    @staticmethod
    def _check(frame: Upload) -> None:
        if not 0 < frame.total <= MAX_ATTACHMENT:
            raise TooLarge(f"an attachment has 1 to {MAX_ATTACHMENT} bytes, not {frame.total}")
        last = frame.offset + len(frame.data) == frame.total
        if len(frame.data) > 4 * CHUNK or (0 < len(frame.data) < SMALLEST_PIECE and not last):
            raise Malformed(f"a piece has {SMALLEST_PIECE} to {4 * CHUNK} bytes")

    async def fetch(self, frame: Fetch) -> Blob | ResultItem:
        """The piece asked for; total 0 when there is none, or none for this agency; a refusal when it was deleted."""
        try:
            data, total = await self._exchange.read(partial(self._read, frame), self._turn(frame))
        except (Purged, StorageFailed) as refusal:
            return refused(frame.digest[:REFERENCE_SIZE], refusal)
        return Blob(frame.digest, frame.offset if total else 0, total, data)

    @staticmethod
    def _turn(frame: Fetch) -> Turn:
        """An opener holds up the alert that needs it. The rest can wait; there is one such request of a session."""
        if len(frame.digest) == REFERENCE_SIZE:
            return Turn.SESSION
        return Turn.PIECES

    def _read(self, frame: Fetch) -> tuple[bytes, int]:
        engine = self._exchange.engine
        if len(frame.digest) == INDEX_SIZE:
            return self._evidence(int.from_bytes(frame.digest, "big"), frame.offset)
        if len(frame.digest) == REFERENCE_SIZE:
            opener = engine.opener(frame.digest)
            if opener is None or self._agency not in {opener.sender, opener.recipient}:
                return b"", 0
            data = self._opener(frame.digest)
            return data[frame.offset :], len(data)
        if not engine.party(self._agency, frame.digest):
            return b"", 0
        if engine.purged(frame.digest):
            raise Purged("the attachment was deleted with the alert that named it")
        return self._piece(frame)

    def _opener(self, identity: bytes) -> bytes:
        """An opener. One that the disk lost is refused, so that no recipient takes its alerts for unreadable."""
        try:
            return self._exchange.engine.blob(identity) or b""
        except StorageTampered as fault:
            self._exchange.metrics.damage.inc()
            log.critical("an opener is damaged", opener=identity.hex(), reason=fault.message, hint=RESTORE)
            raise StorageFailed(f"the hub lost the opener {identity.hex()}") from fault

    def _piece(self, frame: Fetch) -> tuple[bytes, int]:
        """A piece of an attachment. One that the disk lost is not there; the rest goes on."""
        try:
            return self._exchange.engine.piece(frame.digest, frame.offset)
        except StorageTampered as fault:
            self._exchange.metrics.damage.inc()
            log.critical("an attachment is damaged", digest=frame.digest.hex(), reason=fault.message, hint=RESTORE)
            return b"", 0

    def _evidence(self, index: int, offset: int) -> tuple[bytes, int]:
        """Evidence of an alert that this agency sent or received; always whole, as the log grows between requests."""
        engine = self._exchange.engine
        alert = engine.alert_at(index) if index <= MAX_INDEX else None
        if alert is None or (alert.sender != self._agency and engine.delivery(self._agency, index) is None):
            return b"", 0
        head, reached = self._exchange.head, self._exchange.witnessing.reached
        if reached is not None and reached.size > index:  # rather one that witnesses vouch for than the newest
            head = replace(reached.head, note=reached.note)
        data = self._exchange.shipping.evidence(index, head=head)
        return (data, len(data)) if offset == 0 and len(data) <= MAX_EVIDENCE else (b"", 0)


def refused(reference: bytes, error: CrossbearingError) -> ResultItem:
    """The result item that tells a node of a refusal."""
    message, hint = error.message[:MAX_MESSAGE], error.hint[:MAX_MESSAGE]
    return ResultItem(reference, False, 0, error.code, message, hint, min(error.retry_after, MAX_RETRY_MS))
