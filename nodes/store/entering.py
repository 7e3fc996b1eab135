"""The row of an alert that this node comes to hold, sent or received."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import apsw

from nodes.store.alerts import Direction
from nodes.store.rows import number
from nodes.store.topics import Topics
from schemas import ids
from schemas.envelope.words import PRECEDENCE_RANK

if TYPE_CHECKING:
    from schemas.alert.document import Alert

Row: TypeAlias = "tuple[apsw.SQLiteValue, ...]"

_COLUMNS = (
    "number, direction, id, sender, officer, kind, title, marking, status, precedence, rank, operation, address, "
    "composed, received, expires, relation, related, state, document, "
    "log_index, leaf, header, signature, entry, header_at, size, path, noted, note"
)
_INSERT = f"INSERT INTO alert ({_COLUMNS}) VALUES ({', '.join('?' * len(_COLUMNS.split(',')))})"  # noqa: S608  # of constants


class Logged(NamedTuple):
    """What the row of an alert that was received has besides, of the log; `nodes.store.schema` says what it means."""

    log_index: int
    leaf: bytes
    header: bytes
    signature: bytes
    entry: bytes
    header_at: int | None
    size: int
    path: bytes
    noted: int
    note: bytes | None


_NOT_LOGGED = (None,) * len(Logged._fields)


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
    logged: Logged | None = None,
) -> Row:
    """An alert's row under the local number `place`. `document` is its wire map, encoded."""
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
        *(logged or _NOT_LOGGED),
    )


def insert_alerts(db: apsw.Connection, rows: Sequence[Row], topics: Topics) -> None:
    """Write rows. Their words are found at once, see `nodes.store.search`."""
    db.executemany(_INSERT, rows)
    topics.add("search")
