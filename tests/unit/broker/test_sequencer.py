"""The sequencer: batches, fairness, and the two kinds of failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from broker import sequencer as sequencer_module
from broker.committer import Committed, Head
from broker.draft import DeleteBody, Verdict, Work
from broker.sequencer import LATEST_RETRY, SMALLEST_BLOCK, SOONEST_RETRY, Sequencer
from schemas.codec import encode
from schemas.errors import CrossbearingError, StorageFailed, StorageFull, StorageInDoubt, StorageTampered
from schemas.log.checkpoint import Checkpoint
from schemas.session.frames import SendReceipt, Submit

HEAD = Head(b"note", Checkpoint("example.org/log", 1, bytes(32)), 1)


def work(agency: str, size: int = 10) -> Work:
    return Work(agency, SendReceipt(bytes(size), b""))


def alert(agency: str, precedence: str) -> Work:
    return Work(agency, Submit(encode({"precedence": precedence}), b"", b"", ()))


class FakeCommitter:
    """Answers with growing indexes; holds back while `gate` is shut; fails as told."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.faults: list[Exception] = []
        self.poison: str | None = None
        self._next = 0
        self.seconds = 0.0

    async def commit(self, batch: Sequence[Work]) -> Committed:
        self.batches.append([each.agency for each in batch])
        self.entered.set()
        await self.gate.wait()
        if self.faults:
            raise self.faults.pop(0)
        if self.poison is not None and any(each.agency == self.poison for each in batch):
            raise KeyError("a bug met by one of them")
        verdicts: list[Verdict] = []
        for _ in batch:
            verdicts.append(self._next)
            self._next += 1
        return Committed(tuple(verdicts), HEAD, (), (), self.seconds)


@asynccontextmanager
async def running(committer: FakeCommitter, **limits: int) -> AsyncIterator[tuple[Sequencer, list[Committed]]]:
    published: list[Committed] = []
    bounds = {"max_entries": 100, "max_bytes": 1_000_000} | limits
    sequencer = Sequencer(committer.commit, published.append, **bounds)
    task = asyncio.create_task(sequencer.run())
    try:
        yield sequencer, published
    finally:
        committer.gate.set()
        sequencer.close()
        with suppress(CrossbearingError):
            await task


def code(verdict: Verdict) -> str:
    assert isinstance(verdict, CrossbearingError)
    return verdict.code


async def test_an_idle_sequencer_does_not_wait_for_company() -> None:
    committer = FakeCommitter()
    async with running(committer) as (sequencer, published):
        assert await sequencer.submit(work("a")) == 0
        assert await sequencer.submit(work("a")) == 1
        assert len(committer.batches) == len(published) == 2


async def test_what_comes_meanwhile_shares_the_next_block() -> None:
    committer = FakeCommitter()
    committer.gate.clear()
    async with running(committer) as (sequencer, _):
        first = sequencer.submit(work("a"))
        await committer.entered.wait()
        others = [sequencer.submit(work("a")) for _ in range(20)]
        assert sequencer.pending == 20
        committer.gate.set()
        assert [await first, *[await each for each in others]] == list(range(21))
        assert [len(batch) for batch in committer.batches] == [1, 20]


async def test_receipts_wait_for_each_other_after_a_block_that_had_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer_module, "RECEIPTS_SECONDS", 0.05)
    committer = FakeCommitter()
    async with running(committer) as (sequencer, _):
        assert await sequencer.submit(work("a")) == 0
        others = [sequencer.submit(work("b"))]
        await asyncio.sleep(0)
        others += [sequencer.submit(work("c")), sequencer.submit(work("d"))]
        assert await asyncio.gather(*others) == [1, 2, 3]
        assert committer.batches == [["a"], ["b", "c", "d"]]


@pytest.mark.parametrize("what", ["an alert", "a full block", "the end", "a fault"])
async def test_receipts_wait_for_nothing_when(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(sequencer_module, "RECEIPTS_SECONDS", 1_000)
    committer = FakeCommitter()
    async with running(committer, max_entries=4) as (sequencer, _):
        await sequencer.submit(work("a"))
        waiting = [sequencer.submit(work("b"))]
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting[0].done()
        match what:
            case "an alert":
                waiting.append(sequencer.submit(alert("c", "routine")))
            case "a full block":
                waiting += [sequencer.submit(work("c")) for _ in range(3)]
            case "the end":
                sequencer.close()
            case "a fault":
                sequencer.fail(StorageInDoubt("the disk is gone"))
        async with asyncio.timeout(10):
            verdicts = await asyncio.gather(*waiting)
        if what == "a fault":
            assert [code(verdict) for verdict in verdicts] == ["not-ready"]
        else:
            assert verdicts == list(range(1, 1 + len(waiting)))


async def test_receipts_do_not_wait_after_a_block_without_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer_module, "RECEIPTS_SECONDS", 1_000)
    async with running(FakeCommitter()) as (sequencer, _):
        assert await sequencer.submit(alert("a", "routine")) == 0
        assert await sequencer.submit(work("b")) == 1


async def test_a_flood_does_not_hold_up_the_others() -> None:
    committer = FakeCommitter()
    committer.gate.clear()
    async with running(committer, max_entries=4) as (sequencer, _):
        sequencer.submit(work("flood"))
        await committer.entered.wait()
        for _ in range(10):
            sequencer.submit(work("flood"))
        calm = [sequencer.submit(work(name)) for name in ("a", "b")]
        committer.gate.set()
        await asyncio.gather(*calm)
        assert sorted(committer.batches[1]) == ["a", "b", "flood", "flood"]


async def test_a_flash_behind_ten_thousand_routine_pieces_is_in_the_very_next_block() -> None:
    committer = FakeCommitter()
    committer.gate.clear()
    async with running(committer, max_pending=20_000) as (sequencer, _):
        for number in range(10_000):
            sequencer.submit(alert(f"flood-{number % 30}", "routine"))
            if not number:
                await committer.entered.wait()
        flash = sequencer.submit(alert("calm", "flash"))
        committer.gate.set()
        assert await flash == 1
        assert committer.batches[1] == ["calm"]


async def test_what_is_urgent_does_not_shut_out_the_rest() -> None:
    committer = FakeCommitter()
    committer.gate.clear()
    async with running(committer, max_entries=3) as (sequencer, _):
        sequencer.submit(alert("first", "routine"))
        await committer.entered.wait()
        urgent = [sequencer.submit(alert("a", "flash")) for _ in range(5)]
        slow = sequencer.submit(alert("b", "routine"))
        committer.gate.set()
        await asyncio.gather(*urgent, slow)
        assert committer.batches[1:] == [["a", "a", "a"], ["a", "a", "b"]]


async def test_blocks_go_by_precedence_and_then_by_turns() -> None:
    committer = FakeCommitter()
    committer.gate.clear()
    async with running(committer) as (sequencer, _):
        sequencer.submit(alert("first", "routine"))
        await committer.entered.wait()
        given = [("a", "routine"), ("a", "priority"), ("b", "priority"), ("a", "priority"), ("c", "routine")]
        answers = [sequencer.submit(alert(*one)) for one in given]
        committer.gate.set()
        await asyncio.gather(*answers)
        assert committer.batches[1] == ["a", "b", "a", "a", "c"]


async def test_too_much_is_refused_early_and_told_when_to_come_again() -> None:
    committer = FakeCommitter()
    committer.gate.clear()
    async with running(committer, max_pending=10) as (sequencer, _):
        sequencer.submit(alert("flood", "routine"))
        await committer.entered.wait()
        kept = [sequencer.submit(alert("flood", "routine")) for _ in range(10)]
        refused = sequencer.submit(alert("flood", "routine"))
        verdict = refused.result()
        assert isinstance(verdict, CrossbearingError)
        assert verdict.code == "overloaded"
        assert verdict.retry_after == SOONEST_RETRY
        assert not any(answer.done() for answer in kept)
        committer.gate.set()
        await asyncio.gather(*kept)
        assert isinstance(await sequencer.submit(alert("flood", "routine")), int)


async def test_the_reserve_is_for_what_is_urgent_and_for_those_who_have_nothing_waiting() -> None:
    committer = FakeCommitter()
    committer.gate.clear()
    async with running(committer, max_pending=10) as (sequencer, _):
        sequencer.submit(alert("flood", "routine"))
        await committer.entered.wait()
        for _ in range(10):
            sequencer.submit(alert("flood", "routine"))
        calm = sequencer.submit(alert("calm", "routine"))
        again = sequencer.submit(alert("calm", "routine"))
        flash = [sequencer.submit(alert("flood", "flash")) for _ in range(9)]
        beyond = sequencer.submit(alert("other", "flash"))
        assert not calm.done()
        assert code(again.result()) == "overloaded"
        assert not any(answer.done() for answer in flash)
        assert code(beyond.result()) == "overloaded"
        committer.gate.set()
        await asyncio.gather(calm, *flash)


async def test_bytes_are_bounded_like_pieces() -> None:
    committer = FakeCommitter()
    committer.gate.clear()
    async with running(committer, max_pending_bytes=1_000) as (sequencer, _):
        sequencer.submit(work("a"))
        await committer.entered.wait()
        kept = [sequencer.submit(work("a", 500)) for _ in range(2)]
        assert sequencer.pending_bytes == 1_000
        assert code(sequencer.submit(work("a", 1)).result()) == "overloaded"
        committer.gate.set()
        await asyncio.gather(*kept)
        assert (sequencer.pending, sequencer.pending_bytes) == (0, 0)


async def test_the_hubs_own_work_is_never_refused() -> None:
    committer = FakeCommitter()
    committer.gate.clear()
    async with running(committer, max_pending=1) as (sequencer, _):
        sequencer.submit(work("a"))
        await committer.entered.wait()
        own = [sequencer.submit(Work("", DeleteBody(number))) for number in range(5)]
        committer.gate.set()
        assert all(isinstance(verdict, int) for verdict in await asyncio.gather(*own))


async def test_slow_blocks_get_smaller_and_the_wait_longer() -> None:
    committer = FakeCommitter()
    committer.seconds = 50.0
    committer.gate.clear()
    async with running(committer, max_entries=100, max_pending=100) as (sequencer, _):
        sequencer.submit(work("a"))
        await committer.entered.wait()
        kept = [sequencer.submit(work("a")) for _ in range(100)]
        committer.gate.set()
        await kept[0]
        assert len(committer.batches[1]) == SMALLEST_BLOCK
        committer.gate.clear()
        while not (found := sequencer.submit(work("a"))).done():
            pass
        verdict = found.result()
        assert isinstance(verdict, CrossbearingError)
        assert verdict.retry_after == LATEST_RETRY
        committer.gate.set()


async def test_a_block_stays_within_its_bytes() -> None:
    committer = FakeCommitter()
    committer.gate.clear()
    async with running(committer, max_bytes=100) as (sequencer, _):
        sequencer.submit(work("a"))
        await committer.entered.wait()
        rest = [sequencer.submit(work("a", 60)) for _ in range(4)]
        committer.gate.set()
        await asyncio.gather(*rest)
        assert [len(batch) for batch in committer.batches] == [1, 2, 2]


@pytest.mark.parametrize("fault", [StorageFull("no room"), StorageFailed("a bad disk")])
async def test_a_failed_block_is_answered_and_work_goes_on(fault: CrossbearingError) -> None:
    committer = FakeCommitter()
    committer.faults = [fault]
    async with running(committer) as (sequencer, published):
        assert code(await sequencer.submit(work("a"))) == fault.code
        assert published == []
        assert await sequencer.submit(work("a")) == 0


@pytest.mark.parametrize("fault", [StorageInDoubt("commit failed"), StorageTampered("a bad page")])
async def test_doubt_stops_everything_and_answers_nobody_wrongly(fault: CrossbearingError) -> None:
    committer = FakeCommitter()
    committer.gate.clear()
    committer.faults = [fault]
    sequencer = Sequencer(committer.commit, lambda _: None, max_entries=9, max_bytes=999)
    task = asyncio.create_task(sequencer.run())
    doubtful = sequencer.submit(work("a"))
    await committer.entered.wait()
    pending = sequencer.submit(work("b"))
    committer.gate.set()
    with pytest.raises(type(fault)):
        await task
    assert doubtful.cancelled(), "its fate is not known, so it is not told"
    assert code(await pending) == "not-ready"
    assert code(await sequencer.submit(work("c"))) == "not-ready"
    assert len(committer.batches) == 1


async def test_a_bug_hits_only_the_work_that_meets_it() -> None:
    committer = FakeCommitter()
    committer.gate.clear()
    async with running(committer) as (sequencer, _):
        sequencer.submit(work("a"))
        await committer.entered.wait()
        committer.poison = "bad"
        good, bad, other = (sequencer.submit(work(name)) for name in ("a", "bad", "c"))
        committer.gate.set()
        assert code(await bad) == "storage-failed"
        assert (await good, await other) == (1, 2)


async def test_closing_finishes_what_is_pending_and_takes_no_more() -> None:
    committer = FakeCommitter()
    committer.gate.clear()
    sequencer = Sequencer(committer.commit, lambda _: None, max_entries=1, max_bytes=999)
    task = asyncio.create_task(sequencer.run())
    answers = [sequencer.submit(work("a")) for _ in range(3)]
    sequencer.close()
    refused = sequencer.submit(work("a"))
    committer.gate.set()
    await task
    assert [await answer for answer in answers] == [0, 1, 2]
    assert code(await refused) == "shutting-down"


async def test_a_sender_that_left_does_no_harm() -> None:
    committer = FakeCommitter()
    committer.gate.clear()
    async with running(committer) as (sequencer, _):
        gone = sequencer.submit(work("a"))
        await committer.entered.wait()
        gone.cancel()
        committer.gate.set()
        assert await sequencer.submit(work("a")) == 1
