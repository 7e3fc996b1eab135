"""Blocks: what is signed, when, and what a failure leaves behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from broker.committer import Committer, LogSigner
from broker.draft import NewDirectory, Work, reference
from broker.quota import Quotas
from broker.recovery import recover
from broker.state import Changes
from schemas.carrier.keys import carrier_key
from schemas.codec import encode
from schemas.directory.documents import Broker, LogIdentity
from schemas.envelope.header import decode_header
from schemas.errors import (
    CrossbearingError,
    DirectoryLockout,
    Fork,
    LogRestored,
    StorageFailed,
    StorageFull,
    StorageInDoubt,
)
from schemas.example import example_seed
from schemas.ids import sha256
from schemas.keys import SigningKey
from schemas.log.checkpoint import Checkpoint, verify_checkpoint
from schemas.log.entry import DirectoryEntry
from schemas.log.merkle import leaf_hash, prove_inclusion, root, verify_inclusion
from schemas.log.note import ED25519, vkey
from schemas.session.frames import SendReceipt, Submit
from tests.support.directory import NOW, make_world
from tests.support.hub_core import HubCore
from tests.support.publishing import publish

SENDER = "hk-customs"


@pytest.fixture
def core() -> HubCore:
    return HubCore(make_world())


def signed(core: HubCore) -> Checkpoint:
    """What the anchor says was signed last."""
    note = core.anchor.read()
    assert note is not None
    return verify_checkpoint(note, core.world.origin, core.world.directory.log_keys())


def test_genesis_logs_the_directory(core: HubCore) -> None:
    entries = core.entries()
    assert [e.role for e in entries if isinstance(e, DirectoryEntry)] == ["root", "targets", *core.world.agencies]
    assert [e.directory for e in entries] == [1, 2, 3, 4, 5]
    assert signed(core).size == len(entries) == len(core.history)


def test_the_anchor_holds_the_signed_head_of_all_entries(core: HubCore) -> None:
    committed = core.commit(Work(SENDER, core.alert(number=1)), Work("sg-cnb", core.alert("sg-cnb", number=2)))
    head = committed.head
    assert head is not None
    assert signed(core) == head.checkpoint
    assert head.checkpoint.root == root(head.size, core.tree.read)
    for index, entry in enumerate(core.engine.contents.log):
        path = prove_inclusion(index, head.size, core.tree.read)
        verify_inclusion(leaf_hash(entry), index, head.size, path, head.checkpoint.root)


def test_a_block_of_nothing_signs_nothing(core: HubCore) -> None:
    alert = core.alert()
    core.accepted(SENDER, alert)
    before, block = signed(core), core.engine.last_block()
    committed = core.commit(Work(SENDER, alert))
    assert committed.head is None
    assert (signed(core), core.engine.last_block()) == (before, block)


def test_a_block_that_only_brings_a_body_back_signs_nothing(core: HubCore) -> None:
    alert = core.alert()
    index = core.accepted(SENDER, alert)
    core.engine.lose_body(index)
    before = signed(core)
    committed = core.commit(Work(SENDER, alert))
    assert committed.verdicts == (index,)
    assert [parcel.body for parcel, _ in committed.supplied] == [alert.body]
    assert committed.head is None
    assert committed.entered == ()
    assert signed(core) == before


@pytest.mark.parametrize("fault", [StorageFull("no room"), StorageFailed("a bad disk")])
def test_a_lost_block_leaves_no_trace_and_the_next_one_works(core: HubCore, fault: CrossbearingError) -> None:
    alert, before = core.alert(), signed(core)
    core.engine.fail = fault
    with pytest.raises(type(fault)):
        core.commit(Work(SENDER, alert))
    assert (signed(core), core.engine.size(), core.tree.size) == (before, before.size, before.size)
    assert core.accepted(SENDER, alert) == before.size


@pytest.mark.parametrize("persist", [False, True], ids=["lost", "persisted"])
def test_a_doubtful_block_is_not_signed(core: HubCore, persist: bool) -> None:
    before = signed(core)
    core.engine.fail, core.engine.persist = StorageInDoubt("commit failed"), persist
    with pytest.raises(StorageInDoubt):
        core.commit(Work(SENDER, core.alert()))
    assert signed(core) == before


def test_a_block_that_another_wrote_is_doubt(core: HubCore) -> None:
    with core.engine.block(core.engine.size()) as block:
        block.append(b"written by another", Changes())
    with pytest.raises(StorageInDoubt):
        core.commit(Work(SENDER, core.alert()))


def test_an_anchor_that_another_moved_is_a_fork(core: HubCore) -> None:
    core.anchor.note = b"another note"
    with pytest.raises(Fork):
        core.commit(Work(SENDER, core.alert()))


def test_a_block_after_an_unsigned_one_is_refused(core: HubCore) -> None:
    core.anchor.fail = StorageInDoubt("the anchor failed")
    with pytest.raises(StorageInDoubt):
        core.commit(Work(SENDER, core.alert(number=1)))
    with pytest.raises(StorageInDoubt):
        core.commit(Work(SENDER, core.alert(number=2)))


def test_entries_come_under_the_directory_of_their_own_block(core: HubCore) -> None:
    made = core.world.bundle("targets")
    alert = core.alert()
    verdicts = core.commit(Work("", NewDirectory(made.role, made.version, made.bundle)), Work(SENDER, alert)).verdicts
    assert verdicts == (5, 6)
    assert [entry.directory for entry in core.entries()[5:]] == [6, 6]


def test_a_directory_without_this_log_is_refused(core: HubCore) -> None:
    core.world.document = replace(core.world.document, log=foreign_log())
    made = core.world.bundle("targets")
    refusal = core.refused("", NewDirectory(made.role, made.version, made.bundle))
    assert refusal.code == "directory-lockout"
    assert len(core.history) == 5


def test_a_directory_lists_the_origin_and_the_key_of_the_log_and_the_certificate_of_the_hub(core: HubCore) -> None:
    def refused(signer: LogSigner, words: str) -> None:
        with pytest.raises(DirectoryLockout, match=words):
            signer.check_directory(core.history.latest)

    signer = core.signer
    listed = core.world.document.brokers[0].tls[0]
    signer.check_directory(core.history.latest)
    replace(signer, tls=listed).check_directory(core.history.latest)
    refused(replace(signer, origin="another.example/log"), "origin and key")
    refused(replace(signer, key=SigningKey(example_seed("another", "log"))), "origin and key")
    refused(replace(signer, tls=bytes(32)), "certificate")
    signer.check_directory(core.history.version(1))  # nothing is decided before the governors' first version


def test_a_directory_lists_for_this_hub_no_other_key_for_files_on_media_than_its_own(core: HubCore) -> None:
    broker = core.world.document.brokers[0]
    own = carrier_key(example_seed("broker", "log"))
    other = carrier_key(example_seed("another", "log"))
    signer = replace(core.signer, tls=broker.tls[0], carrier=own)

    def check(*brokers: Broker) -> None:
        document = replace(core.world.document, brokers=brokers)
        signer.check_directory(replace(core.history.latest, document=document))

    elsewhere = Broker("another", (bytes(32),), other.public)
    check(replace(broker, sealing=own.public), elsewhere)
    check(replace(broker, sealing=b""), elsewhere)
    with pytest.raises(DirectoryLockout, match="another sealing key"):
        check(replace(broker, sealing=other.public))


def test_a_log_that_was_disowned_signs_nothing_until_it_is_settled_not_even_before_a_restart(core: HubCore) -> None:
    before, alert = signed(core), core.alert()
    core.committer.disown()
    for restarted in (core.committer, HubCore(core.world, core.engine, core.anchor, begun=True).committer):
        with pytest.raises(LogRestored, match="nobody has settled"):
            restarted.commit([Work(SENDER, alert)])
    assert (signed(core), core.engine.size()) == (before, before.size)
    core.committer.settle()
    assert core.accepted(SENDER, alert) == before.size
    again = HubCore(core.world, core.engine, core.anchor, begun=True)
    assert again.accepted(SENDER, again.alert(number=2)) == before.size + 1


def test_a_tree_is_signed_by_the_key_that_there_is(core: HubCore) -> None:
    with pytest.raises(ValueError, match="no ML-DSA-44 key"):
        core.signer.sign_tree(signed(core), now=NOW)


def foreign_log() -> LogIdentity:
    public = SigningKey(example_seed("another", "log")).public
    return LogIdentity("another.example/log", (vkey("another.example/log", ED25519, public),))


def test_a_directory_bundle_without_its_threshold_is_refused_and_not_logged(core: HubCore) -> None:
    made = core.world.bundle("targets", signers=("governor-1",))
    size = core.engine.size()
    refusal = core.refused("", NewDirectory(made.role, made.version, made.bundle))
    assert (refusal.code, core.engine.size()) == ("directory-threshold", size)


def test_a_full_tile_is_stored_with_its_block() -> None:
    core = HubCore(make_world())
    publish(core, "targets")
    works = [Work(SENDER, replace(core.alert(), signature=bytes([n]) * 64)) for n in range(250)]
    core.commit(*works)
    stored = core.engine.tile(0, 0)
    assert stored is not None
    assert stored == b"".join(leaf_hash(entry) for entry in core.engine.contents.log[:256])


def test_references_name_submissions() -> None:
    core = HubCore(make_world())
    alert = core.alert()
    assert reference(alert) == decode_header(alert.header).id
    for header in (b"", b"noise", encode({"id": b"short"}), encode([1])):
        assert reference(Submit(header, b"", b"", ())) == sha256(header)[:16]
    assert reference(SendReceipt(b"receipt", b"")) == sha256(b"receipt")[:16]


def test_times_in_the_log_never_go_back(core: HubCore) -> None:
    core.clock.now += 60_000
    core.accepted(SENDER, core.alert(number=1))
    core.clock.now -= 30_000
    core.accepted(SENDER, core.alert(number=2))
    times = [entry.time for entry in core.entries()]
    assert times == sorted(times)
    assert times[-1] == times[-2] == core.clock.now + 30_000


def test_times_go_on_after_a_restart_with_a_clock_that_fell_back(core: HubCore) -> None:
    core.clock.now += 60_000
    core.accepted(SENDER, core.alert(number=1))
    core.clock.now -= 30_000
    recovered = recover(core.engine, core.anchor, core.signer, core.world.trusted_root)
    core.committer = Committer(
        engine=core.engine,
        anchor=core.anchor,
        tree=recovered.tree,
        history=recovered.history,
        head=recovered.head,
        signer=core.signer,
        trusted_root=core.world.trusted_root,
        quotas=Quotas(receipts_per_minute=1_000, refusals_per_minute=1_000),
        clock=core.clock,
        stopwatch=lambda: 0.0,
    )
    core.accepted(SENDER, core.alert(number=2))
    assert core.entries()[-1].time == core.clock.now + 30_000
