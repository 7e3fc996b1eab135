"""Full-text search over the alerts held, of both directions.

An alert's words enter the index some time after the alert, many alerts at once: on its arrival they would cost more
than everything else that is written of it. The index holds all alerts up to a local number; whatever came after it is
indexed in memory for the search that asks, so that nothing is ever missing from an answer.
"""

from __future__ import annotations

from collections.abc import Iterator

import apsw

from nodes.store.rows import number
from schemas import codec, limits

_TOKENS = "content = '', tokenize = 'unicode61 remove_diacritics 2'"


class SearchIndex:
    """Brings the index up to date."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    def pending(self) -> int:
        """How many alerts are not in the index yet."""
        return number(self._db, "SELECT count(*) FROM alert WHERE number > ?", (_indexed(self._db),))

    def extend(self, limit: int) -> int:
        """Index the next `limit` alerts; returns how many there were."""
        texts = list(_texts_after(self._db, _indexed(self._db), limit))
        self._db.executemany("INSERT INTO search (rowid, text) VALUES (?, ?)", texts)
        return len(texts)


def find_words(db: apsw.Connection, query: str, *, limit: int) -> list[int]:
    """Local numbers of alerts whose text holds all the words of `query` (the last may be the start of one).

    At most `limit`: those that the index does not hold yet first, then the best of the index.
    """
    words = ['"' + word.replace('"', '""') + '"' for word in query.split()]
    if not words:
        return []
    wanted = " ".join(words) + "*"
    fresh = _find_fresh(db, wanted, limit)
    found = db.execute(
        "SELECT rowid FROM search WHERE search MATCH ? ORDER BY bm25(search) LIMIT ?", (wanted, limit - len(fresh))
    )
    return fresh + [int(place) for (place,) in found]


def _find_fresh(db: apsw.Connection, wanted: str, limit: int) -> list[int]:
    """The same among alerts that are not in the index yet, by an index of them alone that no disk sees."""
    texts = _texts_after(db, _indexed(db), -1)
    first = next(texts, None)
    if first is None:
        return []
    db.execute(f"CREATE VIRTUAL TABLE temp.fresh USING fts5 (text, {_TOKENS})")
    try:
        insert = "INSERT INTO temp.fresh (rowid, text) VALUES (?, ?)"
        db.execute(insert, first)
        db.executemany(insert, texts)
        found = db.execute(
            "SELECT rowid FROM temp.fresh WHERE fresh MATCH ? ORDER BY bm25(fresh) LIMIT ?", (wanted, limit)
        )
        return [int(place) for (place,) in found]
    finally:
        db.execute("DROP TABLE temp.fresh")


def _indexed(db: apsw.Connection) -> int:
    """The local number up to which alerts are in the index."""
    return number(db, "SELECT rowid FROM search ORDER BY rowid DESC LIMIT 1")


def _texts_after(db: apsw.Connection, place: int, limit: int) -> Iterator[tuple[int, str]]:
    rows = db.execute("SELECT number, document FROM alert WHERE number > ? ORDER BY number LIMIT ?", (place, limit))
    for found, document in rows:
        yield int(found), "\n".join(_texts(codec.decode(document, max_size=limits.MAX_BODY)))


def _texts(value: codec.Value) -> list[str]:
    """Every text in a document."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return []
