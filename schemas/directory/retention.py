"""When the hub may delete what it holds of an alert: the one rule, for the hub to follow and for auditors to repeat.

An alert is idle from the moment on which no recipient waits for it any more: each gave a receipt or it was recalled,
and at the latest when it expires. The governors rule for how many days it is kept from then on, and they alone can
order one alert's deletion before that. Both stand in ``directory.json``, so both carry their threshold of signatures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.directory.documents import DirectoryDocument
from schemas.errors import Retained

RETENTION: Final = "retention"
"""The basis of a deletion that the retention rule asks for; nobody needs to approve it."""
GOVERNORS: Final = ("governors",)
"""Who approved a deletion by order: the threshold of them that signed the directory in force."""


@dataclass(frozen=True, slots=True)
class Right:
    """By what right an alert's body is deleted: the basis and the approvers of the log's purge entry."""

    basis: str
    approvers: tuple[str, ...]


def right_to_purge(document: DirectoryDocument, alert: str, idle_since: int, at: int) -> Right:
    """The right to delete, at the time ``at`` (ms), the body of an alert that is idle since ``idle_since`` (ms).

    ``alert`` is its id as text, ``document`` the directory's in force. Raises `Retained` when there is none yet.
    """
    due = idle_since + document.limits.retention
    if at >= due:
        return Right(RETENTION, ())
    order = document.purges.get(alert)
    if order is not None:
        return Right(order.basis, GOVERNORS)
    raise Retained(f"the body of alert {alert} is kept for another {due - at} ms", due=due)
