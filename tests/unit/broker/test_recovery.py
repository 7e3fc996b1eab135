"""Start-up: going on, going on after a crash, and refusing to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from broker.draft import Work
from broker.recovery import Recovered, recover
from broker.state import Changes
from schemas.errors import NotReady, StorageInDoubt, StorageTampered
from schemas.example import example_seed
from schemas.keys import SigningKey
from schemas.log.checkpoint import Checkpoint, sign_checkpoint
from tests.support.directory import NOW, make_world
from tests.support.hub_core import HubCore
from tests.support.memory_engine import MemoryAnchor, MemoryEngine

SENDER = "hk-customs"


@pytest.fixture
def core() -> HubCore:
    made = HubCore(make_world())
    made.accepted(SENDER, made.alert(number=1))
    made.accepted(SENDER, made.alert(number=2))
    return made


def restart(core: HubCore) -> Recovered:
    return recover(core.engine, core.anchor, core.signer, core.world.trusted_root)


def test_a_closed_log_goes_on_where_it_was(core: HubCore) -> None:
    recovered = restart(core)
    assert not recovered.resigned
    assert (recovered.tree.size, recovered.tree.root()) == (core.tree.size, core.tree.root())
    assert len(recovered.history) == recovered.head.directory == 5
    assert recovered.head.note == core.anchor.read()


@pytest.mark.parametrize("persist", [False, True], ids=["lost", "persisted"])
def test_a_crash_while_the_block_was_written(core: HubCore, persist: bool) -> None:
    size = core.tree.size
    core.engine.fail, core.engine.persist = StorageInDoubt("crash"), persist
    with pytest.raises(StorageInDoubt):
        core.commit(Work(SENDER, core.alert(number=3)))
    recovered = restart(core)
    assert (recovered.resigned, recovered.head.size) == (persist, size + persist)


@pytest.mark.parametrize("persist", [False, True], ids=["lost", "persisted"])
def test_a_crash_between_block_and_anchor(core: HubCore, persist: bool) -> None:
    size = core.tree.size
    core.anchor.fail, core.anchor.persist = StorageInDoubt("crash"), persist
    with pytest.raises(StorageInDoubt):
        core.commit(Work(SENDER, core.alert(number=3)), Work(SENDER, core.alert(number=4)))
    recovered = restart(core)
    assert recovered.head.size == size + 2
    assert recovered.resigned is not persist
    assert restart(core).resigned is False, "once signed, it stays signed"


def test_a_log_that_was_restored_and_settled_is_like_any_other(core: HubCore) -> None:
    core.anchor.restored(core.tree.size, NOW)
    assert restart(core).resigned is False
    core.anchor.settle()
    size = core.tree.size
    core.anchor.fail, core.anchor.persist = StorageInDoubt("crash"), False
    with pytest.raises(StorageInDoubt):
        core.commit(Work(SENDER, core.alert(number=3)))
    assert restart(core).head.size == size + 1


def drop_the_last(core: HubCore) -> None:
    del core.engine.contents.log[-1]


def roll_back_to_genesis(core: HubCore) -> None:
    del core.engine.contents.log[5:]


def flip_an_entry(core: HubCore) -> None:
    entry = core.engine.contents.log[5]
    core.engine.contents.log[5] = entry[:-1] + bytes([entry[-1] ^ 1])


def append_by_hand(core: HubCore) -> None:
    for _ in range(2):
        with core.engine.block(core.engine.size()) as block:
            block.append(b"smuggled in", Changes())


def replace_the_last(core: HubCore) -> None:
    core.engine.contents.log[-1] = b"another entry"


def sign_with_another_key(core: HubCore) -> None:
    note = sign_checkpoint(Checkpoint(core.world.origin, 7, core.tree.root()), SigningKey(example_seed("x", "log")))
    core.anchor.note = note


def sign_another_root(core: HubCore) -> None:
    core.anchor.note = sign_checkpoint(Checkpoint(core.world.origin, core.tree.size, bytes(32)), core.world.log_key)


def damage_the_anchor(core: HubCore) -> None:
    assert core.anchor.note is not None
    core.anchor.note = core.anchor.note[:-9] + b"damaged=\n"


def lose_the_anchor(core: HubCore) -> None:
    core.anchor.note = None


def lose_a_bundle(core: HubCore) -> None:
    core.engine.lose_blob(core.engine.activations(2)[0].digest)


def exchange_a_bundle(core: HubCore) -> None:
    first, second = core.engine.activations(2)[:2]
    core.engine.contents.blobs[first.digest] = core.engine.contents.blobs[second.digest]


def misplace_an_activation(core: HubCore) -> None:
    core.engine.contents.activations[0] = replace(core.engine.contents.activations[0], index=6)


def misplace_the_last_activation(core: HubCore) -> None:
    core.engine.contents.activations[-1] = replace(core.engine.contents.activations[-1], index=6)


def activate_beyond_the_log(core: HubCore) -> None:
    core.engine.contents.activations[-1] = replace(core.engine.contents.activations[-1], index=99)


TAMPERING = [
    drop_the_last,
    roll_back_to_genesis,
    flip_an_entry,
    append_by_hand,
    replace_the_last,
    sign_with_another_key,
    sign_another_root,
    damage_the_anchor,
    lose_the_anchor,
    lose_a_bundle,
    exchange_a_bundle,
    misplace_an_activation,
    misplace_the_last_activation,
    activate_beyond_the_log,
]


@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda change: change.__name__)
def test_what_contradicts_the_signature_is_refused(core: HubCore, tamper: Callable[[HubCore], None]) -> None:
    tamper(core)
    before = core.anchor.read()
    with pytest.raises(StorageTampered):
        restart(core)
    assert core.anchor.read() == before, "and nothing is signed"


def test_another_root_of_trust_is_refused(core: HubCore) -> None:
    with pytest.raises(StorageTampered):
        recover(core.engine, core.anchor, core.signer, b"{}")


def test_a_log_never_begun_is_not_ready(core: HubCore) -> None:
    with pytest.raises(NotReady):
        recover(MemoryEngine(), MemoryAnchor(), core.signer, core.world.trusted_root)


def test_a_damaged_tile_shows(core: HubCore) -> None:
    works = [Work(SENDER, replace(core.alert(), signature=bytes([n]) * 64)) for n in range(250)]
    core.commit(*works)
    assert restart(core).head.size == 257
    data = core.engine.contents.tiles[0, 0]
    core.engine.contents.tiles[0, 0] = bytes([data[0] ^ 1]) + data[1:]
    with pytest.raises(StorageTampered):
        restart(core)
    del core.engine.contents.tiles[0, 0]
    with pytest.raises(StorageTampered):
        restart(core)
