"""May the body of an alert be deleted? One pure function from state to a verdict, in numbered steps.

1   there is an alert at that index
2   its body was not deleted before
3   the retention rule or an order of the governors gives the right to
"""

from __future__ import annotations

from dataclasses import dataclass

from broker.state import KnownAlert, View
from schemas.directory.history import Directory
from schemas.directory.retention import Right, right_to_purge
from schemas.envelope.header import Header, decode_header
from schemas.errors import Missing, Purged
from schemas.ids import format_id
from schemas.log.entry import AlertEntry, decode_entry
from schemas.steps import step

STEPS = {
    1: "there is an alert at that index",
    2: "its body was not deleted before",
    3: "the retention rule or an order of the governors gives the right to",
}


@dataclass(frozen=True, slots=True)
class AdmittedPurge:
    """A deletion that may enter the log; only `admit_purge` makes one."""

    alert: KnownAlert
    header: Header
    right: Right


def admit_purge(index: int, *, view: View, newest: Directory, now: int) -> AdmittedPurge:
    """Decide on deleting what is held of the alert at `index`, at `now` (ms).

    Raises `Missing`, `Purged` or `Retained`.
    """
    with step(1):
        known, stored = view.alert_at(index), view.entry(index)
        entry = decode_entry(stored) if stored is not None else None
        if known is None or not isinstance(entry, AlertEntry):
            raise Missing(f"there is no alert at index {index}", index=index)
    with step(2):
        if known.idle_since is None:
            raise Purged(f"the body of the alert at index {index} was deleted before", index=index)
    with step(3):
        right = right_to_purge(newest.require_document(), format_id(known.id), known.idle_since, now)
    return AdmittedPurge(known, decode_header(entry.header), right)
