"""A restored hub: what it listens to, what it demands before it signs, and how it is completed."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from broker.backup import make_backup
from broker.committer import Head
from broker.completing import complete
from broker.config import Config, load_config
from broker.control import ask
from broker.draft import Work
from broker.engines.port import Restoration
from broker.engines.sqlite_anchor import SqliteAnchor, read_anchor
from broker.engines.sqlite_reader import reading
from broker.hub import open_storage
from broker.recovery import recover
from broker.restore import restore_hub
from broker.restored import Listening, Report
from schemas.codec import Value
from schemas.errors import BadConfig, LogRestored, Missing, NotFound, NotReady, StorageInDoubt, StorageTampered
from schemas.log.checkpoint import Checkpoint, verify_checkpoint
from schemas.log.merkle import EMPTY_ROOT
from schemas.log.tiles import entries_path, entry_bundle, split_bundle
from schemas.session.frames import Hello, Recover, Recovered, Submit
from tests.support.directory import NOW, World, make_world
from tests.support.hub import new_hub, running_hub
from tests.support.hub_client import HubClient, HubClosedError, connect
from tests.unit.broker.test_backup import CLOCK, SENDER, alert, grow, keys_of

AGENCIES = ("hk-customs", "sg-cnb", "au-abf")


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def config(world: World, tmp_path: Path) -> Config:
    return new_hub(world, tmp_path)


def listening(world: World, size: int = 10) -> Listening:
    head = Head(b"", Checkpoint(world.origin, size, bytes(32)), 5)
    return Listening(Restoration(NOW, size, settled=False), head, lambda: world.directory)


def hear_all(heard: Listening, size: int = 10, but: Sequence[str] = ()) -> None:
    for agency in heard.silent:
        if agency not in but:
            heard.hear(Report(agency, size, proven=True, agrees=True))


def test_it_waits_until_enough_confirm(world: World) -> None:
    heard = listening(world)
    everyone = heard.silent
    assert heard.needed() >= 2
    assert heard.obstacles() == [f"0 confirm that they hold nothing newer, {heard.needed()} are needed"]
    for agency in everyone[: heard.needed() - 1]:
        heard.hear(Report(agency, 9, proven=True, agrees=True))
    assert len(heard.obstacles()) == 1
    heard.hear(Report(everyone[heard.needed() - 1], 10, proven=True, agrees=True))
    assert heard.obstacles() == []


def test_a_file_can_forbid_but_never_confirm(world: World) -> None:
    heard = listening(world)
    for name in ("heard/anchor", "heard/hk-customs", "heard/auditor"):
        heard.hear(Report(name, 10, proven=True, agrees=True))
    assert heard.confirming == ()
    heard.hear(Report("heard/auditor", 11, proven=True, agrees=True))
    assert "heard/auditor holds a checkpoint of 11 entries, 10 are here" in heard.obstacles(fewer=True)


def test_an_operator_may_go_on_with_fewer_but_never_alone_nor_against_proof(world: World) -> None:
    heard = listening(world)
    assert heard.obstacles(fewer=True)
    heard.hear(Report("hk-customs", 10, proven=True, agrees=True))
    assert heard.obstacles()
    assert heard.obstacles(fewer=True) == []
    heard.hear(Report("sg-cnb", 11, proven=True, agrees=True))
    assert heard.obstacles(fewer=True)


@pytest.mark.parametrize(
    "report",
    [
        Report("sg-cnb", 0, proven=False, agrees=True),
        Report("sg-cnb", 9, proven=False, agrees=True),
    ],
    ids=["a fresh node", "a node that was restored too"],
)
def test_who_holds_nothing_that_counts_confirms_nothing(world: World, report: Report) -> None:
    heard = listening(world)
    heard.hear(report)
    assert heard.confirming == ()


def test_one_who_holds_more_stops_it_and_says_what_is_missing(world: World) -> None:
    heard = listening(world)
    hear_all(heard)
    assert heard.hear(Report("sg-cnb", 12, proven=True, agrees=True))
    assert heard.obstacles(despite=["sg-cnb"]) == ["sg-cnb holds a checkpoint of 12 entries, 10 are here"]
    assert heard.as_dict()["missing"] == [10, 12]
    assert not heard.hear(Report("sg-cnb", 4, proven=True, agrees=True)), "what was proven once stays"
    assert heard.proven == 12


def test_a_mere_claim_can_be_set_aside(world: World) -> None:
    heard = listening(world)
    hear_all(heard, but=["fj-customs"])
    heard.hear(Report("fj-customs", 99, proven=False, agrees=True))
    assert heard.obstacles() == ["fj-customs claims a checkpoint of 99 entries, 10 are here"]
    assert heard.obstacles(despite=["fj-customs"]) == []
    assert heard.as_dict()["missing"] is None, "nothing proves it"


def test_another_history_cannot_be_set_aside_once_proven(world: World) -> None:
    heard = listening(world)
    hear_all(heard, but=["sg-cnb"])
    heard.hear(Report("sg-cnb", 8, proven=True, agrees=False))
    (said,) = heard.obstacles(despite=["sg-cnb"])
    assert "another history" in said


def test_an_answered_acceptance_demands_that_all_are_heard(world: World) -> None:
    heard = listening(world)
    hear_all(heard, but=["au-abf"])
    heard.hear(Report("hk-customs", 10, proven=True, agrees=True, known=12))
    (said,) = heard.obstacles()
    assert "index 11" in said
    heard.hear(Report("au-abf", 10, proven=True, agrees=True))
    assert heard.obstacles() == []


# -- the running hub ---------------------------------------------------------------------------------------------------


def again(config: Config, tmp_path: Path, world: World, *after: int | Work) -> Config:
    """The hub restored from a backup, `after` which it logged these alerts."""
    make_backup(config, tmp_path / "b", CLOCK)
    grow(config, world, *after)
    restore_hub(tmp_path / "b", tmp_path / "again", CLOCK, keys=keys_of(config))
    return load_config(tmp_path / "again")


async def put(config: Config, request: dict[str, Value]) -> dict[str, Value]:
    return await asyncio.to_thread(partial(ask, config.control_socket, request))


def stands_at(node: HubClient, size: int) -> bool:
    return node.held.size == size


async def catch_up(config: Config, world: World, folder: Path) -> dict[str, Hello]:
    """What each agency's node says when it comes back, after it stood on the hub's newest checkpoint."""
    hellos = {}
    async with running_hub(config) as hub:
        for agency in AGENCIES:
            async with connect(world, agency, hub.server.address, folder) as node:
                await node.hello()
                await node.until(partial(stands_at, node, hub.exchange.head.size))
                note = hub.exchange.head.note
                held = node.held
                hellos[agency] = Hello(1, agency, len(node.history), held.size, held.root, 0, 9, note)
    return hellos


async def greet(hub_address: object, world: World, hello: Hello, folder: Path) -> HubClosedError:
    async with connect(world, hello.agency, hub_address, folder) as node:  # type: ignore[arg-type]  # an Address
        await node.send(hello)
        with pytest.raises(HubClosedError) as told:
            await node.receive()
        return told.value


async def test_a_restored_hub_hears_what_is_missing_and_takes_nothing(
    config: Config, world: World, tmp_path: Path
) -> None:
    fresh = again(config, tmp_path, world, 1, 2)
    hellos = await catch_up(config, world, tmp_path / "tls")
    async with running_hub(fresh) as hub:
        assert not hub.exchange.ready
        verdict = await hub.exchange.submit(alert(world, 9))
        assert isinstance(verdict, LogRestored)
        told = await greet(hub.server.address, world, hellos["sg-cnb"], tmp_path / "tls")
        assert told.code == "log-restored"
        answer = (await put(fresh, {"command": "restored"}))["restored"]
        assert isinstance(answer, dict)
        assert (answer["missing"], answer["ahead"]) == ([5, 7], [["sg-cnb", 7]])
        with pytest.raises(LogRestored, match="holds a checkpoint of 7"):
            await put(fresh, {"command": "resume", "despite": [], "fewer": False})
        with pytest.raises(LogRestored):
            await put(fresh, {"command": "publish", "role": "targets", "version": 2, "bundle": b"x"})
        status = await put(fresh, {"command": "status"})
        assert (status["ready"], status["size"]) == (False, 5)
        assert status["restored"]
    assert (fresh.heard / "sg-cnb").exists()
    assert read_anchor(fresh.anchor) == read_anchor_of_backup(tmp_path), "nothing was signed"
    async with running_hub(fresh) as hub:  # what was heard before is known at once
        assert hub.exchange.listening is not None
        assert hub.exchange.listening.proven == 7


def read_anchor_of_backup(tmp_path: Path) -> bytes:
    return (tmp_path / "b" / "checkpoint").read_bytes()


async def test_it_goes_on_when_nobody_holds_more(config: Config, world: World, tmp_path: Path) -> None:
    grow(config, world, 1)
    hellos = await catch_up(config, world, tmp_path / "tls")
    fresh = again(config, tmp_path, world)
    async with running_hub(fresh) as hub:
        for agency in AGENCIES:
            await greet(hub.server.address, world, hellos[agency], tmp_path / "tls")
        await put(fresh, {"command": "resume", "despite": [], "fewer": False})
        assert hub.exchange.ready
        assert await hub.exchange.submit(alert(world, 2)) == 6
        with pytest.raises(BadConfig):
            await put(fresh, {"command": "resume", "despite": [], "fewer": False})
        async with connect(world, "sg-cnb", hub.server.address, tmp_path / "tls") as node:
            welcome = await node.hello()
            assert (welcome.restored, welcome.since) == (NOW, 6)
        async with connect(world, "hk-customs", hub.server.address, tmp_path / "tls") as node:
            await node.send(Hello(1, "hk-customs", 0, 0, EMPTY_ROOT, 0, 9, b"", 0, NOW))
            frame = await node.receive()
            assert (frame.restored, frame.since) == (NOW, 0), "this node has worked through it"  # type: ignore[union-attr]  # a Welcome
    grow(fresh, world, 3)  # and after a restart


async def test_a_hub_shown_its_own_signature_on_more_stops_for_good(
    config: Config, world: World, tmp_path: Path
) -> None:
    """The whole directory was put back by hand, anchor and all: nothing on this machine can know."""
    shutil.copytree(config.data, tmp_path / "copy")
    grow(config, world, 1)
    hellos = await catch_up(config, world, tmp_path / "tls")
    copy = load_config(tmp_path / "copy")
    async with running_hub(copy) as hub:
        assert hub.exchange.ready
        told = await greet(hub.server.address, world, hellos["sg-cnb"], tmp_path / "tls")
        assert told.code == "log-restored"
        (ended,) = await asyncio.gather(hub.failed, return_exceptions=True)
        assert isinstance(ended, StorageTampered)
    note = (next((copy.data / "evidence").iterdir()) / "held.checkpoint").read_bytes()
    assert verify_checkpoint(note, world.origin, world.directory.log_keys()).size == 6
    with pytest.raises(LogRestored):
        grow(copy, world, 2)
    async with running_hub(copy) as hub:
        assert hub.exchange.listening is not None


async def test_a_claim_without_a_signature_stops_nobody(config: Config, world: World, tmp_path: Path) -> None:
    async with running_hub(config) as hub:
        lie = Hello(1, "sg-cnb", 0, 99, bytes(32), 0, 9, b"")
        assert (await greet(hub.server.address, world, lie, tmp_path / "tls")).code == "fork"
        assert hub.exchange.ready
        assert await hub.exchange.submit(alert(world, 1)) == 5


# -- completing --------------------------------------------------------------------------------------------------------


def mirror(config: Config, world: World, folder: Path) -> Path:
    """What an auditor's fetch leaves."""
    with reading(config.log) as log:
        size = log.size()
        bundle = folder / entries_path(0, size)
        bundle.parent.mkdir(parents=True)
        bundle.write_bytes(entry_bundle(log.entries(0, size)))
        (folder / "directory").mkdir()
        for activation in log.activations(0):
            (folder / "directory" / activation.digest.hex()).write_bytes(log.blob(activation.digest) or b"")
    note = read_anchor(config.anchor)
    assert note is not None
    (folder / "checkpoint").write_bytes(note)
    return folder


TABLES = (
    *("entry", "tile", "alert", "circle", "part", "waiting", "escalating"),
    *("notice", "activation", "attachment_use"),
)


def state(config: Config, *tables: str) -> dict[str, list[tuple[Any, ...]]]:
    with reading(config.log) as log:
        return {table: sorted(log._rows(f"SELECT * FROM {table}")) for table in tables}


def test_completing_from_an_auditors_copy_gives_the_same_log(config: Config, world: World, tmp_path: Path) -> None:
    fresh = again(config, tmp_path, world, 1, 2)
    done = complete(fresh, mirror(config, world, tmp_path / "m"))
    assert (done.before, done.size, done.alerts, done.bodies) == (5, 7, 2, 0)
    assert state(fresh, *TABLES) == state(config, *TABLES)
    assert read_anchor(fresh.anchor) == read_anchor(config.anchor)
    with pytest.raises(BadConfig, match="are here already"):
        complete(fresh, tmp_path / "m")
    with open_storage(fresh) as storage:
        assert recover(storage.engine, storage.anchor, storage.signer, storage.trusted_root).head.size == 7
    with pytest.raises(LogRestored):
        grow(fresh, world, 3)


def test_completing_from_a_later_backup_brings_the_bodies_too(config: Config, world: World, tmp_path: Path) -> None:
    fresh = again(config, tmp_path, world, 1, 2)
    make_backup(config, tmp_path / "later", CLOCK)
    done = complete(fresh, tmp_path / "later")
    assert (done.alerts, done.bodies) == (2, 2)
    everything = (*TABLES, "opener")
    assert state(fresh, *everything) == state(config, *everything)
    make_backup(fresh, tmp_path / "check", CLOCK)


def test_a_settled_log_is_not_completed(config: Config, world: World, tmp_path: Path) -> None:
    make_backup(config, tmp_path / "b", CLOCK)
    with pytest.raises(BadConfig):
        complete(config, tmp_path / "b")
    fresh = again(config, tmp_path / "x", world, 1)
    with pytest.raises(NotFound):
        complete(fresh, tmp_path)


def test_a_copy_of_another_history_changes_nothing(config: Config, world: World, tmp_path: Path) -> None:
    other = new_hub(world, tmp_path / "other")
    grow(other, world, 8, 9)
    fresh = again(config, tmp_path, world, 1)
    with open_storage(fresh) as storage:
        committed_before = storage.engine.size()
    copy = mirror(other, world, tmp_path / "m")
    bundle = copy / entries_path(0, 7)
    entries = split_bundle(bundle.read_bytes(), 7)
    entries[6] = entries[6][:-1] + bytes([entries[6][-1] ^ 1])
    bundle.write_bytes(entry_bundle(entries))
    with pytest.raises(StorageTampered):
        complete(fresh, copy)
    assert state(fresh, "entry")["entry"] == state(config, "entry")["entry"][:committed_before]
    (copy / "checkpoint").write_bytes((copy / "checkpoint").read_bytes().replace(b"\n7\n", b"\n8\n"))
    with pytest.raises((StorageTampered, Missing)):
        complete(fresh, copy)
    assert len(state(fresh, "entry")["entry"]) == committed_before


@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
def test_completing_that_was_interrupted_is_finished_by_doing_it_again(
    config: Config, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    fresh = again(config, tmp_path, world, 1, 2)
    copy, real = mirror(config, world, tmp_path / "m"), SqliteAnchor.swap

    def failing(self: SqliteAnchor, expected: bytes | None, note: bytes) -> None:
        if kept:
            real(self, expected, note)
        raise StorageInDoubt("crash")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteAnchor, "swap", failing)
        with pytest.raises(StorageInDoubt):
            complete(fresh, copy)
    with open_storage(fresh) as storage:
        start = partial(recover, storage.engine, storage.anchor, storage.signer, storage.trusted_root)
        if kept:
            assert start().head.size == 7
        else:
            with pytest.raises(NotReady, match="interrupted"):
                start()
    if not kept:
        assert complete(fresh, copy).size == 7
    assert read_anchor(fresh.anchor) == read_anchor(config.anchor)


async def test_a_sender_brings_back_the_bodies_that_a_copy_lacks(config: Config, world: World, tmp_path: Path) -> None:
    work = alert(world, 1)
    assert isinstance(work.what, Submit)
    fresh = again(config, tmp_path, world, work)
    complete(fresh, mirror(config, world, tmp_path / "m"))
    anchor = SqliteAnchor(fresh.anchor)
    anchor.settle()
    anchor.close()
    async with running_hub(fresh) as hub, connect(world, "sg-cnb", hub.server.address, tmp_path / "tls") as node:
        await node.hello()
        await node.until(lambda: node.held.size == 6)
        assert node.inbox == [], "there is no body yet"
        bare = Submit(work.what.header, work.what.signature, work.what.body, ())
        refused = await hub.exchange.submit(Work(SENDER, bare))
        assert getattr(refused, "code", "") == "opener-missing", "the hub asks for what it needs to deliver it"
        assert await hub.exchange.submit(work) == 5
        await node.until(lambda: node.inbox)
        assert node.inbox[0].index == 5
        assert hub.exchange.head.size <= 7, "no entry for it but the refusal's"
        assert await hub.exchange.submit(work) == 5, "and again, with nothing to supply"
    made = make_backup(fresh, tmp_path / "check", CLOCK)
    assert (made.contents.bodies, made.contents.missing) == (1, 0)


async def test_a_restored_node_is_given_again_what_it_receipted_and_sent(
    config: Config, world: World, tmp_path: Path
) -> None:
    async with running_hub(config) as hub:
        for number in (1, 2):
            assert isinstance(await hub.exchange.submit(alert(world, number)), int)
        async with connect(world, "sg-cnb", hub.server.address, tmp_path / "tls") as node:
            await node.hello()
            await node.until(lambda: len(node.inbox) == 2)
            first, second = node.inbox
            await node.acknowledge(first)
            since = hub.exchange.head.size
            await node.acknowledge(second)
        async with connect(world, "sg-cnb", hub.server.address, tmp_path / "tls") as node:
            await node.hello()
            await node.send(Recover(since, 0))
            page = await node.expect(Recovered)
            assert [item.index for item in page.items] == [second.index]
            assert page.items[0].body
            assert page.items[0].openers
            assert page.next == 0
        async with connect(world, SENDER, hub.server.address, tmp_path / "tls") as node:
            await node.hello()
            await node.send(Recover(0, 0))
            page = await node.expect(Recovered)
            assert [(item.index, item.body) for item in page.items] == [(first.index, b""), (second.index, b"")]
            await node.send(Recover(second.index, 0))
            assert [item.index for item in (await node.expect(Recovered)).items] == [second.index]
