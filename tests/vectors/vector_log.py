"""The log in which the envelope vectors stand.

0..5   the genesis of four agencies           directory version 6
6      a place for an alert
7      au-abf retires its first signing key   directory version 7
8      a place for an alert
9      au-abf is suspended                    directory version 8
10     a place for an alert; the usual one
11     another entry, so that the tree goes on
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from schemas.example import example_seed
from schemas.keys import SigningKey
from schemas.log.entry import Entry, RefusalEntry, encode_entry
from tests.support.directory import NOW, World, make_world, record
from tests.support.envelope import SmallLog

AGENCIES = ("au-abf", "hk-customs", "nz-customs", "sg-cnb")
EARLY, MIDDLE, USUAL = 6, 8, 10
SIZE = 12
SECOND_KEY = SigningKey(example_seed("au-abf", "signing-2"))


class VectorLog:
    """The world of the vectors and its entries by index; alerts are put into the places left for them."""

    def __init__(self) -> None:
        self.world: World = make_world(AGENCIES)
        self.directory_entries = dict(enumerate(self.world.entries))
        held = self.world.keys["au-abf"]
        retired = replace(held.signing[0], status="retired")
        self.world.keys["au-abf"] = replace(held, signing=(retired, record(SECOND_KEY.public)))
        self.directory_entries[7] = self.world.publish("au-abf", index=7)
        self.world.change_agency("au-abf", status="suspended")
        self.directory_entries[9] = self.world.publish("targets", index=9)

    def log(self, index: int, entry: bytes, size: int = SIZE) -> SmallLog:
        """A log of `size` with this entry in its place."""
        log = SmallLog(self.world)
        log.leaves = [encode_entry(self.directory_entries.get(n, _filler(n))) for n in range(size)]
        log.leaves[index] = entry
        return log

    def describe(self) -> dict[str, Any]:
        """`world.json`: all that a reader of the vectors has to know beforehand."""
        return {
            "origin": self.world.origin,
            "log_vkey": self.world.document.log.keys[0],
            "trusted_root": self.world.trusted_root.hex(),
            "seeds": {
                agency: {
                    "signing": example_seed(agency, "signing").hex(),
                    "sealing": example_seed(agency, "sealing").hex(),
                }
                for agency in AGENCIES
            },
            "directory": [
                {"index": index, "entry": encode_entry(entry).hex(), "bundle": made.bundle.hex()}
                for (index, entry), made in zip(self.directory_entries.items(), self.world.bundles, strict=True)
            ],
        }


def _filler(index: int) -> Entry:
    return RefusalEntry(NOW, 6 + (index > 7) + (index > 9), "nz-customs", "quota", bytes(32))
