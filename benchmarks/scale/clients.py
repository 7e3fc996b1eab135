"""Light clients of the hub: they speak the protocol, sign what they send, and check nothing of what they get.

So one process plays hundreds of agencies on two cores without taking the hub's share. Bodies are random, as sealed ones
look, and so are openers: the hub knows them by their digest only.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import msgpack

from benchmarks.scale.hub import RunningHub, tls
from benchmarks.scale.past import OPENER_SIZE
from schemas.envelope.header import Header, Recipient, encode_header, sign_header
from schemas.ids import sha256, uuid7
from schemas.limits import MAX_FRAME
from schemas.log.merkle import leaf_hash
from schemas.log.receipt import Receipt, ReceiptItem, sign_receipt
from schemas.session.frames import PROTOCOL, Cosign, Credit, Frame, Hello, SendReceipt, Submit, encode_frame

HOUR_MS = 3_600_000
PATIENCE = 300.0
"""Seconds until something that does not come has failed."""


class Client:
    """One session of `agency`.

    With `receipting` every block of alerts is receipted at once, with `granting` its credit is given back.
    """

    def __init__(self, hub: RunningHub, agency: str, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.agency = agency
        self.receipting = False
        self.granting = False
        self.results = 0
        self.notices = 0
        self.frames = 0
        self.received = 0
        """Bytes of all frames."""
        self.delivered: list[tuple[str, ReceiptItem]] = []
        """Sender and receipt item of each alert."""
        self._hub = hub
        self._socket = socket
        self._changed = asyncio.Event()
        self.openers: dict[str, bytes] = {}
        self._submitted = 0

    @property
    def answered(self) -> bool:
        """Whether everything that was submitted has its result."""
        return self.results == self._submitted

    async def send(self, frame: Frame) -> None:
        """Send one frame."""
        self._submitted += isinstance(frame, Submit | SendReceipt)
        await self._socket.send_bytes(encode_frame(frame))

    async def hello(self, *, credit: int) -> None:
        """Begin the session as one that holds everything up to where the hub started."""
        head = self._hub.head
        version = self._hub.files.world.directory.version
        await self.send(Hello(PROTOCOL, self.agency, version, head.size, head.root, head.size, credit))

    async def run(self) -> None:
        """Take frames until cancelled. Raises RuntimeError when the hub ends the session or refuses something."""
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.BINARY:
                raise RuntimeError(f"{self.agency}: {message}")
            self.frames += 1
            self.received += len(message.data)
            await self._take(msgpack.unpackb(message.data))
            self._changed.set()
        raise RuntimeError(f"{self.agency}: the hub closed the connection")

    async def _take(self, frame: list[Any]) -> None:
        match frame:
            case ["block", _, _, items]:
                await self._block(items)
            case ["result", items]:
                refused = [item for item in items if not item[1]]
                if refused:
                    raise RuntimeError(f"{self.agency}: refused: {refused[0]}")
                self.results += len(items)
            case ["head", note, _, _]:
                await self.send(Cosign(int(note.split(b"\n")[1]), b""))
            case ["bye", *words]:
                raise RuntimeError(f"{self.agency}: {words}")

    async def _block(self, items: list[Any]) -> None:
        fresh: list[tuple[str, ReceiptItem]] = []
        for index, entry, *_ in items:
            decoded = msgpack.unpackb(entry)
            if decoded["kind"] == "alert":
                header = msgpack.unpackb(decoded["header"])
                fresh.append((header["sender"], ReceiptItem(index, header["id"], leaf_hash(entry))))
            else:
                self.notices += 1
        self.delivered += fresh
        if fresh and self.receipting:
            await self.receipt(fresh)
        if fresh and self.granting:
            await self.grant(len(fresh))

    async def receipt(self, delivered: Sequence[tuple[str, ReceiptItem]]) -> int:
        """Send a receipt for each sender's alerts; returns how many receipts it took."""
        by_sender = defaultdict(list)
        for sender, item in delivered:
            by_sender[sender].append(item)
        key, now = self._hub.files.world.signing[self.agency], self._hub.now
        for sender, items in by_sender.items():
            ordered = tuple(sorted(items, key=lambda item: item.index))
            made = Receipt(self.agency, key.key_id, sender, "stored", now, None, ordered)
            await self.send(SendReceipt(*sign_receipt(made, key)))
        return len(by_sender)

    async def grant(self, credit: int) -> None:
        """Take so many alerts more."""
        await self.send(Credit(credit))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until the condition on what was taken in holds. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def compose(self, count: int, recipients: Sequence[str], *, body: int) -> list[Submit]:
        """So many alerts, sealed now, with the openers that the hub does not know yet."""
        world, now = self._hub.files.world, self._hub.now
        key = world.signing[self.agency]
        made = []
        for _ in range(count):
            fresh = {r: os.urandom(OPENER_SIZE) for r in recipients if r not in self.openers}
            self.openers |= fresh
            sealed = os.urandom(body)
            header = encode_header(
                Header(
                    id=uuid7(now, os.urandom),
                    sender=self.agency,
                    key=key.key_id,
                    directory=world.directory.version,
                    created=now,
                    expires=now + HOUR_MS,
                    precedence="priority",
                    marking="green",
                    topic="watch",
                    status="actual",
                    operation=None,
                    modes=("sea",),
                    subjects=(),
                    address=tuple(recipients),
                    relation=None,
                    recipients=tuple(Recipient(r, sha256(self.openers[r])[:16], os.urandom(48)) for r in recipients),
                    commitment=os.urandom(32),
                    body_digest=sha256(sealed),
                    body_size=body,
                    attachments=(),
                )
            )
            made.append(Submit(header, sign_header(header, key), sealed, tuple(fresh.values())))
        return made

    async def submit(self, alerts: Sequence[Submit], *, in_flight: int) -> None:
        """Submit them all, so many at a time, and wait until each is in the log."""
        before = self.results
        for sent, alert in enumerate(alerts):
            await self.until(lambda sent=sent: sent - (self.results - before) < in_flight)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            await self.send(alert)
        await self.until(lambda: self.results - before == len(alerts))


@asynccontextmanager
async def connected(hub: RunningHub, agencies: Sequence[str], *, credit: int = 0) -> AsyncIterator[list[Client]]:
    """Sessions of these agencies, whose frames are taken. Raises what ended one of them."""
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(limit=0)  # it would have no more than a hundred connections
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        clients = []
        for agency in agencies:
            context = tls(hub.files.folder, agency)
            url = f"wss://{hub.files.config.listen}/session"
            socket = await stack.enter_async_context(http.ws_connect(url, ssl=context, max_msg_size=MAX_FRAME))
            clients.append(client := Client(hub, agency, socket))
            await client.hello(credit=credit)
        taking = asyncio.gather(*(client.run() for client in clients))
        try:
            yield clients
            if taking.done():
                taking.result()
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
