"""One node by itself does what a production node does, and nothing of its hub's work is counted as its own."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.documents import alert_document
from benchmarks.floors import crypto, timing
from benchmarks.node import floor, sending
from benchmarks.node.feed import Feed, GrowingLog
from benchmarks.node.line import connected
from benchmarks.node.meter import Cost
from benchmarks.node.receiving import Arrival, measure_receiving
from benchmarks.node.results import Row, load, node_table, save
from benchmarks.node.sending import Departure, measure_sending
from benchmarks.node.witnessing import measure_witnessed
from benchmarks.scale import node_costs
from benchmarks.world import Parties, example_parties, parties_of
from nodes.service.compose import Composer
from schemas.alert.document import check_document
from schemas.codec import encode
from schemas.ids import uuid7
from schemas.log.merkle import prove_consistency
from tests.support.envelope import SmallLog

PRIMITIVES = (
    "sign",
    "verify",
    "opener seal",
    "opener open",
    "wrap",
    "body seal",
    "body open",
    "digest",
    "leaf",
    "path",
)


@pytest.fixture(autouse=True)
def _collecting() -> Iterator[None]:
    """A node's process collects garbage by its own rules; this one goes on with its."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.fixture(scope="module")
def parties() -> Parties:
    return parties_of(3)


async def test_an_alert_that_comes_alone_has_a_commit_and_those_that_come_together_share_one(parties: Parties) -> None:
    alone, many = Arrival(1, 1, 4), Arrival(2, 3, 2)
    found = await measure_receiving(parties, [alone, many], rounds=2, size=1_024)
    assert [cost.commits for cost in found.arrivals[alone]] == [1, 1]
    assert [cost.commits for cost in found.arrivals[many]] == [1 / 6] * 2
    assert all(cost.pages > cost.commits and cost.main > 0 < cost.store for cost in found.arrivals[alone])
    assert [cost.commits for cost in found.indexed] == [1 / 24, 1 / 16]


async def test_a_tree_head_behind_an_alert_is_cosigned_in_the_same_commit() -> None:
    with_head = Arrival(1, 1, 2, head=True)
    found = await measure_receiving(example_parties(), [with_head], rounds=1, size=1_024)
    assert [cost.commits for cost in found.arrivals[with_head]] == [1]


async def test_a_checkpoint_that_others_cosigned_is_kept() -> None:
    (cost,) = await measure_witnessed(example_parties(), rounds=1)
    assert cost.commits == 1


async def test_what_is_sent_is_accepted_and_every_recipient_is_heard(parties: Parties) -> None:
    alone, many = Departure(1, 2, 1), Departure(4, 1, 2)
    found = await measure_sending(parties, [alone, many], rounds=2, size=1_024)
    assert {departure: len(sent.alert) for departure, sent in found.items()} == {alone: 2, many: 2}
    assert [cost.commits for cost in found[alone].said] == [1, 1]
    assert [cost.commits for cost in found[many].said] == [2 / 12] * 2


async def test_a_figure_of_receipts_that_were_not_taken_in_is_none(
    parties: Parties, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def deaf(*_: object) -> None:
        return

    monkeypatch.setattr(sending, "_hear", deaf)
    with pytest.raises(RuntimeError, match="of 10 alerts to 3 only 0 receipts"):
        await measure_sending(parties, [Departure(1, 2, 1)], rounds=1, size=1_024)


async def test_what_the_hub_does_is_not_the_node_s(parties: Parties) -> None:
    async with connected(Feed(parties, parties.sender)) as node:
        before = await node.meter.read()
        with node.meter.aside():
            until = time.thread_time() + 0.05
            while time.thread_time() < until:
                pass
        assert (await node.meter.since(before, 1)).main < 25_000


def test_a_log_that_keeps_its_tree_is_the_same_log(parties: Parties) -> None:
    growing, small = GrowingLog(parties.world), SmallLog(parties.world)
    for number in range(20):
        assert growing.append(bytes([number])) == small.append(bytes([number]))
        assert growing.checkpoint() == small.checkpoint()
    size = len(small.leaves)
    assert growing.path(3) == small.path(3)
    assert prove_consistency(9, size, growing.read) == prove_consistency(9, size, small.read)


@pytest.mark.parametrize("size", [1_024, 4_096, 16_384, 65_536, 262_144])
async def test_an_alert_may_have_any_size_that_is_measured(parties: Parties, size: int) -> None:
    document = alert_document(7, parties.recipients, size)
    assert not check_document(document)
    async with connected(Feed(parties, parties.sender)) as node:
        composed = Composer(node.parts.standing, node.parts.clock).compose(document, alert_id=uuid7(0, bytes))
    assert size * 0.97 <= len(encode(composed.document)) < size + 1_000


def test_both_ends_of_an_alert_are_measured(parties: Parties, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_costs, "ALERTS", 2)
    costs = node_costs.measure_nodes(parties, size=4_096)
    assert min(costs.alert, costs.receipt, costs.delivery) > 0


def test_more_recipients_than_addresses_are_addressed_as_all() -> None:
    assert alert_document(1, ["a"] * 64)["to"] == ["a"] * 64
    assert alert_document(1, ["a"] * 65)["to"] == ["all"]


def test_the_floor_shares_what_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "RUN", 0.0002)
    cost = {each.name: 10.0 for each in crypto.floors()}
    alone, many = floor.receiving(cost, frame=1, receipt=1), floor.receiving(cost, frame=10, receipt=20)
    assert alone - many == pytest.approx(10 * 0.9 + 10 * 0.95)
    assert floor.receiving(cost, frame=1, receipt=1, head=True) - alone == pytest.approx(cost["sign"])
    assert floor.witnessed(cost, cosignatures=21) == 230
    assert floor.sending(cost, recipients=30) == pytest.approx(30 + 30 * 10.001)
    assert floor.hearing(cost, frame=1, alerts=1) == 40
    assert floor.hearing(cost, frame=10, alerts=4) == 31 / 4


async def test_a_row_for_everything_and_each_is_kept(parties: Parties, tmp_path: Path) -> None:
    rows = [Row("x", [Cost(10, 5, 3, 1), Cost(12, 5, 3, 1)], 5.0), Row("y", [Cost(1, 1, 0.5, 0.1)], None)]
    save(rows, "a machine", tmp_path)
    assert load(tmp_path) == rows
    lines = node_table(rows).splitlines()
    assert lines[2] == "| x | 11.0 (10.0–12.0) | 5.00 (5.00–5.00) | 16.0 (15.0–17.0) | 5.00 | 3.00 | 3.00 | 1 |"
    assert lines[3] == "| y | 1.00 | 1.00 | 2.00 | – | – | 0.50 | 0.1 |"
