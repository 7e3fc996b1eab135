"""Fills the log of a new hub with a past, in bulk: the rows, tiles and checkpoint that the hub would have written.

What makes it fast is one transaction for many groups, without a journal. The file is whole once `prefill` returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import apsw

from benchmarks.scale.past import Group, Past, PastAlert, PastReceipt
from broker.config import Config
from broker.engines.sqlite_anchor import SqliteAnchor
from broker.engines.sqlite_files import tag_pages
from broker.engines.sqlite_parts import PUT_PARTS, Parts, circle_key
from broker.engines.sqlite_reader import TILE_LEVEL_SHIFT, SqliteReader
from broker.recovery import restore_tree
from broker.state import Delivery, Standing
from broker.tree import Tree
from schemas.limits import DAY_MS
from schemas.log.checkpoint import Checkpoint, sign_checkpoint
from tests.support.directory import NOW, World

CHUNK = 512
"""Groups written at once; some thousand entries."""
TRANSACTION = 64
"""Chunks of one transaction."""
CACHE_KIB = 131_072
SIGNED_UP_TO = 100_000
"""Entries up to which all are signed; beyond, signing would take most of the time."""


def prefill(config: Config, world: World, size: int, *, recipients: int = 3, say: Callable[[str], None] = print) -> int:
    """Give a new hub a log of about `size` entries (the last group is whole), and return the time of its end (ms)."""
    db = apsw.Connection(str(config.log))
    tag_pages(db)
    for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KIB}"):
        db.execute(f"PRAGMA {setting}")
    tree = restore_tree(SqliteReader(db))  # type: ignore[arg-type]  # it asks for no more than the reader has
    past = Past(world, start=tree.size, began=NOW + 1, recipients=recipients, signed=size <= SIGNED_UP_TO)
    left = max(0, -(-(size - tree.size) // past.length))
    while left:
        db.execute("BEGIN")
        for _ in range(TRANSACTION):
            if groups := list(past.groups(min(left, CHUNK))):
                _write(db, tree, groups)
                left -= len(groups)
        db.execute("COMMIT")
        say(f"{tree.size:,} entries")
    db.execute("BEGIN")
    until = -(-(past.time + DAY_MS) // DAY_MS) * DAY_MS
    for opener in past.openers.values():
        db.execute("INSERT INTO blob (digest, data) VALUES (?, ?)", (opener.id, opener.data))
        db.execute("INSERT INTO opener VALUES (?, ?, ?, ?)", (opener.id, opener.sender, opener.recipient, until))
    db.execute("INSERT OR REPLACE INTO newest_block VALUES (1, ?)", (tree.size - past.length,))
    db.execute("COMMIT")
    db.execute("PRAGMA journal_mode = WAL")
    db.close()
    _sign(config, world, tree)
    return past.time


def _write(db: apsw.Connection, tree: Tree, groups: list[Group]) -> None:
    db.executemany("INSERT INTO entry VALUES (?, ?)", ((each.index, each.entry) for each in _entries(groups)))
    alerts = [(alert, group) for group in groups for alert in group.alerts]
    db.executemany(
        "INSERT INTO alert VALUES (?, ?, ?, ?, ?, ?)",
        ((a.index, a.id, a.sender, a.fingerprint, a.leaf, group.idle_since) for a, group in alerts),
    )
    db.executemany("INSERT INTO body VALUES (?, ?)", ((a.index, a.body) for a, _ in alerts))
    rows = [row for group in groups for row in _parts(db, group)]
    db.executemany(f"{PUT_PARTS} (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    receipts = (receipt for group in groups for receipt in group.receipts)
    db.executemany("INSERT INTO notice VALUES (?, ?)", ((receipt.sender, receipt.index) for receipt in receipts))
    growth = tree.extend([each.leaf for each in _entries(groups)])
    tiles = ((level << TILE_LEVEL_SHIFT | index, data) for level, index, data in growth.tiles)
    db.executemany("INSERT INTO tile VALUES (?, ?)", tiles)
    tree.accept(growth)


def _parts(db: apsw.Connection, group: Group) -> Iterator[tuple[object, ...]]:
    """The recipients' parts in the alerts of a group, which differ in their index and expiry only."""
    first = group.alerts[0]
    parts = Parts.of(
        Delivery(receipt.agency, first.index, first.rank, first.expires, Standing.STORED, receipt.index)
        for receipt in group.receipts
    )
    _, circle, rank, _, *facts = parts.row(circle_key(db, parts.agencies))
    for alert in group.alerts:
        yield (alert.index, circle, rank, alert.expires, *facts)


def _entries(groups: list[Group]) -> Iterator[PastAlert | PastReceipt]:
    for group in groups:
        yield from group.alerts
        yield from group.receipts


def _sign(config: Config, world: World, tree: Tree) -> None:
    anchor = SqliteAnchor(config.anchor)
    try:
        anchor.swap(anchor.read(), sign_checkpoint(Checkpoint(world.origin, tree.size, tree.root()), world.log_key))
    finally:
        anchor.close()
