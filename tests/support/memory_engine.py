"""An engine and an anchor in memory, which keep the contract of the real ones and can be told to fail."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256

from broker.engines.port import BlockWriter, Held, Restoration
from broker.state import Activation, Changes, Delivery, Escalated, KnownAlert, KnownOpener, Purge, Standing
from schemas.errors import BodyMismatch, CrossbearingError, Fork, NotAParty, Purged, StorageInDoubt


@dataclass
class Upload:
    """An attachment as far as it came."""

    owner: str
    total: int
    pieces: dict[int, bytes] = field(default_factory=dict)
    used: bool = False
    touched: int = 0
    purged: bool = False

    @property
    def have(self) -> int:
        return sum(map(len, self.pieces.values()))


@dataclass
class Contents:
    """Everything that a block can change."""

    log: list[bytes] = field(default_factory=list)
    newest_block: int = 0
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)
    bodies: dict[int, bytes] = field(default_factory=dict)
    blobs: dict[bytes, bytes] = field(default_factory=dict)
    alerts: dict[int, KnownAlert] = field(default_factory=dict)
    deliveries: dict[tuple[int, str], Delivery] = field(default_factory=dict)
    openers: dict[bytes, KnownOpener] = field(default_factory=dict)
    uses: dict[bytes, set[int]] = field(default_factory=dict)
    notices: dict[str, list[int]] = field(default_factory=dict)
    activations: list[Activation] = field(default_factory=list)
    spent: dict[tuple[str, int], int] = field(default_factory=dict)
    uploads: dict[bytes, Upload] = field(default_factory=dict)


class MemoryView:
    """`View` and the reading half of `Engine` over `Contents`."""

    def __init__(self, contents: Contents) -> None:
        self.contents = contents

    def entry(self, index: int) -> bytes | None:
        return self.contents.log[index] if 0 <= index < len(self.contents.log) else None

    def alert(self, alert_id: bytes) -> KnownAlert | None:
        return next((a for a in self.contents.alerts.values() if a.id == alert_id), None)

    def alert_at(self, index: int) -> KnownAlert | None:
        return self.contents.alerts.get(index)

    def delivery(self, agency: str, index: int) -> Delivery | None:
        return self.contents.deliveries.get((index, agency))

    def waiting(self, index: int) -> tuple[Delivery, ...]:
        every = sorted(self.contents.deliveries.items())
        return tuple(d for (at, _), d in every if at == index and d.standing is Standing.WAITING)

    def waits(self, index: int, *, besides: str) -> bool:
        return any(delivery.agency != besides for delivery in self.waiting(index))

    def has_body(self, index: int) -> bool:
        return index in self.contents.bodies

    def holds(self, digest: bytes) -> bool:
        return digest in self.contents.blobs

    def needed(self, digest: bytes, *, besides: int) -> bool:
        others = self.contents.uses.get(digest, set()) - {besides}
        return any(self.contents.alerts[index].idle_since is not None for index in others)

    def opener(self, opener_id: bytes) -> KnownOpener | None:
        return self.contents.openers.get(opener_id)

    def attachment(self, digest: bytes) -> int | None:
        upload = self.contents.uploads.get(digest)
        if upload is None or upload.purged or upload.have != upload.total:
            return None
        return upload.total

    def purged(self, digest: bytes) -> bool:
        upload = self.contents.uploads.get(digest)
        return upload is not None and upload.purged

    def spent(self, agency: str, kind: int) -> int:
        return self.contents.spent.get((agency, kind), 0)

    def activation_of(self, digest: bytes) -> Activation | None:
        return next((a for a in self.contents.activations if a.digest == digest), None)


class MemoryBlock(MemoryView):
    """`BlockWriter` on a copy that replaces the original when the block is done."""

    def append(self, entry: bytes, changes: Changes) -> int:
        index = len(self.contents.log)
        self.contents.log.append(entry)
        self.supply(index, changes)
        return index

    def supply(self, index: int, changes: Changes) -> None:
        c = self.contents
        if changes.alert is not None:
            c.alerts[index] = changes.alert
        c.deliveries |= {(d.index, d.agency): d for d in changes.deliveries}
        c.openers |= {o.id: o for o in changes.openers}
        for digest in changes.attachments:
            c.uses.setdefault(digest, set()).add(index)
            if digest in c.uploads:
                c.uploads[digest].used = True
        if changes.notice is not None:
            c.notices.setdefault(changes.notice, []).append(index)
        if changes.activation is not None:
            c.activations.append(changes.activation)
        for idle, since in changes.idle:
            c.alerts[idle] = replace(c.alerts[idle], idle_since=since)
        c.spent |= {(s.agency, s.kind): s.until for s in changes.spent}
        if changes.purge is not None:
            self._purge(changes.purge)

    def _purge(self, what: Purge) -> None:
        c = self.contents
        c.alerts[what.index] = replace(c.alerts[what.index], idle_since=None)
        c.bodies.pop(what.index, None)
        for digest in what.attachments:
            c.uploads[digest].purged = True

    def put_tile(self, level: int, index: int, data: bytes) -> None:
        self.contents.tiles[level, index] = data

    def put_body(self, index: int, data: bytes) -> None:
        self.contents.bodies[index] = data

    def put_blob(self, digest: bytes, data: bytes) -> None:
        self.contents.blobs.setdefault(digest, data)


class MemoryEngine(MemoryView):
    """`Engine` in memory. The next block fails with `fail`, if set: lost, or with `persist` kept all the same."""

    def __init__(self) -> None:
        super().__init__(Contents())
        self.fail: CrossbearingError | None = None
        self.persist = False
        self.free = 1 << 40
        self.closed = False

    def size(self) -> int:
        return len(self.contents.log)

    def last_block(self) -> int:
        return self.contents.newest_block

    @contextmanager
    def block(self, position: int) -> Iterator[BlockWriter]:
        if position != self.size():
            raise StorageInDoubt(f"the log has {self.size()} entries where {position} were left")
        draft = MemoryBlock(copy.deepcopy(self.contents))
        draft.contents.newest_block = position
        yield draft
        failure, self.fail = self.fail, None
        if failure is None or self.persist:
            self.contents = draft.contents
        if failure is not None:
            raise failure

    def entries(self, start: int, stop: int) -> list[bytes]:
        return self.contents.log[max(0, start) : max(0, stop)]

    def tile(self, level: int, index: int) -> bytes | None:
        return self.contents.tiles.get((level, index))

    def body(self, index: int) -> bytes | None:
        return self.contents.bodies.get(index)

    def lose_body(self, index: int) -> None:
        """What no engine does: forget a body that is needed."""
        del self.contents.bodies[index]

    def blob(self, digest: bytes) -> bytes | None:
        return self.contents.blobs.get(digest)

    def lose_blob(self, digest: bytes) -> None:
        """What no engine does: forget a blob that is needed."""
        del self.contents.blobs[digest]

    def due(self, before: int, limit: int) -> list[int]:
        held = [(a.idle_since, a.index) for a in self.contents.alerts.values() if a.idle_since is not None]
        return [index for since, index in sorted(held) if since <= before][:limit]

    def sweep(self, before: int, limit: int) -> int:
        c = self.contents
        pieces = [(u.pieces, at) for u in c.uploads.values() if u.purged for at in u.pieces][:limit]
        for held, at in pieces:
            del held[at]
        openers = [o.id for o in c.openers.values() if o.until <= before][: limit - len(pieces)]
        for identity in openers:
            del c.openers[identity]
            c.blobs.pop(identity, None)
        return len(pieces) + len(openers)

    def activations(self, after: int) -> list[Activation]:
        return [a for a in self.contents.activations if a.version > after]

    def outstanding(self, agency: str, after: tuple[int, int], below: int, now: int, limit: int) -> list[Delivery]:
        found = [
            d
            for d in self.contents.deliveries.values()
            if d.agency == agency and d.standing is Standing.WAITING and d.index < below and d.expires > now
        ]
        return sorted((d for d in found if (d.rank, d.index) > after), key=lambda d: (d.rank, d.index))[:limit]

    def escalations(self, agency: str, now: int, limit: int, *, logged: bool) -> list[Delivery]:
        found = [
            (d.escalates, d.index, d)
            for d in self.contents.deliveries.values()
            if d.agency == agency and d.standing is Standing.WAITING
            if d.escalated is not Escalated.REACHED and (d.escalated is not Escalated.NO) == logged
            if d.escalates is not None and d.escalates <= now < d.expires
        ]
        return [delivery for _, _, delivery in sorted(found, key=lambda item: item[:2])][:limit]

    def concerning(self, agency: str, since: int, start: int, below: int, limit: int) -> list[int]:
        c = self.contents
        told = {i for (i, who), d in c.deliveries.items() if who == agency and d.standing > 1 and d.receipt >= since}
        own = {i for i, alert in c.alerts.items() if alert.sender == agency and i >= since}
        return sorted(index for index in told | own if start <= index < below)[:limit]

    def waiting_by_rank(self, now: int) -> dict[int, int]:
        counts: dict[int, int] = {}
        for d in self.contents.deliveries.values():
            if d.standing is Standing.WAITING and d.expires > now:
                counts[d.rank] = counts.get(d.rank, 0) + 1
        return counts

    def notices(self, agency: str, start: int, stop: int, limit: int) -> list[int]:
        return [n for n in self.contents.notices.get(agency, []) if start <= n < stop][:limit]

    def party(self, agency: str, digest: bytes) -> bool:
        return any(
            self.contents.alerts[index].sender == agency or (index, agency) in self.contents.deliveries
            for index in self.contents.uses.get(digest, ())
        )

    def upload(self, owner: str, digest: bytes, offset: int, total: int, data: bytes, *, at: int = 0) -> Held:
        if digest not in self.contents.uploads and (offset or not data):
            return Held(0, total)
        held = self.contents.uploads.setdefault(digest, Upload(owner, total))
        if held.purged:
            raise Purged("this attachment was deleted with the alert that named it")
        if held.have == held.total:
            return Held(held.have, held.total)
        if held.owner != owner:
            raise NotAParty("another agency is uploading this attachment")
        if held.total != total or (offset == held.have and held.have + len(data) > total):
            raise BodyMismatch("the sizes do not fit")
        if offset != held.have or not data:
            return Held(held.have, held.total)
        held.pieces[offset], held.touched = data, at
        if held.have == total and sha256(b"".join(held.pieces.values())).digest() != digest:
            del self.contents.uploads[digest]
            raise BodyMismatch("the uploaded attachment is not the one its digest names")
        return Held(held.have, total)

    def pending_uploads(self, owner: str) -> tuple[int, int]:
        held = [u.have for u in self.contents.uploads.values() if u.owner == owner and not u.used]
        return len(held), sum(held)

    def abandon(self, before: int, limit: int) -> int:
        every = self.contents.uploads.items()
        old = [d for d, u in every if not u.used and u.touched <= before and d not in self.contents.uses]
        if not old:
            return 0
        held = self.contents.uploads[old[0]]
        last = sorted(held.pieces)[-limit:]
        for start in last:
            del held.pieces[start]
        if not held.pieces:
            del self.contents.uploads[old[0]]
        return max(1, len(last))

    def piece(self, digest: bytes, offset: int) -> tuple[bytes, int]:
        total = self.attachment(digest)
        if total is None or offset >= total:
            return b"", 0
        pieces = self.contents.uploads[digest].pieces
        start = max(at for at in pieces if at <= offset)
        return pieces[start][offset - start :], total

    def free_bytes(self) -> int:
        return self.free

    def close(self) -> None:
        self.closed = True


class MemoryAnchor:
    """`Anchor` in memory. The next swap fails with `fail`, if set: lost, or with `persist` kept all the same."""

    def __init__(self) -> None:
        self.note: bytes | None = None
        self.back: list[Restoration] = []
        self.fail: CrossbearingError | None = None
        self.persist = False

    def read(self) -> bytes | None:
        return self.note

    def swap(self, expected: bytes | None, note: bytes) -> None:
        if self.note != expected:
            raise Fork("the anchor holds another checkpoint than the one last signed here")
        failure, self.fail = self.fail, None
        if failure is None or self.persist:
            self.note = note
        if failure is not None:
            raise failure

    def restorations(self) -> tuple[Restoration, ...]:
        return tuple(self.back)

    def restored(self, size: int, now: int) -> Restoration:
        time = max(now, self.back[-1].time + 1) if self.back else now
        self.back.append(Restoration(time, size, settled=False))
        return self.back[-1]

    def settle(self) -> None:
        self.back = [replace(each, settled=True) for each in self.back]

    def close(self) -> None:
        pass
