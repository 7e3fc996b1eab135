"""Read single values from SQLite."""

from __future__ import annotations

import apsw


def number(db: apsw.Connection, sql: str, values: tuple[apsw.SQLiteValue, ...] = ()) -> int:
    """The one integer a query gives; 0 for no row and for NULL."""
    return optional_number(db, sql, values) or 0


def optional_number(db: apsw.Connection, sql: str, values: tuple[apsw.SQLiteValue, ...] = ()) -> int | None:
    """The one integer a query gives; None for no row and for NULL."""
    row = db.execute(sql, values).fetchone()
    return None if row is None or row[0] is None else int(row[0])
