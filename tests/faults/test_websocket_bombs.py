"""The hub against WebSocket frames that no protocol has: bounded in memory, ended with a word, and nobody waits."""

from __future__ import annotations

import asyncio
import base64
import gc
import struct
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from broker.hub import Hub
from schemas.limits import MAX_FRAME
from schemas.session.frames import Bye, Hello, Welcome, decode_frame, encode_frame
from tests.support.directory import World, make_world
from tests.support.hub import new_hub, running_hub
from tests.support.hub_client import client_tls, connect
from tests.support.raw_http import Connection, connected
from tests.support.wait import until_async

MEMBER, OTHER = "hk-customs", "sg-cnb"
MIB = 1 << 20
EMPTY = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
HELLO = encode_frame(Hello(1, MEMBER, 0, 0, EMPTY, 0, 4))
CONTINUE, TEXT, BINARY, CLOSE, PING = 0x0, 0x1, 0x2, 0x8, 0x9


def head(opcode: int, size: int, *, final: bool = True, masked: bool = True, rsv: int = 0) -> bytes:
    """The head of a frame (RFC 6455 section 5.2) that claims so many bytes, with a mask of zeros."""
    first = (0x80 if final else 0) | rsv | opcode
    mask = 0x80 if masked else 0
    if size < 126:
        made = bytes((first, mask | size))
    elif size < 65_536:
        made = bytes((first, mask | 126)) + struct.pack(">H", size)
    else:
        made = bytes((first, mask | 127)) + struct.pack(">Q", size)
    return made + bytes(4 if masked else 0)


def frame(opcode: int, data: bytes = b"", *, final: bool = True, rsv: int = 0) -> bytes:
    return head(opcode, len(data), final=final, rsv=rsv) + data


@dataclass
class Site:
    world: World
    hub: Hub
    folder: Path

    async def socket(self, *, hello: bool = True, offer: str = "") -> Connection:
        """A WebSocket, after its upgrade and perhaps its hello."""
        connection = await connected(self.hub.server.address, client_tls(self.folder, MEMBER))
        extension = f"Sec-WebSocket-Extensions: {offer}\r\n" if offer else ""
        key = base64.b64encode(bytes(16)).decode()
        connection.say(
            f"GET /session HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{extension}"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        answer = await connection.answer()
        assert answer is not None
        assert answer.status == 101
        assert "sec-websocket-extensions" not in answer.headers
        if hello:
            connection.say(frame(BINARY, HELLO))
        return connection

    async def others_are_served(self) -> None:
        async with connect(self.world, OTHER, self.hub.server.address, self.folder) as other:
            await other.hello()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    world = make_world()
    async with running_hub(new_hub(world, tmp_path, hello_seconds=1, idle_seconds=2, ping_seconds=1)) as hub:
        yield Site(world, hub, tmp_path)


def told(data: bytes) -> tuple[list[object], int | None]:
    """The frames of the session in what the hub sent, and the status with which it closed the WebSocket."""
    frames: list[object] = []
    status = None
    at = 0
    while at + 2 <= len(data):
        opcode, size = data[at] & 0x0F, data[at + 1] & 0x7F
        at += 2
        if size == 126:
            size, at = int.from_bytes(data[at : at + 2], "big"), at + 2
        elif size == 127:
            size, at = int.from_bytes(data[at : at + 8], "big"), at + 8
        payload = data[at : at + size]
        at += size
        if opcode == BINARY:
            frames.append(decode_frame(payload, sender="hub"))
        elif opcode == CLOSE:
            status = int.from_bytes(payload[:2], "big")
    return frames, status


async def ended(connection: Connection) -> tuple[str | None, int | None]:
    """The code of the hub's goodbye, and the WebSocket's status."""
    frames, status = told(await connection.rest())
    connection.cut()
    codes = [found.code for found in frames if isinstance(found, Bye)]
    return (codes[-1] if codes else None), status


@pytest.mark.parametrize("size", [MAX_FRAME + 1, 1 << 32, (1 << 63) - 1])
async def test_a_frame_that_claims_too_much_is_refused_before_it_comes(site: Site, size: int) -> None:
    connection = await site.socket()
    gc.collect()
    tracemalloc.start()
    try:
        connection.say(head(BINARY, size) + b"x" * 1_000)
        _, status = await ended(connection)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()
    assert status == 1009
    await site.others_are_served()


async def test_compression_is_declined_and_a_compressed_frame_ends_the_connection(site: Site) -> None:
    connection = await site.socket(offer="permessage-deflate; client_max_window_bits")
    connection.say(frame(BINARY, HELLO, rsv=0x40))
    _, status = await ended(connection)
    assert status == 1002
    await site.others_are_served()


ENDINGS: dict[str, tuple[bytes, str | None, int | None]] = {
    "a text": (frame(TEXT, b"hello"), "protocol-error", 1000),
    "a reserved opcode": (frame(0x3, b"x"), None, 1002),
    "a continuation of nothing": (frame(CONTINUE, b"x"), None, 1002),
    "a ping too long": (frame(PING, b"x" * 126), None, 1002),
    "a ping in pieces": (frame(PING, b"x", final=False), None, 1002),
    "a second message inside the first": (frame(BINARY, b"x", final=False) + frame(BINARY, b"y"), None, 1002),
    "a close of no known kind": (frame(CLOSE, struct.pack(">H", 1005)), None, 1002),
    "an empty message": (frame(BINARY), "truncated", 1000),
    "an orderly close": (frame(CLOSE, struct.pack(">H", 1000)), None, 1000),
}


@pytest.mark.parametrize("name", ENDINGS)
async def test_what_breaks_the_protocol_ends_the_connection_with_a_word(site: Site, name: str) -> None:
    data, code, status = ENDINGS[name]
    connection = await site.socket()
    connection.say(data)
    assert await ended(connection) == (code, status)
    await until_async(lambda: MEMBER not in site.hub.exchange.connected)
    await site.others_are_served()


async def test_a_message_in_very_many_pieces_takes_its_size_and_no_more(site: Site) -> None:
    connection = await site.socket()
    gc.collect()
    tracemalloc.start()
    try:
        connection.say(frame(BINARY, b"\x91", final=False))
        for _ in range(20):
            connection.say(frame(CONTINUE, b"\x91", final=False) * 1_000)
            await connection.writer.drain()
        connection.say(frame(CONTINUE, b"\xc0"))
        code, _ = await ended(connection)
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()
    assert code == "too-deep"


async def test_pieces_that_never_end_are_refused_at_the_size_of_a_frame(site: Site) -> None:
    connection = await site.socket()
    connection.say(frame(BINARY, b"x", final=False))
    for _ in range(MAX_FRAME // 65_536 + 2):
        connection.say(frame(CONTINUE, bytes(65_536), final=False))
    _, status = await ended(connection)
    assert status == 1009


async def test_a_flood_of_pings_whose_answers_nobody_takes_is_not_kept_in_memory(site: Site) -> None:
    connection = await site.socket()
    connection.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a transport that reads
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(8):
            connection.say(frame(PING) * 2_000)
            await asyncio.sleep(0)
        await site.others_are_served()
        own = connection.writer.transport.get_write_buffer_size()  # what the hub does not read is still on this side
        assert tracemalloc.get_traced_memory()[0] - own < 16 * MIB
    finally:
        tracemalloc.stop()
    connection.cut()


async def test_a_frame_that_is_never_finished_ends_with_silence(site: Site) -> None:
    connection = await site.socket()
    connection.say(head(BINARY, 1_000) + b"x" * 10)
    code, _ = await ended(connection)
    assert code == "idle-timeout"
    await until_async(lambda: MEMBER not in site.hub.exchange.connected)


async def test_a_connection_without_a_hello_ends(site: Site) -> None:
    connection = await site.socket(hello=False)
    code, _ = await ended(connection)
    assert code == "idle-timeout"


async def test_many_sessions_opened_and_dropped_leave_nothing_behind(site: Site) -> None:
    for number in range(12):
        connection = await site.socket(hello=number % 3 != 0)
        if number % 2:
            connection.say(head(BINARY, 100_000) + b"x")
        connection.cut()
    await until_async(lambda: MEMBER not in site.hub.exchange.connected)
    front = site.hub.server.front
    assert front is not None
    await until_async(lambda: front.gate.connections(MEMBER) == 0)
    good = await site.socket()
    good.say(frame(CLOSE, struct.pack(">H", 1000)))
    frames, _ = told(await good.rest())
    good.cut()
    assert isinstance(frames[0], Welcome)
