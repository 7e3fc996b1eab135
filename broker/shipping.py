"""Puts together what goes to nodes: entries with proofs, bodies and openers. Runs in the one thread that reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

import structlog

from broker.committer import Head
from broker.delivery import Key
from broker.engines.port import Engine
from broker.parcel import Parcel, ParcelCache, make_parcel
from broker.tree import Tree
from schemas.carrier.records import Segment
from schemas.carrier.segment import segments
from schemas.envelope.header import Header, decode_header
from schemas.errors import StorageTampered
from schemas.ids import sha256
from schemas.log.entry import AlertEntry, decode_entry
from schemas.log.evidence import Evidence, Included, encode_evidence
from schemas.log.merkle import EMPTY_ROOT, HASH_SIZE, leaf_hash, prove_consistency, prove_inclusion, root
from schemas.log.tiles import TILE_WIDTH
from schemas.session.frames import Block, DirectoryUpdate, Frame, Item, Recover, Recovered, encode_frame

NOTICES = 256  # receipts in one frame
RECOVERED = 128  # alerts of one page for a node that was restored
COMMON_BYTES = 8_388_608  # of frames kept for the other sessions, until the log grows
RESTORE = "Check the disk. Put back log.db from a backup, or have the sender send it again."

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Shipment:
    """A `Block` to send, and what became of the alerts it was asked to carry."""

    frame: Block | None  # None when there is nothing to send
    left: tuple[Key, ...]  # did not fit
    gone: tuple[int, ...]  # expired, or without a body any more
    damaged: tuple[int, ...]  # cannot be delivered: the disk lost or changed the body or the opener
    openers: tuple[bytes, ...]  # ids of those inside
    notices_to: int  # every receipt below this log index was sent


@dataclass(frozen=True, slots=True)
class _Whole:
    """A frame without openers, made of the first `taken` of the alerts asked for.

    `openers` are those that each agency needs that is a recipient of all of them, of which the first expires at
    `expires` (ms).
    """

    frame: Block
    taken: int
    openers: Mapping[str, frozenset[bytes]]
    expires: int


@dataclass(slots=True)
class _Common:
    """Frames made for the log of `size` entries that other sessions can be sent as they are, and their bytes."""

    size: int
    room: int
    """Bytes that may still be kept."""
    frames: dict[tuple[int, tuple[Key, ...]], _Whole] = field(default_factory=dict)
    """By the checkpoint they start from and the alerts asked for."""
    written: dict[int, tuple[Block, bytes]] = field(default_factory=dict)


class _DamagedError(Exception):
    """A body, an opener or a bundle is not what was stored. The log itself is not touched by that."""


class Shipping:
    """Reads for the sessions; `budget` is about how many bytes one frame may take."""

    def __init__(self, engine: Engine, tree: Tree, cache: ParcelCache, *, budget: int) -> None:
        self._engine = engine
        self._tree = tree
        self._cache = cache
        self._budget = budget
        self._common = _Common(0, 0)

    def root_at(self, size: int) -> bytes:
        """The log's root when it had `size` entries."""
        return root(size, self._tree.read) if size else EMPTY_ROOT

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """The proof that the tree of `new` entries continues that of `old`."""
        return self._consistency(old, new)

    def consistency_from_memory(self, old: int, new: int) -> tuple[bytes, ...] | None:
        """As `consistency`, for the event loop; None if the disk would have to be read."""
        try:
            return tuple(prove_consistency(old, new, self._tree.read_held))
        except LookupError:
            return None

    def tile(self, level: int, index: int, width: int) -> bytes:
        """The first `width` hashes of a tile; see `Tree.tile`."""
        return self._tree.tile(level, index, width)

    def segments(self, start: int, end: int) -> Iterator[Segment]:
        """The log's leaf hashes from size `start` to `end`."""
        return segments(start, end, self._tree.read, self._leaves)

    def outstanding(self, agency: str, after: Key, below: int, now: int, limit: int) -> list[Key]:
        """What waits for `agency` beyond `after`, in order of delivery; see `Engine.outstanding`."""
        found = self._engine.outstanding(agency, after, below, now, limit)
        return [(delivery.rank, delivery.index) for delivery in found]

    def block(
        self,
        agency: str,
        keys: Sequence[Key],
        *,
        head: Head,
        proven: int,
        now: int,
        openers: Collection[bytes],
        notices_from: int,
    ) -> Shipment:
        """The alerts at `keys`, as many as fit, then receipts about alerts of `agency` from `notices_from` on.

        The proof runs from the tree of `proven` entries; `openers` names those the node was sent already.
        """
        items: list[Item] = []
        gone: list[int] = []
        damaged: list[int] = []
        sent: list[bytes] = []
        room, taken = self._budget, 0
        while taken < len(keys) and room > 0:
            index = keys[taken][1]
            taken += 1
            try:
                parcel = self._parcel(index)
                if parcel is None or parcel.expires <= now:
                    gone.append(index)
                    continue
                opener = parcel.openers[agency]
                new = opener not in openers and opener not in sent
                items.append(self._alert(parcel, head.size, opener if new else None))
            except _DamagedError as error:
                log.critical(
                    "an alert cannot be delivered", agency=agency, index=index, reason=str(error), hint=RESTORE
                )
                damaged.append(index)
                continue
            sent += [opener] if new else []
            room -= _weight(items[-1])
        notices_to = notices_from
        if room > 0 and taken == len(keys):
            indexes = self._engine.notices(agency, notices_from, head.size, NOTICES)
            items += self._entries(indexes, head.size)
            notices_to = head.size if len(indexes) < NOTICES else indexes[-1] + 1
        frame = Block(head.note, self._consistency(proven, head.size), tuple(items)) if items else None
        return Shipment(frame, tuple(keys[taken:]), tuple(gone), tuple(damaged), tuple(sent), notices_to)

    def from_memory(
        self, agency: str, keys: Sequence[Key], *, head: Head, proven: int, now: int, openers: Set[bytes]
    ) -> Shipment | None:
        """As `block` of some alerts without receipts, where nothing is read from the disk and no opener is needed.

        None where anything is not as usual: `block` knows what to do then. Whoever stands on the same checkpoint and is
        sent the same alerts is given the same frame, which is written once. This is for the event loop, and not for the
        thread that reads.
        """
        if self._common.size != head.size:
            self._common = _Common(head.size, COMMON_BYTES)
        which = (proven, tuple(keys))
        made = self._common.frames.get(which) or self._whole(which, head)
        if made is None or made.expires <= now:
            return None
        needed = made.openers.get(agency)
        if needed is None or not needed <= openers:
            return None
        return Shipment(made.frame, which[1][made.taken :], (), (), (), head.size)

    def _whole(self, which: tuple[int, tuple[Key, ...]], head: Head) -> _Whole | None:
        """A frame of these alerts, as many as fit; None if the disk would have to be read."""
        parcels = [parcel for _, index in which[1] if (parcel := self._cache.get(index)) is not None]
        if len(parcels) < len(which[1]):
            return None
        size, read = head.size, self._tree.read_held
        items: list[Item] = []
        room = self._budget
        try:
            for parcel in parcels:
                if room <= 0:
                    break
                path = tuple(prove_inclusion(parcel.index, size, read))
                items.append(Item(parcel.index, parcel.entry, path, parcel.body, ()))
                room -= _weight(items[-1])
        except LookupError:
            return None
        proof = self.consistency_from_memory(which[0], size)
        if proof is None:
            return None
        everywhere = set(parcels[0].openers).intersection(*(parcel.openers for parcel in parcels))
        openers = {agency: frozenset(parcel.openers[agency] for parcel in parcels) for agency in everywhere}
        expires = min(parcel.expires for parcel in parcels)
        made = _Whole(Block(head.note, proof, tuple(items)), len(items), openers, expires)
        self._share(which, made)
        return made

    def _share(self, which: tuple[int, tuple[Key, ...]], made: _Whole) -> None:
        if sum(map(_weight, made.frame.items)) > self._common.room:
            return
        data = encode_frame(made.frame)
        if len(data) <= self._common.room:
            self._common.room -= len(data)
            self._common.frames[which] = made
            self._common.written[id(made.frame)] = made.frame, data

    def written(self, frame: Frame) -> bytes | None:
        """The bytes of a frame that several sessions are sent, if it was written already."""
        known = self._common.written.get(id(frame))
        return known[1] if known is not None and known[0] is frame else None

    def recovered(self, agency: str, asked: Recover, *, head: Head, proven: int) -> Recovered:
        """What concerns `agency` again, from where it asks on, as much as fits; see docs/spec/session.md, restored."""
        indexes = self._engine.concerning(agency, asked.since, asked.start, head.size, RECOVERED + 1)
        items: list[Item] = []
        sent: set[bytes] = set()
        room, following = self._budget, 0
        for index in indexes:
            if room <= 0 or len(items) == RECOVERED:
                following = index
                break
            items.append(self._again(agency, index, head.size, sent))
            room -= _weight(items[-1])
        return Recovered(head.note, self._consistency(proven, head.size), tuple(items), following)

    def _again(self, agency: str, index: int, size: int, sent: set[bytes]) -> Item:
        """An alert once more: with its body and opener for a recipient, as far as they are still held."""
        (bare,) = self._entries([index], size)
        entry = decode_entry(bare.entry)
        if not isinstance(entry, AlertEntry):
            raise StorageTampered(f"the entry at index {index} is no alert")
        header = decode_header(entry.header)
        known = self._engine.alert_at(index)
        named = next((r.opener_id for r in header.recipients if r.agency == agency), None)
        if named is None or known is None or known.idle_since is None:
            return bare
        try:
            body = self._body(index, header)
            openers = () if named in sent else (self._blob(named),)
        except _DamagedError as error:
            log.critical("an alert cannot be sent again", agency=agency, index=index, reason=str(error), hint=RESTORE)
            return bare
        sent.add(named)
        return Item(index, bare.entry, bare.path, body, openers)

    def directory(self, after: int, *, head: Head, proven: int) -> tuple[DirectoryUpdate, int]:
        """Directory entries of versions above `after`, as many as fit, and the last version among them."""
        items: list[Item] = []
        room, last = self._budget, after
        for activation in self._engine.activations(after):
            if room <= 0 or activation.version > head.directory:
                break
            bundle = self._bundle(activation.digest)
            (item,) = self._entries([activation.index], head.size, bundle)
            items.append(item)
            room, last = room - _weight(item), activation.version
        return DirectoryUpdate(head.note, self._consistency(proven, head.size), tuple(items)), last

    def evidence(self, index: int, *, head: Head) -> bytes:
        """The evidence for the alert at `index`; see `schemas.log.evidence`."""
        stored = self.entry(index)
        activations = self._engine.activations(0)[: decode_entry(stored).directory]
        directory = tuple(Included(a.index, self.inclusion(a.index, head.size)) for a in activations)
        return encode_evidence(Evidence(head.note, stored, self.inclusion(index, head.size), directory))

    def _leaves(self, first: int, last: int) -> bytes:
        tiles = []
        for number in range(first // TILE_WIDTH, -(-last // TILE_WIDTH)):
            place = number * TILE_WIDTH
            tiles.append(self._tree.tile(0, number, min(TILE_WIDTH, last - place))[max(0, first - place) * HASH_SIZE :])
        return b"".join(tiles)

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """The proof that the entry at `index` is in the tree of `size` entries."""
        return tuple(prove_inclusion(index, size, self._tree.read))

    def _alert(self, parcel: Parcel, size: int, opener: bytes | None) -> Item:
        path = self.inclusion(parcel.index, size)
        return Item(parcel.index, parcel.entry, path, parcel.body, () if opener is None else (self._blob(opener),))

    def _entries(self, indexes: Sequence[int], size: int, body: bytes = b"") -> Iterator[Item]:
        for index, stored in zip(indexes, self._stored(indexes), strict=True):
            yield Item(index, stored, self.inclusion(index, size), body, ())

    def _stored(self, indexes: Sequence[int]) -> list[bytes]:
        """The entries there, checked; those that lie together, as the receipts of one block do, are read at once."""
        count = indexes[-1] + 1 - indexes[0] if indexes else 0
        found: list[bytes] = []
        if 1 < count <= 2 * len(indexes):
            found = self._engine.entries(indexes[0], indexes[0] + count)
        if len(found) < count or not indexes:
            return [self.entry(index) for index in indexes]
        return [self._checked(index, found[index - indexes[0]]) for index in indexes]

    def entry(self, index: int) -> bytes:
        """An entry as stored, provided that the tree was built over it. Raises `StorageTampered`."""
        found = self._engine.entries(index, index + 1)
        return self._checked(index, found[0] if found else None)

    def _checked(self, index: int, stored: bytes | None) -> bytes:
        if stored is None or leaf_hash(stored) != self._tree.read(0, index):
            raise StorageTampered(f"the entry at index {index} is missing or was altered")
        return stored

    def _bundle(self, digest: bytes) -> bytes:
        try:
            return self._blob(digest)
        except _DamagedError as error:
            raise StorageTampered(str(error)) from error

    def _body(self, index: int, header: Header) -> bytes:
        """The body of the alert at `index`, as its header names it."""
        try:
            data = self._engine.body(index)
        except StorageTampered as error:
            raise _DamagedError(f"the body at index {index} cannot be read: {error.message}") from error
        if data is None or sha256(data) != header.body_digest:
            raise _DamagedError(f"the body at index {index} is missing or was altered")
        return data

    def _blob(self, digest: bytes) -> bytes:
        """A blob as it was stored. Its name is the beginning of its SHA-256, or all of it."""
        try:
            data = self._engine.blob(digest)
        except StorageTampered as error:
            raise _DamagedError(f"the blob {digest.hex()} cannot be read: {error.message}") from error
        if data is None or sha256(data)[: len(digest)] != digest:
            raise _DamagedError(f"the blob {digest.hex()} is missing or was altered")
        return data

    def _parcel(self, index: int) -> Parcel | None:
        """What delivering the alert at `index` takes; None when its body was deleted."""
        if (parcel := self._cache.get(index)) is not None:
            return parcel
        stored = self.entry(index)
        entry = decode_entry(stored)
        if not isinstance(entry, AlertEntry):
            raise StorageTampered(f"the entry at index {index} is no alert")
        header = decode_header(entry.header)
        known = self._engine.alert_at(index)
        if known is not None and known.idle_since is None:
            return None
        parcel = make_parcel(index, stored, self._body(index, header), header)
        self._cache.put(parcel)
        return parcel

    def _consistency(self, proven: int, size: int) -> tuple[bytes, ...]:
        return tuple(prove_consistency(proven, size, self._tree.read))


def _weight(item: Item) -> int:
    return len(item.entry) + len(item.body) + sum(map(len, item.openers)) + 32 * len(item.path)
