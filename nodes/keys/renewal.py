"""The link that takes up a new certificate by itself, once it is complete and the directory lists its key.

The successor is tried first, by connecting with it. Only when the hub accepts it does it replace the one in use, so a
certificate of the wrong authority locks nobody out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from nodes.config import HubSettings
from nodes.keys.certificate import certificates, settle, take_up
from nodes.link import WebSocketLink
from nodes.ports import Connection, Link
from schemas.errors import CrossbearingError, StorageFailed

log = structlog.get_logger(__name__)


class RenewingLink:
    """`Link` to the hub of node.toml. `listed` says whether the directory in force lists a pin as this agency's.

    `problem` is why the hub did not take the successor while it took the certificate in use; `told` hears of every
    change of that and of every taking-up.
    """

    def __init__(
        self,
        settings: HubSettings,
        listed: Callable[[bytes], bool],
        *,
        make: Callable[[HubSettings], Link] = WebSocketLink,
    ) -> None:
        """`make` gives a link by settings. Raises BadConfig or OpenPermissions when the files in use are no good."""
        self._make = make
        self._settings = settings
        self._listed = listed
        self.files = certificates(settings)
        self.problem: CrossbearingError | None = None
        self.told: Callable[[], None] = lambda: None
        self._moved = asyncio.Event()
        if settle(self.files):
            log.info("certificate taken up", finished="what was interrupted")
        self._link = make(settings)

    @property
    def due(self) -> bool:
        """Whether a successor is complete and listed; one that cannot be read never keeps the node from the hub."""
        if not self.files.installed:
            return False
        try:
            pins = self.files.pins()
        except CrossbearingError as error:
            log.warning("the next certificate key cannot be used", code=error.code, message=error.message)
            return False
        return len(pins) > 1 and self._listed(pins[1])

    async def changed(self) -> None:
        """Wait until the hub has taken or refused the successor."""
        await self._moved.wait()

    async def connect(self) -> Connection:
        """Open a WebSocket. Raises Unreachable, NotPinned, and StorageFailed when the taking-up cannot be written."""
        if not self.due:
            return await self._link.connect()
        try:
            connection = await self._make(self.files.next_settings(self._settings)).connect()
        except CrossbearingError as error:
            return await self._fall_back(error)
        try:
            take_up(self.files)
        except OSError as error:
            await connection.close()
            raise StorageFailed(f"the new certificate cannot be put in its place: {error.strerror}") from error
        self._link = self._make(self._settings)
        self._say(None)
        log.info("certificate taken up")
        return connection

    async def _fall_back(self, refusal: CrossbearingError) -> Connection:
        """The connection by the certificate in use; if that works, it is the successor that was refused."""
        connection = await self._link.connect()
        log.warning("new certificate refused", code=refusal.code, message=refusal.message)
        self._say(refusal)
        return connection

    def _say(self, problem: CrossbearingError | None) -> None:
        self.problem = problem
        self._moved.set()
        self._moved = asyncio.Event()
        self.told()
