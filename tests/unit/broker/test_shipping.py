"""Shipments: what is in a frame, what is left, and that nothing unproven goes out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from broker.committer import Head
from broker.parcel import ParcelCache
from broker.shipping import NOTICES, Shipment, Shipping
from broker.state import Changes
from schemas.envelope.header import decode_header
from schemas.errors import StorageTampered
from schemas.log.merkle import EMPTY_ROOT, leaf_hash, verify_consistency, verify_inclusion
from tests.support.directory import NOW, make_world
from tests.support.hub_core import HubCore

SENDER, RECIPIENT = "hk-customs", "sg-cnb"


class Dock:
    """Shipping over a core, with nothing cached unless asked for."""

    def __init__(self, budget: int = 1_000_000) -> None:
        self.core = HubCore(make_world())
        self.shipping = Shipping(self.core.engine, self.core.tree, ParcelCache(1 << 20), budget=budget)

    def head(self) -> Head:
        head = self.core.committer._head
        assert head is not None
        return head

    def block(self, *indexes: int, openers: tuple[bytes, ...] = (), notices: int = 0, now: int = NOW) -> Shipment:
        return self.shipping.block(
            RECIPIENT,
            [(3, index) for index in indexes],
            head=self.head(),
            proven=5,
            now=now,
            openers=openers,
            notices_from=notices,
        )


def test_items_and_frames_are_proven() -> None:
    dock = Dock()
    index = dock.core.accepted(SENDER, dock.core.alert())
    frame = dock.block(index).frame
    assert frame is not None
    head, (item,) = dock.head(), frame.items
    verify_inclusion(leaf_hash(item.entry), index, head.size, item.path, head.checkpoint.root)
    verify_consistency(5, dock.shipping.root_at(5), head.size, head.checkpoint.root, frame.proof)
    assert dock.shipping.root_at(0) == EMPTY_ROOT


def test_what_does_not_fit_is_left() -> None:
    dock = Dock(budget=1)
    indexes = [dock.core.accepted(SENDER, dock.core.alert(number=n)) for n in range(3)]
    shipment = dock.block(*indexes, notices=2)
    assert shipment.frame is not None
    assert [item.index for item in shipment.frame.items] == indexes[:1]
    assert shipment.left == tuple((3, index) for index in indexes[1:])
    assert shipment.notices_to == 2, "receipts wait until the alerts have gone"


def test_an_opener_goes_with_the_first_that_needs_it() -> None:
    dock = Dock()
    first = dock.core.alert(number=1)
    index = dock.core.accepted(SENDER, first)
    (opener,) = (r.opener_id for r in decode_header(first.header).recipients if r.agency == RECIPIENT)
    shipment = dock.block(index)
    assert shipment.frame is not None
    assert shipment.openers == (opener,)
    assert len(shipment.frame.items[0].openers) == 1
    again = dock.block(index, openers=(opener,))
    assert again.frame is not None
    assert again.frame.items[0].openers == ()


def test_expired_and_purged_alerts_are_gone() -> None:
    dock = Dock()
    alert = dock.core.alert()
    index = dock.core.accepted(SENDER, alert)
    header = decode_header(alert.header)
    assert dock.block(index, now=header.expires) == Shipment(None, (), (index,), (), (), dock.head().size)
    known = dock.core.engine.contents.alerts
    known[index] = replace(known[index], idle_since=None)
    dock.core.engine.lose_blob(header.body_digest)
    fresh = replace_cache(dock)
    shipment = fresh.block(RECIPIENT, [(3, index)], head=dock.head(), proven=0, now=NOW, openers=(), notices_from=0)
    assert (shipment.frame, shipment.gone, shipment.damaged) == (None, (index,), ())


@pytest.mark.parametrize("what", ["body", "opener"])
@pytest.mark.parametrize("how", ["lost", "altered"])
def test_what_the_disk_lost_or_altered_is_withheld_and_the_next_goes_on(what: str, how: str) -> None:
    """The recipient would sign a refusal of what it cannot open, and the alert would be settled for ever."""
    dock = Dock()
    first, second = (dock.core.alert(number=number) for number in (1, 2))
    indexes = [dock.core.accepted(SENDER, alert) for alert in (first, second)]
    header = decode_header(first.header)
    (opener,) = (r.opener_id for r in header.recipients if r.agency == RECIPIENT)
    digest, blobs = (header.body_digest if what == "body" else opener), dock.core.engine.contents.blobs
    blobs[digest] = bytes(10)
    if how == "lost":
        dock.core.engine.lose_blob(digest)
    keys = [(3, index) for index in indexes]
    shipment = replace_cache(dock).block(
        RECIPIENT, keys, head=dock.head(), proven=0, now=NOW, openers=(), notices_from=0
    )
    assert (shipment.damaged, shipment.gone) == ((indexes[0],), ())
    assert shipment.frame is not None
    assert [item.index for item in shipment.frame.items] == indexes[1:]


def replace_cache(dock: Dock) -> Shipping:
    """Shipping as after a restart."""
    return Shipping(dock.core.engine, dock.core.tree, ParcelCache(1), budget=1_000_000)


def test_many_receipts_come_in_turns() -> None:
    dock = Dock()
    growth = dock.core.tree.extend([leaf_hash(b"receipt")] * (NOTICES + 10))
    with dock.core.engine.block(dock.core.tree.size) as block:
        for _ in range(NOTICES + 10):
            block.append(b"receipt", Changes(notice=RECIPIENT))
        for level, index, data in growth.tiles:
            block.put_tile(level, index, data)
    dock.core.tree.accept(growth)
    head = replace(dock.head(), checkpoint=replace(dock.head().checkpoint, size=growth.size))
    first = dock.shipping.block(RECIPIENT, [], head=head, proven=0, now=NOW, openers=(), notices_from=0)
    assert first.frame is not None
    assert len(first.frame.items) == NOTICES
    rest = dock.shipping.block(RECIPIENT, [], head=head, proven=0, now=NOW, openers=(), notices_from=first.notices_to)
    assert rest.frame is not None
    assert len(rest.frame.items) == 10
    assert rest.notices_to == growth.size


def test_nothing_to_send_is_no_frame() -> None:
    dock = Dock()
    assert dock.block() == Shipment(None, (), (), (), (), 5)


def test_directory_versions_come_in_order_and_in_turns() -> None:
    dock = Dock(budget=1)
    frame, last = dock.shipping.directory(0, head=dock.head(), proven=0)
    assert ([item.index for item in frame.items], last) == ([0], 1)
    roomy = Dock()
    frame, last = roomy.shipping.directory(2, head=roomy.head(), proven=0)
    assert ([item.index for item in frame.items], last) == ([2, 3, 4], 5)


def test_an_altered_entry_does_not_go_out() -> None:
    dock = Dock()
    index = dock.core.accepted(SENDER, dock.core.alert())
    dock.core.engine.contents.log[index] += b"x"
    with pytest.raises(StorageTampered):
        dock.block(index)
    dock.core.engine.contents.log[index] = dock.core.engine.contents.log[0]
    with pytest.raises(StorageTampered):
        dock.block(index)


def test_a_delivery_that_is_no_alert_does_not_go_out() -> None:
    dock = Dock()
    with pytest.raises(StorageTampered, match="no alert"):
        dock.block(2)


def test_a_lost_bundle_is_named() -> None:
    dock = Dock()
    dock.core.engine.lose_blob(dock.core.engine.activations(0)[0].digest)
    with pytest.raises(StorageTampered, match="missing"):
        dock.shipping.directory(0, head=dock.head(), proven=0)
