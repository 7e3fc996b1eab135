"""Shipments: what is in a frame, what is left, and that nothing unproven goes out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from broker import shipping
from broker.committer import Head
from broker.draft import Work
from broker.parcel import ParcelCache
from broker.shipping import NOTICES, Shipment, Shipping
from broker.state import Changes
from schemas.envelope.header import decode_header
from schemas.errors import StorageTampered
from schemas.log.merkle import EMPTY_ROOT, leaf_hash, verify_consistency, verify_inclusion
from schemas.log.receipt import State
from schemas.session.frames import Block, encode_frame
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
    dock.core.engine.lose_body(index)
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
    contents = dock.core.engine.contents
    match what, how:
        case "body", "lost":
            dock.core.engine.lose_body(indexes[0])
        case "body", _:
            contents.bodies[indexes[0]] = bytes(10)
        case _, "lost":
            dock.core.engine.lose_blob(opener)
        case _:
            contents.blobs[opener] = bytes(10)
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


@pytest.mark.parametrize("count", [1, 3])
def test_receipts_that_lie_together_are_each_checked(count: int) -> None:
    dock = Dock()
    alert = dock.core.alert("sg-cnb")
    index = dock.core.accepted("sg-cnb", alert)
    states: tuple[State, ...] = ("stored", "read", "actioned")
    for state in states[:count]:
        for agency in ("au-abf", "hk-customs"):
            dock.core.accepted(agency, dock.core.signed(dock.core.receipt(agency, index, state=state)))
    shipment = dock.block()
    assert shipment.frame is not None
    log = dock.core.engine.contents.log
    assert [(item.index, item.entry) for item in shipment.frame.items] == list(enumerate(log))[index + 1 :]
    for item in shipment.frame.items:
        verify_inclusion(leaf_hash(item.entry), item.index, len(log), item.path, dock.head().checkpoint.root)
    log[-1] = log[index + 1]
    with pytest.raises(StorageTampered, match=str(len(log) - 1)):
        dock.block()
    del log[-1]
    with pytest.raises(StorageTampered, match=str(len(log))):
        dock.block()


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


class Warm(Dock):
    """With everything cached that a running hub has just logged."""

    def __init__(self, budget: int = 1_000_000) -> None:
        super().__init__(budget)
        self.openers: set[bytes] = set()
        self.expires = 0

    def log(self, number: int) -> int:
        """An alert, and its parcel."""
        submitted = self.core.alert(number=number)
        committed = self.core.commit(Work(SENDER, submitted))
        (entered,) = committed.entered
        assert entered.parcel is not None
        self.shipping._cache.put(entered.parcel)
        self.openers |= set(entered.parcel.openers.values())
        self.expires = entered.parcel.expires
        return entered.index

    def memory(self, *indexes: int, agency: str = RECIPIENT, proven: int = 5, **changed: object) -> Shipment | None:
        keys = [(3, index) for index in indexes]
        given = {"head": self.head(), "proven": proven, "now": NOW, "openers": self.openers, **changed}
        return self.shipping.from_memory(agency, keys, **given)  # type: ignore[arg-type]  # as named


@pytest.mark.parametrize("budget", [1, 1_500, 1_000_000])
def test_what_is_in_memory_makes_the_same_shipment(budget: int) -> None:
    warm = Warm(budget)
    indexes = [warm.log(number) for number in range(1, 9)]
    for proven in (0, 3, 5, indexes[2], warm.head().size):
        for some in (indexes, indexes[:1], indexes[3:5]):
            keys = [(3, index) for index in some]
            said = warm.memory(*some, proven=proven)
            disk = replace_cache(warm)
            disk._budget = budget
            expected = disk.block(
                *(RECIPIENT, keys), head=warm.head(), proven=proven, now=NOW, openers=warm.openers, notices_from=99
            )
            assert said is not None
            assert said.frame == expected.frame
            assert said == replace(expected, notices_to=warm.head().size)


def test_sessions_that_stand_alike_share_a_frame_and_its_bytes() -> None:
    warm = Warm()
    indexes = [warm.log(number) for number in (1, 2)]
    first, second = warm.memory(*indexes), warm.memory(*indexes, agency="au-abf")
    other = warm.memory(*indexes, proven=3)
    assert first is not None
    assert second is not None
    assert other is not None
    assert first.frame is not None
    assert other.frame is not None
    assert first.frame is second.frame
    assert warm.shipping.written(first.frame) == encode_frame(first.frame)
    assert warm.shipping.written(other.frame) == encode_frame(other.frame) != encode_frame(first.frame)
    assert warm.shipping.written(structs.replace(first.frame)) is None, "another frame, though it be equal"
    warm.log(3)
    again = warm.memory(*indexes)
    assert again is not None
    assert again.frame is not None
    assert again.frame.checkpoint == warm.head().note, "the log has grown, and the frame is proven in the new one"
    assert warm.shipping.written(first.frame) is None


def test_what_would_take_the_disk_is_not_made_from_memory() -> None:
    warm = Warm()
    index = warm.log(1)
    assert warm.memory(index) is not None
    assert warm.memory(index, now=warm.expires) is None, "it has expired, which `block` counts"
    assert warm.memory(index, openers=set()) is None
    assert warm.memory(index, agency=SENDER) is None, "it is no recipient"
    assert warm.shipping.consistency_from_memory(3, warm.head().size) == warm.shipping.consistency(3, warm.head().size)
    warm.core.tree._edge = [[] for _ in warm.core.tree._edge]
    assert warm.memory(index, proven=3) is None
    assert warm.shipping.consistency_from_memory(3, warm.head().size) is None
    warm.shipping._cache.drop(index)
    assert warm.memory(index, proven=2) is None


def dock_frame(warm: Warm, index: int, proven: int) -> Block | None:
    return warm.shipping.block(
        *(RECIPIENT, [(3, index)]), head=warm.head(), proven=proven, now=NOW, openers=warm.openers, notices_from=99
    ).frame


def test_frames_kept_for_others_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    warm = Warm()
    index = warm.log(1)
    monkeypatch.setattr(shipping, "COMMON_BYTES", 5_000)
    made = [warm.memory(index, proven=proven) for proven in range(1, warm.head().size)]
    assert all(each is not None and each.frame is not None for each in made)
    assert all(each.frame == dock_frame(warm, index, n) for n, each in enumerate(made, 1) if each is not None)
    kept = [data for _, data in warm.shipping._common.written.values()]
    assert 0 < len(kept) < len(made)
    assert sum(map(len, kept)) == 5_000 - warm.shipping._common.room
