"""The node's own diagnosis: facts in, checks out, each with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nodes.keys.expiry import ALARMS, URGENT, Ending, step
from nodes.service.ports import LinkState
from nodes.store.events import Alarm
from schemas.limits import CLOCK_SKEW_MS

__all__ = ["Check", "Facts", "examine"]

State = Literal["ok", "warning", "failed"]

NOTICEABLE_OFFSET_MS = 5_000
"""A clock this far off is not kept by NTP."""

LOW_DISK = 1 << 30
FULL_DISK = 100 << 20
"""Bytes free: below the first a person should look, below the second writes may soon be refused."""

UNWITNESSED_MS = 300_000
"""A log that grew, and whose newest quorum is older than five minutes, is watched by too few."""

SLOW_OUTBOX_MS = 300_000
"""An alert that waits for longer than five minutes, connected or not, is worth a look."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `hint` says what to do, and is empty when nothing is."""

    name: str
    state: State
    detail: str
    hint: str = ""

    def as_dict(self) -> dict[str, object]:
        """As the API shows it."""
        return {
            "name": self.name,
            "ok": self.state == "ok",
            "state": self.state,
            "detail": self.detail,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class WitnessFacts:
    """Who vouches for the log: `cosigned_by` of `quorum` needed, at `quorum_size` of `size` entries, `age` ms ago."""

    cosigned_by: int = 0
    quorum: int = 0
    quorum_size: int = 0
    size: int = 0
    age: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found at one moment, `now` (ms). `endings` come with the soonest first."""

    now: int
    link: LinkState
    hub: str
    agency: str
    directory: int
    standing: Literal["active", "suspended", "unknown", "none"]
    key_problem: str | None
    endings: tuple[Ending, ...]
    waiting: int
    waiting_since: int | None
    refused: int
    dead_letters: int
    quarantine: int
    watch_failed: int
    disk_free: int
    open_files: tuple[str, ...]
    alarms: tuple[Alarm, ...]
    witnessing: WitnessFacts = WitnessFacts()


def examine(facts: Facts) -> list[Check]:
    """Every check, whether it passed or not."""
    return [
        _hub(facts),
        _clock(facts),
        _directory(facts),
        _keys(facts),
        _expiry(facts),
        _witnesses(facts),
        _outbox(facts),
        _count(
            "handlers", facts.dead_letters, "deliveries given up", "List them: bearing dead-letters, then retry them."
        ),
        _count("quarantine", facts.quarantine, "items that failed a check", "List them: bearing quarantine."),
        _count(
            "watched folder",
            facts.watch_failed,
            "refused documents",
            "Read the .problems.txt files in watch/failed, correct the documents, and remove both.",
        ),
        _disk(facts),
        _files(facts),
        *(
            Check(f"alarm {alarm.code}", "failed", alarm.message, alarm.hint)
            for alarm in facts.alarms
            if alarm.code not in ALARMS  # the check of what ends says those
        ),
    ]


def _hub(facts: Facts) -> Check:
    if facts.link.connected:
        return Check("hub", "ok", f"connected to {facts.hub}")
    why = f": {facts.link.message}" if facts.link.message else ""
    return Check(
        "hub",
        "failed",
        f"not connected to {facts.hub}{why}",
        "Check the network and that the hub runs; what is sent meanwhile waits in the outbox.",
    )


def _clock(facts: Facts) -> Check:
    offset = facts.link.clock_offset
    hint = "Keep this machine's clock with NTP; the hub refuses what is more than five minutes off."
    if offset is None:
        return Check("clock", "warning", "not compared with the hub's yet", "Connect to the hub once.")
    if abs(offset) < NOTICEABLE_OFFSET_MS:
        return Check("clock", "ok", f"agrees with the hub's to {abs(offset)} ms")
    way = "behind" if offset > 0 else "ahead of"
    state: State = "failed" if abs(offset) > CLOCK_SKEW_MS else "warning"
    return Check("clock", state, f"{abs(offset) // 1_000} s {way} the hub's", hint)


def _directory(facts: Facts) -> Check:
    match facts.standing:
        case "none":
            return Check("directory", "failed", "no directory is held yet", "Connect to the hub once.")
        case "unknown":
            detail = f"{facts.agency} is no agency of directory version {facts.directory}"
            return Check("directory", "failed", detail, "Ask the governors to enter this agency.")
        case "suspended":
            detail = f"{facts.agency} is suspended in directory version {facts.directory}"
            return Check("directory", "failed", detail, "Ask the governors why, and when it ends.")
        case "active":
            return Check("directory", "ok", f"version {facts.directory}, {facts.agency} is active in it")


def _witnesses(facts: Facts) -> Check:
    shown = facts.witnessing
    hint = "Ask the hub's operator which witnesses are missing; alerts go on, but fewer than agreed vouch for the log."
    if not shown.quorum:
        return Check("witnesses", "ok", "the directory lists none")
    if not shown.quorum_size:
        return Check("witnesses", "warning", f"no checkpoint with the {shown.quorum} cosignatures needed", hint)
    detail = f"{shown.cosigned_by} cosigned the log at {shown.quorum_size} entries, {shown.quorum} are needed"
    if shown.size > shown.quorum_size and shown.age > UNWITNESSED_MS:
        return Check("witnesses", "warning", f"{detail}; nothing newer for {shown.age // 60_000} minutes", hint)
    return Check("witnesses", "ok", detail)


def _keys(facts: Facts) -> Check:
    if facts.key_problem is None:
        return Check("keys", "ok", "the directory lists the keys held here")
    return Check(
        "keys",
        "failed",
        facts.key_problem,
        "Have the agency's administrators publish the public keys of this node.",
    )


def _expiry(facts: Facts) -> Check:
    """Thirty days ahead, because renewing keys or metadata takes several people; the last day is a failure."""
    near = [(ending, reached) for ending in facts.endings if (reached := step(ending.at, facts.now)) is not None]
    if not near:
        return Check("expiry", "ok", "no key, certificate or directory role ends within 30 days")
    urgent = any(code in URGENT for _, (code, _) in near)
    detail = "; ".join(f"{ending.what} {words} ({ending.day})" for ending, (_, words) in near)
    hint = " ".join(dict.fromkeys(ending.hint for ending, _ in near))
    return Check("expiry", "failed" if urgent else "warning", detail, hint)


def _outbox(facts: Facts) -> Check:
    if facts.refused:
        return Check(
            "outbox",
            "warning",
            f"{facts.refused} sent {_alerts(facts.refused)} refused by the hub",
            "See why with `bearing sent`, then send a corrected one.",
        )
    if facts.waiting_since is not None and facts.now - facts.waiting_since > SLOW_OUTBOX_MS:
        minutes = (facts.now - facts.waiting_since) // 60_000
        return Check(
            "outbox",
            "warning",
            f"{facts.waiting} {_alerts(facts.waiting)} waiting, some for over {minutes} minutes",
            "They are sent by themselves once the hub takes them; check the connection.",
        )
    return Check("outbox", "ok", f"{facts.waiting} {_alerts(facts.waiting)} waiting")


def _alerts(count: int) -> str:
    return "alert" if count == 1 else "alerts"


def _count(name: str, count: int, what: str, hint: str) -> Check:
    if not count:
        return Check(name, "ok", "nothing to look at")
    return Check(name, "warning", f"{what}: {count}", hint)


def _disk(facts: Facts) -> Check:
    free = f"{facts.disk_free / (1 << 30):.1f} GiB free"
    if facts.disk_free >= LOW_DISK:
        return Check("disk", "ok", free)
    return Check(
        "disk",
        "failed" if facts.disk_free < FULL_DISK else "warning",
        free,
        "Free space: the node refuses new work when it cannot make it durable.",
    )


def _files(facts: Facts) -> Check:
    if not facts.open_files:
        return Check("file rights", "ok", "secrets are closed to other users")
    names = ", ".join(facts.open_files)
    return Check("file rights", "failed", f"other users can open {names}", f"Close them: chmod go= {names}")
