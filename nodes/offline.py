"""Backing up a node that does not run: the same, with the store opened here under the home's lock."""

from __future__ import annotations

import asyncio
from pathlib import Path

from nodes.backup import held_size, make_backup
from nodes.config import NodeConfig
from nodes.keystore import read_keystore
from nodes.lock import home_lock
from nodes.passphrase import read_passphrase
from nodes.ports import system_clock
from nodes.store.database import Database


def back_up_stopped(config: NodeConfig, target: Path, passphrase_file: Path | None) -> dict[str, object]:
    """Back the home up into `target`. Raises StorageLocked if a daemon runs after all, and as `make_backup` does."""
    seeds = read_keystore(config.keystore, read_passphrase(passphrase_file))
    with home_lock(config.lock):
        store = Database(config.database, seeds.database)
        try:

            async def copy(path: Path) -> int:
                store.read(lambda tables: tables.copy(path))
                return store.read(held_size)

            return asyncio.run(make_backup(config, target, copy=copy, now=system_clock())).as_dict()
        finally:
            store.close()
