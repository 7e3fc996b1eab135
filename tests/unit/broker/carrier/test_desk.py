"""The desk of the control socket: files in and out of a running hub, and whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.carrier import desk
from broker.carrier.desk import Visit
from broker.hub import Hub
from schemas.codec import Value
from schemas.errors import (
    CarrierUnknown,
    CrossbearingError,
    Malformed,
    StorageFull,
    TooLarge,
    UnknownAgency,
    Unreachable,
)
from tests.support.carrying import AGENCY, HELLO, records_of, written
from tests.support.directory import make_world
from tests.support.hub import TestClock, new_hub, running_hub


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    clock = TestClock()
    async with running_hub(new_hub(make_world(carrier=True), tmp_path, clock), clock) as hub:
        yield hub


def hand_in(hub: Hub, data: bytes) -> tuple[dict[str, Any], bytes, dict[str, Any]]:
    with Visit(hub.control.path, {"command": "import"}) as visit:
        visit.hand_in([data])
        while "done" in (taken := visit.answer()):
            pass
        return taken, b"".join(visit.receive()), visit.summary


async def test_a_file_goes_in_and_its_answer_comes_out(hub: Hub) -> None:
    taken, answer, made = await asyncio.to_thread(hand_in, hub, written("node", [], greeting=HELLO))
    assert (taken["agency"], taken["alerts_accepted"], taken["refused"]) == (AGENCY, 0, [])
    assert (made["agency"], made["left"]) == (AGENCY, False)
    assert records_of(answer, "hub")


async def test_a_file_comes_out_for_an_agency(hub: Hub) -> None:
    def visit() -> bytes:
        request: dict[str, Value] = {"command": "export", "agency": AGENCY, "size": 0, "notices": 0}
        with Visit(hub.control.path, request) as visit:
            return b"".join(visit.receive())

    assert records_of(await asyncio.to_thread(visit), "hub")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"command": "export", "agency": "zz-nobody", "size": 0, "notices": 0}, UnknownAgency),
        ({"command": "export", "agency": AGENCY, "size": -1, "notices": 0}, Malformed),
        ({"command": "export", "agency": AGENCY}, Malformed),
        ({"command": "import", "more": 1}, Malformed),
    ],
)
async def test_errands_that_cannot_be_done(hub: Hub, request_: dict[str, Value], expected: type[Exception]) -> None:
    def visit() -> None:
        with Visit(hub.control.path, request_) as visit:
            list(visit.receive())

    with pytest.raises(expected):
        await asyncio.to_thread(visit)


async def test_what_is_no_file_is_refused_over_the_socket(hub: Hub) -> None:
    with pytest.raises(CarrierUnknown):
        await asyncio.to_thread(hand_in, hub, b"a photograph")


async def test_a_file_beyond_the_limit_or_the_disk_is_refused_on_the_way(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "MAX_CARRIER", 10)
    with pytest.raises(TooLarge):
        await asyncio.to_thread(hand_in, hub, bytes(20))
    monkeypatch.undo()
    monkeypatch.setattr(hub.exchange.engine, "free_bytes", lambda: 0)
    with pytest.raises(StorageFull):
        await asyncio.to_thread(hand_in, hub, bytes(20))


async def test_whoever_hangs_up_leaves_the_desk_to_the_next(hub: Hub) -> None:
    def leave() -> None:
        with Visit(hub.control.path, {"command": "import"}) as visit:
            visit._put(b"half a file")

    await asyncio.to_thread(leave)
    taken, _, _ = await asyncio.to_thread(hand_in, hub, written("node", [], greeting=HELLO))
    assert taken["agency"] == AGENCY


def test_without_a_hub_there_is_nobody_at_the_desk(tmp_path: Path) -> None:
    with pytest.raises(Unreachable), Visit(tmp_path / "none.sock", {"command": "import"}):
        pass
    assert issubclass(Unreachable, CrossbearingError)
