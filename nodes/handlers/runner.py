"""All handlers of a node: made from their settings, each behind a queue of its own, so that none waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from nodes.handlers.command import CommandHandler
from nodes.handlers.delivery import Handler
from nodes.handlers.folder import FolderHandler
from nodes.handlers.queue import HandlerQueue
from nodes.handlers.settings import CommandSettings, FolderSettings, HandlerSettings, WebhookSettings
from nodes.handlers.webhook import WebhookHandler
from nodes.store.store import Store

__all__ = ["Handlers", "make_handler"]


class Handlers:
    """Runs every configured handler. Raises `BadConfig` or `OpenPermissions` at once if one cannot work.

    `environment` is the daemon's own; `now` gives milliseconds since the epoch; `random` that many random bytes.
    """

    def __init__(
        self,
        settings: Sequence[HandlerSettings],
        store: Store,
        *,
        environment: Mapping[str, str],
        now: Callable[[], int],
        random: Callable[[int], bytes],
    ) -> None:
        self.queues = tuple(
            HandlerQueue(one, make_handler(one, environment=environment, now=now), store, now=now, random=random)
            for one in settings
        )

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for queue in self.queues:
                group.create_task(queue.run(), name=f"handler {queue.name}")


def make_handler(settings: HandlerSettings, *, environment: Mapping[str, str], now: Callable[[], int]) -> Handler:
    """The handler that a configuration table describes."""
    match settings:
        case CommandSettings():
            return CommandHandler(settings, environment=environment)
        case WebhookSettings():
            return WebhookHandler(settings, now=now)
        case FolderSettings():
            return FolderHandler(settings)
