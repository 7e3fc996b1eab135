"""The officers of all agencies: they write, read, answer, correct and recall, and ask again when they got no answer."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from random import Random
from typing import Any, Literal

from schemas.errors import CrossbearingError, Fault, NotReady
from schemas.ids import uuid7
from tests.simulation.node import Ask, NodeHost
from tests.simulation.plan import Act
from tests.simulation.record import Promise, Record

TRIES = 6
_PRECEDENCES = ("flash", "immediate", "priority", "routine")
_MARKINGS = ("clear", "green", "amber")


class Desk:
    """What officers do at the nodes `hosts`."""

    def __init__(self, hosts: dict[str, NodeHost], record: Record, random: Random, clock: Callable[[], int]) -> None:
        self._hosts = hosts
        self._record = record
        self._random = random
        self._clock = clock

    async def ask(self, host: NodeHost, ask: Ask) -> Any:
        """One request at a node: its answer, the error it refused with, or None when there was no answer."""
        return await host.request(ask)

    async def act(self, act: Act) -> None:
        """Do one thing."""
        host = self._hosts[act.agency]
        kind = act.kind
        if kind in ("send", "file"):
            await self.send(host, act.number, file=kind == "file")
        elif kind == "again":
            await self.send(host, act.number, twice=True)
        elif kind == "ack":
            await self._acknowledge(host)
        elif kind in ("correct", "recall"):
            await self._relate(host, act.number, kind, self._own(host))
        else:
            await self._relate(host, act.number, kind, await self._received(host))

    async def send(self, host: NodeHost, number: int, *, file: bool = False, twice: bool = False, **more: Any) -> None:
        """Hand in an alert, under an id of the officer's own, again and again until the node answers."""
        random = self._random
        others = [agency for agency in self._hosts if agency != host.agency]
        to = random.choice((["all"], ["asia"], random.sample(others, random.randint(1, len(others)))))
        document: dict[str, Any] = {
            "kind": "watch",
            "title": f"SECRET-{number}- Container to be looked at",
            "to": to,
            "modes": ["sea"],
            "precedence": random.choice(_PRECEDENCES),
            "marking": random.choice(_MARKINGS),
            "subjects": [{"type": "container", "number": "CSQU3054383"}],
            **more,
        }
        if random.random() < 0.3:
            document["expires_hours"] = 1
        files = []
        if file:
            data = f"SECRET-{number}-".encode() + random.randbytes(random.choice((10, 20_000, 300_000)))
            files = [
                {"name": "scan.bin", "media_type": "application/octet-stream", "data": base64.b64encode(data).decode()}
            ]
        alert_id = uuid7(self._clock(), random.randbytes)
        promise = Promise(number, host.agency, "send")
        for _ in range(TRIES):
            answer = await self.ask(
                host, lambda service: service.sending.send(document, attachments=files, alert_id=alert_id)
            )
            if isinstance(answer, dict):
                self._promised(promise, answer)
                if not twice:
                    return
                twice = False
            elif isinstance(answer, CrossbearingError) and not isinstance(answer, Fault | NotReady):
                self._refused(host, "send", answer)
                return
            elif isinstance(answer, Exception) and not isinstance(answer, CrossbearingError):
                self._record.violation("no-unforeseen-failure", f"{host.agency} answered a request with {answer!r}")
                return
            await asyncio.sleep(self._random.uniform(1, 10))

    async def _relate(self, host: NodeHost, number: int, kind: str, target: str | None) -> None:
        if target is None:
            return
        text = f"SECRET-{number}- it is so"
        asks: dict[str, Ask] = {
            "reply": lambda service: service.sending.reply(target, narrative=text),
            "follow-up": lambda service: service.sending.follow_up(target, narrative=text),
            "correct": lambda service: service.sending.correct(target, narrative=text, reason=text),
            "recall": lambda service: service.sending.recall(target, reason=text),
        }
        answer = await self.ask(host, asks[kind])
        if isinstance(answer, dict):
            self._promised(Promise(number, host.agency, kind), answer)
        elif isinstance(answer, CrossbearingError):
            self._refused(host, kind, answer)
        elif answer is not None:
            self._record.violation("no-unforeseen-failure", f"{host.agency} answered a request with {answer!r}")

    async def _acknowledge(self, host: NodeHost) -> None:
        target = await self._received(host)
        if target is None:
            return
        states: tuple[Literal["read", "actioned"], ...] = ("read", "actioned")
        state = self._random.choice(states)
        answer = await self.ask(host, lambda service: service.ack(target, state, officer="ann"))
        if isinstance(answer, dict):
            self._record.event(f"{host.agency} acknowledges {target} as {answer['state']}")
        elif isinstance(answer, CrossbearingError):
            self._refused(host, "ack", answer)
        elif answer is not None:
            self._record.violation("no-unforeseen-failure", f"{host.agency} answered a request with {answer!r}")

    def _own(self, host: NodeHost) -> str | None:
        own = [p.id for p in self._record.promises if p.agency == host.agency and p.id is not None]
        return self._random.choice(own) if own else None

    async def _received(self, host: NodeHost) -> str | None:
        shown = sorted(alert for agency, alert in self._record.shown if agency == host.agency)
        return self._random.choice(shown) if shown else None

    def _promised(self, promise: Promise, answer: dict[str, Any]) -> None:
        self._record.event(
            f"{promise.agency} takes in {promise.kind} {promise.number} as {answer['id']}: {answer['state']}"
        )
        if promise.id is None:
            promise.id = answer["id"]
            self._record.promises.append(promise)
        elif promise.id != answer["id"]:
            self._record.violation("once-per-id", f"{promise.agency} took in {promise.id} again as {answer['id']}")

    def _refused(self, host: NodeHost, kind: str, error: CrossbearingError) -> None:
        self._record.event(f"{host.agency} refuses {kind}: {error.code} {error.message}")
        self._record.notes[f"{kind} {error.code}"] += 1
