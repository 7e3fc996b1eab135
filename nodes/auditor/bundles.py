"""Entry bundles as an auditor must read them: perhaps damaged, and then up to the damage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodes.auditor.mirror import LogFolder
from schemas.codec import encode
from schemas.log.tiles import TILE_WIDTH

_KIND = encode("kind")


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a bundle file gives: all its entries, or those before the byte from which it cannot be split."""

    entries: tuple[bytes, ...]
    whole: bool
    """The file is exactly the entries it must hold."""

    def offset(self, item: int) -> int:
        """The byte in the file at which entry number `item` of the bundle begins, with its length."""
        return sum(2 + len(entry) for entry in self.entries[:item])


def split(data: bytes, width: int) -> Bundle:
    """Split a bundle of `width` entries, each after its length in two bytes (C2SP tlog-tiles), as far as it goes."""
    entries: list[bytes] = []
    at = 0
    while len(entries) < width:
        start = at + 2
        end = start + int.from_bytes(data[at:start], "big")
        if start > len(data) or end > len(data):
            break
        entries.append(data[start:end])
        at = end
    return Bundle(tuple(entries), len(entries) == width and at == len(data))


def bundles_of(size: int, *, start: int = 0) -> Iterator[tuple[int, int]]:
    """Yield index and width of the bundles that hold entries `start` to `size` - 1."""
    for index in range(start // TILE_WIDTH, -(-size // TILE_WIDTH)):
        yield index, min(TILE_WIDTH, size - index * TILE_WIDTH)


def read_bundle(folder: LogFolder, index: int, width: int) -> Bundle:
    """Read and split one bundle. Raises what `LogFolder.read` raises."""
    return split(folder.read_bundle(index, width), width)


def mark_of(kind: str) -> bytes:
    """Return bytes that every entry of this kind contains; an entry without them need not be decoded to pass it over.

    Entries are canonical, so the pair of key and kind is written in one way only.
    """
    return _KIND + encode(kind)
