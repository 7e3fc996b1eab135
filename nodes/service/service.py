"""The node as its local users see it: one method for each endpoint of the local API, JSON-ready answers.

What each method takes and gives is written in docs/spec/local-api.md. Every refusal is a `CrossbearingError`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from nodes.backup import held_size, make_backup
from nodes.carrier.desk import CarrierDesk
from nodes.config import NodeConfig
from nodes.identity import Identity
from nodes.keys.service import KeyService
from nodes.ports import Clock, Random
from nodes.receipts import Acknowledgements
from nodes.service.attachments import StoredFile, find_file, open_file
from nodes.service.compose import Composer
from nodes.service.disclosing import Disclosing, FetchEvidence
from nodes.service.health import Health
from nodes.service.partners import directory_view
from nodes.service.ports import Link
from nodes.service.reading import Reading
from nodes.service.routing import Routing
from nodes.service.sending import Sending
from nodes.standing import Standing
from nodes.store.database import Tables
from nodes.store.store import Store
from schemas.errors import NotReady, WrongState

__all__ = ["NodeService"]


PATIENCE: Final = 10.0
"""Seconds for which a reader waits for a file whose alert is here already: what most files need on most lines."""


class NodeService:
    """What the local API offers: `sending`, `reading`, `disclosing`, `keys`, `carrier`, `health`, and the rest."""

    def __init__(
        self,
        *,
        config: NodeConfig,
        store: Store,
        standing: Standing,
        identity: Identity,
        acknowledgements: Acknowledgements,
        keys: KeyService,
        link: Link,
        evidence: FetchEvidence,
        carrier: CarrierDesk,
        clock: Clock,
        random: Random,
    ) -> None:
        self._config = config
        self._clock = clock
        self._store = store
        self._standing = standing
        self._acknowledgements = acknowledgements
        self.keys = keys
        self.carrier = carrier
        self._composer = Composer(standing, clock)
        self.sending = Sending(store, standing, self._composer, clock, random)
        self.reading = Reading(store)
        self.routing = Routing(store, standing, self._composer)
        self.disclosing = Disclosing(store, standing, evidence)
        self.health = Health(config=config, store=store, standing=standing, identity=identity, link=link, clock=clock)

    async def directory(self) -> dict[str, Any]:
        """`GET /v1/directory`. Raises `NotReady` before one is held."""
        return directory_view(self._standing.directory)

    async def ack(self, text: str, state: Literal["read", "actioned"], *, officer: str | None = None) -> dict[str, Any]:
        """`POST /v1/alerts/{id}/ack`. States only move forward. Raises `WrongState` for an own alert, `NotFound`."""
        row = await self._store.read(lambda tables: tables.alerts.find(text))
        if row.direction == "out":
            raise WrongState(
                "this alert is your own; only its recipients acknowledge it", hint="See `bearing sent ID`."
            )
        await self._acknowledgements.acknowledge(row.id, state, officer=officer)
        now = await self._store.read(lambda tables: tables.alerts.by_number(row.number))
        return {"state": now.state}

    async def attachment(self, text: str, number: int) -> bytes:
        """`GET /v1/alerts/{id}/attachments/{n}`: the file's content.

        A file that is on its way is waited for, for a moment. Raises `NotFound`, `NotReady` when it is not all here
        then, and `AttachmentUnreadable`.
        """

        def look(tables: Tables) -> StoredFile:
            return find_file(tables, tables.alerts.content(tables.alerts.find(text).number), number)

        try:
            async with asyncio.timeout(PATIENCE):
                file = await self._complete(look)
        except TimeoutError:
            file = await self._store.read(look)
        return await asyncio.to_thread(open_file, file)

    async def _complete(self, look: Callable[[Tables], StoredFile]) -> StoredFile:
        """The file that `look` finds, as soon as it is whole."""
        while True:
            revision = self._store.revision("downloads")
            try:
                return await self._store.read(look)
            except NotReady:
                await self._store.wait("downloads", revision)

    async def backup(self, target: Path) -> dict[str, object]:
        """`POST /v1/backup`: a folder with everything to make this home from again; see `nodes.backup`."""

        def work(path: Path, tables: Tables) -> int:
            tables.copy(path)
            return held_size(tables)

        async def copy(path: Path) -> int:
            return await self._store.read(partial(work, path))

        made = await make_backup(self._config, target, copy=copy, now=self._clock())
        return made.as_dict()

    async def retry_dead_letter(self, number: int) -> dict[str, Any]:
        """`POST /v1/dead-letters/{n}/retry`: hand it to its handler again. Raises `NotFound`."""

        def revive(tables: Tables) -> dict[str, Any]:
            tables.jobs.revive(number)
            return {"number": number, "state": "waiting"}

        return await self._store.write(revive)
