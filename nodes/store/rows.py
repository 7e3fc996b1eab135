"""Read single values from SQLite."""

from __future__ import annotations

import json
from collections.abc import Iterable

import apsw


def number(db: apsw.Connection, sql: str, values: tuple[apsw.SQLiteValue, ...] = ()) -> int:
    """The one integer a query gives; 0 for no row and for NULL."""
    return optional_number(db, sql, values) or 0


def optional_number(db: apsw.Connection, sql: str, values: tuple[apsw.SQLiteValue, ...] = ()) -> int | None:
    """The one integer a query gives; None for no row and for NULL."""
    row = db.execute(sql, values).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def hex_list(values: Iterable[bytes]) -> str:
    """Values for one place of a query: ``… IN (SELECT unhex(value) FROM json_each(?))``."""
    return json.dumps([value.hex() for value in values])
