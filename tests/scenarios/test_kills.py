"""The short form of `make kill`, and proof that its books show what is lost, doubled or foreign."""

from __future__ import annotations

import secrets
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from tests.endurance.balance import balance, wait_settled
from tests.endurance.kill import run
from tests.endurance.killing import BROKER, blows
from tests.endurance.load import Load
from tests.scenarios.conftest import StartExchange
from tests.support.alerts import watch
from tests.support.wait import until

pytestmark = pytest.mark.scenario

SECONDS = 12.0


def test_killed_at_random_under_load_every_count_is_equal(tmp_path: Path) -> None:
    seed = secrets.randbelow(10**6)
    outcome = run(tmp_path, seed=seed, seconds=SECONDS, nodes=5, say=print)
    assert outcome.even, (f"make kill NODES=5 SEED={seed}", outcome)
    assert outcome.kills >= 1
    assert outcome.books.due >= 20


def test_a_seed_gives_the_same_blows_again_and_they_meet_the_hub_a_node_both_and_a_start() -> None:
    nodes = ["sg-cnb", "hk-customs", "au-abf"]
    some = list(islice(blows(7, nodes), 200))
    assert some == list(islice(blows(7, sorted(nodes)), 200))
    assert some != list(islice(blows(8, nodes), 200))
    met = {frozenset(blow.victims) for blow in some}
    assert {
        frozenset([BROKER]),
        frozenset(["sg-cnb"]),
        frozenset([BROKER, "au-abf"]),
        frozenset([BROKER, *nodes]),
    } <= met
    assert any(blow.again for blow in some)
    assert any(blow.down for blow in some)


def test_the_books_show_what_is_lost_foreign_altered_or_not_receipted(
    start_exchange: StartExchange, tmp_path: Path
) -> None:
    exchange = start_exchange()
    load = Load(exchange, 1, rate=20, members=exchange.agencies, senders=exchange.agencies[:3])
    load.start()
    until(lambda: sum(alert.file is not None for alert in load.handed) > 0, what="an alert with a file")
    load.stop()
    wait_settled(exchange, load.handed)
    handed = load.handed
    assert balance(exchange, handed, tmp_path / "copy").even

    lost = replace(handed[0], id="019b0a5e-7c00-7abc-8def-0123456789ab")
    books = balance(exchange, [*handed, lost], tmp_path / "copy")
    assert not books.even
    assert sum(lost.id in wrong for wrong in books.wrong) == 1 + len(lost.recipients)

    books = balance(exchange, handed[1:], tmp_path / "copy")
    assert not books.even
    assert any(f"{handed[0].id}: sent by" in wrong for wrong in books.wrong)
    assert any(f"{handed[0].id}: shown at" in wrong for wrong in books.wrong)

    place = next(place for place, alert in enumerate(handed) if alert.file is not None)
    altered = [*handed[:place], replace(handed[place], file=bytes(32)), *handed[place + 1 :]]
    assert any("attachment" in wrong for wrong in balance(exchange, altered, tmp_path / "copy").wrong)

    exchange.kill("fj-customs")
    sent = exchange.client("hk-customs").send(watch(["fj-customs"], title="late", marking="amber+strict"))
    late = replace(handed[0], id=sent["id"], sender="hk-customs", title="late", recipients=frozenset(["fj-customs"]))
    until(lambda: exchange.client("hk-customs").alert(sent["id"])["index"] is not None, what="the index")
    exchange.agencies.remove("fj-customs")
    books = balance(exchange, [*handed, late], tmp_path / "copy")
    assert (books.accepted, books.receipted, books.audited) == (books.due, books.due - 1, books.due - 1)
    assert any(late.id in wrong and "accepted" in wrong for wrong in books.wrong)
