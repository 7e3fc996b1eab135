"""The row of an alert that this node comes to hold, sent or received."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import apsw

from nodes.store.alerts import Direction
from nodes.store.rows import number
from nodes.store.topics import Topics
from schemas import ids
from schemas.envelope.words import PRECEDENCE_RANK

if TYPE_CHECKING:
    from schemas.alert.document import Alert

Row: TypeAlias = "tuple[apsw.SQLiteValue, ...]"

_INSERT = (
    "INSERT INTO alert (number, direction, id, sender, officer, kind, title, marking, status, precedence, rank, "
    "operation, address, composed, received, expires, relation, related, state, document, log_index, leaf, header, "
    "signature) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def next_number(db: apsw.Connection) -> int:
    """The local number of the next alert."""
    return number(db, "SELECT max(number) FROM alert") + 1


def alert_row(
    place: int,
    alert: Alert,
    document: bytes,
    *,
    direction: Direction,
    received: int,
    state: str,
    expires: int | None,
    logged: tuple[int, bytes, bytes, bytes] | None = None,
) -> Row:
    """An alert's row under the local number `place`. `document` is its wire map, encoded; `logged`, of one that is in
    the log, its index and leaf hash there, its header and signature.
    """
    relation = alert.relation
    return (
        place,
        direction,
        ids.parse_id(alert.id),
        alert.sender,
        alert.officer,
        alert.kind,
        alert.title,
        alert.marking,
        alert.status,
        alert.precedence,
        PRECEDENCE_RANK[alert.precedence],
        alert.operation,
        "\n".join(alert.to),
        alert.composed,
        received,
        expires,
        None if relation is None else relation.type,
        None if relation is None else ids.parse_id(relation.alert),
        state,
        document,
        *(logged or (None, None, None, None)),
    )


def insert_alerts(db: apsw.Connection, rows: Sequence[Row], topics: Topics) -> None:
    """Write rows. Their words are found at once, see `nodes.store.search`."""
    db.executemany(_INSERT, rows)
    topics.add("search")
