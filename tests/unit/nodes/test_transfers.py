from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nodes import transfers as module
from nodes.downloads import Downloads
from nodes.store.store import Store
from nodes.transfers import Transfers
from schemas.errors import NotFound, ProtocolError, Purged, TooLarge, Unreachable
from schemas.ids import sha256
from schemas.limits import CHUNK
from schemas.session.frames import Blob, Fetch, Frame, ResultItem, Upload, Uploaded

KEY = bytes(range(32))
DATA = bytes(range(256)) * 2_500  # 640,000 bytes: three pieces
DIGEST = sha256(DATA)


class Hub:
    """Answers transfers; `held` is what it has of each blob, and what is in `faults` it does wrong, once each."""

    def __init__(self) -> None:
        self.held: dict[bytes, bytes] = {}
        self.asked: list[Frame] = []
        self.faults: list[str] = []
        self.silent = asyncio.Event()
        self.transfers: Transfers | None = None

    async def send(self, frame: Frame) -> None:
        self.asked.append(frame)
        answer = self._answer(frame)
        if answer is not None:
            assert self.transfers is not None
            asyncio.get_running_loop().call_soon(self.transfers.take, answer)

    def _answer(self, frame: Frame) -> Blob | Uploaded | None:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "silent":
            self.silent.set()
            return None
        if isinstance(frame, Upload):
            have = self.held.get(frame.digest, b"")
            if frame.offset == len(have):
                have += frame.data
            self.held[frame.digest] = have
            return Uploaded(frame.digest, 0 if fault == "back" else len(have))
        assert isinstance(frame, Fetch)
        data = self.held.get(frame.digest, b"")
        piece = data[frame.offset : frame.offset + CHUNK]
        match fault:
            case "elsewhere":
                return Blob(frame.digest, frame.offset + 1, len(data), piece)
            case "empty":
                return Blob(frame.digest, frame.offset, len(data), b"")
            case "overlong":
                return Blob(frame.digest, frame.offset, len(data), piece + b"!" * len(data))
            case "other":
                piece = bytes(len(piece))
        return Blob(frame.digest, frame.offset if data else 0, len(data), piece)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = Store(tmp_path / "node.db", KEY)
    yield made
    await made.close()


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def transfers(store: Store, hub: Hub) -> Transfers:
    hub.transfers = Transfers(store, hub.send)
    return hub.transfers


async def keep(store: Store) -> None:
    await store.write(lambda t: t.attachments.add(DIGEST, [DATA[:24], DATA[24:]], now=1))


# Up -------------------------------------------------------------------------------------------------------------------


async def test_an_upload_goes_piece_by_piece(store: Store, hub: Hub, transfers: Transfers) -> None:
    await keep(store)
    await transfers.upload(DIGEST, len(DATA))
    assert hub.held[DIGEST] == DATA
    sizes = [len(frame.data) for frame in hub.asked if isinstance(frame, Upload)]
    assert sizes == [0, CHUNK, CHUNK, len(DATA) - 2 * CHUNK]
    row = await store.read(lambda t: t.attachments.get(DIGEST))
    assert row is not None
    assert row.uploaded


async def test_an_upload_goes_on_from_what_the_hub_has(store: Store, hub: Hub, transfers: Transfers) -> None:
    await keep(store)
    hub.held[DIGEST] = DATA[:300_000]
    await transfers.upload(DIGEST, len(DATA))
    offsets = [frame.offset for frame in hub.asked if isinstance(frame, Upload)]
    assert offsets == [0, 300_000, 300_000 + CHUNK]


async def test_an_upload_that_goes_back_breaks_the_protocol(store: Store, hub: Hub, transfers: Transfers) -> None:
    await keep(store)
    hub.faults = ["", "back"]
    with pytest.raises(ProtocolError):
        await transfers.upload(DIGEST, len(DATA))


async def test_an_attachment_that_is_not_here_is_not_uploaded(hub: Hub, transfers: Transfers) -> None:
    with pytest.raises(NotFound):
        await transfers.upload(DIGEST, len(DATA))


async def test_a_refusal_reaches_whoever_waits(store: Store, hub: Hub, transfers: Transfers) -> None:
    await keep(store)
    hub.faults = ["silent"]
    waiting = asyncio.create_task(transfers.upload(DIGEST, len(DATA)))
    await hub.silent.wait()
    assert transfers.owns(DIGEST[:16])
    assert not transfers.owns(bytes(16))
    transfers.refuse(ResultItem(DIGEST[:16], False, 0, "too-large", "too large", ""))
    with pytest.raises(TooLarge):
        await waiting
    assert not transfers.owns(DIGEST[:16])


# Down -----------------------------------------------------------------------------------------------------------------


async def test_a_blob_is_fetched_whole(hub: Hub, transfers: Transfers) -> None:
    hub.held[DIGEST] = DATA
    assert await transfers.fetch(DIGEST, limit=len(DATA)) == DATA


async def test_what_the_hub_does_not_hold_is_not_found(transfers: Transfers) -> None:
    with pytest.raises(NotFound):
        await transfers.fetch(DIGEST, limit=10)


@pytest.mark.parametrize("fault", ["elsewhere", "empty", "overlong"])
async def test_pieces_that_were_not_asked_for_break_the_protocol(hub: Hub, transfers: Transfers, fault: str) -> None:
    hub.held[DIGEST] = DATA
    hub.faults = [fault]
    with pytest.raises(ProtocolError):
        await transfers.fetch(DIGEST, limit=len(DATA))


async def test_more_than_the_limit_breaks_the_protocol(hub: Hub, transfers: Transfers) -> None:
    hub.held[DIGEST] = DATA
    with pytest.raises(ProtocolError):
        await transfers.fetch(DIGEST, limit=len(DATA) - 1)


async def test_two_who_want_the_same_blob_at_once_both_get_it(hub: Hub, transfers: Transfers) -> None:
    hub.held[DIGEST] = DATA
    wanted = [transfers.fetch(DIGEST, limit=len(DATA)) for _ in range(2)]
    assert await asyncio.wait_for(asyncio.gather(*wanted), 5) == [DATA, DATA]


def test_an_answer_to_nothing_breaks_the_protocol(transfers: Transfers) -> None:
    for frame in (Uploaded(DIGEST, 1), Blob(DIGEST, 0, 1, b"x")):
        with pytest.raises(ProtocolError):
            transfers.take(frame)


async def test_a_lost_answer_is_given_up(hub: Hub, transfers: Transfers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_TIMEOUT", 0.05)
    hub.faults = ["silent"]
    with pytest.raises(Unreachable, match="did not answer"):
        await transfers.fetch(DIGEST, limit=1)


async def test_the_end_of_the_session_reaches_whoever_waits(hub: Hub, transfers: Transfers) -> None:
    hub.faults = ["silent"]
    waiting = asyncio.create_task(transfers.fetch(DIGEST, limit=1))
    await hub.silent.wait()
    transfers.fail()
    with pytest.raises(Unreachable, match="ended during a transfer"):
        await waiting


# Downloads ------------------------------------------------------------------------------------------------------------


async def downloading(store: Store, transfers: Transfers) -> asyncio.Task[None]:
    return asyncio.create_task(Downloads(store, transfers, lambda: 7).run())


async def begun(store: Store, stored: bytes = b"") -> None:
    await store.write(lambda t: t.attachments.begin(DIGEST, len(DATA), now=1))
    if stored:
        await store.write(lambda t: t.attachments.append(DIGEST, stored))


async def complete(store: Store) -> bool:
    row = await store.read(lambda t: t.attachments.get(DIGEST))
    return row is not None and row.complete


async def until_complete(store: Store, task: asyncio.Task[None]) -> None:
    async with asyncio.timeout(10):
        while not await complete(store):
            assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_download_goes_on_from_what_is_here(store: Store, hub: Hub, transfers: Transfers) -> None:
    hub.held[DIGEST] = DATA
    await begun(store, DATA[:100_000])
    await until_complete(store, await downloading(store, transfers))
    assert hub.asked[0] == Fetch(DIGEST, 100_000)
    assert await store.read(lambda t: t.attachments.piece(DIGEST, 0, size=len(DATA))) == DATA


async def test_a_download_begun_later_is_noticed(store: Store, hub: Hub, transfers: Transfers) -> None:
    hub.held[DIGEST] = DATA
    task = await downloading(store, transfers)
    await begun(store)
    await until_complete(store, task)


async def test_a_download_cut_before_it_was_marked_needs_no_more_bytes(
    store: Store, hub: Hub, transfers: Transfers
) -> None:
    await begun(store, DATA)
    await until_complete(store, await downloading(store, transfers))
    assert hub.asked == []


async def test_other_bytes_are_forgotten_and_raise_an_alarm(store: Store, hub: Hub, transfers: Transfers) -> None:
    hub.held[DIGEST] = DATA
    hub.faults = ["other"]
    await begun(store)
    task = await downloading(store, transfers)
    async with asyncio.timeout(10):
        while not await store.read(lambda t: t.alarms.get("attachment-unreadable")):
            assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    row = await store.read(lambda t: t.attachments.get(DIGEST))
    assert row is not None
    assert (row.complete, row.stored) == (False, 0)


async def test_one_that_is_not_to_be_had_does_not_hold_up_the_next(
    store: Store, hub: Hub, transfers: Transfers
) -> None:
    missing = sha256(b"missing")
    await store.write(lambda t: t.attachments.begin(missing, 9, now=0))
    hub.held[DIGEST] = DATA
    await begun(store)
    await until_complete(store, await downloading(store, transfers))
    assert sum(frame == Fetch(missing, 0) for frame in hub.asked) == 1


async def test_one_that_was_deleted_at_the_hub_is_left_alone(store: Store, hub: Hub, transfers: Transfers) -> None:
    deleted = sha256(b"deleted")
    await store.write(lambda t: t.attachments.begin(deleted, 9, now=0))
    hub.faults = ["silent"]
    hub.held[DIGEST] = DATA
    downloads = asyncio.create_task(Downloads(store, transfers, lambda: 0).run())
    await hub.silent.wait()
    assert transfers.owns(deleted[:16])
    await begun(store)
    transfers.refuse(ResultItem(deleted[:16], False, 0, "purged", "it was deleted", ""))
    await until_complete(store, downloads)
    assert sum(frame == Fetch(deleted, 0) for frame in hub.asked) == 1


async def test_whoever_waits_for_a_blob_hears_that_it_was_deleted(hub: Hub, transfers: Transfers) -> None:
    hub.faults = ["silent"]
    waiting = asyncio.create_task(transfers.fetch(DIGEST, limit=100))
    await hub.silent.wait()
    transfers.refuse(ResultItem(DIGEST[:16], False, 0, "purged", "it was deleted", ""))
    with pytest.raises(Purged):
        await waiting
