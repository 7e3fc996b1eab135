"""What an audit costs: `python -m benchmarks.audit`. Prints one line for each measure.

generate DIR [SIZE]    write a synthetic log (default 1,000,000 entries)
verify DIR WORKERS     verify it; seconds, entries a second, most memory of any one process
rebuild DIR            make every hash tile again from the entries and compare; seconds
tree                   cost of an append and of proofs in trees of 10^3 to 10^7 leaves
"""

from __future__ import annotations

import hashlib
import resource
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from benchmarks.synthetic_log import FolderWriter, synthetic_world, write_log
from nodes.auditor.bundles import bundles_of, read_bundle
from nodes.auditor.mirror import LogFolder
from nodes.auditor.report import Report
from nodes.auditor.verify import Question, verify
from schemas.log.merkle import (
    HASH_SIZE,
    Frontier,
    node_hash,
    prove_consistency,
    prove_inclusion,
    verify_inclusion,
)
from schemas.log.note import note_key
from schemas.log.tiles import TILE_WIDTH, TileReader, tile_path, tiles_for

SIZES = tuple(10**power for power in range(3, 8))


def say(line: str) -> None:
    """Print one measure."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def generate(folder: Path, size: int) -> None:
    """Write a synthetic log."""
    began = time.perf_counter()
    write_log(folder, size)
    say(f"generate: {size:,} entries in {time.perf_counter() - began:.1f} s")


def verify_log(folder: Path, workers: int) -> Report:
    """Verify a synthetic log, and tell what it took."""
    world = synthetic_world()
    question = Question(world.trusted_root, [note_key(world.origin, world.log_key.public)], workers=workers)
    marks: dict[str, float] = {}

    def note(what: str, _done: int, _of: int) -> None:
        marks.setdefault(what, time.perf_counter())

    began = time.perf_counter()
    report = verify(LogFolder(folder), question, note)
    ended = time.perf_counter()
    passes = [*marks.items(), ("", ended)]
    parts = ", ".join(f"{name} {then - at:.1f} s" for (name, at), (_, then) in pairwise(passes))
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
    rate = report.size / (ended - began)
    say(
        f"verify: ok={report.ok}, {report.size:,} entries, {workers} worker(s): {ended - began:.1f} s, {rate:,.0f}/s"
        f" ({parts}); {busy:.1f} s of processor time;"
        f" at most {own.ru_maxrss // 1024} MiB here, {others.ru_maxrss // 1024} MiB in a worker"
    )
    return report


def rebuild(folder: Path) -> int:
    """Make the hash tiles of a log again from its entries; returns how many differ from the stored ones."""
    copy = LogFolder(folder)
    size = copy.kept_sizes()[-1]
    made: set[str] = set()
    differing = 0

    class Comparing(FolderWriter):
        """Compares instead of writing."""

        def put(self, path: str, data: bytes) -> None:
            nonlocal differing
            if path.startswith("tile/") and not path.startswith("tile/entries/"):
                made.add(path)
                differing += (folder / path).read_bytes() != data

    began = time.perf_counter()
    writer = Comparing(folder)
    for index, width in bundles_of(size):
        for data in read_bundle(copy, index, width).entries:
            writer.append(data)
    writer.close(synthetic_world())
    wanted = {tile_path(*parts) for parts in tiles_for(size)}
    say(
        f"rebuild: {len(made):,} tiles of {size:,} entries in {time.perf_counter() - began:.1f} s,"
        f" {differing + len(made ^ wanted)} differ"
    )
    return differing


class Tiles:
    """The hash tiles of a tree of leaves that are the hashes of their numbers, in memory."""

    def __init__(self, size: int) -> None:
        self.levels: list[bytearray] = [bytearray()]
        level = self.levels[0]
        for number in range(size):
            level += hashlib.sha256(number.to_bytes(8, "big")).digest()
        while len(level) >= TILE_WIDTH * HASH_SIZE:
            above = bytearray()
            for at in range(0, len(level) - TILE_WIDTH * HASH_SIZE + 1, TILE_WIDTH * HASH_SIZE):
                row = [bytes(level[k : k + HASH_SIZE]) for k in range(at, at + TILE_WIDTH * HASH_SIZE, HASH_SIZE)]
                while len(row) > 1:
                    row = [node_hash(row[k], row[k + 1]) for k in range(0, len(row), 2)]
                above += row[0]
            self.levels.append(above)
            level = above
        self.size = size

    def read(self, level: int, index: int, width: int) -> bytes:
        """A tile, as `TileReader` asks for it."""
        start = index * TILE_WIDTH * HASH_SIZE
        return bytes(self.levels[level][start : start + width * HASH_SIZE])


def tree() -> None:
    """Tell what appends and proofs cost in trees of growing size."""
    tiles = Tiles(SIZES[-1])
    for size in SIZES:
        _measure_tree(tiles, size)


def _measure_tree(tiles: Tiles, size: int) -> None:
    reader = TileReader(size, tiles.read)
    frontier = Frontier.read(size, reader)
    root, growing = frontier.root(), frontier.copy()
    places = [(n * 2_654_435_761) % size for n in range(300)]

    def cold_inclusion(number: int) -> object:
        return prove_inclusion(places[number], size, TileReader(size, tiles.read))

    def cold_consistency(number: int) -> object:
        return prove_consistency(places[number] + 1, size, TileReader(size, tiles.read))

    path = prove_inclusion(places[-1], size, reader)
    leaf = reader(0, places[-1])
    append = _microseconds(20_000, lambda _: growing.append(leaf))
    head = _microseconds(2_000, lambda _: frontier.root())
    inclusion = _microseconds(len(places), cold_inclusion)
    consistency = _microseconds(len(places), cold_consistency)
    check = _microseconds(2_000, lambda _: verify_inclusion(leaf, places[-1], size, path, root))
    say(
        f"tree of {size:>10,}: append {append:5.2f} us, root {head:5.1f} us, inclusion proof {inclusion:6.0f} us,"
        f" consistency proof {consistency:6.0f} us (tiles not cached), check {check:4.0f} us, {len(path)} hashes"
    )


def _microseconds(times: int, act: Callable[[int], object]) -> float:
    """The mean time of one of several runs of `act`, which is given the number of the run."""
    began = time.perf_counter()
    for number in range(times):
        act(number)
    return (time.perf_counter() - began) / times * 1e6


def main(arguments: list[str]) -> int:
    """Run the measure that the command line names."""
    match arguments:
        case ["generate", folder]:
            generate(Path(folder), 1_000_000)
        case ["generate", folder, size]:
            generate(Path(folder), int(size))
        case ["verify", folder, workers]:
            return not verify_log(Path(folder), int(workers)).ok
        case ["rebuild", folder]:
            return rebuild(Path(folder))
        case ["tree"]:
            tree()
        case _:
            say(__doc__ or "")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
