"""What the writer remembers is never another thing than what is stored: any blocks, kept or abandoned, give any answer
that an engine gives which keeps every delivery by itself."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.engines import sqlite_block
from broker.engines.port import BlockWriter, Engine
from broker.engines.sqlite import SqliteEngine, create_log
from broker.state import Changes, Delivery, Escalated, KnownAlert, KnownOpener, Purge, Spent, Standing, View
from tests.support.memory_engine import MemoryEngine

AGENCIES = ("au-abf", "hk-customs", "sg", "sg-cnb")
NOW, LATER = 1_000, 2_000
FROM_START = (-1, -1)


class _AbandonedError(Exception):
    """Ends a block that is to leave nothing."""


@st.composite
def steps(draw: st.DrawFn) -> tuple[str, dict[str, int], frozenset[str]]:
    """Something that an entry changes, with numbers to choose by."""
    what = draw(st.sampled_from(["alert", "alert", "receipt", "receipt", "receipt", "escalate", "spend", "purge"]))
    numbers = {name: draw(st.integers(0, 7)) for name in ("which", "rank", "due", "standing", "opener")}
    some = draw(st.sets(st.sampled_from(AGENCIES), min_size=1))
    return what, numbers, frozenset(some)


def changes_of(view: View, index: int, step: tuple[str, dict[str, int], frozenset[str]], alerts: list[int]) -> Changes:
    """The step as changes of the entry at `index`, given what the view says."""
    what, n, some = step
    if what == "alert":
        rank, due = n["rank"] % 4, (NOW - n["due"] if n["due"] % 2 else None)
        expires = LATER if n["due"] < 6 else NOW
        known = KnownAlert(index, index.to_bytes(16, "big"), AGENCIES[n["which"] % 4], bytes(32), bytes(32), expires)
        waiting = tuple(Delivery(a, index, rank, expires, Standing.WAITING, 0, due) for a in sorted(some))
        opener = KnownOpener(bytes([n["opener"]]) * 16, "hk-customs", "sg-cnb", LATER + n["which"])
        alerts.append(index)
        return Changes(alert=known, deliveries=waiting, openers=(opener,))
    if what == "spend" or not alerts:
        before = view.spent("sg-cnb", n["which"])
        return Changes(spent=(Spent("sg-cnb", n["which"], before + 1),))
    named = alerts[n["which"] % len(alerts)]
    if what == "purge":
        return Changes(
            deliveries=tuple(replace(d, standing=Standing.WITHDRAWN) for d in view.waiting(named)),
            purge=Purge(named, ()),
        )
    parts = [d for a in sorted(some) if (d := view.delivery(a, named)) is not None]
    if what == "escalate":
        how_far = Escalated(1 + n["standing"] % 3)
        moved = [replace(d, escalated=how_far, escalation=index) for d in parts if d.escalated < how_far]
    else:
        standing = Standing(1 + n["standing"] % 5)
        moved = [replace(d, standing=standing, receipt=index) for d in parts if d.standing < standing]
    idle = [(d.index, NOW) for d in moved[:1] if not view.waits(named, besides=d.agency)]
    return Changes(deliveries=tuple(moved), notice="hk-customs", idle=tuple(idle))


def answers(engine: Engine, size: int) -> list[object]:
    """Everything that an engine says of deliveries, alerts, openers and allowances."""
    said: list[object] = [engine.waiting_by_rank(NOW), engine.waiting_by_rank(NOW - 1), engine.due(LATER, 99)]
    for agency in AGENCIES:
        said += [engine.outstanding(agency, after, size, NOW - 1, 99) for after in (FROM_START, (1, 3), (3, 0))]
        said += [engine.outstanding(agency, FROM_START, size // 2, NOW, 2)]
        said += [engine.escalations(agency, NOW, limit, logged=logged) for limit in (1, 99) for logged in (True, False)]
        said += [engine.concerning(agency, since, 1, size, 9) for since in (0, size // 2)]
        said += [engine.delivery(agency, index) for index in range(size)]
        said += [engine.waits(index, besides=agency) for index in range(size)]
        said += [engine.spent(agency, kind) for kind in range(8)]
    said += [(engine.waiting(index), engine.alert_at(index)) for index in range(size)]
    return [*said, *(engine.opener(bytes([number]) * 16) for number in range(8))]


def write(engine: Engine, block: list[tuple[str, dict[str, int], frozenset[str]]], alerts: list[int]) -> None:
    position = engine.size()
    with engine.block(position) as writer:
        for number, step in enumerate(block):
            _append(writer, position + number, step, alerts)


def _append(
    writer: BlockWriter, index: int, step: tuple[str, dict[str, int], frozenset[str]], alerts: list[int]
) -> None:
    writer.append(b"entry", changes_of(writer, index, step, alerts))


def abandon(engine: Engine, block: list[tuple[str, dict[str, int], frozenset[str]]], alerts: list[int]) -> None:
    position = engine.size()
    with suppress(_AbandonedError), engine.block(position) as writer:
        for number, step in enumerate(block):
            _append(writer, position + number, step, alerts)
        raise _AbandonedError


@pytest.mark.parametrize("remembered", [1, 2, 4_096])
@settings(deadline=None, max_examples=30)
@given(blocks=st.lists(st.tuples(st.booleans(), st.lists(steps(), min_size=1, max_size=8)), max_size=6))
def test_what_is_remembered_is_what_is_stored(
    remembered: int, blocks: list[tuple[bool, list[tuple[str, dict[str, int], frozenset[str]]]]]
) -> None:
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        for name in ("ALERTS", "OPENERS", "STRETCHES"):
            patch.setattr(sqlite_block, name, remembered)
        path = Path(folder) / "log.db"
        create_log(path)
        real, plain, alerts = SqliteEngine(path), MemoryEngine(), list[int]()
        try:
            for kept, block in blocks:
                if not kept:
                    abandon(real, block, [*alerts])
                    continue
                write(plain, block, [*alerts])
                write(real, block, alerts)
                assert answers(real, real.size()) == answers(plain, plain.size())
        finally:
            real.close()
        again = SqliteEngine(path)
        try:
            assert answers(again, again.size()) == answers(plain, plain.size())
        finally:
            again.close()


def test_a_stretch_where_nobody_waits_is_no_row(tmp_path: Path) -> None:
    create_log(tmp_path / "log.db")
    engine = SqliteEngine(tmp_path / "log.db")
    alert = ("alert", {"which": 0, "rank": 1, "due": 0, "standing": 0, "opener": 0}, frozenset({"sg-cnb"}))
    alerts: list[int] = []
    write(engine, [alert], alerts)
    assert list(engine._reader.execute("SELECT rank, stretch FROM waiting")) == [(1, 0)]
    write(engine, [("receipt", {**alert[1], "standing": 2}, alert[2])], alerts)
    assert list(engine._reader.execute("SELECT rank, stretch FROM waiting")) == []
    engine.close()


def test_only_what_changed_something_is_forgotten_when_it_is_not_kept(tmp_path: Path) -> None:
    create_log(tmp_path / "log.db")
    engine = SqliteEngine(tmp_path / "log.db")
    alert = ("alert", {"which": 0, "rank": 1, "due": 0, "standing": 0, "opener": 0}, frozenset({"sg-cnb"}))
    alerts: list[int] = []
    write(engine, [alert], alerts)
    abandon(engine, [], alerts)
    assert list(engine._written.parts) == [0]
    abandon(engine, [("receipt", {**alert[1], "standing": 2}, alert[2])], alerts)
    assert not engine._written.parts
    assert [d.standing for d in engine.waiting(0)] == [Standing.WAITING]
    engine.close()
