"""What the log shows to the world: checkpoints with all signatures, opened for cosigning and passed on with a quorum.

Out of the way of deliveries: a block is signed with Ed25519 and published at once, and all that is here follows. A
round of cosigning begins with a new checkpoint, at most once a second, and if it can with that of an alert: its
recipients then check one checkpoint and make one commit for both. ML-DSA-44 costs 0.6 ms, so the log itself adds it
once a round and whenever somebody asks for a checkpoint, and witnesses once a minute.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

import structlog

from broker.exchange import Exchange
from broker.witnessing import Round

log = structlog.get_logger()

ROUND_SECONDS: Final = 1.0
"""From one round of cosigning to the next."""
ALERT_SECONDS: Final = 0.5
"""For which a round that is due waits for an alert to begin with."""
BOTH_SECONDS: Final = 60.0
"""From one round in which witnesses also sign with ML-DSA-44 to the next."""
SHOW_SECONDS: Final = 5.0
"""From one cosigned checkpoint shown to the nodes to the next: each checks every line of it."""
SETTLE_SECONDS: Final = 0.5
"""From the quorum of a checkpoint until it is shown: the lines of those who are nearly as quick come along."""
LOOK_SECONDS: Final = 5.0
"""How often it is looked at whether the quorum is missing."""
TICK_SECONDS: Final = 0.001
"""The shortest wait: what is due in less than the clock can tell would be waited for without end."""


class Publication:
    """Runs the rounds of an exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._witnessing = exchange.witnessing
        self._asked: Round | None = None
        self._begun: Round | None = None
        self._signing = asyncio.Lock()
        self._round_at = self._both_at = self._show_at = 0.0
        self._since: float | None = None
        self._reached = -1
        self._waiting = False
        self._alarmed = False
        self._timed = False  # whether a look is due when the next round is
        exchange.on_block = self.block

    async def run(self) -> None:
        """Open rounds and show results until cancelled."""
        exchange, clock = self._exchange, asyncio.get_running_loop().time
        self._since = clock()
        while True:
            exchange.stirred.clear()
            now = clock()
            if self._grown() and now >= self._round_at + ALERT_SECONDS:
                self._begin(now)
            if self._begun is not None:
                await self._sign(self._begun)
            if self._newly_reached():
                self._show_at = max(self._show_at, now + SETTLE_SECONDS)
            if self._unshown() and now >= self._show_at:
                self._witnessing.show()
                self._show_at = now + SHOW_SECONDS
                exchange.announce()
            self._look(now)
            self._timed = self._grown()
            due = [LOOK_SECONDS]
            due += [self._round_at + ALERT_SECONDS - now] if self._timed else []
            due += [self._show_at - now] if self._unshown() else []
            with_timeout = asyncio.wait_for(exchange.stirred.wait(), max(TICK_SECONDS, min(due)))
            try:
                await with_timeout
            except TimeoutError:
                continue

    def block(self, alert: bool) -> None:
        """A block was logged, which nobody was told of yet: a round that is due begins with one that has an alert."""
        now = asyncio.get_running_loop().time()
        begins = alert and self._since is not None and now >= self._round_at
        if begins:
            self._begin(now)
        if begins or not self._timed:
            self._exchange.stirred.set()

    async def checkpoint(self) -> bytes:
        """The newest checkpoint with the log's signatures, and those of witnesses as far as they came."""
        newest, head = self._witnessing.newest, self._exchange.head
        shown = newest if newest is not None and newest.size == head.size else self._asked
        if shown is None or shown.size != head.size:
            shown = self._asked = Round(head, both=False)
        await self._sign(shown)
        return shown.note

    def witnessed(self) -> bytes | None:
        """The newest checkpoint that has its quorum; None before the first."""
        return self._witnessing.reached.note if self._witnessing.reached is not None else None

    def _begin(self, now: float) -> None:
        both = now >= self._both_at
        self._begun = self._witnessing.begin(self._exchange.head, both=both)
        self._round_at = now + ROUND_SECONDS
        if both:
            self._both_at = now + BOTH_SECONDS
        self._exchange.announce()

    async def _sign(self, signed: Round) -> None:
        """Add the log's ML-DSA line, once: whoever asks meanwhile waits for it."""
        signer, exchange = self._exchange.signer, self._exchange
        async with self._signing:
            if signer.ml_dsa is not None and not signed.own:
                sign = partial(signer.sign_tree, signed.head.checkpoint, now=exchange.clock())
                signed.sign(await exchange.read(sign))

    def _look(self, now: float) -> None:
        """Count, and say so when a quorum is missing for long, and when it is back."""
        witnessing, metrics = self._witnessing, self._exchange.metrics
        reached, needed = witnessing.reached, witnessing.quorum()
        size = reached.size if reached is not None else -1
        complete = witnessing.newest is not None and size >= witnessing.newest.size
        if complete or size > self._reached or not needed or self._since is None:
            self._since = now
        self._reached = size
        metrics.cosigners.set(len(witnessing.cosigners(witnessing.newest)))
        metrics.quorum.set(needed)
        metrics.quorum_size.set(max(size, 0))
        metrics.quorum_seconds.set(now - self._since)
        late = now - self._since > self._exchange.settings.quorum_seconds
        if late and not self._alarmed:
            missing = witnessing.missing(witnessing.newest)
            log.error("quorum missing", needed=needed, seconds=int(now - self._since), missing=list(missing))
        elif self._alarmed and not late:
            log.info("quorum reached again", size=size)
        self._alarmed = late

    def _grown(self) -> bool:
        newest = self._witnessing.newest
        return newest is None or newest.size != self._exchange.head.size

    def _newly_reached(self) -> bool:
        """Whether a checkpoint has its quorum since this was last asked, and is the first to wait to be shown."""
        waiting, self._waiting = self._waiting, self._unshown()
        return self._waiting and not waiting

    def _unshown(self) -> bool:
        reached, shown = self._witnessing.reached, self._witnessing.shown
        return reached is not None and (shown is None or shown[0] != reached.size)
