"""The answers that one node's submissions get, and which of them may wait.

A sender waits for the fate of its alert, and whoever was refused has something to do. That a receipt is in the log its
node need only hear to forget it: such an answer waits for company, so that it costs no message of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from schemas.session.frames import Result, ResultItem

RESULTS: Final = 256
"""In one frame."""
HELD: Final = 8
"""Answers that wait at most: a node has four times as many receipts under way."""
HELD_SECONDS: Final = 0.25
"""For which an answer waits at most."""


class Answers:
    """What is to be told to one node, in order. `wake` is called when something is to be told at once."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._due: deque[ResultItem] = deque()
        self._held: list[ResultItem] = []
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._due) + len(self._held)

    @property
    def due(self) -> bool:
        """Whether something is to be told at once."""
        return bool(self._due)

    def tell(self, item: ResultItem) -> None:
        """Tell this at once, and with it whatever is held."""
        self._due.append(item)
        self._wake()

    def tell_in_company(self, item: ResultItem) -> None:
        """Tell this with whatever the node is sent next; when enough such wait, or the first waits for too long, at
        once."""
        self._held.append(item)
        if len(self._held) >= HELD:
            self._waited()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HELD_SECONDS, self._waited)

    def join(self) -> None:
        """The node is sent something anyway: what is held goes too."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due.extend(self._held)
        self._held.clear()

    def take(self) -> Result | None:
        """The next frame, with what is held if it has room; None when there is nothing to tell at all."""
        self.join()
        items = tuple(self._due.popleft() for _ in range(min(RESULTS, len(self._due))))
        return Result(items) if items else None

    def _waited(self) -> None:
        self.join()
        self._wake()
