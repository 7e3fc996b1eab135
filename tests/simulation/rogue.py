"""An agency that does not keep to the rules: its keys are good, its node is not.

It keeps what it is sent, and knows others' submissions as a thief of their disks would. It submits again what others
sent, forges names, times, recipients, digests and signatures, signs a stolen ciphertext as its own, gives receipts for
what it never got, lies about the log, floods, sends junk, and leaves without a word.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import shake_256
from random import Random
from typing import TYPE_CHECKING

from msgspec import structs

from schemas.alert.document import Alert, compose_alert
from schemas.directory.history import DirectoryHistory
from schemas.envelope.header import Header, Recipient, decode_header, encode_header, sign_header
from schemas.envelope.opener import make_opener, open_opener, opener_id, unwrap, wrap
from schemas.envelope.seal import PairKey, seal
from schemas.errors import CrossbearingError
from schemas.ids import sha256, uuid7
from schemas.log.entry import AlertEntry, DirectoryEntry, decode_entry
from schemas.log.merkle import EMPTY_ROOT, leaf_hash
from schemas.log.receipt import Receipt, ReceiptItem, sign_receipt
from schemas.routing.resolve import query_of_alert, resolve
from schemas.session.frames import (
    PROTOCOL,
    Block,
    Bye,
    Credit,
    DirectoryUpdate,
    Fetch,
    Frame,
    Hello,
    Item,
    SendReceipt,
    Submit,
    Upload,
    decode_frame,
    encode_frame,
)
from tests.simulation.chance import stream
from tests.simulation.loop import Process
from tests.simulation.network import NodeConnection, SimLink
from tests.simulation.plan import ROGUE, Trouble
from tests.support.directory import spki_digest

if TYPE_CHECKING:
    from tests.simulation.world import Simulation


class Rogue:
    """The dishonest agency's node in `sim`."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._random = stream(sim.plan.seed, "rogue")
        self._process = Process(ROGUE)
        self._link = SimLink(sim.network, ROGUE, lambda: spki_digest(ROGUE))
        self._connection: NodeConnection | None = None
        self._history = DirectoryHistory()
        self._received: list[Item] = []
        self._openers: dict[bytes, bytes] = {}
        self._numbers = 0

    def start(self) -> None:
        """Connect, and stay in touch."""
        self._sim.loop.spawn(self._process, self._stay())

    def stop(self) -> None:
        """It is gone."""
        self._sim.loop.bury(self._process)
        for wire in list(self._sim.network.line(ROGUE).wires):
            wire.cut()

    async def act(self, trouble: Trouble) -> None:
        """Do one wicked thing."""
        done = self._sim.loop.spawn(self._process, self._wicked(trouble.random()))
        await asyncio.wait([done], timeout=60)

    # -- staying in touch ----------------------------------------------------------------------------------------------

    async def _stay(self) -> None:
        while True:
            try:
                await self._session()
            except CrossbearingError as error:
                self._sim.record.event(f"{ROGUE}: {error.code}")
            self._connection = None
            await asyncio.sleep(self._random.uniform(1, 20))

    async def _session(self) -> None:
        connection = await self._link.connect()
        self._history = DirectoryHistory()
        hello = Hello(PROTOCOL, ROGUE, 0, 0, EMPTY_ROOT, 0, 64)
        if self._random.random() < 0.1:
            hello = replace(hello, size=self._random.randint(1, 50), root=bytes(32))
            self._sim.record.cheated = True
        await connection.send(encode_frame(hello))
        self._connection = connection
        while (data := await connection.receive()) is not None:
            frame = decode_frame(data, sender="hub")
            if isinstance(frame, Bye):
                return
            if isinstance(frame, DirectoryUpdate):
                for item in frame.items:
                    entry = decode_entry(item.entry)
                    assert isinstance(entry, DirectoryEntry)
                    self._history.accept(item.index, entry, item.body, trusted_root=self._sim.world.trusted_root)
            elif isinstance(frame, Block):
                await self._take(frame)

    async def _take(self, frame: Block) -> None:
        alerts = [item for item in frame.items if item.is_alert]
        self._received += alerts
        for item in alerts:
            self._openers |= {opener_id(opener): opener for opener in item.openers}
        if alerts and self._random.random() < 0.8:
            await self._send(Credit(len(alerts)))
        if alerts and self._random.random() < 0.5:
            await self._receipt(self._random.choice(alerts), self._random.choice(("stored", "refused", "read")))

    async def _send(self, frame: Frame) -> None:
        if self._connection is not None:
            await self._connection.send(encode_frame(frame))

    # -- wickedness ----------------------------------------------------------------------------------------------------

    async def _wicked(self, random: Random) -> None:
        if self._connection is None or not len(self._history) or self._history.latest.document is None:
            return
        deeds = (
            self._replay,
            self._forge,
            self._forge,  # for there are many forgeries
            self._forge,
            self._steal,
            self._false_receipt,
            self._junk,
            self._fetch_anything,
            self._flood,
            self._leave,
            self._second_connection,
            self._same_id,
        )
        try:
            for _ in range(random.randint(1, 4)):
                deed = random.choice(deeds)
                self._sim.record.event(f"{ROGUE} does: {deed.__name__.strip('_')}")
                await deed(random)
        except CrossbearingError as error:
            self._sim.record.event(f"{ROGUE}: {error.code}")

    async def _replay(self, random: Random) -> None:
        """Others' submissions, and its own, as they were."""
        heard = self._sim.record.submissions
        for _ in range(min(len(heard), random.randint(1, 5))):
            await self._send(random.choice(heard)[1])

    def _alert(self) -> tuple[Alert, dict[str, PairKey], Header, bytes]:
        """An alert of its own as it ought to be: also its header, and the sealed body."""
        self._numbers += 1
        now, directory = self._sim.clock(), self._history.latest
        alert_id = uuid7(now, self._random.randbytes)
        document: dict[str, object] = {
            "kind": "watch",
            "title": "Of no consequence",
            "to": ["all"],
            "modes": ["sea"],
            "marking": "green",
        }
        document["subjects"] = [{"type": "container", "number": "CSQU3054383"}]
        alert = compose_alert(document, alert_id=alert_id, sender=ROGUE, composed=now)
        resolution = resolve(directory, query_of_alert(alert, at=now))
        pairs = {recipient: self._pair(recipient) for recipient in resolution.recipients}
        sealed = seal(
            alert,
            resolution=resolution,
            directory_version=directory.version,
            signing=self._sim.world.signing[ROGUE],
            pairs=pairs,
            now=now,
            random=self._random.randbytes,
        )
        return alert, pairs, decode_header(sealed.header), sealed.body

    def _pair(self, recipient: str) -> PairKey:
        now = self._sim.clock()
        secret = self._random.randbytes(32)
        made = make_opener(
            secret,
            sender=ROGUE,
            recipient=recipient,
            sender_key_id=self._sim.world.signing[ROGUE].key_id,
            recipient_public=self._history.latest.sealing_key(recipient, now).public,
        )
        return PairKey(recipient, secret, opener_id(made), made)

    async def _submit(self, header: Header, body: bytes, openers: tuple[bytes, ...]) -> None:
        data = encode_header(header)
        await self._send(Submit(data, sign_header(data, self._sim.world.signing[ROGUE]), body, openers))

    async def _forge(self, random: Random) -> None:
        """One field of the header is not what it should be; the signature over it is good."""
        _, pairs, header, body = self._alert()
        openers = tuple(pair.opener for pair in pairs.values())
        others = [agency for agency in self._sim.plan.agencies if agency != ROGUE]
        match random.choice(
            (
                "sender",
                "created",
                "recipients",
                "body",
                "wrap",
                "expires",
                "directory",
                "commitment",
                "signature",
                "none",
            )
        ):
            case "sender":
                header = replace(header, sender=random.choice(others))
            case "created":
                header = replace(header, created=header.created + random.choice((-900_000, 900_000)))
            case "recipients":
                header = replace(header, recipients=header.recipients[:1])
                openers = tuple(pairs[recipient.agency].opener for recipient in header.recipients)
            case "body":
                body = body[:-1] + bytes([body[-1] ^ 1])
            case "wrap":
                header = replace(
                    header, recipients=tuple(structs.replace(r, wrap=bytes(48)) for r in header.recipients)
                )
            case "expires":
                header = replace(header, expires=header.created + 1)
            case "directory":
                header = replace(header, directory=max(1, header.directory + random.choice((-5, -1, 1))))
            case "commitment":
                header = replace(header, commitment=bytes(32))
            case "signature":
                await self._send(Submit(encode_header(header), bytes(64), body, openers))
                return
        await self._submit(header, body, openers)

    async def _steal(self, random: Random) -> None:
        """Another's ciphertext, whose content key it knows as a recipient, under a header of its own."""
        stolen = next((found for item in self._shuffled(random) if (found := self._open(item)) is not None), None)
        if stolen is None:
            return
        victim, content_key, body = stolen
        _, pairs, header, _ = self._alert()
        recipients = tuple(
            Recipient(name, pair.opener_id, wrap(pair.secret, header.id, victim.commitment, content_key))
            for name, pair in sorted(pairs.items())
        )
        header = replace(
            header,
            recipients=recipients,
            commitment=victim.commitment,
            body_digest=sha256(body),
            body_size=len(body),
            attachments=(),
        )
        await self._submit(header, body, tuple(pair.opener for pair in pairs.values()))

    def _shuffled(self, random: Random) -> list[Item]:
        return random.sample(self._received, len(self._received))

    def _open(self, item: Item) -> tuple[Header, bytes, bytes] | None:
        entry = decode_entry(item.entry)
        if not isinstance(entry, AlertEntry):
            return None
        header = decode_header(entry.header)
        own = next(recipient for recipient in header.recipients if recipient.agency == ROGUE)
        opener = self._openers.get(own.opener_id)
        if opener is None:
            return None
        keys = [self._sim.world.sealing[ROGUE]]
        secret = open_opener(opener, sender=header.sender, recipient=ROGUE, sender_key_id=header.key, keys=keys)
        return header, unwrap(secret, header.id, header.commitment, own.wrap), item.body

    async def _receipt(self, item: Item, state: str, **changes: object) -> None:
        entry = decode_entry(item.entry)
        assert isinstance(entry, AlertEntry)
        header = decode_header(entry.header)
        code, step = ("wrap-failed", 8) if state == "refused" else (None, None)
        said = ReceiptItem(item.index, header.id, leaf_hash(item.entry), code, step)
        key = self._sim.world.signing[ROGUE]
        receipt = Receipt(ROGUE, key.key_id, header.sender, state, self._sim.clock(), None, (said,))  # type: ignore[arg-type]
        receipt = replace(receipt, **changes)  # type: ignore[arg-type]  # replace checks the names
        await self._send(SendReceipt(*sign_receipt(receipt, key)))

    async def _false_receipt(self, random: Random) -> None:
        """For what it was not sent, in another's name, from the future, about another alert."""
        if not self._received:
            return
        item = random.choice(self._received)
        others = [agency for agency in self._sim.plan.agencies if agency != ROGUE]
        changes: tuple[dict[str, object], ...] = (
            {"agency": random.choice(others)},
            {"sender": random.choice(others)},
            {"time": self._sim.clock() + 3_600_000},
            {"items": (ReceiptItem(random.randint(0, 60), bytes(16), bytes(32)),)},
            {},
        )
        await self._receipt(item, random.choice(("stored", "read", "refused")), **random.choice(changes))

    async def _junk(self, random: Random) -> None:
        """Bytes that are no frame, or a frame cut short: the hub ends the session."""
        if self._connection is None:
            return
        frame = encode_frame(Credit(random.choice((0, 1, 70_000))))
        await self._connection.send(random.choice((random.randbytes(50), frame, frame[:-1], b"", b"\xff" * 10)))

    async def _fetch_anything(self, random: Random) -> None:
        """Openers, attachments and evidence of others; pieces of attachments that do not fit."""
        names = [shake_256(bytes([n])).digest(random.choice((8, 16, 32))) for n in range(3)]
        names += [index.to_bytes(8, "big") for index in range(0, 40, 7)]
        names += [recipient.opener_id for _, s in self._sim.record.submissions[:5] for recipient in _recipients(s)]
        for name in random.sample(names, min(len(names), 5)):
            await self._send(Fetch(name, random.choice((0, 10_000))))
        await self._send(Upload(random.randbytes(32), random.choice((0, 5)), 20, b"x" * 20))

    async def _flood(self, random: Random) -> None:
        for _ in range(random.choice((10, 80))):
            _, pairs, header, body = self._alert()
            await self._submit(header, body, tuple(pair.opener for pair in pairs.values()))

    async def _leave(self, random: Random) -> None:
        """The connection goes without a word, or with a lie about the log."""
        if random.random() < 0.5:
            await self._send(Bye("fork", "the log shows two histories"))
            self._sim.record.cheated = True
        elif self._connection is not None:
            await self._connection.close()

    async def _second_connection(self, random: Random) -> None:  # like the other deeds
        """While the first one answers."""
        second = await self._link.connect()
        await second.send(encode_frame(Hello(PROTOCOL, ROGUE, 0, 0, EMPTY_ROOT, 0, 1)))
        await asyncio.wait_for(second.receive(), 20)
        await second.close()

    async def _same_id(self, random: Random) -> None:  # like the other deeds
        """Two alerts under one id, and then the id of another agency's alert."""
        _, pairs, header, body = self._alert()
        openers = tuple(pair.opener for pair in pairs.values())
        await self._submit(header, body, openers)
        await self._submit(replace(header, precedence="flash"), body, openers)
        if self._sim.record.submissions:
            taken = decode_header(self._sim.record.submissions[0][1].header).id
            await self._submit(replace(header, id=taken), body, openers)


def _recipients(submission: Submit) -> tuple[Recipient, ...]:
    try:
        return decode_header(submission.header).recipients
    except CrossbearingError:
        return ()
