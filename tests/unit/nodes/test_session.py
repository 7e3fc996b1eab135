from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from nodes.session import Parts, Session
from nodes.store.alerts import AlertRow
from nodes.store.database import Database, Tables
from nodes.store.receipts import receipt_ref
from nodes.taking import YIELD_EVERY
from nodes.verdicts import MAX_ATTEMPTS
from schemas import codec
from schemas.alert.document import Alert, encode_alert
from schemas.envelope.header import decode_header
from schemas.envelope.opener import opener_id
from schemas.errors import (
    CheckpointUntrusted,
    CrossbearingError,
    DuplicateSession,
    KeyNotValid,
    ProtocolError,
    Unreachable,
)
from schemas.ids import sha256
from schemas.limits import (
    CREDIT_RESERVE,
    CREDIT_SHARE,
    DEFAULT_CREDIT,
    LONGEST_WAIT_MS,
    MAX_BLOCK_ALERTS,
    MAX_RETRY_MS,
    RANK_WAIT_MS,
    WINDOW,
    WINDOW_RESERVE,
)
from schemas.log.checkpoint import verify_checkpoint
from schemas.log.receipt import decode_receipt
from schemas.session.frames import (
    Blob,
    Block,
    Bye,
    Credit,
    Fetch,
    Hello,
    Item,
    Recover,
    Recovered,
    Result,
    ResultItem,
    SendReceipt,
    Submit,
    Upload,
    Uploaded,
)
from tests.support.directory import NOW
from tests.support.envelope import make_alert
from tests.support.fake_hub import FakeHub, FakeLink, HubEnd, eventually, id_of, node_parts

ME = "sg-cnb"
FIVE_MINUTES = 300_000


class Run:
    """A session under way: the hub's end of it, and how it ended."""

    def __init__(self, parts: Parts, end: HubEnd, task: asyncio.Task[None]) -> None:
        self.parts = parts
        self.end = end
        self.task = task

    async def ended(self) -> CrossbearingError:
        """What the session ended with."""
        async with asyncio.timeout(10):
            with pytest.raises(CrossbearingError) as caught:
                await self.task
        return caught.value

    async def compose(self, *, number: int = 1, **fields: object) -> Alert:
        alert = make_alert(self.end.hub.world, ME, number=number, **fields)
        recipients = ["au-abf", "hk-customs"]
        await self.parts.store.write(
            lambda t: t.outbox.add(alert, encode_alert(alert), recipients=recipients, now=self.parts.clock())
        )
        return alert

    async def recall(self, original: Alert) -> Alert:
        return await self.compose(
            number=2,
            kind="recall",
            precedence="flash",
            subjects=[],
            recall={"reason": "sent in error"},
            relation={"type": "recall", "alert": original.id},
        )

    async def row(self, alert: Alert) -> AlertRow:
        row = await self.parts.store.read(lambda t: t.alerts.get("out", id_of(alert)))
        assert row is not None
        return row

    async def settled(self, alert: Alert, state: str) -> AlertRow:
        """Wait until the sent alert is in that state."""
        async with asyncio.timeout(10):
            while True:
                seen = self.parts.store.revision("events")
                row = await self.row(alert)
                if row.state == state:
                    return row
                await self.parts.store.wait("events", seen)


async def drive(parts: Parts, link: FakeLink) -> None:
    connection = await link.connect()
    try:
        session = Session(parts, connection)
        offset = await session.open()
        await session.run(offset)
    finally:
        await connection.close()


@asynccontextmanager
async def running(parts: Parts, hub: FakeHub) -> AsyncIterator[Run]:
    link = FakeLink(hub)
    task = asyncio.create_task(drive(parts, link))
    try:
        yield Run(parts, await link.accepted(), task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
async def parts(tmp_path: Path, hub: FakeHub) -> AsyncIterator[Parts]:
    async with node_parts(tmp_path, hub, ME) as made:
        yield made


@pytest.fixture
async def run(parts: Parts, hub: FakeHub) -> AsyncIterator[Run]:
    """A session that has caught up with the directory."""
    async with running(parts, hub) as made:
        await made.end.catch_up()
        yield made


# Greeting -------------------------------------------------------------------------------------------------------------


async def test_a_new_node_greets_with_nothing(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, hub) as run:
        hello = await run.end.expect(Hello)
    assert (hello.agency, hello.directory, hello.size, hello.notices) == (ME, 0, 0, 0)


async def test_the_next_session_goes_on_from_what_the_first_left(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, hub) as run:
        await run.end.catch_up()
        await run.end.block(hub.enter_alert())
        await run.end.expect(SendReceipt)
    async with running(parts, hub) as run:
        hello = await run.end.expect(Hello)
    checkpoint = hub.log.checkpoint()
    assert (hello.directory, hello.size, hello.root) == (5, checkpoint.size, checkpoint.root)


async def test_another_log_is_not_trusted(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, hub) as run:
        await run.end.welcome(origin="log.elsewhere.test")
        assert isinstance(await run.ended(), CheckpointUntrusted)


async def test_another_frame_than_welcome_breaks_the_protocol(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, hub) as run:
        await run.end.expect(Hello)
        await run.end.send_raw(codec.encode(["result", []]))
        assert isinstance(await run.ended(), ProtocolError)


async def test_the_hubs_refusal_at_the_door_is_passed_on(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, hub) as run:
        await run.end.expect(Hello)
        await run.end.send(Bye("duplicate-session", "another node of this agency is connected"))
        assert isinstance(await run.ended(), DuplicateSession)


async def test_the_hubs_own_trouble_is_not_taken_for_ours(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, hub) as run:
        await run.end.welcome()
        await run.end.send(Bye("storage-in-doubt", "a commit failed and may or may not be durable"))
        error = await run.ended()
    assert isinstance(error, Unreachable)
    assert "storage-in-doubt" in error.message


@pytest.mark.parametrize("offset", [FIVE_MINUTES + 60_000, -FIVE_MINUTES - 60_000])
async def test_with_the_clock_off_nothing_is_sent_but_alerts_arrive(parts: Parts, hub: FakeHub, offset: int) -> None:
    async with running(parts, hub) as run:
        await run.compose()
        await run.end.welcome(at=hub.clock() - offset)
        await run.end.send(hub.directory())
        run.end.proven = hub.size
        await run.end.block(*(hub.enter_alert() for _ in range(DEFAULT_CREDIT // CREDIT_SHARE)))
        frame = await run.end.next()
    assert isinstance(frame, Credit)  # the alerts were taken in, and neither a receipt nor our own alert came before


# Receiving ------------------------------------------------------------------------------------------------------------


async def test_credit_is_granted_again_when_a_share_of_it_was_used_and_committed(run: Run, hub: FakeHub) -> None:
    share = DEFAULT_CREDIT // CREDIT_SHARE
    for alerts in (2, share - 3, 2):
        assert run.end.silent
        await run.end.block(*(hub.enter_alert() for _ in range(alerts)))
        assert isinstance(await run.end.next(), SendReceipt)
    assert await run.end.next() == Credit(share + 1)
    assert await run.parts.store.read(lambda t: t.alerts.count("in")) == share + 1


def test_the_credit_that_is_not_granted_yet_never_keeps_the_hub_from_sending_a_whole_frame() -> None:
    least = DEFAULT_CREDIT - (DEFAULT_CREDIT // CREDIT_SHARE - 1)
    assert least - DEFAULT_CREDIT // CREDIT_RESERVE >= MAX_BLOCK_ALERTS


async def test_a_receipt_is_sent_until_it_is_answered(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, hub) as run:
        await run.end.catch_up()
        await run.end.block(hub.enter_alert())
        first = await run.end.expect(SendReceipt)
    async with running(parts, hub) as run:
        await run.end.catch_up()
        again = await run.end.expect(SendReceipt)
        assert again == first
        ref = (await parts.store.read(lambda t: t.receipts.all()))[0].ref
        await run.end.send(Result((ResultItem(ref, True, 9, "", "", ""),)))
        await eventually(lambda: parts.store.read(lambda t: t.receipts.count() == 0))


async def test_an_opener_is_fetched_from_the_hub(run: Run, hub: FakeHub) -> None:
    index = hub.enter_alert()
    opener = hub.openers[index][ME]
    await run.end.block(index, opener=False)
    fetch = await run.end.expect(Fetch)
    assert fetch == Fetch(opener_id(opener), 0)
    await run.end.send(Blob(fetch.digest, 0, len(opener), opener))
    await run.end.expect(SendReceipt)
    assert await run.parts.store.read(lambda t: t.alerts.count("in")) == 1


async def test_an_attachment_is_fetched_piece_by_piece_and_checked(run: Run, hub: FakeHub) -> None:
    data = bytes(300_000)
    digest = sha256(data)
    sealed = {"digest": digest.hex(), "sealed_size": len(data), "size": len(data) - 100, "key": "cd" * 32}
    attachment = {"name": "x.png", "media_type": "image/png", **sealed}
    await run.end.block(hub.enter_alert(attachments=[attachment]))
    for start in (0, 200_000):
        assert await run.end.expect(Fetch) == Fetch(digest, start)
        await run.end.send(Blob(digest, start, len(data), data[start : start + 200_000]))
    await eventually(
        lambda: run.parts.store.read(lambda t: t.attachments.get(digest) and not t.attachments.incomplete())
    )


async def test_what_nobody_asked_for_breaks_the_protocol(run: Run) -> None:
    await run.end.send(Blob(bytes(32), 0, 1, b"x"))
    assert isinstance(await run.ended(), ProtocolError)
    assert await run.end.expect(Bye) == Bye("protocol-error", "the hub sent Blob that nobody asked for")


async def test_an_answer_to_nothing_breaks_the_protocol(run: Run) -> None:
    await run.end.send(Result((ResultItem(bytes(16), True, 3, "", "", ""),)))
    assert isinstance(await run.ended(), ProtocolError)


async def test_bytes_that_are_no_frame_end_the_session_with_their_code(run: Run) -> None:
    await run.end.send_raw(b"\xc1")
    error = await run.ended()
    assert (await run.end.expect(Bye)).code == error.code == "malformed"


async def test_a_cut_connection_is_unreachable(run: Run) -> None:
    await run.end.close()
    assert isinstance(await run.ended(), Unreachable)


async def test_a_bad_proof_in_a_block_ends_the_session_and_changes_nothing(run: Run, hub: FakeHub) -> None:
    block = hub.block(hub.enter_alert(), proven=run.end.proven)
    moved = structs.replace(block.items[0], path=(*block.items[0].path[:-1], bytes(32)))
    await run.end.send(Block(block.checkpoint, block.proof, (moved,)))
    assert (await run.ended()).code == "not-included"
    assert await run.parts.store.read(lambda t: t.alerts.count("in")) == 0


# Sending --------------------------------------------------------------------------------------------------------------


async def test_a_composed_alert_is_sealed_submitted_and_accepted(run: Run) -> None:
    alert = await run.compose()
    submit = await run.end.expect(Submit)
    header = decode_header(submit.header)
    assert [recipient.agency for recipient in header.recipients] == ["au-abf", "hk-customs"]
    assert {opener_id(opener) for opener in submit.openers} == {r.opener_id for r in header.recipients}
    index = await run.end.accept(submit)
    row = await run.settled(alert, "accepted")
    assert row.index == index


async def test_the_second_alert_reuses_the_pair_keys_and_sends_no_openers(run: Run) -> None:
    alert = await run.compose()
    first = await run.end.expect(Submit)
    await run.end.accept(first)
    await run.settled(alert, "accepted")
    await run.settled(await run.compose(number=2), "waiting")
    second = await run.end.expect(Submit)
    ids = [[r.opener_id for r in decode_header(submit.header).recipients] for submit in (first, second)]
    assert ids[0] == ids[1]
    assert second.openers == ()


async def test_an_alert_is_sealed_in_the_commit_that_takes_it_in(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write_all, states = Database.write_all, list[tuple[object, ...]]()

    def watching(self: Database, works: Sequence[Callable[[Tables], object]]) -> object:
        outcome = write_all(self, works)
        states.append(self.read(lambda t: tuple(out.body is None for out in t.outbox.waiting(now=2 * NOW, limit=9))))
        return outcome

    await eventually(lambda: run.parts.store.read(lambda t: t.directory.newest() == 5))
    first = await run.compose()
    await run.end.accept(await run.end.expect(Submit))
    await run.settled(first, "accepted")
    monkeypatch.setattr(Database, "write_all", watching)
    await run.compose(number=2)
    await run.end.expect(Submit)
    assert states[0] == (False,), "what is taken in is sealed when it is durable"


async def test_the_same_bytes_are_submitted_until_the_hub_answers(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, hub) as run:
        await run.end.catch_up()
        alert = await run.compose()
        first = await run.end.expect(Submit)
    async with running(parts, hub) as run:
        await run.end.catch_up()
        again = await run.end.expect(Submit)
        assert again == first
        await run.end.accept(again)
        await run.settled(alert, "accepted")


async def test_nothing_is_sealed_under_an_older_directory_than_the_hubs(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, hub) as run:
        await run.end.catch_up()
        await run.end.block(hub.enter_alert())
        await run.end.expect(SendReceipt)
    hub.publish("au-abf")
    async with running(parts, hub) as run:
        await run.compose()
        await run.end.catch_up()
        submit = await run.end.expect(Submit)
    assert decode_header(submit.header).directory == hub.world.directory.version


async def test_the_most_urgent_alert_goes_first(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, hub) as run:
        for number, precedence in enumerate(("routine", "priority", "flash", "immediate")):
            await run.compose(number=number, precedence=precedence)
        await run.end.catch_up()
        submits = [await run.end.expect(Submit) for _ in range(4)]
    urgency = [decode_header(submit.header).precedence for submit in submits]
    assert urgency == ["flash", "immediate", "priority", "routine"]


async def test_a_final_refusal_is_shown_with_its_reason(run: Run) -> None:
    alert = await run.compose()
    await run.end.expect(Submit)
    await run.end.refuse(id_of(alert), "suspended", "sg-cnb is suspended", "ask the governors")
    row = await run.settled(alert, "refused")
    assert (row.code, row.message, row.hint) == ("suspended", "sg-cnb is suspended", "ask the governors")


@pytest.mark.parametrize("code", ["directory-stale", "clock-off", "routing-mismatch", "key-not-valid"])
async def test_an_alert_made_under_facts_that_changed_is_sealed_again(run: Run, hub: FakeHub, code: str) -> None:
    alert = await run.compose()
    first = await run.end.expect(Submit)
    hub.publish("au-abf")
    await run.end.send(hub.directory(proven=run.end.proven, after=5))
    run.end.proven = hub.size
    await run.end.refuse(id_of(alert), code)
    hub.clock.now += 1_000
    second = await run.end.expect(Submit)
    old, new = decode_header(first.header), decode_header(second.header)
    assert new.id == old.id
    assert new.commitment != old.commitment
    await run.end.accept(second)
    await run.settled(alert, "accepted")


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No acceptance is committed for itself."""
    monkeypatch.setattr("nodes.dispatch.SETTLE_AFTER", 3600.0)


@pytest.mark.usefixtures("unhurried")
async def test_an_acceptance_is_committed_with_what_comes_next_and_not_shown_before(run: Run) -> None:
    alert = await run.compose()
    index = await run.end.accept(await run.end.expect(Submit))
    await run.end.block(run.end.hub.enter_alert())
    await run.end.expect(SendReceipt)
    assert ((await run.row(alert)).state, (await run.row(alert)).index) == ("accepted", index)
    again = await run.compose(number=2)
    await run.end.accept(await run.end.expect(Submit))
    assert (await run.row(again)).state == "waiting"


@pytest.mark.usefixtures("unhurried")
async def test_an_acceptance_is_kept_at_the_end_of_the_session(run: Run) -> None:
    alert = await run.compose()
    await run.end.accept(await run.end.expect(Submit))
    await run.end.close()
    assert (await run.ended()).code == "unreachable"
    assert (await run.row(alert)).state == "accepted"


async def test_an_answer_that_comes_twice_breaks_the_protocol(run: Run) -> None:
    await run.compose()
    submit = await run.end.expect(Submit)
    await run.end.accept(submit)
    await run.end.accept(submit)
    assert (await run.ended()).code == "protocol-error"


async def test_openers_the_hub_lost_are_sent_again_with_the_same_bytes(run: Run) -> None:
    await run.compose()
    await run.end.accept(await run.end.expect(Submit))
    alert = await run.compose(number=2)
    first = await run.end.expect(Submit)
    await run.end.refuse(id_of(alert), "opener-missing")
    second = await run.end.expect(Submit)
    assert (second.header, second.body) == (first.header, first.body)
    assert len(second.openers) == 2


async def test_over_quota_the_same_bytes_wait(run: Run, hub: FakeHub) -> None:
    alert = await run.compose()
    first = await run.end.expect(Submit)
    await run.end.refuse(id_of(alert), "quota")
    assert await run.end.expect(Submit) == first


def put_off(alert: Alert, *, retry: int) -> Result:
    return Result((ResultItem(id_of(alert), False, 0, "quota", "too many", "", retry),))


async def submitted(run: Run, hub: FakeHub) -> Submit:
    """The next submission, while time goes on."""
    coming = asyncio.create_task(run.end.expect(Submit))
    while not coming.done():
        hub.clock.now += 10
        await asyncio.wait([coming], timeout=0.01)
    return coming.result()


async def test_over_quota_it_waits_for_as_long_as_the_hub_says_but_an_hour_at_most(run: Run, hub: FakeHub) -> None:
    alert = await run.compose()
    await run.end.expect(Submit)
    await run.end.send(put_off(alert, retry=MAX_RETRY_MS))
    number = (await run.row(alert)).number
    until = await eventually(lambda: run.parts.store.read(lambda t: t.outbox.put_off(number)))
    assert until is not None
    assert 0 <= until - hub.clock.now - LONGEST_WAIT_MS < FIVE_MINUTES
    assert ((await run.row(alert)).state, (await run.row(alert)).code) == ("waiting", "quota")


async def test_waiting_for_an_allowance_never_loses_an_alert(run: Run, hub: FakeHub) -> None:
    alert = await run.compose()
    for _ in range(MAX_ATTEMPTS + 1):
        await submitted(run, hub)
        await run.end.send(put_off(alert, retry=1))
    await submitted(run, hub)
    for _ in range(MAX_ATTEMPTS + 1):
        hub.clock.now += FIVE_MINUTES + 1
        await run.end.refuse(id_of(alert), "clock-off")
        last = await submitted(run, hub)
    await run.end.accept(last)
    await run.settled(alert, "accepted")


async def test_a_flash_is_sent_while_all_others_wait_for_their_answers(run: Run) -> None:
    for number in range(WINDOW):
        await run.compose(number=number, precedence="routine")
    for _ in range(WINDOW - WINDOW_RESERVE):
        await run.end.expect(Submit)
    flash = await run.compose(number=WINDOW, precedence="flash")
    assert decode_header((await run.end.expect(Submit)).header).id == id_of(flash)


async def nothing_but(run: Run, first: int) -> None:
    """Two flashes in turn go out at once, and nothing else does before the second."""
    for number in (first, first + 1):
        flash = await run.compose(number=number, precedence="flash")
        assert id_of_submit(await run.end.expect(Submit)) == id_of(flash)


def id_of_submit(submit: Submit) -> bytes:
    return decode_header(submit.header).id


async def test_after_a_refusal_for_want_of_allowance_its_precedence_waits_and_no_other(run: Run, hub: FakeHub) -> None:
    refused = await run.compose(precedence="routine")
    await run.end.expect(Submit)
    await run.end.send(put_off(refused, retry=MAX_RETRY_MS))
    await eventually(lambda: run.parts.store.read(lambda t: t.outbox.put_off(1)))
    held = await run.compose(number=2, precedence="routine")
    priority = await run.compose(number=3, precedence="priority")
    assert id_of_submit(await run.end.expect(Submit)) == id_of(priority)
    await nothing_but(run, 4)
    hub.clock.now += RANK_WAIT_MS // 2
    await nothing_but(run, 6)
    hub.clock.now += RANK_WAIT_MS // 2
    await run.compose(number=8, precedence="routine")
    assert id_of_submit(await run.end.expect(Submit)) == id_of(held)


async def test_after_such_a_refusal_half_as_many_go_at_once_and_one_more_with_each_answer(
    run: Run, hub: FakeHub
) -> None:
    first = [await run.compose(number=number, precedence="routine") for number in range(40)]
    submits = {id_of_submit(submit): submit for submit in [await run.end.expect(Submit) for _ in first]}
    await run.end.send(put_off(first[0], retry=MAX_RETRY_MS))
    await eventually(lambda: run.parts.store.read(lambda t: t.outbox.put_off(1)))
    hub.clock.now += RANK_WAIT_MS
    waiting = await run.compose(number=40, precedence="routine")
    await nothing_but(run, 41)  # 39 are under way, of 32
    for alert in first[1:4]:
        await run.end.accept(submits[id_of(alert)])
        await run.settled(alert, "accepted")
    await nothing_but(run, 43)  # 36, of 35
    await run.end.accept(submits[id_of(first[4])])
    assert id_of_submit(await run.end.expect(Submit)) == id_of(waiting)


async def test_bytes_under_way_are_bounded_for_what_is_not_urgent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.dispatch.UNDER_WAY_BYTES", 1)
    await run.compose(number=1, precedence="routine")
    first = await run.end.expect(Submit)
    second = await run.compose(number=2, precedence="routine")
    await nothing_but(run, 3)
    await run.end.accept(first)
    assert id_of_submit(await run.end.expect(Submit)) == id_of(second)


async def test_receipts_under_way_are_bounded(parts: Parts, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.receipt_sender.RECEIPT_WINDOW", 2)

    def add(tables: Tables) -> None:
        for number in range(3):
            tables.receipts.add(b"receipt %d" % number, bytes(64), now=NOW + number)

    await parts.store.write(add)
    async with running(parts, hub) as run:
        await run.end.catch_up()
        sent = [await run.end.expect(SendReceipt) for _ in range(2)]
        assert [receipt.receipt for receipt in sent] == [b"receipt 0", b"receipt 1"]
        assert run.end.silent
        await run.end.send(Result((ResultItem(receipt_ref(b"receipt 0"), True, 7, "", "", ""),)))
        assert (await run.end.expect(SendReceipt)).receipt == b"receipt 2"


async def test_an_alert_that_reaches_nobody_any_more_is_refused_here(run: Run, hub: FakeHub) -> None:
    hub.world.change_agency("au-abf", status="suspended")
    hub.publish("targets")
    await run.end.send(hub.directory(proven=run.end.proven, after=5))
    run.end.proven = hub.size
    await run.end.block(hub.enter_alert())
    await run.end.expect(SendReceipt)
    row = await run.settled(await run.compose(to=["au-abf"]), "refused")
    assert row.code == "nobody"


async def test_an_alert_that_expired_in_the_outbox_is_not_sent(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, hub) as run:
        alert = await run.compose(expires_hours=1)
        hub.clock.now += 2 * 3_600_000
        await run.end.catch_up()
        row = await run.settled(alert, "expired")
    assert row.code == "alert-expired"


async def test_a_recall_of_what_expired_in_the_outbox_waits_no_longer(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, hub) as run:
        original = await run.compose(expires_hours=1)
        recall = await run.recall(original)
        hub.clock.now += 2 * 3_600_000
        await run.end.catch_up()
        await run.settled(original, "expired")
        assert decode_header((await run.end.expect(Submit)).header).id == id_of(recall)


async def test_a_recall_waits_until_its_alert_is_in_the_log(run: Run) -> None:
    original = await run.compose()
    recall = await run.recall(original)
    first = await run.end.expect(Submit)
    assert decode_header(first.header).id == id_of(original)
    await run.end.accept(first)
    await run.end.accept(await run.end.expect(Submit))
    await run.settled(recall, "accepted")
    assert (await run.row(original)).recalled_by == id_of(recall)


async def test_attachments_are_uploaded_before_the_alert_and_resumed(run: Run) -> None:
    parts = [bytes([n]) * 20_000 for n in range(3)]
    data = b"".join(parts)
    digest = sha256(data)
    await run.parts.store.write(lambda t: t.attachments.add(digest, parts, now=run.parts.clock()))
    facts = {"digest": digest.hex(), "sealed_size": len(data), "size": len(data) - 100, "key": "cd" * 32}
    alert = await run.compose(attachments=[{"name": "x.png", "media_type": "image/png", **facts}])
    assert await run.end.expect(Upload) == Upload(digest, 0, len(data), b"")
    await run.end.send(Uploaded(digest, 15_000))
    assert await run.end.expect(Upload) == Upload(digest, 15_000, len(data), data[15_000:])
    await run.end.send(Uploaded(digest, len(data)))
    await run.end.accept(await run.end.expect(Submit))
    await run.settled(alert, "accepted")


async def test_a_refused_upload_refuses_its_alert(run: Run) -> None:
    data = b"sealed" * 100
    digest = sha256(data)
    await run.parts.store.write(lambda t: t.attachments.add(digest, [data], now=run.parts.clock()))
    facts = {"digest": digest.hex(), "sealed_size": len(data), "size": len(data) - 100, "key": "cd" * 32}
    alert = await run.compose(attachments=[{"name": "x.png", "media_type": "image/png", **facts}])
    await run.end.expect(Upload)
    await run.end.refuse(digest[:16], "too-large", "an attachment has fewer bytes")
    assert (await run.settled(alert, "refused")).code == "too-large"


async def test_a_receipt_refused_for_a_retired_key_is_signed_again(run: Run, hub: FakeHub) -> None:
    await run.end.block(hub.enter_alert())
    first = await run.end.expect(SendReceipt)
    (row,) = await run.parts.store.read(lambda t: t.receipts.all())
    await run.end.refuse(row.ref, "key-retired")
    second = await run.end.expect(SendReceipt)
    assert second != first
    assert decode_receipt(second.receipt).items == decode_receipt(first.receipt).items


async def test_a_receipt_refused_for_good_raises_an_alarm(run: Run, hub: FakeHub) -> None:
    await run.end.block(hub.enter_alert())
    await run.end.expect(SendReceipt)
    (row,) = await run.parts.store.read(lambda t: t.receipts.all())
    seen = run.parts.store.revision("events")
    await run.end.refuse(row.ref, "not-a-party", "no recipient")
    await run.parts.store.wait("events", seen)
    (alarm,) = await run.parts.store.read(lambda t: t.alarms.standing())
    assert alarm.code == "not-a-party"
    assert await run.parts.store.read(lambda t: t.receipts.count()) == 0


@pytest.mark.usefixtures("unhurried")
async def test_the_window_bounds_what_is_under_way(run: Run) -> None:
    for number in range(WINDOW - WINDOW_RESERVE + 1):
        await run.compose(number=number)
    submits = [await run.end.expect(Submit) for _ in range(WINDOW - WINDOW_RESERVE)]
    assert run.end.silent
    await run.end.accept(submits[0])
    await run.end.expect(Submit)


async def test_receipts_about_our_alerts_move_the_cursor_for_the_next_session(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, hub) as run:
        await run.end.catch_up()
        alert = await run.compose()
        index = await run.end.accept(await run.end.expect(Submit))
        await run.settled(alert, "accepted")
        places = [hub.enter_receipt(agency, [index]) for agency in ("hk-customs", "au-abf")]
        await run.end.block(*places)
        await eventually(lambda: parts.store.read(lambda t: t.held.notices))
        states = await parts.store.read(lambda t: [d.state for d in t.alerts.deliveries(1)])
        assert states == ["stored", "stored"]
    async with running(parts, hub) as run:
        assert (await run.end.expect(Hello)).notices == places[-1] + 1


async def test_a_large_block_lets_others_work_in_between(run: Run, hub: FakeHub) -> None:
    await run.end.block(*(hub.enter_alert() for _ in range(2 * YIELD_EVERY)))
    assert len(decode_receipt((await run.end.expect(SendReceipt)).receipt).items) == 2 * YIELD_EVERY


async def test_a_hub_that_does_not_answer_the_greeting_is_left(
    parts: Parts, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodes.session.WELCOME_TIMEOUT", 0.05)
    async with running(parts, hub) as run:
        assert (await run.ended()).code == "idle-timeout"


async def test_what_became_due_while_a_slow_disk_committed_is_sent(
    run: Run, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert = await run.compose()
    submit = await run.end.expect(Submit)
    database = run.parts.store._database
    commit = database.write_all

    seconds = iter((0, 10, 0))  # of the refusal, and of the look for more after it

    def slowly(works: Sequence[Callable[[Tables], Any]]) -> Any:
        outcome = commit(works)
        hub.clock.now += 1_000 * next(seconds, 0)
        return outcome

    monkeypatch.setattr(database, "write_all", slowly)
    await run.end.send(put_off(alert, retry=1_000))
    assert await run.end.expect(Submit) == submit


async def test_with_the_clock_off_the_session_ends_to_look_again(
    parts: Parts, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodes.session.CLOCK_RETRY", 0.01)
    async with running(parts, hub) as run:
        await run.end.welcome(at=hub.clock() - 2 * FIVE_MINUTES)
        error = await run.ended()
    assert error.code == "clock-off"
    assert abs(int(error.context["offset"]) - 2 * FIVE_MINUTES) < 60_000


async def test_an_orderly_end_by_the_hub_is_no_refusal(run: Run) -> None:
    await run.end.send(Bye("", ""))
    assert isinstance(await run.ended(), Unreachable)


async def test_an_attachment_the_hub_lost_is_uploaded_again(run: Run) -> None:
    data = b"sealed" * 100
    digest = sha256(data)
    await run.parts.store.write(lambda t: t.attachments.add(digest, [data], now=run.parts.clock()))
    facts = {"digest": digest.hex(), "sealed_size": len(data), "size": len(data) - 100, "key": "cd" * 32}
    alert = await run.compose(attachments=[{"name": "x.png", "media_type": "image/png", **facts}])
    for code in ("attachment-missing", ""):
        await run.end.expect(Upload)
        await run.end.send(Uploaded(digest, len(data)))
        submit = await run.end.expect(Submit)
        if code:
            await run.end.refuse(id_of(alert), code)
    await run.end.accept(submit)
    await run.settled(alert, "accepted")


async def test_a_line_cut_during_an_upload_leaves_the_alert_waiting(run: Run) -> None:
    data = b"sealed" * 100
    digest = sha256(data)
    await run.parts.store.write(lambda t: t.attachments.add(digest, [data], now=run.parts.clock()))
    facts = {"digest": digest.hex(), "sealed_size": len(data), "size": len(data) - 100, "key": "cd" * 32}
    alert = await run.compose(attachments=[{"name": "x.png", "media_type": "image/png", **facts}])
    await run.end.expect(Upload)
    await run.end.close()
    await run.ended()
    assert (await run.row(alert)).state == "waiting"


async def test_an_alert_that_expired_on_the_way_is_expired(run: Run) -> None:
    alert = await run.compose()
    await run.end.expect(Submit)
    await run.end.refuse(id_of(alert), "alert-expired", "it expired")
    assert (await run.settled(alert, "expired")).code == "alert-expired"


async def test_a_receipt_over_quota_is_sent_again(run: Run, hub: FakeHub) -> None:
    await run.end.block(hub.enter_alert())
    first = await run.end.expect(SendReceipt)
    (row,) = await run.parts.store.read(lambda t: t.receipts.all())
    await run.end.refuse(row.ref, "quota")
    assert await run.end.expect(SendReceipt) == first


async def test_a_receipt_waits_while_there_is_no_key_to_sign_it_with(
    run: Run, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise KeyNotValid("none is valid")

    await run.end.block(hub.enter_alert())
    first = await run.end.expect(SendReceipt)
    (row,) = await run.parts.store.read(lambda t: t.receipts.all())
    monkeypatch.setattr(run.parts.identity, "signing_key", none)
    await run.end.refuse(row.ref, "key-retired")
    assert await run.end.expect(SendReceipt) == first


# A log that came back from a backup --------------------------------------------------------------------------------


async def accepted_at(parts: Parts, hub: FakeHub, index: int) -> tuple[Alert, Submit]:
    """An alert of ours that the hub says stands at that index."""
    async with running(parts, hub) as run:
        await run.end.catch_up()
        alert = await run.compose()
        submit = await run.end.expect(Submit)
        await run.end.send(Result((ResultItem(decode_header(submit.header).id, True, index, "", "", ""),)))
        await run.settled(alert, "accepted")
    return alert, submit


async def test_the_greeting_says_what_is_held_and_known(parts: Parts, hub: FakeHub) -> None:
    await accepted_at(parts, hub, 900)
    async with running(parts, hub) as run:
        hello = await run.end.catch_up()
        assert hello.known == 901
        held = verify_checkpoint(hello.note, hub.world.origin, hub.world.directory.log_keys())
        assert (held.size, held.root) == (hello.size, hello.root)


@pytest.mark.parametrize("since", [900, 5])
async def test_what_a_restored_log_may_have_lost_is_sent_again_as_it_was(
    parts: Parts, hub: FakeHub, since: int
) -> None:
    alert, first = await accepted_at(parts, hub, 900)
    async with running(parts, hub) as run:
        await run.end.catch_up(restored=(NOW, since))
        again = await run.end.expect(Submit)
        assert again == first, "header, signature, body and openers to the byte, though the body was not kept"
        await run.end.send(Result((ResultItem(decode_header(again.header).id, True, 907, "", "", ""),)))
        assert (await run.settled(alert, "accepted")).index == 907
    async with running(parts, hub) as run:
        hello = await run.end.catch_up(restored=(NOW, since))
        assert hello.restored == NOW, "worked through, once"
        assert await parts.store.read(lambda t: t.outbox.count_waiting()) == 0


async def test_what_came_before_the_backup_is_left_alone(parts: Parts, hub: FakeHub) -> None:
    alert, _ = await accepted_at(parts, hub, 900)
    async with running(parts, hub) as run:
        await run.end.catch_up(restored=(NOW, 901))
        assert (await run.row(alert)).state == "accepted"
        assert await parts.store.read(lambda t: t.outbox.count_waiting()) == 0


async def test_a_lost_alert_that_grew_too_old_is_sealed_afresh_under_its_own_id(parts: Parts, hub: FakeHub) -> None:
    alert, first = await accepted_at(parts, hub, 900)
    async with running(parts, hub) as run:
        await run.end.catch_up(restored=(NOW, 5))
        again = await run.end.expect(Submit)
        identity = decode_header(again.header).id
        await run.end.send(Result((ResultItem(identity, False, 0, "clock-off", "too old", ""),)))
        fresh = await run.end.expect(Submit)
        assert decode_header(fresh.header).id == decode_header(first.header).id
        assert fresh.header != first.header
        await run.end.send(Result((ResultItem(identity, True, 33, "", "", ""),)))
        assert (await run.settled(alert, "accepted")).index == 33


async def test_an_alert_that_stands_in_the_log_is_never_told_refused(parts: Parts, hub: FakeHub) -> None:
    alert, _ = await accepted_at(parts, hub, 2)
    async with running(parts, hub) as run:
        await run.end.catch_up(restored=(NOW, 0))
        again = await run.end.expect(Submit)
        item = ResultItem(decode_header(again.header).id, False, 0, "replay-differs", "other bytes", "")
        await run.end.send(Result((item,)))
        row = await run.settled(alert, "accepted")
        assert (row.index, row.code) == (2, None)


async def test_a_hub_that_is_not_settled_is_waited_for(parts: Parts, hub: FakeHub) -> None:
    async with running(parts, hub) as run:
        await run.end.expect(Hello)
        await run.end.send(Bye("log-restored", "not settled"))
        assert (await run.ended()).code == "log-restored"
        assert await parts.store.read(lambda t: t.held.halted) is None


# A node that came back from a backup -------------------------------------------------------------------------------


async def recovering(parts: Parts, since: int) -> None:
    await parts.store.write(lambda t: t.held.set_recovering(since, 0))


async def page(run: Run, hub: FakeHub, *items: Item, following: int = 0) -> None:
    await run.end.send(Recovered(hub.log.note(), hub.proof(run.end.proven), items, following))
    run.end.proven = hub.size


async def test_a_restored_node_sends_nothing_before_it_knows_what_it_sent(parts: Parts, hub: FakeHub) -> None:
    await recovering(parts, 5)
    async with running(parts, hub) as run:
        hello = await run.end.catch_up()
        assert hello.note == b"", "it cannot vouch that it never held a later one"
        assert await run.end.expect(Recover) == Recover(5, 0)
        alert = await run.compose()
        await page(run, hub, following=7)
        assert await run.end.expect(Recover) == Recover(5, 7), "page after page"
        assert (await run.row(alert)).state == "waiting"
        await page(run, hub)
        await run.end.accept(await run.end.expect(Submit))
        await run.settled(alert, "accepted")
    assert await parts.store.read(lambda t: t.held.recovering) is None
    async with running(parts, hub) as run:
        assert (await run.end.catch_up()).note


async def test_it_goes_on_where_a_lost_connection_left_it(parts: Parts, hub: FakeHub) -> None:
    await recovering(parts, 5)
    async with running(parts, hub) as run:
        await run.end.catch_up()
        await run.end.expect(Recover)
        await page(run, hub, following=7)
        await run.end.expect(Recover)
    async with running(parts, hub) as run:
        await run.end.catch_up()
        assert await run.end.expect(Recover) == Recover(5, 7)


async def test_it_takes_back_what_the_log_says_it_sent_and_received(parts: Parts, hub: FakeHub) -> None:
    received = hub.enter_alert()
    gone = hub.enter_alert()
    async with running(parts, hub) as run:
        await run.end.catch_up()
        alert = await run.compose()
        first = await run.end.expect(Submit)  # the node dies before it hears the answer, and comes back from a backup
    own = hub.admit(first)
    await parts.store.write(lambda t: t.outbox.seal_again(id_of(alert), code="x", not_before=0))
    await recovering(parts, 5)
    async with running(parts, hub) as run:
        await run.end.catch_up()
        await run.end.expect(Recover)
        bare = [structs.replace(hub.item(index), body=b"", openers=()) for index in (gone, own)]
        await page(run, hub, hub.item(received), *bare)
        row = await run.settled(alert, "accepted")
        assert row.index == own
        content = await parts.store.read(lambda t: t.alerts.content(row.number))
        assert content.header == first.header, "as it stands in the log, not as it would be sealed now"
        (kept,) = await parts.store.read(lambda t: t.quarantine.newest())
        assert (kept.index, kept.code) == (gone, "purged")
        assert await parts.store.read(lambda t: t.alerts.count("in")) == 1


async def test_what_it_sent_after_its_backup_is_named(parts: Parts, hub: FakeHub) -> None:
    alert = make_alert(hub.world, ME, number=77)
    own = hub.enter_sealed(alert)
    about = hub.enter_receipt("hk-customs", [own])
    await recovering(parts, 5)
    async with running(parts, hub) as run:
        await run.end.catch_up()
        await run.end.expect(Recover)
        await run.end.block(about)
        await page(run, hub, structs.replace(hub.item(own), body=b"", openers=()))
        await eventually(lambda: parts.store.read(lambda t: t.held.recovering is None))
        (kept,) = await parts.store.read(lambda t: t.quarantine.newest())
        assert (kept.id, kept.code) == (id_of(alert), "not-found")
        assert await parts.store.read(lambda t: t.alarms.standing()) == [], "a receipt about it is no alarm"
