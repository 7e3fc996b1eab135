"""How the node is: `status` for a glance, `doctor` for a diagnosis."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

from nodes.config import NodeConfig
from nodes.identity import Identity
from nodes.keys.certificate import expires
from nodes.keys.expiry import endings
from nodes.ports import Clock
from nodes.service.doctor import Facts, WitnessFacts, examine
from nodes.service.ports import Link
from nodes.standing import Standing
from nodes.store.alerts import Filter
from nodes.store.store import Store
from nodes.views import alarm_view
from schemas.directory.witness_policy import policy_of, quorum_of, witness_of
from schemas.errors import CrossbearingError, NotReady

if TYPE_CHECKING:
    from nodes.store.database import Tables
    from nodes.store.events import Alarm
    from schemas.directory.state import Directory

__all__ = ["Health", "program_version"]


@dataclass(frozen=True, slots=True)
class _Counts:
    waiting: int
    exported: int
    notices: int
    waiting_since: int | None
    refused: int
    unread: int
    received: int
    quarantine: int
    dead_letters: int
    alarms: tuple[Alarm, ...]


MAX_LOOKED_AT = 500
"""Waiting alerts whose age is looked at: the newest."""


class Health:
    """Looks at one node from all sides."""

    def __init__(
        self,
        *,
        config: NodeConfig,
        store: Store,
        standing: Standing,
        identity: Identity,
        link: Link,
        clock: Clock,
    ) -> None:
        self._config = config
        self._store = store
        self._standing = standing
        self._identity = identity
        self._link = link
        self._clock = clock

    async def status(self) -> dict[str, Any]:
        """The node on one screen."""
        counts = await self._store.read(_count)
        link = self._link()
        directory = self._directory()
        agency = self._config.agency
        document = None if directory is None else directory.document
        known = None if document is None else document.agencies.get(agency)
        checkpoint = self._standing.checkpoint
        return {
            "agency": agency,
            "name": agency if known is None else known.name,
            "connected": link.connected,
            "since": link.since,
            "hub": self._config.hub.url,
            "origin": self._standing.origin,
            "directory": {
                "version": self._standing.version,
                "name": None if document is None else document.name,
            },
            "log": {
                "size": checkpoint.size,
                "root": checkpoint.root.hex(),
                "checkpoint_time": link.checkpoint_time,
                **self._witnessing(directory),
            },
            "clock_offset_ms": link.clock_offset,
            "outbox": {"waiting": counts.waiting, "exported": counts.exported, "refused": counts.refused},
            "position": f"{checkpoint.size}/{counts.notices}",
            "inbox": {"unread": counts.unread, "total": counts.received},
            "quarantine": counts.quarantine,
            "dead_letters": counts.dead_letters,
            "alarms": [alarm_view(alarm) for alarm in counts.alarms],
            "version": program_version(),
        }

    def _witnessing(self, directory: Directory | None) -> dict[str, int]:
        """How many cosigned the newest checkpoint shown with its quorum, how many it takes, and its size; 0: none."""
        if directory is None or directory.document is None or not policy_of(directory).witnesses:
            return {"cosigned_by": 0, "quorum": 0, "quorum_size": 0}
        shown = self._standing.witnessed
        cosigners = {witness_of(name) for name in shown.times} if shown is not None else set()
        size = shown.checkpoint.size if shown is not None and shown.reached else 0
        return {"cosigned_by": len(cosigners), "quorum": quorum_of(directory), "quorum_size": size}

    async def doctor(self) -> dict[str, Any]:
        """Every check of the node, whether it passed or not."""
        counts = await self._store.read(_count)
        now = self._clock()
        directory = self._directory()
        certificate, open_files, disk_free, watch_failed = await asyncio.to_thread(self._look_at_files)
        facts = Facts(
            now=now,
            link=self._link(),
            hub=self._config.hub.url,
            agency=self._config.agency,
            directory=self._standing.version,
            standing=_standing(directory, self._config.agency),
            key_problem=self._key_problem(directory, now),
            endings=tuple(endings(directory, self._config.agency, certificate, now)),
            waiting=counts.waiting,
            waiting_since=counts.waiting_since,
            refused=counts.refused,
            dead_letters=counts.dead_letters,
            quarantine=counts.quarantine,
            watch_failed=watch_failed,
            disk_free=disk_free,
            open_files=open_files,
            alarms=counts.alarms,
            witnessing=self._look_at_witnesses(directory, now),
        )
        return {"checks": [check.as_dict() for check in examine(facts)]}

    def _look_at_witnesses(self, directory: Directory | None, now: int) -> WitnessFacts:
        """For the diagnosis: the same, and how long ago (ms) the last of them cosigned."""
        shown = self._standing.witnessed
        newest = max(shown.times.values(), default=0) if shown is not None else 0
        return WitnessFacts(**self._witnessing(directory), size=self._standing.checkpoint.size, age=now - newest)

    def _directory(self) -> Directory | None:
        try:
            return self._standing.directory
        except NotReady:
            return None

    def _key_problem(self, directory: Directory | None, now: int) -> str | None:
        """Why this node could not sign, or others could not seal for it; None when both work."""
        if directory is None:
            return None  # said by the check of the directory
        try:
            self._identity.signing_key(directory, now)
            sealing = directory.sealing_key(self._config.agency, now)
        except CrossbearingError as error:
            return error.message
        if sealing.key_id not in {key.key_id for key in self._identity.sealing_keys}:
            return f"others seal for the key {sealing.key_id.hex()}, which is not held here"
        return None

    def _look_at_files(self) -> tuple[int | None, tuple[str, ...], int, int]:
        """Certificate expiry, files open to others, bytes free, and documents refused by the watched folder."""
        config = self._config
        closed = (config.keystore, config.database, config.hub.key)
        open_files = tuple(path.name for path in closed if path.exists() and path.stat().st_mode & 0o077)
        failed = config.watch.folder / "failed"
        refused = sum(path.name.endswith(".problems.txt") for path in failed.iterdir()) if failed.is_dir() else 0
        return (
            expires(config.hub.certificate),
            open_files,
            shutil.disk_usage(config.home).free,
            refused,
        )


def program_version() -> str:
    """The installed version of the program."""
    try:
        return metadata.version("crossbearing")
    except metadata.PackageNotFoundError:
        return "not installed"  # run from a checkout


def _count(tables: Tables) -> _Counts:
    waiting = tables.alerts.page(Filter("out", state="waiting", limit=MAX_LOOKED_AT))
    return _Counts(
        waiting=tables.outbox.count_waiting(),
        exported=tables.outbox.count_exported(),
        notices=tables.held.notices,
        waiting_since=min((row.received for row in waiting), default=None),
        refused=tables.alerts.count("out", "refused"),
        unread=tables.alerts.count("in", "unread"),
        received=tables.alerts.count("in"),
        quarantine=tables.quarantine.count(),
        dead_letters=tables.jobs.count_dead(),
        alarms=tuple(tables.alarms.standing()),
    )


def _standing(directory: Directory | None, agency: str) -> Literal["active", "suspended", "unknown", "none"]:
    if directory is None or directory.document is None:
        return "none"
    known = directory.document.agencies.get(agency)
    return "unknown" if known is None else known.status
