"""The witness over real HTTP on loopback."""

from __future__ import annotations

import asyncio
import http.client
import re
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from nodes.witness.server import WitnessServer
from nodes.witness.state import origin_hash
from schemas.errors import BadConfig
from schemas.limits import MAX_WITNESS_CONNECTIONS, MAX_WITNESS_REQUEST
from schemas.log.checkpoint import Checkpoint, sign_checkpoint, verify_signers
from schemas.log.note import parse_note
from schemas.log.witness import AddCheckpoint, format_request, parse_size, read_answer
from tests.support.witnessing import COSIGNER, GROWN, LOG_KEY, LOG_KEYS, ORIGIN, body, note, proof, request
from tests.unit.nodes.witness.conftest import World

HASH = origin_hash(ORIGIN)
WRONG = b"\x5a" * 32


class Client:
    """Speaks to one server as a log would."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session = session
        self.address = address

    async def add(self, data: bytes) -> tuple[int, str, bytes]:
        async with self._session.post(f"http://{self.address}/add-checkpoint", data=data) as answer:
            return answer.status, answer.headers["Content-Type"], await answer.read()

    async def get(self, path: str) -> tuple[int, str, bytes]:
        async with self._session.get(f"http://{self.address}{path}") as answer:
            return answer.status, answer.headers["Content-Type"], await answer.read()


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    server = WitnessServer(world.witness, "127.0.0.1", 0)
    address = await server.start()
    async with aiohttp.ClientSession() as session:
        yield Client(session, address)
    await server.close()


async def test_a_checkpoint_is_cosigned_and_served(client: Client) -> None:
    for old, new in ((0, 0), (0, 1), (1, 20), (20, 20), (20, 300)):
        status, content_type, answer = await client.add(body(old, new))
        assert (status, content_type) == (200, "text/plain; charset=utf-8")
        lines = read_answer(answer, note(new), COSIGNER.keys)
        assert len(lines) == 2
        status, content_type, served = await client.get(f"/{HASH}/checkpoint")
        assert (status, content_type) == (200, "text/plain; charset=utf-8")
        assert verify_signers(served, (LOG_KEYS[0], *COSIGNER.keys)).signatures[1:] == lines
        assert parse_note(served).text == parse_note(note(new)).text


async def test_statuses_are_those_of_tlog_witness(client: Client) -> None:
    await client.add(body(0, 20))
    unknown = sign_checkpoint(Checkpoint("log.example/other", 1, GROWN.roots[1]), LOG_KEY)
    untrusted = note(33).replace(b"\n33\n", b"\n34\n")
    for data, expected in [
        (b"", 400),
        (b"old 1_0\n\n" + note(20), 400),
        (b"old +20\n\n" + note(20), 400),
        (b"old 020\n\n" + note(20), 400),
        (format_request(AddCheckpoint(21, (), note(20))), 400),
        (format_request(AddCheckpoint(20, proof(20, 33), untrusted)), 403),
        (format_request(AddCheckpoint(0, (), unknown)), 404),
        (body(0, 33), 409),
        (body(19, 33), 409),
        (b"old 20\n\n" + note(33), 422),
        (format_request(AddCheckpoint(20, (), note(20, WRONG))), 422),
        (b"old 0\n\n" + b"x" * MAX_WITNESS_REQUEST, 413),
    ]:
        status, content_type, answer = await client.add(data)
        assert status == expected, answer
        if status == 409:
            assert content_type == "text/x.tlog.size"
            assert parse_size(answer) == 20
        elif status != 413:
            assert content_type == "text/plain; charset=utf-8"
            assert answer.endswith(b"\n")
    assert (await client.add(body(20, 33)))[0] == 200


async def test_a_log_without_a_checkpoint_is_not_found(client: Client) -> None:
    for path in (f"/{HASH}/checkpoint", f"/{HASH.upper()}/checkpoint", "/checkpoint", f"/{HASH}", "/"):
        assert (await client.get(path))[0] == 404
    assert (await client.get("/add-checkpoint"))[0] == 405


async def test_of_concurrent_requests_one_wins(client: Client) -> None:
    await client.add(body(0, 5))
    answers = await asyncio.gather(*(client.add(body(5, size)) for size in range(6, 26)))
    assert sorted(status for status, _, _ in answers) == [200] + [409] * 19
    winner = next(size for size, (status, _, _) in enumerate(answers, start=6) if status == 200)
    assert {parse_size(data) for status, _, data in answers if status == 409} == {winner}


async def test_a_disk_that_fails_is_no_answer_for_the_log(world: World, client: Client) -> None:
    def broken(path: Path, data: bytes) -> None:
        raise OSError(5, "input/output error")

    world.write = broken
    status, _, answer = await client.add(body(0, 5))
    assert status == 503
    assert b"\xe2\x80\x94" not in answer  # no signature line leaves before it is durable
    assert (await client.get(f"/{HASH}/checkpoint"))[0] == 404


async def test_a_request_that_never_ends_is_cut_off(world: World) -> None:
    server = WitnessServer(world.witness, "127.0.0.1", 0, body_seconds=0.05)
    address = await server.start()

    def slow() -> int:
        connection = http.client.HTTPConnection(address, timeout=30)
        connection.putrequest("POST", "/add-checkpoint")
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b"old 0\n")
        status = connection.getresponse().status
        connection.close()
        return status

    assert await asyncio.to_thread(slow) == 408
    await server.close()


async def test_a_taken_address_is_refused(world: World, client: Client) -> None:
    host, _, port = client.address.partition(":")
    with pytest.raises(BadConfig, match="cannot listen"):
        await WitnessServer(world.witness, host, int(port)).start()


async def test_an_address_of_ipv6_is_shown_in_brackets(world: World) -> None:
    server = WitnessServer(world.witness, "::1", 0)
    try:
        address = await server.start()
    except BadConfig:
        pytest.skip("this machine has no IPv6 loopback")
    assert address.startswith("[::1]:")
    await server.close()


async def test_requests_come_over_one_connection(client: Client) -> None:
    def twice() -> list[int]:
        connection = http.client.HTTPConnection(client.address, timeout=30)
        statuses = []
        for old, new in ((0, 5), (5, 9)):
            connection.request("POST", "/add-checkpoint", format_request(request(old, new)))
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        connection.close()
        return statuses

    assert await asyncio.to_thread(twice) == [200, 200]


def exchanged(address: str, data: bytes) -> bytes:
    """What the server says to these bytes until it closes; nothing if it cuts the connection."""
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(data)
        said = b""
        with suppress(ConnectionError):
            while piece := connection.recv(65_536):
                said += piece
        return said


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"BREW /add-checkpoint HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n", 400),
        (b"GET /" + b"a" * 600 + b" HTTP/1.1\r\nHost: w\r\n\r\n", 400),
        (b"GET /checkpoint HTTP/1.1\r\nHost: w\r\nX: " + b"a" * 3_000 + b"\r\n\r\n", 400),
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (
            b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Encoding: gzip\r\n"
            b"Content-Length: 3\r\n\r\n\x1f\x8b\x08",
            400,
        ),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n", 404),
        (b"OPTIONS /add-checkpoint HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n", 405),
    ],
    ids=["TLS", "no method", "a long line", "a long header", "length and chunks", "compressed", "dots", "OPTIONS"],
)
async def test_odd_requests_are_told_nothing_of_the_program(client: Client, data: bytes, status: int) -> None:
    said = await asyncio.to_thread(exchanged, client.address, data)
    assert re.match(rb"HTTP/1\.[01] %d " % status, said)
    assert not re.search(rb"aiohttp|python|server:|traceback", said, re.IGNORECASE)


async def test_a_request_whose_head_never_ends_is_cut_off(world: World) -> None:
    server = WitnessServer(world.witness, "127.0.0.1", 0, request_seconds=0.1)
    address = await server.start()
    assert await asyncio.to_thread(exchanged, address, b"POST /add-checkpoint HTTP/1.1\r\nHo") == b""
    await server.close()


async def test_so_many_connections_and_no_more(client: Client) -> None:
    host, _, port = client.address.partition(":")
    held = [await asyncio.open_connection(host, int(port)) for _ in range(MAX_WITNESS_CONNECTIONS)]
    assert await asyncio.to_thread(exchanged, client.address, b"") == b""
    for _, writer in held:
        writer.close()
        await writer.wait_closed()

    async def answers() -> bool:
        try:
            return (await client.add(body(0, 1)))[0] == 200
        except aiohttp.ClientError:
            return False

    async with asyncio.timeout(60):
        while not await answers():
            pass
