"""A node reduced to its session: speaks to the real hub over TLS and checks every proof it is given."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import aiohttp

from broker.config import Address
from schemas.directory.history import DirectoryHistory
from schemas.envelope.opener import opener_id
from schemas.envelope.opening import OpenedAlert, TrustedCheckpoint, open_alert, trust_checkpoint, verify_item
from schemas.envelope.seal import PairKey, Sealed
from schemas.ids import sha256
from schemas.limits import MAX_FRAME
from schemas.log.checkpoint import Checkpoint, format_checkpoint
from schemas.log.cosignature import Cosigner, Tree
from schemas.log.entry import AlertEntry, DirectoryEntry
from schemas.log.merkle import EMPTY_ROOT
from schemas.log.receipt import Receipt, ReceiptItem, State, sign_receipt
from schemas.log.witness import format_answer
from schemas.session.frames import (
    Block,
    Bye,
    Cosign,
    DirectoryUpdate,
    Frame,
    Hello,
    Item,
    Result,
    ResultItem,
    SendReceipt,
    Submit,
    TreeHead,
    Welcome,
    WitnessedHead,
)
from schemas.session.machine import SessionMachine
from tests.support.directory import NOW, World
from tests.support.envelope import secrets_of
from tests.support.hub import write_identity

_F = TypeVar("_F")
PATIENCE = 20.0  # seconds until a missing frame fails the test


class HubClosedError(Exception):
    """The hub said goodbye, with this code."""

    def __init__(self, bye: Bye) -> None:
        super().__init__(f"{bye.code}: {bye.message}")
        self.code = bye.code


def client_tls(folder: Path, name: str) -> ssl.SSLContext:
    """The client side of mutual TLS for an example party."""
    own = folder / name
    write_identity(own, name)
    context = ssl.create_default_context(cafile=str(own / "ca.crt"))
    context.load_cert_chain(own / "tls.crt", own / "tls.key")
    return context


class HubClient:
    """One session of `agency`. `inbox` holds the alerts that were opened, `receipts` the receipt items seen."""

    def __init__(self, world: World, agency: str, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.agency = agency
        self.world = world
        self.socket = socket
        self.machine = SessionMachine("node")
        self.held = Checkpoint(world.origin, 0, EMPTY_ROOT)
        self.history = DirectoryHistory()
        self.openers: dict[bytes, bytes] = {}
        self.inbox: list[OpenedAlert] = []
        self.notices: list[Item] = []
        self.results: dict[bytes, ResultItem] = {}
        self.witnessed: list[WitnessedHead] = []
        self.cosigner: Cosigner | None = None

    async def send(self, frame: Frame) -> None:
        """Send one frame."""
        await self.socket.send_bytes(self.machine.send(frame))

    async def hello(self, *, credit: int = 256, notices: int = 0, agency: str | None = None) -> Welcome:
        """Open the session from what is held."""
        name = self.agency if agency is None else agency
        await self.send(Hello(1, name, len(self.history), self.held.size, self.held.root, notices, credit))
        return await self.expect(Welcome)

    async def receive(self) -> Frame:
        """The next frame, with its proofs checked. Raises `HubClosedError` for a goodbye."""
        async with asyncio.timeout(PATIENCE):
            message = await self.socket.receive()
        if message.type is not aiohttp.WSMsgType.BINARY:
            raise HubClosedError(Bye("closed", f"{message.type.name} {message.data}"))
        frame = self.machine.receive(message.data)
        match frame:
            case Bye():
                raise HubClosedError(frame)
            case DirectoryUpdate():
                self._directory(frame)
            case Block():
                self._block(frame)
            case TreeHead():
                await self._head(frame)
            case WitnessedHead():
                self.witnessed.append(frame)
            case Result():
                self.results |= {item.ref: item for item in frame.items}
        return frame

    async def expect(self, kind: type[_F]) -> _F:
        """The next frame of that kind; others are taken in on the way."""
        while True:
            frame = await self.receive()
            if isinstance(frame, kind):
                return frame

    async def until(self, holds: Callable[[], object]) -> None:
        """Take frames in until the condition holds."""
        while not holds():
            await self.receive()

    async def submit(self, sealed: Sealed, pairs: dict[str, PairKey]) -> ResultItem:
        """Submit an alert with all its openers, and wait for its result."""
        openers = tuple(pair.opener for pair in pairs.values())
        await self.send(Submit(sealed.header, sealed.signature, sealed.body, openers))
        await self.until(lambda: sealed.id in self.results)
        return self.results[sealed.id]

    async def acknowledge(self, opened: OpenedAlert, state: State = "stored", *, at: int | None = None) -> ResultItem:
        """Send a receipt for one alert, and wait for its result."""
        return await self.send_receipt(self._receipt_of(opened, state, at))

    async def say(self, opened: OpenedAlert, state: State = "stored") -> None:
        """Send a receipt for one alert, and do not wait."""
        await self.send(SendReceipt(*self._signed(self._receipt_of(opened, state, None))))

    def _receipt_of(self, opened: OpenedAlert, state: State, at: int | None) -> Receipt:
        item = ReceiptItem(opened.index, opened.header.id, opened.leaf)
        return self.receipt(opened.header.sender, (item,), state, at=at)

    def _signed(self, receipt: Receipt) -> tuple[bytes, bytes]:
        return sign_receipt(receipt, self.world.signing[self.agency])

    def receipt(
        self, sender: str, items: tuple[ReceiptItem, ...], state: State = "stored", *, at: int | None = None
    ) -> Receipt:
        """A receipt by this agency."""
        time = NOW if at is None else at
        return Receipt(self.agency, self.world.signing[self.agency].key_id, sender, state, time, None, items)

    async def send_receipt(self, receipt: Receipt) -> ResultItem:
        """Sign and send a receipt, and wait for its result."""
        data, signature = self._signed(receipt)
        await self.send(SendReceipt(data, signature))
        ref = sha256(data)[:16]
        await self.until(lambda: ref in self.results)
        return self.results[ref]

    async def _head(self, frame: TreeHead) -> None:
        trusted = self._trust(frame)
        lines = b""
        if self.cosigner is not None:
            tree = Tree(trusted.checkpoint.origin, trusted.checkpoint.size, trusted.checkpoint.root)
            text = format_checkpoint(trusted.checkpoint)
            lines = format_answer(self.cosigner.cosign(text, tree, now=NOW))
        with suppress(ConnectionError):  # the hub may have cut the connection after it asked
            await self.send(Cosign(trusted.checkpoint.size, lines))

    def _trust(self, frame: Block | DirectoryUpdate | TreeHead) -> TrustedCheckpoint:
        trusted = trust_checkpoint(
            frame.checkpoint,
            origin=self.world.origin,
            keys=self.world.directory.log_keys(),
            held=self.held,
            proof=frame.proof,
        )
        self.held = trusted.checkpoint
        return trusted

    def _directory(self, frame: DirectoryUpdate) -> None:
        trusted = self._trust(frame)
        for item in frame.items:
            entry = verify_item(item.index, item.entry, item.path, trusted)
            assert isinstance(entry, DirectoryEntry)
            self.history.accept(item.index, entry, item.body, trusted_root=self.world.trusted_root)

    def _block(self, frame: Block) -> None:
        trusted = self._trust(frame)
        for item in frame.items:
            entry = verify_item(item.index, item.entry, item.path, trusted)
            self.openers |= {opener_id(opener): opener for opener in item.openers}
            if isinstance(entry, AlertEntry):
                self.inbox.append(
                    open_alert(
                        item.index,
                        item.entry,
                        item.path,
                        trusted,
                        history=self.history,
                        me=self.agency,
                        body=item.body,
                        secret_for=secrets_of(self.world, self.agency, list(self.openers.values())),
                    )
                )
            else:
                self.notices.append(item)


@asynccontextmanager
async def connect(world: World, agency: str, address: Address, folder: Path) -> AsyncIterator[HubClient]:
    """A connection of `agency` to the hub at `address`, before its hello."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"wss://{address}/session", ssl=client_tls(folder, agency), max_msg_size=MAX_FRAME, autoping=True
        ) as socket,
    ):
        yield HubClient(world, agency, socket)
