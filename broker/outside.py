"""Has the log's checkpoints cosigned by the outside witnesses that the directory names (C2SP tlog-witness).

Each is asked by itself, one request at a time, about the newest checkpoint only, and never waited for by anything else.
A witness says 409 with the size it holds, and is then asked from there. One that is down is asked again after a
while, twice as long each time. One that refuses a checkpoint as inconsistent, or says it cosigned a larger tree than
this log has, holds another history: that is an alarm, with what was asked and answered kept on disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from broker.exchange import Exchange
from broker.restored import Report
from broker.witness_client import Answer
from broker.witnessing import Round
from schemas.directory.witnesses import OutsideWitness
from schemas.errors import CosignatureRefused, CrossbearingError
from schemas.log.witness import AddCheckpoint, Status, format_request, parse_size, read_answer

log = structlog.get_logger()

Post = Callable[[str, bytes], Awaitable[Answer]]

INTERVAL: Final = 5.0
"""Seconds from one checkpoint to the next at a witness that answers."""
LONGEST: Final = 300.0
"""Seconds at most until one that does not is asked again."""


@dataclass(slots=True)
class _Standing:
    """What is known of one witness. `size` is what it cosigned last; `next` when it may be asked (loop time)."""

    size: int = 0
    done: int = -1
    next: float = 0.0
    failures: int = 0
    task: asyncio.Task[None] | None = None


class OutsideWitnesses:
    """Asks them all while it runs."""

    def __init__(self, exchange: Exchange, post: Post, *, interval: float = INTERVAL) -> None:
        self._exchange = exchange
        self._post = post
        self._interval = interval
        self._standing: dict[str, _Standing] = {}

    async def run(self) -> None:
        """Ask until cancelled."""
        try:
            while True:
                self._ask_all()
                await asyncio.sleep(self._interval / 4)
        finally:
            for standing in self._standing.values():
                if standing.task is not None:
                    standing.task.cancel()

    def _ask_all(self) -> None:
        document = self._exchange.history.latest.document
        asked, now = self._exchange.witnessing.newest, asyncio.get_running_loop().time()
        for witness in document.witnesses.outside if document is not None and asked is not None else ():
            standing = self._standing.setdefault(witness.vkey, _Standing())
            busy = standing.task is not None and not standing.task.done()
            if asked is not None and not busy and standing.done != asked.size and now >= standing.next:
                standing.task = asyncio.create_task(self._ask(witness, standing, asked))

    async def _ask(self, witness: OutsideWitness, standing: _Standing, asked: Round) -> None:
        try:
            await self._submit(witness, standing, asked)
            standing.failures, wait = 0, self._interval
            standing.done = asked.size
        except CrossbearingError as error:
            standing.failures += 1
            wait = min(self._interval * 2**standing.failures, LONGEST)
            self._exchange.metrics.cosignatures_refused.labels(error.code).inc()
            log.warning("outside witness", witness=witness.id, code=error.code, reason=error.message, again=wait)
        standing.next = asyncio.get_running_loop().time() + wait

    async def _submit(self, witness: OutsideWitness, standing: _Standing, asked: Round) -> None:
        """One checkpoint, twice if the witness stands elsewhere than we thought."""
        url = witness.url.rstrip("/") + "/add-checkpoint"
        for _ in range(2):
            consistency = partial(self._exchange.shipping.consistency, standing.size, asked.size)
            proof = await self._exchange.read(consistency)
            request = format_request(AddCheckpoint(standing.size, proof, asked.signed))
            answer = await self._post(url, request)
            if answer.status == Status.OK:
                read_answer(answer.body, asked.head.note, [witness.key])  # before anything of it counts
                self._exchange.witnessing.add(asked.size, answer.body, [witness.key])
                standing.size = asked.size
                await self._exchange.hear(Report(witness.id, asked.size, proven=True, agrees=True))
                return
            if answer.status != Status.CONFLICT or not answer.body:
                break
            held = parse_size(answer.body)
            if held > asked.size:
                await self._exchange.hear(Report(witness.id, held, proven=False, agrees=True))
                break
            standing.size = held
        await self._refused(witness, asked, request, answer)

    async def _refused(self, witness: OutsideWitness, asked: Round, request: bytes, answer: Answer) -> None:
        """Tell a witness that holds another history from one that only does not want ours."""
        if answer.status in (Status.CONFLICT, Status.INCONSISTENT):
            what = f"{witness.id} answered {answer.status} to the checkpoint of size {asked.size}"
            await self._exchange.contradicted(
                witness.id, what, {"request": request, "answer": f"{answer.status}\n".encode() + answer.body}
            )
            return
        reason = answer.body[:200].decode("ascii", "replace")
        raise CosignatureRefused(f"it answered {answer.status}: {reason!a}")
