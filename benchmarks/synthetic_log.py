"""A long log with good signatures, written straight into a folder in the layout that `bearing audit` reads.

Alerts go out in groups: eight of one sender to the same recipients, then one receipt of each recipient for all eight.
Bodies are not made: the log holds none. The same arguments give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from schemas.envelope.header import Header, Recipient, encode_header, sign_header
from schemas.ids import uuid7
from schemas.log.checkpoint import Checkpoint, sign_checkpoint
from schemas.log.entry import AlertEntry, ReceiptEntry, encode_entry
from schemas.log.merkle import Frontier, leaf_hash
from schemas.log.receipt import Receipt, ReceiptItem, sign_receipt
from schemas.log.tiles import TILE_HEIGHT, TILE_WIDTH, entries_path, entry_bundle, tile_path
from tests.support.directory import DAY_MS, NOW, World, make_world

COUNTRIES = ("au", "bn", "cn", "fj", "hk", "id", "in", "jp", "kr", "my", "nz", "pg", "ph", "sg", "th", "vn")
AGENCIES = tuple(f"{country}-customs" for country in COUNTRIES)
GROUP = 8
RECIPIENTS = 3
STEP_MS = 20


def synthetic_world() -> World:
    """The directory of the log."""
    return make_world(AGENCIES)


def entries(world: World, size: int) -> Iterator[bytes]:
    """Yield the entries of a log of `size`."""
    made = _entries(world)
    for _ in range(size):
        yield next(made)


def _entries(world: World) -> Iterator[bytes]:
    position = len(world.entries)
    yield from map(encode_entry, world.entries)
    random = _draws()
    for group in count():
        sender = AGENCIES[group % len(AGENCIES)]
        recipients = sorted(AGENCIES[(group + 1 + k) % len(AGENCIES)] for k in range(RECIPIENTS))
        items = []
        for _ in range(GROUP):
            now = NOW + position * STEP_MS
            header = _header(world, sender, recipients, now, random)
            signature = sign_header(encoded := encode_header(header), world.signing[sender])
            data = encode_entry(AlertEntry(now, world.directory.version, encoded, signature))
            items.append(ReceiptItem(position, header.id, leaf_hash(data)))
            yield data
            position += 1
        for agency in recipients:
            now, key = NOW + position * STEP_MS, world.signing[agency]
            receipt = Receipt(agency, key.key_id, sender, "stored", now, None, tuple(items))
            yield encode_entry(ReceiptEntry(now, world.directory.version, *sign_receipt(receipt, key)))
            position += 1


def _header(world: World, sender: str, recipients: list[str], now: int, random: Callable[[int], bytes]) -> Header:
    return Header(
        id=uuid7(now, random),
        sender=sender,
        key=world.signing[sender].key_id,
        directory=world.directory.version,
        created=now,
        expires=now + DAY_MS,
        precedence="routine",
        marking="amber",
        topic="watch",
        status="actual",
        operation="marker",
        modes=("sea",),
        subjects=(),
        address=tuple(recipients),
        relation=None,
        recipients=tuple(Recipient(agency, random(16), random(48)) for agency in recipients),
        commitment=random(32),
        body_digest=random(32),
        body_size=4096,
        attachments=(),
    )


def _draws() -> Callable[[int], bytes]:
    """Bytes that are different at every draw and the same in every run."""
    numbers = count()

    def draw(size: int) -> bytes:
        return hashlib.shake_128(next(numbers).to_bytes(8, "big")).digest(size)

    return draw


@dataclass
class FolderWriter:
    """Writes a log into a folder entry by entry: bundles and tiles as they fill, the rest at the end."""

    folder: Path
    frontier: Frontier = field(default_factory=Frontier)
    bundle: list[bytes] = field(default_factory=list)
    tiles: list[list[bytes]] = field(default_factory=list)

    def append(self, data: bytes) -> None:
        """Add one entry."""
        self.bundle.append(data)
        for level, index, node in self.frontier.append(leaf_hash(data)):
            if level % TILE_HEIGHT == 0:
                self._collect(level // TILE_HEIGHT, index // TILE_WIDTH, node)
        if len(self.bundle) == TILE_WIDTH:
            self.put(entries_path(self.frontier.size // TILE_WIDTH - 1), entry_bundle(self.bundle))
            self.bundle.clear()

    def close(self, world: World) -> None:
        """Write the right edge, the directory files and the signed checkpoint."""
        size = self.frontier.size
        if self.bundle:
            self.put(entries_path(size // TILE_WIDTH, len(self.bundle)), entry_bundle(self.bundle))
        for level, hashes in enumerate(self.tiles):
            if hashes:
                index = (size >> TILE_HEIGHT * level) // TILE_WIDTH
                self.put(tile_path(level, index, len(hashes)), b"".join(hashes))
        for made, entry in zip(world.bundles, world.entries, strict=True):
            self.put(f"directory/{entry.digest.hex()}", made.bundle)
        note = sign_checkpoint(Checkpoint(world.origin, size, self.frontier.root()), world.log_key)
        self.put("checkpoint", note)
        self.put(f"checkpoints/{size}", note)

    def put(self, path: str, data: bytes) -> None:
        """Write one file."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def _collect(self, level: int, index: int, node: bytes) -> None:
        if level == len(self.tiles):
            self.tiles.append([])
        hashes = self.tiles[level]
        hashes.append(node)
        if len(hashes) == TILE_WIDTH:
            self.put(tile_path(level, index), b"".join(hashes))
            hashes.clear()


def write_log(folder: Path, size: int) -> World:
    """Write a log of `size` entries into `folder`; returns the world whose log it is."""
    world = synthetic_world()
    writer = FolderWriter(folder)
    for data in entries(world, size):
        writer.append(data)
    writer.close(world)
    return world
