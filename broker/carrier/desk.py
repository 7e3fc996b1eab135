"""The part of the hub's control socket where files on removable media are handed in and out, piece by piece.

After the request, and in this order, each message with its length in four bytes:

    import   whoever asks: pieces of the file, then an empty one; the hub: maps {"done": n} while it works, then one
             that tells what came of it, then as for an export the file that answers
    export   the hub: pieces of the file, then a map that tells what is in it

A piece that the hub sends begins with a zero byte, which no map does. A map with an error takes the place of anything
the hub would send, and is the last thing it sends. The medium itself is read and written by whoever asks, so the hub
need not see it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from broker.carrier.making import Making, Position, position_of
from broker.carrier.taking import Taken, counts, take_file
from broker.exchange import Exchange
from schemas.codec import Fields, Value, decode, encode
from schemas.errors import (
    CrossbearingError,
    StorageFailed,
    StorageFull,
    TooLarge,
    Truncated,
    Unreachable,
    refusal_from_code,
)
from schemas.limits import MAX_CARRIER, MAX_FRAME, MAX_INDEX, MAX_SLUG

LENGTH: Final = 4
PIECE: Final = 1_048_576
"""Bytes of a file in one message."""
PATIENCE: Final = 120.0
"""Seconds without a piece of a file from a slow medium."""
PROGRESS: Final = 16
"""Records between two words of how far it is."""
REFUSALS: Final = 20
"""Refusals told one by one; the node is told of each."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What somebody comes to the desk for: to hand in a file, or to have one made for `agency`."""

    agency: str | None
    position: Position = Position()  # noqa: RUF009  # it cannot be changed


def errand_of(command: str, request: Fields) -> Errand:
    """The errand in a request. Raises `Malformed`."""
    if command == "import":
        request.done()
        return Errand(None)
    agency = request.text("agency", max_length=MAX_SLUG)
    size, notices = request.integer("size", high=MAX_INDEX), request.integer("notices", high=MAX_INDEX)
    request.done()
    return Errand(agency, Position(size, 0, notices))


class Desk:
    """Serves errands, one after the other; files handed in are kept in `folder` while they are worked on."""

    def __init__(self, exchange: Exchange, folder: Path) -> None:
        self._exchange = exchange
        self._folder = folder
        self._turn = asyncio.Lock()

    async def serve(self, errand: Errand, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Do what somebody came for, and tell of whatever prevents it."""
        try:
            async with self._turn:
                if errand.agency is None:
                    await self._take(reader, writer)
                else:
                    making = Making(self._exchange, errand.agency, errand.position, os.urandom)
                    await self._give(making, writer)
        except (asyncio.IncompleteReadError, TimeoutError):
            await send(writer, told(Truncated("the file ended early on its way to the hub")))
        except CrossbearingError as error:
            await send(writer, told(error))

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with _spool(self._folder) as file:
            await self._receive(reader, file)

            async def tell(done: int) -> None:
                if done % PROGRESS == 0:
                    await send(writer, {"done": done})

            taken = await take_file(self._exchange, file, tell=tell)
        await send(writer, _summary(taken))
        making = Making(
            self._exchange,
            taken.hello.agency,
            position_of(taken),
            os.urandom,
            answers=taken.answers,
            wanted=taken.wanted,
        )
        await self._give(making, writer)

    async def _receive(self, reader: asyncio.StreamReader, file: BinaryIO) -> None:
        size, reserve = 0, self._exchange.settings.reserve_bytes
        async for piece in _pieces(reader):
            size += len(piece)
            if size > MAX_CARRIER:
                raise TooLarge(f"a file may have {MAX_CARRIER} bytes")
            if self._exchange.engine.free_bytes() < reserve + len(piece):
                raise StorageFull("there is no room at the hub to look at a file of this size")
            await asyncio.to_thread(_keep, file, piece)
        file.seek(0)

    async def _give(self, making: Making, writer: asyncio.StreamWriter) -> None:
        async for piece in making.pieces():
            for start in range(0, len(piece), PIECE):
                await _send_bytes(writer, b"\0" + piece[start : start + PIECE])
        await send(writer, {"agency": making.agency, **asdict(making.made)})


def _spool(folder: Path) -> BinaryIO:
    """A file without a name, gone with the hub. Raises `StorageFailed`."""
    try:
        return tempfile.TemporaryFile(dir=folder, buffering=0)
    except OSError as error:
        raise StorageFailed(f"no file can be made in {folder}: {error.strerror}") from error


def _keep(file: BinaryIO, piece: bytes) -> None:
    try:
        left = memoryview(piece)
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        raise StorageFull(f"the file cannot be kept at the hub while it is looked at: {error.strerror}") from error


def _summary(taken: Taken) -> dict[str, Value]:
    refused = [answer for answer in taken.answers if isinstance(answer.verdict, CrossbearingError)]
    shown: list[Value] = [
        {"kind": answer.kind, **told(answer.verdict)}
        for answer in refused[:REFUSALS]
        if isinstance(answer.verdict, CrossbearingError)
    ]
    return {"agency": taken.hello.agency, "made": taken.made, "refused": shown, **counts(taken.answers)}


# -- messages ----------------------------------------------------------------------------------------------------------


def told(error: CrossbearingError) -> dict[str, Value]:
    """An error as a map that takes an answer's place."""
    return {"error": {"code": error.code, "hint": error.hint, "message": error.message}}


def unless_refused(answer: dict[str, Value]) -> dict[str, Value]:
    """The answer, or the error in its place raised."""
    if "error" in answer:
        fields = Fields(answer["error"], "error")
        raise refusal_from_code(fields.text("code"), fields.text("message"), fields.text("hint"))
    return answer


async def send(writer: asyncio.StreamWriter, answer: dict[str, Value]) -> None:
    """Send one map."""
    await _send_bytes(writer, encode(answer))


async def _send_bytes(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(len(data).to_bytes(LENGTH, "big") + data)
    await writer.drain()


async def _pieces(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        async with asyncio.timeout(PATIENCE):
            length = int.from_bytes(await reader.readexactly(LENGTH), "big")
            if length > PIECE:
                raise TooLarge(f"a piece of {length} bytes")
            piece = await reader.readexactly(length)
        if not piece:
            return
        yield piece


# -- whoever asks ------------------------------------------------------------------------------------------------------


class Visit:
    """One errand from the other side of the socket. Blocks; use as a context manager. Raises what the hub refuses
    with, or `Unreachable`."""

    def __init__(self, path: Path, request: dict[str, Value]) -> None:
        self._path = path
        self._request = request
        self._socket = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Visit:
        try:
            self._socket.connect(str(self._path))
        except OSError as error:
            self._socket.close()
            raise Unreachable(f"no hub answers at {self._path}", hint="Start it with `bearing-broker run`.") from error
        self._stream = self._socket.makefile("rb")
        self._put(encode(self._request))
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._socket.close()

    def hand_in(self, pieces: Iterable[bytes]) -> None:
        """Send the file. A hub that refuses it before its end says why in its first answer."""
        try:
            for piece in pieces:
                for start in range(0, len(piece), PIECE):
                    self._put(piece[start : start + PIECE])
            self._put(b"")
        except Unreachable:
            return  # `answer` reads what it said

    def answer(self) -> dict[str, Any]:
        """The next map."""
        value = decode(self._get(), max_size=MAX_FRAME)
        if not isinstance(value, dict):
            raise Unreachable("the hub's answer is not understood")
        return unless_refused(value)

    def receive(self) -> Iterator[bytes]:
        """The pieces of a file that the hub gives; then `summary` has the map that follows them."""
        while (data := self._get())[:1] == b"\0":
            yield data[1:]
        value = decode(data, max_size=MAX_FRAME)
        self.summary = unless_refused(value if isinstance(value, dict) else {})

    summary: dict[str, Any] = {}  # noqa: RUF012  # replaced, never changed

    def _put(self, data: bytes) -> None:
        try:
            self._socket.sendall(len(data).to_bytes(LENGTH, "big") + data)
        except OSError as error:
            raise Unreachable("the hub ended the connection") from error

    def _get(self) -> bytes:
        try:
            length = int.from_bytes(self._exactly(LENGTH), "big")
            if length > MAX_FRAME:
                raise Unreachable("the hub's answer is not understood")
            return self._exactly(length)
        except OSError as error:
            raise Unreachable("the hub ended the connection") from error

    def _exactly(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) != size:
            raise Unreachable("the hub ended the connection", hint="See its log; then do the same again.")
        return data
