"""Calling a real HTTPS server: the one with the published key, where the operator allows, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from broker.desk import Desks
from broker.destinations import Destinations
from schemas.errors import Unreachable
from tests.support.desk import Desk, desk_pin, serving_desk

LOOPBACK = Destinations(public=False, networks=(ip_network("127.0.0.0/8"),))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with serving_desk(tmp_path) as desk:
        yield desk


async def test_the_desk_takes_a_call(desk: Desk) -> None:
    await Desks(LOOPBACK).call(desk.contact(), b'{"alerts": []}', "a-key")
    assert desk.calls == [{"alerts": []}]
    assert desk.keys == ["a-key"]


async def test_a_name_is_looked_up_and_its_address_judged(desk: Desk) -> None:
    named = desk.contact(url=desk.url.replace("127.0.0.1", "localhost"))
    with pytest.raises(Unreachable, match="not among the networks"):
        await Desks(Destinations()).call(named, b"{}", "k")
    with pytest.raises(Unreachable, match="not among the networks"):
        await Desks(Destinations()).call(desk.contact(), b"{}", "k")
    assert desk.calls == []
    await Desks(LOOPBACK).call(named, b"{}", "k")
    assert len(desk.calls) == 1


async def test_nothing_is_sent_to_another_key(desk: Desk) -> None:
    with pytest.raises(Unreachable, match="certificate key"):
        await Desks(LOOPBACK).call(desk.contact(pin=desk_pin("somebody")), b"{}", "k")
    assert desk.calls == []


def moved(desk: Desk) -> web.Response:
    return web.Response(status=307, headers={"Location": desk.url.replace("page", "elsewhere")})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda desk: web.Response(status=503), "status 503"),
        (lambda desk: web.Response(status=404), "status 404"),
        (moved, "status 307"),
    ],
)
async def test_another_answer_than_yes_is_none(desk: Desk, answer: Callable[[Desk], Any], words: str) -> None:
    desk.answer = lambda: answer(desk)
    with pytest.raises(Unreachable, match=words):
        await Desks(LOOPBACK).call(desk.contact(), b"{}", "k")
    assert len(desk.calls) == 1, "a redirect was followed"


async def test_a_long_answer_is_not_read(desk: Desk) -> None:
    desk.answer = lambda: web.Response(body=b"x" * 50_000_000)
    await Desks(LOOPBACK).call(desk.contact(), b"{}", "k")


async def test_whoever_is_silent_is_not_waited_for() -> None:
    heard = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        contact = Desk(port=port).contact()
        with pytest.raises(Unreachable, match="did not answer within"):
            await Desks(LOOPBACK, seconds=0.2).call(contact, b"{}", "k")
    assert heard.is_set()
    with pytest.raises(Unreachable, match="cannot be reached"):
        await Desks(LOOPBACK).call(contact, b"{}", "k")
