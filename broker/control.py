"""The operator's way into the running hub: a Unix socket in the data directory, open to the hub's own user alone.

One request per connection: four bytes of length, a canonical map; the answer has the same form. Requests:

    {"command": "status"}
    {"command": "directory"}
    {"command": "restored"}
    {"command": "resume", "despite": [text, …], "fewer": bool}
    {"command": "publish", "bundle": bytes, "role": text, "version": number}
    {"command": "import"}, {"command": "export", …}: see `broker.carrier.desk`

A directory bundle proves itself by its signatures, so whoever may use the socket still cannot change the directory.
"""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Final

from broker.carrier.desk import Desk, Errand, errand_of, send, told, unless_refused
from broker.draft import NewDirectory, Work
from broker.exchange import Exchange
from schemas.codec import Fields, Value, decode, encode
from schemas.errors import BadConfig, CrossbearingError, Malformed, TooLarge, Truncated, Unreachable
from schemas.limits import MAX_FRAME

_HEAD: Final = 4
TIMEOUT_SECONDS: Final = 30.0


class Control:
    """Answers the operator's requests."""

    def __init__(self, exchange: Exchange, path: Path) -> None:
        self._exchange = exchange
        self._desk = Desk(exchange, path.parent)
        self.path = path
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on the socket; one left over from a crash is replaced. Raises `BadConfig`."""
        self.path.unlink(missing_ok=True)
        previous = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, self.path)
        except OSError as error:
            raise BadConfig(
                f"cannot listen on {self.path}: {error}", hint="Use a shorter data directory path."
            ) from error
        finally:
            os.umask(previous)

    async def stop(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                answer = await self._answer(reader)
            if isinstance(answer, Errand):
                await self._desk.serve(answer, reader, writer)
                return
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await send(writer, answer)
        except (TimeoutError, ConnectionError):
            pass  # whoever asked has gone
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> dict[str, Value] | Errand:
        try:
            length = int.from_bytes(await reader.readexactly(_HEAD), "big")
            if length > MAX_FRAME:
                raise TooLarge(f"a request of {length} bytes")
            request = Fields(decode(await reader.readexactly(length), max_size=MAX_FRAME), "request")
            match request.text("command"):
                case "status":
                    request.done()
                    return self._status()
                case "directory":
                    request.done()
                    return {"roles": dict(self._exchange.history.latest.versions())}
                case "restored":
                    request.done()
                    listening = self._exchange.listening
                    return {"restored": listening.as_dict() if listening is not None else None}
                case "resume":
                    despite, fewer = request.texts("despite"), request.flag("fewer")
                    request.done()
                    await self._exchange.resume(despite, fewer=fewer)
                    return self._status()
                case "publish":
                    return await self._publish(request)
                case "import" | "export" as command:
                    return errand_of(command, request)
            raise Malformed("there is no such command")
        except asyncio.IncompleteReadError:
            return told(Truncated("the request ends early"))
        except CrossbearingError as error:
            return told(error)

    def _status(self) -> dict[str, Value]:
        exchange = self._exchange
        return {
            "directory": exchange.head.directory,
            "fault": exchange.fault.message if exchange.fault is not None else None,
            "free_bytes": exchange.engine.free_bytes(),
            "origin": exchange.head.checkpoint.origin,
            "pending": exchange.pending,
            "ready": exchange.ready,
            "restored": self._obstacles(),
            "root": exchange.head.checkpoint.root.hex(),
            "sessions": list(exchange.connected),
            "size": exchange.head.size,
        }

    def _obstacles(self) -> list[Value]:
        """Why a restored log is not signed yet; nothing in ordinary service."""
        listening = self._exchange.listening
        return [*(listening.obstacles() or ["not resumed yet"])] if listening is not None else []

    async def _publish(self, request: Fields) -> dict[str, Value]:
        new = NewDirectory(request.text("role"), request.integer("version"), request.blob("bundle"))
        request.done()
        verdict = await self._exchange.submit(Work("", new))
        if isinstance(verdict, CrossbearingError):
            raise verdict
        return {"directory": self._exchange.head.directory, "index": verdict}


def ask(path: Path, request: dict[str, Value]) -> dict[str, Value]:
    """Put one request to the hub whose socket is at `path`. Raises what it refuses with, or `Unreachable`."""
    data = encode(request)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT_SECONDS)
            connection.connect(str(path))
            connection.sendall(len(data).to_bytes(_HEAD, "big") + data)
            with connection.makefile("rb") as stream:
                length = int.from_bytes(stream.read(_HEAD), "big")
                answer = decode(stream.read(min(length, MAX_FRAME)), max_size=MAX_FRAME)
    except (OSError, CrossbearingError) as error:
        raise Unreachable(f"no hub answers at {path}", hint="Start it with `bearing-broker run`.") from error
    if not isinstance(answer, dict):
        raise Unreachable("the hub's answer is not understood")
    return unless_refused(answer)
