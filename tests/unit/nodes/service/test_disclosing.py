"""A node discloses what it sent and what it received, and nothing that it cannot prove."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nodes.sealing import seal_outgoing
from nodes.store.database import Tables
from nodes.store.directory import DirectoryRow
from nodes.store.openers import OpenerRow
from schemas.envelope.disclosure import Disclosed, decode_disclosure, verify_disclosure
from schemas.envelope.header import decode_header
from schemas.envelope.opener import open_opener
from schemas.errors import CrossbearingError, OpenerUnknown, Unreachable, WrongState
from schemas.ids import format_id, parse_id
from schemas.log.entry import AlertEntry, encode_entry
from schemas.log.evidence import Evidence, Included, encode_evidence
from tests.support.alerts import watch
from tests.support.directory import NOW
from tests.support.edge import ME, EdgeNode, edge_node
from tests.support.envelope import alert_entry, counting_random, make_alert, make_pairs, seal_alert


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[EdgeNode]:
    async with edge_node(tmp_path) as node:
        rows = zip(node.world.entries, node.world.bundles, strict=True)
        held = [DirectoryRow(i + 1, i, encode_entry(entry), made.bundle) for i, (entry, made) in enumerate(rows)]

        def hold(tables: Tables) -> None:
            for row in held:
                tables.directory.add(row)

        await node.store.write(hold)
        yield node


def tell(node: EdgeNode, index: int) -> None:
    """The hub gives evidence for the alert at an index."""
    log = node.log
    log.append(b"another entry, so that the tree goes on")
    directory = tuple(Included(n, tuple(log.path(n))) for n in range(len(node.world.entries)))
    evidence = Evidence(log.note(), log.leaves[index], tuple(log.path(index)), directory)
    node.evidence[index] = encode_evidence(evidence)


async def arrived(node: EdgeNode) -> str:
    """A received alert, with its opener's secret in the store."""
    alert = await node.receive("hk-customs")
    index = len(node.log.leaves) - 1
    return await remember(node, alert, index)


async def remember(node: EdgeNode, alert: str, index: int) -> str:
    row = await node.store.read(lambda tables: tables.alerts.get("in", parse_id(alert)))
    assert row is not None
    content = await node.store.read(lambda tables: tables.alerts.content(row.number))
    assert content.header is not None
    header = decode_header(content.header)
    (mine,) = [recipient for recipient in header.recipients if recipient.agency == ME]
    secret = make_pairs(node.world, "hk-customs", [ME])[ME].secret
    opener = OpenerRow(mine.opener_id, "hk-customs", header.key, secret)
    await node.store.write(lambda tables: tables.openers.add(opener, now=NOW))
    tell(node, index)
    return alert


async def sent(node: EdgeNode) -> str:
    """An alert of ours, sealed and in the log."""
    answer = await node.service.sending.send(watch(["hk-customs", "au-abf"]))
    alert = str(answer["id"])
    identity = node.service.health._identity

    def seal(tables):  # type: ignore[no-untyped-def]  # a piece of work for the store
        (outgoing,) = tables.outbox.waiting(now=NOW, limit=9)
        seal_outgoing(
            tables,
            outgoing,
            identity=identity,
            directory=node.standing.directory,
            now=NOW,
            random=counting_random("sealing"),
        )
        return tables.outbox.get(outgoing.number)

    sealed = await node.store.write(seal)
    entry = AlertEntry(NOW, node.world.directory.version, sealed.header, sealed.signature)
    index = node.log.append(encode_entry(entry))
    await node.accept(alert, index=index)
    tell(node, index)
    return alert


def verified(node: EdgeNode, data: bytes) -> Disclosed:
    return verify_disclosure(data, keys=node.standing.log_keys, trusted_root=node.world.trusted_root)


async def test_a_recipient_discloses_what_it_received(node: EdgeNode) -> None:
    alert = await arrived(node)
    told = verified(node, await node.service.disclosing.disclose(alert[-4:]))
    assert (format_id(told.header.id), told.header.sender) == (alert, "hk-customs")


async def test_a_sender_discloses_what_it_sent(node: EdgeNode) -> None:
    alert = await sent(node)
    told = verified(node, await node.service.disclosing.disclose(alert))
    assert (told.alert.id, told.header.sender) == (alert, ME)
    assert [recipient.agency for recipient in told.header.recipients] == ["au-abf", "hk-customs"]


async def test_no_pair_secret_is_in_the_file(node: EdgeNode) -> None:
    data = await node.service.disclosing.disclose(await sent(node))
    opener_ids = [recipient.opener_id for recipient in verified(node, data).header.recipients]
    pairs = await node.store.read(lambda tables: tables.pairs.get(opener_ids))
    assert len(pairs) == 2
    assert not [pair for pair in pairs if pair.secret in data or pair.opener in data]


async def test_without_the_hub_there_is_no_proof(node: EdgeNode) -> None:
    alert = await arrived(node)
    node.evidence.clear()
    with pytest.raises(Unreachable):
        await node.service.disclosing.disclose(alert)


async def test_an_alert_that_is_not_in_the_log_cannot_be_proven(node: EdgeNode) -> None:
    answer = await node.service.sending.send(watch(["hk-customs"]))
    with pytest.raises(WrongState, match="not in the log"):
        await node.service.disclosing.disclose(answer["id"])


async def test_a_key_that_was_forgotten_is_named(node: EdgeNode) -> None:
    alert = await arrived(node)
    await node.store.write(lambda tables: tables.openers.prune(NOW + 1))
    with pytest.raises(OpenerUnknown):
        await node.service.disclosing.disclose(alert)


async def test_evidence_that_does_not_hold_is_not_handed_on(node: EdgeNode) -> None:
    alert = await arrived(node)
    (index,) = node.evidence
    node.log.append(b"one more")
    tell(node, index)
    told = decode_disclosure(await node.service.disclosing.disclose(alert))
    wrong = Evidence(
        node.log.note(), told.entry, told.path[::-1], tuple(Included(d.index, d.path) for d in told.directory)
    )
    node.evidence[index] = encode_evidence(wrong)
    with pytest.raises(CrossbearingError) as refused:
        await node.service.disclosing.disclose(alert)
    assert refused.value.context["step"] == 3


async def test_a_hub_that_leaves_out_a_directory_version_is_not_believed(node: EdgeNode) -> None:
    alert = await arrived(node)
    (index,) = node.evidence
    whole = node.log
    directory = tuple(Included(n, tuple(whole.path(n))) for n in range(len(node.world.entries) - 1))
    node.evidence[index] = encode_evidence(
        Evidence(whole.note(), whole.leaves[index], tuple(whole.path(index)), directory)
    )
    with pytest.raises(CrossbearingError) as refused:
        await node.service.disclosing.disclose(alert)
    assert refused.value.code == "directory-unknown"


def test_the_secrets_of_the_fixture_are_those_of_the_openers() -> None:
    from tests.support.directory import make_world

    world = make_world()
    sealed, pairs = seal_alert(world, make_alert(world, "hk-customs"))
    assert alert_entry(world, sealed).header == sealed.header
    pair = pairs[ME]
    secret = open_opener(
        pair.opener,
        sender="hk-customs",
        recipient=ME,
        sender_key_id=world.signing["hk-customs"].key_id,
        keys=[world.sealing[ME]],
    )
    assert secret == pair.secret
