"""Measure all floors, print them, and keep them.

python -m benchmarks.floors [--to FOLDER]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.brokers.peer import AUTHORITY, HUB_CERTIFICATE, HUB_KEY
from benchmarks.floors import codec, crypto, sockets, storage, tls
from benchmarks.floors.timing import Floor
from benchmarks.machine import machine

FILE = "floors.json"


def measure(folder: Path) -> Iterator[Floor]:
    """Every floor; files go to a new folder below `folder`, on whose disk commits are timed."""
    yield from crypto.floors()
    yield from codec.floors()
    yield from tls.floors(HUB_CERTIFICATE, HUB_KEY, AUTHORITY)
    with tempfile.TemporaryDirectory(dir=folder, prefix="floors-") as place:
        yield from storage.floors(Path(place))
    yield from sockets.floors(HUB_CERTIFICATE, HUB_KEY, AUTHORITY)


def main() -> None:
    """Parse the command line, measure, keep the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", type=Path, default=Path("build/bench"))
    to: Path = parser.parse_args().to
    to.mkdir(parents=True, exist_ok=True)
    found = []
    for floor in measure(to):
        print(f"{floor.cost:10.2f} µs{' (real time)' if floor.real else ''}  {floor.what}", flush=True)
        found.append(floor)
    value = {"machine": machine(), "floors": [asdict(floor) for floor in found]}
    (to / FILE).write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
