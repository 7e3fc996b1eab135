"""What the service needs to know of the node's dealings with the hub, and nothing more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Link", "LinkState"]


@dataclass(frozen=True, slots=True)
class LinkState:
    """The connection as it is now, changed at `since` (ms; None if it was never up).

    `checkpoint_time` is when this node last verified a checkpoint (ms; None since it was started if it has not).
    `clock_offset` is the hub's clock minus ours at the last welcome, in ms: positive when ours is behind. `code` and
    `message` say why there is no connection.
    """

    connected: bool
    since: int | None = None
    clock_offset: int | None = None
    checkpoint_time: int | None = None
    code: str | None = None
    message: str | None = None


Link = Callable[[], LinkState]
"""Look at the connection."""
