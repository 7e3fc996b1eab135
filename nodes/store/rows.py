"""Read single values from SQLite, and ask for several at once."""

from __future__ import annotations

from collections.abc import Sequence

import apsw


def number(db: apsw.Connection, sql: str, values: tuple[apsw.SQLiteValue, ...] = ()) -> int:
    """The one integer a query gives; 0 for no row and for NULL."""
    return optional_number(db, sql, values) or 0


def optional_number(db: apsw.Connection, sql: str, values: tuple[apsw.SQLiteValue, ...] = ()) -> int | None:
    """The one integer a query gives; None for no row and for NULL."""
    row = db.execute(sql, values).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def among(sql: str, values: Sequence[apsw.SQLiteValue]) -> tuple[str, tuple[apsw.SQLiteValue, ...]]:
    """A query that says ``IN (?)`` once, for any number of values, and what to bind; NULL if there are none.

    The last value is repeated until there are 1, 4, 16, 64 …: few texts of each query, which SQLite then has compiled.
    """
    places = 1
    while places < len(values):
        places *= 4
    last = values[-1] if values else None
    return sql.replace("(?)", "(?" + ", ?" * (places - 1) + ")"), (*values, *[last] * (places - len(values)))
