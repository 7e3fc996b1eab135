from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.store.rows import among


@pytest.fixture(scope="module")
def db() -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE t (x)")
    connection.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(300)])
    yield connection
    connection.close()


@given(st.lists(st.integers(0, 600), max_size=300))
def test_those_among_any_number_of_values_are_found_once_each(db: apsw.Connection, values: list[int]) -> None:
    found = [x for (x,) in db.execute(*among("SELECT x FROM t WHERE x IN (?) ORDER BY x", values))]
    assert found == sorted(value for value in set(values) if value < 300)


def test_a_query_has_few_texts() -> None:
    assert len({among("x IN (?)", [0] * n)[0] for n in range(257)}) == 5
