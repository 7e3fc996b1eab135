from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nodes.keys.expiry import ALARMS, Ending
from nodes.service.doctor import FULL_DISK, LOW_DISK, UNWITNESSED_MS, Check, Facts, WitnessFacts, examine
from nodes.service.ports import LinkState
from nodes.store.events import Alarm

NOW = 1_790_000_000_000
DAY_MS = 86_400_000


def ends(**after: int) -> tuple[Ending, ...]:
    return tuple(Ending(what, NOW + ms, f"Renew {what}.") for what, ms in after.items())


HEALTHY = Facts(
    now=NOW,
    link=LinkState(connected=True, since=NOW - 1, clock_offset=40),
    hub="wss://hub.example/session",
    agency="sg-cnb",
    directory=33,
    standing="active",
    key_problem=None,
    endings=(Ending("the signing key", NOW + 400 * DAY_MS, "Rotate it."),),
    waiting=0,
    waiting_since=None,
    refused=0,
    dead_letters=0,
    quarantine=0,
    watch_failed=0,
    disk_free=LOW_DISK,
    open_files=(),
    alarms=(),
)


@pytest.mark.parametrize(
    ("shown", "state", "words"),
    [
        (WitnessFacts(), "ok", "lists none"),
        (WitnessFacts(0, 21, 0, 50), "warning", "no checkpoint with the 21"),
        (WitnessFacts(30, 21, 50, 50, 900_000), "ok", "30 cosigned the log at 50 entries, 21 are needed"),
        (WitnessFacts(30, 21, 40, 50, UNWITNESSED_MS), "ok", "40 entries"),
        (WitnessFacts(30, 21, 40, 50, UNWITNESSED_MS + 60_000), "warning", "nothing newer for 6 minutes"),
    ],
)
def test_who_vouches_for_the_log(shown: WitnessFacts, state: str, words: str) -> None:
    found = check("witnesses", witnessing=shown)
    assert found.state == state
    assert words in found.detail


def check(name: str, **changes: Any) -> Check:
    (found,) = [check for check in examine(replace(HEALTHY, **changes)) if check.name == name]
    return found


def test_a_healthy_node() -> None:
    checks = examine(HEALTHY)
    assert {check.state for check in checks} == {"ok"}
    assert len({check.name for check in checks}) == len(checks) == 12
    assert checks[0].as_dict() == {
        "name": "hub",
        "ok": True,
        "state": "ok",
        "detail": "connected to wss://hub.example/session",
        "hint": "",
    }


@pytest.mark.parametrize(
    ("name", "changes", "state", "detail"),
    [
        ("hub", {"link": LinkState(False, code="unreachable", message="refused")}, "failed", "session: refused"),
        ("hub", {"link": LinkState(False)}, "failed", "not connected to wss://hub.example/session"),
        ("clock", {"link": LinkState(True)}, "warning", "not compared"),
        ("clock", {"link": LinkState(True, clock_offset=-4_999)}, "ok", "4999 ms"),
        ("clock", {"link": LinkState(True, clock_offset=5_000)}, "warning", "5 s behind the hub's"),
        ("clock", {"link": LinkState(True, clock_offset=-300_001)}, "failed", "300 s ahead of the hub's"),
        ("directory", {"standing": "none"}, "failed", "no directory"),
        ("directory", {"standing": "unknown"}, "failed", "sg-cnb is no agency of directory version 33"),
        ("directory", {"standing": "suspended"}, "failed", "sg-cnb is suspended"),
        ("keys", {"key_problem": "no key is valid"}, "failed", "no key is valid"),
        ("expiry", {"endings": ends(a=30 * DAY_MS + 1)}, "ok", "within 30 days"),
        ("expiry", {"endings": ends(a=30 * DAY_MS)}, "warning", "a ends within 30 days (2026-10-21)"),
        (
            "expiry",
            {"endings": ends(b=2 * DAY_MS, a=29 * DAY_MS)},
            "warning",
            "b ends within 7 days (2026-09-23); a ",
        ),
        ("expiry", {"endings": ends(a=DAY_MS)}, "failed", "a ends within a day (2026-09-22)"),
        ("expiry", {"endings": ends(a=0)}, "failed", "a has ended (2026-09-21)"),
        ("outbox", {"waiting": 1, "waiting_since": NOW - 300_000}, "ok", "1 alert waiting"),
        ("outbox", {"waiting": 2, "waiting_since": NOW - 300_001}, "warning", "2 alerts waiting, some for over 5 min"),
        ("outbox", {"refused": 1}, "warning", "1 sent alert refused"),
        ("handlers", {"dead_letters": 3}, "warning", "deliveries given up: 3"),
        ("quarantine", {"quarantine": 2}, "warning", "items that failed a check: 2"),
        ("watched folder", {"watch_failed": 1}, "warning", "refused documents: 1"),
        ("disk", {"disk_free": LOW_DISK - 1}, "warning", "1.0 GiB free"),
        ("disk", {"disk_free": FULL_DISK - 1}, "failed", "0.1 GiB free"),
        ("file rights", {"open_files": ("keystore", "node.key")}, "failed", "keystore, node.key"),
        ("alarm fork", {"alarms": (Alarm("fork", "two histories", "Call.", NOW),)}, "failed", "two histories"),
    ],
)
def test_what_is_wrong_is_named_with_a_remedy(name: str, changes: dict[str, Any], state: str, detail: str) -> None:
    found = check(name, **changes)
    assert found.state == state
    assert detail in found.detail
    assert bool(found.hint) is (state != "ok")
    assert found.as_dict()["ok"] is (state == "ok")


def test_what_ends_is_said_once() -> None:
    alarms = tuple(Alarm(code, "the signing key ends", "Renew it.", NOW) for code in ALARMS)
    assert not [found for found in examine(replace(HEALTHY, alarms=alarms)) if found.name.startswith("alarm")]
