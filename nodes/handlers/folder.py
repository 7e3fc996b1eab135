"""A handler that writes each alert as `<id>.json` into a folder, whole or not at all."""

from __future__ import annotations

import asyncio

from nodes.durable import write_durably
from nodes.handlers.delivery import Delivery
from nodes.handlers.settings import FolderSettings
from schemas.errors import HandlerFailed

__all__ = ["FolderHandler"]

FILE_MODE = 0o640
"""The folder's group reads what the node writes: the reader is usually another system's user."""


class FolderHandler:
    """Writes into `settings.path`, which must exist. A reader never sees a half-written `.json` file."""

    def __init__(self, settings: FolderSettings) -> None:
        self._settings = settings

    async def deliver(self, delivery: Delivery) -> None:
        """Write the file and make it durable. Raises `HandlerFailed`."""
        path = self._settings.path / f"{delivery.alert_id}.json"
        try:
            await asyncio.to_thread(write_durably, path, delivery.payload, mode=FILE_MODE)
        except OSError as error:
            raise HandlerFailed(
                f"{path} could not be written: {error.strerror}",
                hint="Check that the folder exists, that the node's user may write into it, and that it has room.",
            ) from error

    async def close(self) -> None:
        """Nothing is kept open."""
