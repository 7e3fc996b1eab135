"""The running hub without its sockets: what is submitted goes in, what is logged goes to those who wait for it.

Three threads share the work. The event loop talks to nodes; one thread writes blocks; one thread reads the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from broker.committer import Committed, Committer, Head, LogSigner
from broker.config import Settings
from broker.delivery import Key
from broker.draft import NewDirectory, Verdict, Work
from broker.engines.port import Engine, Restoration
from broker.evidence import keep_against_log, keep_contradiction, keep_heard
from broker.lane import Lane, Turn
from broker.metrics import Metrics
from broker.parcel import Parcel, ParcelCache
from broker.restored import Listening, Report
from broker.sequencer import Sequencer
from broker.shipping import RESTORE, Shipping
from broker.state import Changes, Delivery, Standing
from broker.witnessing import Witnessing
from schemas.directory.history import DirectoryHistory
from schemas.errors import BadConfig, CrossbearingError, DirectoryConflict, LogRestored, StorageFailed, StorageTampered
from schemas.limits import MAX_WAITING_READS

log = structlog.get_logger()
_T = TypeVar("_T")


class Subscriber(Protocol):
    """A connected agency, told on the event loop of what concerns it; it must not block."""

    def logged(self, key: Key) -> None:
        """An alert for it was logged."""

    def settled(self, index: int) -> None:
        """It need not be sent the alert at `index` any more."""

    def noticed(self) -> None:
        """A receipt or an escalation about one of its alerts was logged."""

    def directory_changed(self) -> None:
        """A new directory version is in force."""

    def announced(self) -> None:
        """There is a checkpoint to be cosigned, or one that was."""


class Exchange:
    """Owns the two threads and the sequencer; `head` and `history` are what was last published."""

    def __init__(
        self,
        *,
        engine: Engine,
        committer: Committer,
        shipping: Shipping,
        cache: ParcelCache,
        history: DirectoryHistory,
        head: Head,
        signer: LogSigner,
        settings: Settings,
        metrics: Metrics,
        clock: Callable[[], int],
        evidence: Path,
        restorations: Sequence[Restoration] = (),
        heard: Path | None = None,
    ) -> None:
        self.engine = engine
        self.shipping = shipping
        self.history = history
        self.head = head
        self.signer = signer
        self.settings = settings
        self.metrics = metrics
        self.clock = clock
        self.fault: CrossbearingError | None = None
        self.stopping = False
        self.stirred = asyncio.Event()
        """Set when there may be something to do for the publication."""
        self.on_block: Callable[[bool], None] = lambda _: None
        """Called for every block before anybody is told of it, with whether it has an alert."""
        self.witnessing = Witnessing(lambda: self.history.latest, self.stirred.set)
        self.restorations = tuple(restorations)
        self.listening: Listening | None = None
        self.resumed = asyncio.Event()
        if self.restorations and not self.restorations[-1].settled:
            self.listening = Listening(self.restorations[-1], head, lambda: self.history.latest)
        else:
            self.resumed.set()
        self._heard = heard
        self._evidence = evidence
        self._contradictions: dict[str, int] = {}
        self._committer = committer
        self._cache = cache
        self._subscribers: dict[str, Subscriber] = {}
        self._writer = Lane(ThreadPoolExecutor(1, thread_name_prefix="writer"))
        self._reader = Lane(ThreadPoolExecutor(1, thread_name_prefix="reader"), {Turn.OUTSIDE: MAX_WAITING_READS})
        self._sequencer = Sequencer(
            self._commit, self._publish, max_entries=settings.block_entries, max_bytes=settings.block_bytes
        )
        self._show_head(head)
        self.metrics.restored.set(self.listening is not None)

    async def run(self) -> None:
        """Form blocks until `stop`. Raises the fault that ends the hub, which `fault` then names too."""
        try:
            await self._sequencer.run()
        except CrossbearingError as fault:
            self.fault = fault
            self.metrics.storage_ok.set(0)
            raise

    def stop(self) -> None:
        """Refuse new work; `run` returns when what is pending is logged."""
        self.stopping = True
        self._sequencer.close()

    def close(self) -> None:
        """Wait for the threads and let go of them."""
        self._writer.close()
        self._reader.close()

    @property
    def ready(self) -> bool:
        """Whether submissions are taken."""
        return self.serving and self.listening is None

    @property
    def serving(self) -> bool:
        """Whether nodes may greet: a hub over a restored log hears them, and takes nothing."""
        return self.fault is None and not self.stopping

    @property
    def pending(self) -> int:
        """Submissions that no block has taken yet."""
        return self._sequencer.pending

    @property
    def connected(self) -> list[str]:
        """The agencies that have a session."""
        return sorted(self._subscribers)

    def submit(self, work: Work) -> asyncio.Future[Verdict]:
        """Have `work` logged; see `Sequencer.submit`."""
        if self.listening is not None:
            answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
            answer.set_result(LogRestored("the log was restored and takes nothing in yet"))
            return answer
        return self._sequencer.submit(work)

    async def read(self, function: Callable[[], _T], turn: Turn = Turn.SESSION) -> _T:
        """Run a function of the reading kind in the thread that reads.

        Damage that it meets is the trouble of whoever asked, and an alarm; the others are served on. Raises
        `Overloaded` when it is for somebody `OUTSIDE`, and too many such wait.
        """
        try:
            return await self._reader.run(function, turn)
        except StorageTampered as fault:
            self.metrics.damage.inc()
            log.critical("the storage is damaged", code=fault.code, reason=fault.message, hint=RESTORE)
            raise

    async def write(self, function: Callable[[], _T]) -> _T:
        """Run a function that writes beside the log in the thread that writes."""
        return await self._writer.run(function, Turn.PIECES)

    def subscribe(self, agency: str, subscriber: Subscriber) -> None:
        """Tell `subscriber` from now on of what concerns `agency`."""
        self._subscribers[agency] = subscriber

    def unsubscribe(self, agency: str, subscriber: Subscriber) -> None:
        """Stop telling `subscriber`."""
        if self._subscribers.get(agency) is subscriber:
            del self._subscribers[agency]

    def announce(self) -> None:
        """Tell every session that there is a checkpoint to be cosigned, or one that was."""
        for subscriber in list(self._subscribers.values()):
            subscriber.announced()

    async def contradicted(self, witness: str, what: str, files: Mapping[str, bytes]) -> None:
        """A witness holds another history than this log: keep what shows it, once for each size of the log, and say so.

        One of the two lost or changed what was signed; the operator stops, and compares before anything else.
        """
        size = self.head.size
        if self._contradictions.get(witness) == size:
            return
        self._contradictions[witness] = size
        self.metrics.conflicts.inc()
        every = {"head.checkpoint": self.head.note, **files}
        hint = "Stop the hub. Compare log and anchor with the witness's checkpoint: docs/operations.md, forks."
        try:
            kept = await self.read(partial(keep_contradiction, self._evidence, witness, self.clock(), every))
            log.critical("a witness holds another history", witness=witness, what=what, evidence=str(kept), hint=hint)
        except StorageFailed as fault:
            log.critical("a witness holds another history", witness=witness, what=what, lost=fault.message, hint=hint)

    def lost_since(self, worked_through: int) -> tuple[int, int]:
        """Time of the newest restoration, and from which index on something may be lost to a node that has worked
        through those up to the time `worked_through`; 0 and 0 when there is nothing to work through."""
        if not self.restorations or self.restorations[-1].time == worked_through:
            return worked_through, 0
        news = [each for each in self.restorations if each.time > worked_through] or self.restorations
        return self.restorations[-1].time, min(each.size for each in news)

    async def hear(self, report: Report, note: bytes = b"") -> LogRestored:
        """Take what somebody holds while the log is not settled; returns what to tell them."""
        listening = self.listening
        if listening is not None and listening.hear(report):
            words = {"who": report.who, "size": report.size, "proven": report.proven, "agrees": report.agrees}
            log.warning("heard", here=self.head.size, obstacles=listening.obstacles(), **words)
            if (
                note
                and self._heard is not None
                and "/" not in report.who
                and (report.size > self.head.size or not report.agrees)
            ):
                try:
                    await self.read(partial(keep_heard, self._heard, report.who, note))
                except StorageFailed as fault:
                    log.error("not kept", who=report.who, reason=fault.message)
        return LogRestored(f"the log was restored from a backup of {self.head.size} entries and is not settled yet")

    async def resume(self, despite: Collection[str] = (), *, fewer: bool = False) -> None:
        """Sign again, on the operator's word that nothing newer was signed; see `Listening.obstacles`.

        Raises `LogRestored` with what is against it, and `BadConfig` when there is nothing to settle.
        """
        if self.listening is None:
            raise BadConfig("this log is not waiting to be resumed", hint="See `bearing-broker status`.")
        if obstacles := self.listening.obstacles(despite, fewer=fewer):
            raise LogRestored("; ".join(obstacles), hint="`bearing-broker restore-status` says what to do.")
        await self.write(self._committer.settle)
        log.warning("resumed", size=self.head.size, confirmed=list(self.listening.confirming), despite=list(despite))
        self.restorations = tuple(replace(each, settled=True) for each in self.restorations)
        self.listening = None
        self.metrics.restored.set(0)
        self.resumed.set()

    async def disown(self, what: str) -> None:
        """The log's own signature shows that this storage went back: sign nothing more, here or after a restart."""
        fault = StorageTampered(
            f"{what}, signed by this log itself: its storage went back",
            hint="Start the hub again: it then listens and signs nothing. docs/operations.md, restore a hub.",
        )
        self.fault = fault
        try:
            await self.write(self._committer.disown)
        finally:
            self._sequencer.fail(fault)

    async def _commit(self, batch: Sequence[Work]) -> Committed:
        committed = await self._writer.run(partial(self._committer.commit, batch), Turn.URGENT)
        for work, verdict in zip(batch, committed.verdicts, strict=True):
            if isinstance(work.what, NewDirectory) and isinstance(verdict, DirectoryConflict):
                await self._keep_evidence(work.what)
        return committed

    async def _keep_evidence(self, new: NewDirectory) -> None:
        """Of two files under one version. Should that fail, the block is durable all the same."""
        try:
            kept = await self.read(partial(keep_against_log, self.engine, self._evidence, new))
            log.error("two files under one version", role=new.role, version=new.version, kept=str(kept))
        except StorageFailed as fault:
            log.error("evidence lost", role=new.role, version=new.version, reason=fault.message)

    def _publish(self, committed: Committed) -> None:
        for parcel, waiting in committed.supplied:
            self._supplied(parcel, waiting)
        if committed.head is None:
            return
        self.head = committed.head
        self.on_block(any(entered.parcel is not None for entered in committed.entered))
        for entered in committed.entered:
            if entered.parcel is not None:
                self._cache.put(entered.parcel)
            if entered.changes.purge is not None:
                self._cache.drop(entered.changes.purge.index)
            self._tell(entered.changes)
            if entered.kind == "receipt":
                moved = entered.changes.deliveries  # all to the same standing
                self.metrics.receipts.labels(moved[0].standing.name.lower()).inc(len(moved))
            if entered.kind == "escalation":
                for delivery in entered.changes.deliveries:
                    self.metrics.escalations.labels(delivery.escalated.name.lower()).inc()
            self.metrics.entries.labels(entered.kind).inc()
        self.metrics.block_entries.observe(len(committed.entered))
        self.metrics.block_seconds.observe(committed.seconds)
        self._show_head(committed.head)
        if committed.directories:
            log.info("directory", version=committed.head.directory, size=committed.head.size)
            for subscriber in list(self._subscribers.values()):
                subscriber.directory_changed()

    def _supplied(self, parcel: Parcel, waiting: Sequence[Delivery]) -> None:
        """A lost body is back: whoever waits for it is sent it."""
        self._cache.put(parcel)
        for delivery in waiting:
            if (subscriber := self._subscribers.get(delivery.agency)) is not None:
                subscriber.settled(delivery.index)  # it may count as sent, though its body was missing then
                subscriber.logged((delivery.rank, delivery.index))
        log.info("body supplied", index=parcel.index)

    def _tell(self, changes: Changes) -> None:
        for delivery in changes.deliveries:
            subscriber = self._subscribers.get(delivery.agency)
            if subscriber is None:
                continue
            if delivery.standing is Standing.WAITING:
                subscriber.logged((delivery.rank, delivery.index))
            else:
                subscriber.settled(delivery.index)
        if changes.notice is not None and (sender := self._subscribers.get(changes.notice)) is not None:
            sender.noticed()

    def _show_head(self, head: Head) -> None:
        self.metrics.log_size.set(head.size)
        self.metrics.directory.set(head.directory)
