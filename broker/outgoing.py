"""What one session sends next. No socket here: frames come out when asked for, as far as credit goes.

Order: answers to the node's own submissions, pieces of attachments, new directory versions, a checkpoint to be
cosigned, one that was, then alerts by precedence with the receipts that are due. What lies ready goes ahead of a
checkpoint, once: of one to be cosigned when it stands on the same, for a node commits a block and the question about
its checkpoint together, and of one that was cosigned, of which it has each signature to verify.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from broker.answers import Answers
from broker.delivery import REFILL, DeliveryQueue, Key
from broker.exchange import Exchange
from broker.lane import Turn
from broker.shipping import Shipment
from broker.witnessing import Round
from schemas.envelope.words import URGENT
from schemas.limits import CREDIT_RESERVE, MAX_BLOCK_ALERTS
from schemas.session.frames import (
    Blob,
    Frame,
    Hello,
    Recover,
    TreeHead,
    Uploaded,
    WitnessedHead,
)

OPENERS = 4_096  # ids remembered as sent; a forgotten one is sent again


class Outgoing:
    """The sending side of one session of `agency`, from where its `hello` says it stands. `wake` is called when idle
    and there may be something to send."""

    def __init__(self, exchange: Exchange, hello: Hello, wake: Callable[[], None]) -> None:
        self._exchange = exchange
        self._agency = hello.agency
        self._wake = wake
        self._proven = hello.size
        self._reserve = hello.credit // CREDIT_RESERVE
        self._directory = hello.directory
        self._notices_from = hello.notices
        self._notices_due = True
        self._queue = DeliveryQueue()
        self.answers = Answers(wake)
        self._pieces: deque[Blob | Uploaded] = deque()
        self._openers: dict[bytes, None] = {}
        self._asked: Round | None = None
        self._cosigning = False
        self._gave_way: set[type] = set()  # kinds of checkpoints that blocks went ahead of
        self._shown = 0
        self._recover: Recover | None = None

    @property
    def unsent_pieces(self) -> int:
        """Pieces that the node has not taken yet."""
        return len(self._pieces)

    def piece(self, frame: Blob | Uploaded) -> None:
        """An answer about an attachment is to be sent."""
        self._pieces.append(frame)
        self._wake()

    def logged(self, key: Key) -> None:
        """See `Subscriber`."""
        self._queue.push(key)
        self._wake()

    def settled(self, index: int) -> None:
        """See `Subscriber`."""
        self._queue.settle(index)

    def noticed(self) -> None:
        """See `Subscriber`."""
        self._notices_due = True
        self._wake()

    def recover(self, asked: Recover) -> None:
        """The node was restored from a backup and asks for a page of what it lacks."""
        self._recover = asked
        self._wake()

    def cosigned(self) -> None:
        """The node answered what it was asked to cosign."""
        self._cosigning = False
        self._wake()

    async def next_frame(self, credit: int) -> Frame | None:
        """The next frame, when `credit` alerts may be sent; None when there is nothing to send now."""
        if self.answers.due:
            return self.answers.take()
        if (frame := await self._next_other(credit)) is not None:
            self.answers.join()
        return frame

    async def _next_other(self, credit: int) -> Frame | None:
        if self._pieces:
            return self._pieces.popleft()
        if self._directory < self._exchange.head.directory:
            return await self._next_directory()
        if self._recover is not None:
            return await self._next_recovered(self._recover)
        if (checkpoint := self._next_checkpoint()) is None:
            return await self._next_block(credit)
        if self._gives_way(checkpoint) and (block := await self._next_ready(credit)) is not None:
            self._gave_way.add(type(checkpoint))
            return block
        self._gave_way.discard(type(checkpoint))
        if isinstance(checkpoint, Round):
            return await self._next_head(checkpoint)
        return await self._next_witnessed(*checkpoint)

    def last_results(self) -> Iterator[Frame]:
        """The answers not sent yet, for a session that is about to end: what they say is true, whatever comes."""
        while (frame := self.answers.take()) is not None:
            yield frame

    async def _next_directory(self) -> Frame:
        head = self._exchange.head
        shipping = self._exchange.shipping
        build = partial(shipping.directory, self._directory, head=head, proven=self._proven)
        frame, self._directory = await self._exchange.read(build)
        self._proven = head.size
        return frame

    async def _next_recovered(self, asked: Recover) -> Frame:
        head, shipping = self._exchange.head, self._exchange.shipping
        build = partial(shipping.recovered, self._agency, asked, head=head, proven=self._proven)
        frame = await self._exchange.read(build)
        self._recover, self._proven = None, head.size
        return frame

    def _next_checkpoint(self) -> Round | tuple[int, bytes] | None:
        """The checkpoint to be cosigned, or the one that was, that this node is to be sent."""
        witnessing = self._exchange.witnessing
        if witnessing.newest is not None and self._may_ask(witnessing.newest):
            return witnessing.newest
        if witnessing.shown is not None and self._shown < witnessing.shown[0] <= self._proven:
            return witnessing.shown
        return None

    def _gives_way(self, checkpoint: Round | tuple[int, bytes]) -> bool:
        """Whether a block may go ahead: one for each of its kind, and of a question none from beyond its checkpoint."""
        same = not isinstance(checkpoint, Round) or checkpoint.size == self._exchange.head.size
        return same and type(checkpoint) not in self._gave_way

    def _may_ask(self, newest: Round) -> bool:
        """One question at a time, each for the newest checkpoint only, and never for one before what the node holds."""
        return not self._cosigning and newest is not self._asked and newest.size >= self._proven

    async def _next_head(self, asked: Round) -> Frame:
        proof = asked.proofs.get(self._proven)
        if proof is None:
            proof = await self._consistency(self._proven, asked.size)
            asked.proofs[self._proven] = proof
        self._asked, self._cosigning, self._proven = asked, True, asked.size
        return TreeHead(asked.head.note, proof, asked.both)

    async def _next_witnessed(self, size: int, note: bytes) -> Frame:
        proof = await self._consistency(size, self._proven)
        self._shown = size
        return WitnessedHead(note, proof)

    async def _consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        shipping = self._exchange.shipping
        proof = shipping.consistency_from_memory(old, new)
        return proof if proof is not None else await self._exchange.read(partial(shipping.consistency, old, new))

    async def _next_block(self, credit: int) -> Frame | None:
        while True:
            if credit > 0 and self._queue.needs_refill:
                await self._refill()
            keys = self._take(credit)
            frame = await self._ship(keys)
            if frame is not None or not keys:
                return frame
            # All of these had expired or lost their body; what lies behind them may not have.

    async def _next_ready(self, credit: int) -> Frame | None:
        """A block of what need not be looked for first: from the log as it is now."""
        return await self._ship(self._take(credit))

    def _take(self, credit: int) -> list[Key]:
        slow = max(0, min(MAX_BLOCK_ALERTS, credit - self._reserve))
        return self._queue.take(min(credit, MAX_BLOCK_ALERTS), slow=slow)

    async def _ship(self, keys: list[Key]) -> Frame | None:
        """A block of these alerts with the receipts that are due; None if there is nothing to send."""
        if not keys and not self._notices_due:
            return None
        head, exchange, now = self._exchange.head, self._exchange, self._exchange.clock()
        shipment: Shipment | None = None
        if keys and not self._notices_due:  # so every receipt up to this head was sent
            shipment = exchange.shipping.from_memory(
                self._agency, keys, head=head, proven=self._proven, now=now, openers=self._openers.keys()
            )
        if shipment is None:
            self._notices_due = False  # one that is logged meanwhile sets it again
            build = partial(
                exchange.shipping.block,
                self._agency,
                keys,
                head=head,
                proven=self._proven,
                now=now,
                openers=self._openers,
                notices_from=self._notices_from,
            )
            urgent = bool(keys) and keys[0][0] < URGENT
            shipment = await exchange.read(build, Turn.URGENT if urgent else Turn.SESSION)
        self._queue.put_back(shipment.left)
        for index in shipment.gone:
            self._queue.settle(index)
        self._remember(shipment.openers)
        self._notices_from = shipment.notices_to
        if shipment.notices_to < head.size:
            self._notices_due = True
        exchange.metrics.expired.inc(len(shipment.gone))
        exchange.metrics.damage.inc(len(shipment.damaged))
        if shipment.frame is None:
            return None
        self._proven = head.size
        left_out = len(shipment.left) + len(shipment.gone) + len(shipment.damaged)
        exchange.metrics.deliveries.inc(len(keys) - left_out)
        return shipment.frame

    async def _refill(self) -> None:
        after, below = self._queue.begin_refill(), self._exchange.head.size
        shipping = self._exchange.shipping
        now = self._exchange.clock()
        found = await self._exchange.read(partial(shipping.outstanding, self._agency, after, below, now, REFILL))
        self._queue.refill(found, more=len(found) == REFILL)

    def _remember(self, openers: tuple[bytes, ...]) -> None:
        self._openers |= dict.fromkeys(openers)
        while len(self._openers) > OPENERS:
            del self._openers[next(iter(self._openers))]
