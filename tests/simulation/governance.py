"""Those who change the directory while alerts are on their way: governors, and the agencies' administrators."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from random import Random

from schemas.errors import CrossbearingError, DirectoryConflict, Fault
from schemas.keys import SealingKey, SigningKey
from schemas.routing.rules import Condition, Rule, Target
from schemas.session.frames import Publish
from tests.simulation.hub import HubHost
from tests.simulation.node import NodeHost
from tests.simulation.record import Record
from tests.support.directory import RoleBundle, World, record

PATIENCE = 900.0
DAY_MS = 86_400_000


class Governance:
    """Publishes through the hub's operator or the agency's own node, one change after the other."""

    def __init__(self, world: World, hub: HubHost, hosts: dict[str, NodeHost], seen: Record, clock: Callable[[], int]):
        self._world = world
        self._hub = hub
        self._hosts = hosts
        self._record = seen
        self._clock = clock
        self._turn = asyncio.Lock()

    async def suspend(self, agency: str, *, suspended: bool) -> None:
        """Suspend an agency, or take it back in."""
        status = "suspended" if suspended else "active"

        def change() -> None:
            others = [a for a in self._world.document.agencies.values() if a.status == "active" and a.id != agency]
            if others:  # the governors may not suspend the last one
                self._world.change_agency(agency, status=status)

        await self._govern(f"{agency} is {status}", change)

    async def change_rules(self, random: Random) -> None:
        """Move an agency between regions, or put one rule in force or out of it."""
        document = self._world.document
        agency = random.choice(sorted(document.agencies))

        def change() -> None:
            document = self._world.document
            match random.choice(("region", "deny", "add", "ceiling", "none")):
                case "region":
                    regions = () if document.agencies[agency].regions else ("asia",)
                    self._world.change_agency(agency, regions=regions)
                case "none":
                    self._world.document = replace(document, rules=())
                case effect:
                    ceiling = "green" if effect == "ceiling" else None
                    rule = Rule("one", effect, Condition(), Target(agencies=(agency,)), ceiling, "as the governors say")
                    self._world.document = replace(document, rules=(rule,))

        await self._govern(f"new rules about {agency}", change)

    async def _govern(self, what: str, change: Callable[[], None]) -> None:
        async with self._turn:
            change()
            made = self._world.bundle("targets")
            if await self._bring(made, what):
                self._world.versions["targets"] = made.version

    async def _bring(self, made: RoleBundle, what: str) -> bool:
        """Hand it to the operator until the hub has answered."""
        until = asyncio.get_running_loop().time() + PATIENCE
        while asyncio.get_running_loop().time() < until:
            answer = await self._hub.publish(made.role, made.version, made.bundle)
            if isinstance(answer, int):
                self._record.event(f"directory: {what}, at {answer}")
                return True
            if isinstance(answer, CrossbearingError) and not isinstance(answer, Fault):
                self._record.violation("directory-moves-on", f"{what}: {answer.code} {answer.message}")
                return False
            await asyncio.sleep(2)
        return False

    async def rotate(self, agency: str, random: Random) -> None:
        """A new signing or sealing key for an agency, through its own node; the one before ends after a while."""
        host = self._hosts[agency]
        kind = random.choice(("signing", "sealing"))
        seed = random.randbytes(32)
        async with self._turn:
            host.seeds = replace(host.seeds, **{kind: (*getattr(host.seeds, kind), seed)})  # type: ignore[arg-type]  # one of two names
            if host.parts is not None:
                host.parts.identity.adopt(host.seeds)
            public = (SigningKey if kind == "signing" else SealingKey)(seed).public
            now = self._clock()
            ends = now + random.choice((0, 60_000, DAY_MS))
            keys = self._world.keys[agency]
            # An overlap of none ends the key before at once, as after a theft.
            before = tuple(
                replace(r, not_after=min(r.not_after, ends - ends % 1000 + 1000)) for r in getattr(keys, kind)
            )
            new = record(public, starts=max([now - 300_000, *(r.not_before + 1000 for r in before)]))
            self._world.keys[agency] = replace(keys, **{kind: (*before, new)})  # type: ignore[arg-type]  # one of two names
            made = self._world.bundle(agency)
            if await self._publish(host, made, f"{agency} has a new {kind} key"):
                self._world.versions[agency] = made.version

    async def _publish(self, host: NodeHost, made: RoleBundle, what: str) -> bool:
        until = asyncio.get_running_loop().time() + PATIENCE
        frame = Publish(made.role, made.version, made.bundle)
        while asyncio.get_running_loop().time() < until:
            answer: int | CrossbearingError | None = None
            if host.parts is not None and host.process is not None:
                answer = await self._through(host, frame)
            if isinstance(answer, int):
                self._record.event(f"directory: {what}, at {answer}")
                return True
            if isinstance(answer, DirectoryConflict):
                self._record.violation("directory-moves-on", f"{what}: {answer.message}")
                return False
            await asyncio.sleep(2)
        return await self._bring(made, what)  # the operator takes it from a file

    async def _through(self, host: NodeHost, frame: Publish) -> int | CrossbearingError | None:
        assert host.parts is not None
        assert host.process is not None
        answers: list[int | CrossbearingError] = []
        publications = host.parts.publications

        async def ask() -> None:
            try:
                answers.append(await publications.publish(frame))
            except CrossbearingError as error:
                answers.append(error)

        asking = host.loop.spawn(host.process, ask())
        for _ in range(350):
            await asyncio.sleep(0.1)
            if answers or asking.done():
                break
        return answers[0] if answers else None
