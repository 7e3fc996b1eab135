"""How the node is: `status` on one screen, `doctor` with what to do about what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from nodes.officer import words
from nodes.officer.failure import FAILED, UNREACHABLE
from nodes.officer.screen import Cell, Column, Screen
from nodes.officer.settings import Settings, command
from nodes.officer.when import SECOND, age, clock, now_ms
from schemas.errors import Unreachable

_CHECK_STYLES = {"ok": "good", "warning": "warn", "failed": "bad"}

NOTICEABLE_OFFSET_MS = 5_000
"""A clock this far off is worth a word; the hub refuses alerts at five minutes."""


@command("status")
def status(settings: Settings) -> None:
    """Show the node on one screen: connection, mail waiting, log, alarms."""
    answer = settings.node().status()
    screen = settings.screen()
    if screen.as_json:
        screen.data(answer)
        return
    screen.heading(f"{answer['name']} ({answer['agency']})")
    screen.fields(
        [
            ("Connection", _connection(answer)),
            ("Clock", _clock(answer.get("clock_offset_ms"))),
            ("Inbox", f"{answer['inbox']['unread']} unread of {answer['inbox']['total']}"),
            ("Outbox", _outbox(answer["outbox"])),
            ("Directory", f"version {answer['directory']['version']}, {answer['directory'].get('name') or 'unnamed'}"),
            ("Log", _log(answer)),
            ("Witnesses", _witnesses(answer["log"])),
            ("Quarantine", _some(answer["quarantine"], "item", "bearing quarantine")),
            ("Dead letters", _some(answer["dead_letters"], "delivery", "bearing dead-letters", "deliveries")),
            ("Program", f"version {answer['version']}"),
        ]
    )
    _alarms(screen, answer["alarms"])


@command("doctor")
@click.pass_context
def doctor(context: click.Context, settings: Settings) -> None:
    """Check the node and say what to do about what is wrong. Exit code 1 when a check failed, 5 when the node is away.

    Piped, each line holds, separated by tabs: ok, warning or failed; the check; what was found; what to do.
    """
    checks, away = _examined(settings)
    screen = settings.screen()
    if screen.as_json:
        screen.data({"checks": checks})
    elif screen.terminal:
        screen.table([Column("State"), Column("Check"), Column("Found", stretch=True, whole=True)], _advice(checks))
        failed, warned = (sum(check["state"] == word for check in checks) for word in ("failed", "warning"))
        screen.note(f"\n{words.count(len(checks), 'check')}: {failed} failed, {words.count(warned, 'warning')}.")
    else:
        columns = [Column(title) for title in ("State", "Check", "Detail", "Hint")]
        screen.table(
            columns, [[Cell(check[key] or "") for key in ("state", "name", "detail", "hint")] for check in checks]
        )
    if away:
        context.exit(UNREACHABLE)
    if any(check["state"] == "failed" for check in checks):
        context.exit(FAILED)


def _examined(settings: Settings) -> tuple[list[dict[str, Any]], bool]:
    """The node's own checks; or, when it is away, what can be seen from here. True when it is away."""
    try:
        return settings.node().doctor()["checks"], False
    except Unreachable as error:
        home = settings.socket_path.parent
        if not home.is_dir():
            found = ("failed", f"there is no directory {home}", "Name the node's home with --home or BEARING_HOME.")
        elif not (home / "node.toml").is_file():
            found = ("failed", f"{home} is no node's home", "Name another with --home, or make one: bearing node init.")
        else:
            found = ("ok", f"{home} is a node's home", "")
        return [_check("home", *found), _check("node", "failed", error.message, error.hint)], True


def _check(name: str, state: str, detail: str, hint: str) -> dict[str, Any]:
    return {"name": name, "ok": state == "ok", "state": state, "detail": detail, "hint": hint}


def _advice(checks: list[dict[str, Any]]) -> Iterator[list[Cell]]:
    for check in checks:
        state = Cell(check["state"], _CHECK_STYLES.get(check["state"], ""))
        yield [state, Cell(check["name"]), Cell(check["detail"] or "")]
        if check["state"] != "ok" and check["hint"]:
            yield [Cell(""), Cell(""), Cell(f"To do: {check['hint']}", "strong")]


def _connection(answer: dict[str, Any]) -> Cell:
    hub, since = answer.get("hub") or "the hub", answer.get("since")
    when = f" since {clock(since, now_ms())}" if since else ""
    if answer["connected"]:
        return Cell(f"connected to {hub}{when}", "good")
    return Cell(f"not connected to {hub}{when}; what you send waits in the outbox", "bad")


def _clock(offset: int | None) -> Cell:
    if offset is None:
        return Cell("not compared with the hub yet")
    if abs(offset) < NOTICEABLE_OFFSET_MS:
        return Cell("agrees with the hub")
    way = "behind" if offset > 0 else "ahead of"
    return Cell(f"{abs(offset) / SECOND:.0f} s {way} the hub: set this machine's clock", "warn")


def _outbox(outbox: dict[str, Any]) -> Cell:
    waiting, refused = outbox["waiting"], outbox["refused"]
    text = f"{waiting} waiting" if waiting else "nothing waiting"
    if exported := outbox.get("exported"):
        text = f"{text}, {'' if exported == waiting else f'{exported} of them '}exported for a courier"
    return Cell(f"{text}, {refused} refused (bearing sent)", "bad") if refused else Cell(text)


def _log(answer: dict[str, Any]) -> str:
    log, origin = answer["log"], answer.get("origin")
    if not log.get("size"):
        return "no checkpoint seen yet"
    seen = log.get("checkpoint_time")
    when = f", last checkpoint {age(seen, now_ms())}" if seen else ""
    position = f"; position {answer['position']}" if not answer["connected"] and answer.get("position") else ""
    return f"{log['size']} entries, verified{when}" + (f" ({origin})" if origin else "") + position


def _witnesses(log: dict[str, Any]) -> Cell:
    needed, size = log.get("quorum", 0), log.get("quorum_size", 0)
    if not needed:
        return Cell("none are listed in the directory")
    if not size:
        return Cell(f"quorum of {needed} not seen yet", "warn")
    return Cell(f"{log['cosigned_by']} cosigned {size} entries, {needed} are needed")


def _some(number: int, one: str, how: str, many: str | None = None) -> Cell:
    return Cell(f"{words.count(number, one, many)}; see `{how}`", "warn") if number else Cell("none")


def _alarms(screen: Screen, alarms: list[dict[str, Any]]) -> None:
    screen.line()
    if not alarms:
        screen.line("No alarms.")
        return
    screen.line(f"{words.count(len(alarms), 'alarm')}:", "bad")
    now = now_ms()
    for alarm in alarms:
        screen.fields(
            [(alarm["code"], f"{alarm['message']} ({age(alarm['time'], now)})"), ("", alarm.get("hint") or "")]
        )
