"""Brings the search index up to date, a little after the alerts came: see `nodes.store.search`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from nodes.ports import Sleep
from nodes.store.store import Store
from schemas.errors import StorageFull

if TYPE_CHECKING:
    from nodes.store.database import Tables

PAUSE: Final = 10.0
"""Seconds in which alerts gather, so that a commit of the index has many."""
TOGETHER: Final = 64
"""Alerts indexed in one commit: two milliseconds, for which an alert that arrives may have to wait."""

log = structlog.get_logger(__name__)


async def keep_indexed(store: Store, *, sleep: Sleep = asyncio.sleep) -> None:
    """Index whatever came, as long as the node runs."""
    while True:
        seen = store.revision("search")
        if await store.read(lambda tables: tables.search.pending()):
            try:
                while await store.write(_extend):
                    pass
            except StorageFull as full:  # a search finds what is not indexed too, only slower
                log.warning("the search index waits", code=full.code, message=full.message)
        await store.wait("search", seen)
        await sleep(PAUSE)


def _extend(tables: Tables) -> bool:
    return tables.search.extend(TOGETHER) == TOGETHER
