"""The control socket: its two requests, and everything that is none."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from broker.control import Control, ask
from broker.hub import Hub
from schemas.codec import Value, decode, encode
from schemas.errors import BadConfig, CrossbearingError, DirectoryThreshold, Malformed, Unreachable
from schemas.limits import MAX_FRAME
from tests.support.directory import World, make_world
from tests.support.hub import new_hub, running_hub


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
async def hub(world: World, tmp_path: Path) -> AsyncIterator[Hub]:
    async with running_hub(new_hub(world, tmp_path)) as hub:
        yield hub


async def put(hub: Hub, request: dict[str, Value]) -> dict[str, Value]:
    return await asyncio.to_thread(partial(ask, hub.control.path, request))


async def raw(hub: Hub, data: bytes) -> Value:
    """Send bytes as they are, and read the answer."""
    reader, writer = await asyncio.open_unix_connection(hub.control.path)
    writer.write(data)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return decode(answer[4:], max_size=MAX_FRAME)


def framed(value: Value) -> bytes:
    data = encode(value)
    return len(data).to_bytes(4, "big") + data


async def test_status(hub: Hub) -> None:
    answer = await put(hub, {"command": "status"})
    assert (answer["size"], answer["directory"], answer["ready"], answer["sessions"]) == (5, 5, True, [])


async def test_publish(hub: Hub, world: World) -> None:
    made = world.bundle("targets")
    answer = await put(hub, {"command": "publish", "role": "targets", "version": 2, "bundle": made.bundle})
    assert answer == {"directory": 6, "index": 5}


async def test_publish_refuses_what_lacks_its_signatures(hub: Hub, world: World) -> None:
    made = world.bundle("targets", signers=("governor-1",))
    with pytest.raises(DirectoryThreshold):
        await put(hub, {"command": "publish", "role": "targets", "version": 2, "bundle": made.bundle})


@pytest.mark.parametrize(
    "request_",
    [{"command": "stop"}, {}, {"command": "status", "more": 1}, {"command": "publish", "role": "targets"}],
    ids=str,
)
async def test_other_requests_are_refused(hub: Hub, request_: dict[str, Value]) -> None:
    with pytest.raises(Malformed):
        await put(hub, request_)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "truncated"),
        (b"\0\0\0\x09half", "truncated"),
        ((MAX_FRAME + 1).to_bytes(4, "big"), "too-large"),
        (b"\0\0\0\x01\xc1", "malformed"),
        (framed([1, 2]), "malformed"),
    ],
)
async def test_noise_is_answered_with_its_code(hub: Hub, data: bytes, code: str) -> None:
    answer = await raw(hub, data)
    assert isinstance(answer, dict)
    error = answer["error"]
    assert isinstance(error, dict)
    assert error["code"] == code


async def test_the_socket_is_its_owners_alone(hub: Hub) -> None:
    assert hub.control.path.stat().st_mode & 0o777 == 0o600


async def test_a_socket_left_over_from_a_crash_is_replaced(world: World, tmp_path: Path) -> None:
    config = new_hub(world, tmp_path)
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(config.control_socket))
    async with running_hub(config) as hub:
        assert (await put(hub, {"command": "status"}))["ready"] is True


async def test_a_path_that_is_too_long_is_named(hub: Hub, tmp_path: Path) -> None:
    control = Control(hub.exchange, tmp_path / ("long" * 40))
    with pytest.raises(BadConfig):
        await control.start()


@pytest.mark.parametrize("answer", [b"", b"\0\0\0\x01\xc1", framed([1])], ids=["nothing", "noise", "a list"])
def test_an_answer_that_is_none_counts_as_unreachable(tmp_path: Path, answer: bytes) -> None:
    path = tmp_path / "odd.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(CrossbearingError) as caught:
            ask(path, {"command": "status"})
        thread.join()
    assert isinstance(caught.value, Unreachable)
