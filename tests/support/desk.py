"""A duty desk's gateway: a real HTTPS server on loopback that remembers who called, and answers as it is told."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from certs.example.pki import pin, tls_key
from schemas.directory.contacts import Contact
from tests.support.hub import write_identity

NAME = "desk"


@dataclass
class Desk:
    """`calls` are the bodies taken, `keys` their idempotency keys; `answer` gives the response to each request."""

    answer: Callable[[], web.Response] = web.Response
    calls: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/page"

    def contact(self, name: str = "desk", **changes: Any) -> Contact:
        """How an agency publishes this desk."""
        return Contact(name, **{"url": self.url, "pin": desk_pin(), **changes})

    @staticmethod
    def read(body: bytes) -> dict[str, Any]:
        """What a call says."""
        said = json.loads(body)
        assert isinstance(said, dict)
        return said

    async def take(self, request: web.Request) -> web.Response:
        self.calls.append(self.read(await request.read()))
        self.keys.append(request.headers["Idempotency-Key"])
        return self.answer()


def desk_pin(name: str = NAME) -> bytes:
    """The pin of the desk's certificate key."""
    return bytes.fromhex(pin(tls_key(name).public_key()))


@asynccontextmanager
async def serving_desk(folder: Path, port: int = 0) -> AsyncIterator[Desk]:
    """A desk that answers, on a free port unless told."""
    desk = Desk()
    own = folder / NAME
    write_identity(own, NAME)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own / "tls.crt", own / "tls.key")
    app = web.Application()
    app.router.add_post("/page", desk.take)
    app.router.add_post("/elsewhere", desk.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=context)
        await site.start()
        desk.port = runner.addresses[0][1]
        yield desk
    finally:
        await runner.cleanup()


@contextmanager
def desk_beside(folder: Path) -> Iterator[Desk]:
    """The same in a thread of its own, for tests that run processes."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    ready = threading.Event()
    served: list[Desk] = []

    async def serve() -> None:
        async with serving_desk(folder) as desk:
            served.append(desk)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(20), "the desk did not begin to serve"
        yield served[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
