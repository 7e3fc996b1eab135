"""What a handler is given, and what it must do with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Delivery", "Handler", "idempotency_key"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One alert on its way to one handler.

    `payload` is the alert as JSON (UTF-8), the same bytes at every attempt. `attempt` counts from 1. A delivery may
    come again after it succeeded, when the node died before it could note the success; `key` is then the same.
    """

    handler: str
    alert_id: str
    sender: str
    topic: str
    marking: str
    precedence: str
    status: str
    operation: str | None
    attempt: int
    payload: bytes

    @property
    def key(self) -> str:
        """The idempotency key: a receiver that has seen it has this alert already."""
        return idempotency_key(self.alert_id, self.handler)


class Handler(Protocol):
    """Takes alerts out of the node. Knows nothing of queues and retries."""

    async def deliver(self, delivery: Delivery) -> None:
        """Hand the alert over; return once the other side holds it. Raises `HandlerFailed`, with the reason."""

    async def close(self) -> None:
        """Let go of connections and processes."""


def idempotency_key(alert_id: str, handler: str) -> str:
    """`<alert id>/<handler name>`: one per delivery, the same at every attempt."""
    return f"{alert_id}/{handler}"
