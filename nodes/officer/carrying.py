"""When the line is down: alerts and receipts on removable media, by courier."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from nodes.officer import words
from nodes.officer.medium import read_medium, write_medium
from nodes.officer.settings import Settings, command
from nodes.officer.when import clock, now_ms

_ANY = click.Path(path_type=Path)


@command("export")
@click.argument("file", type=_ANY)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def export(settings: Settings, file: Path, force: bool) -> None:
    """Write FILE, a name or a folder, with all that waits for the hub, for a courier to take there.

    The file is sealed for the hub and signed by this agency: whoever finds it learns nothing, and can change nothing.
    What is in it stays in the outbox until the hub has answered, so if the line comes back first, nothing is doubled.
    """
    node, screen = settings.node(), settings.screen()
    summary, pieces = node.export_file()
    target = _target(file, summary["agency"])
    write_medium(target, pieces, replace=force)
    if screen.as_json:
        screen.data({"file": str(target), **summary})
        return
    what = _contents(summary) or "nothing waits here; it asks what waits at the hub"
    screen.line(f"{target}, {summary['bytes']:,} bytes: {what}.", "good")
    if summary["forbidden"]:
        screen.line(
            f"{words.count(summary['forbidden'], 'alert')} stayed here: the governors do not let alerts be carried.",
            "warn",
        )
    if summary["left"]:
        screen.line(
            f"{words.count(summary['left'], 'alert')} did not fit; export again when these are through.", "warn"
        )
    screen.note("Have it taken to the hub, whose operator runs: bearing-broker import DATA " + target.name)
    screen.note("Then import here the file that comes back: bearing import FILE")


@command("import")
@click.argument("file", type=_ANY)
def import_file(settings: Settings, file: Path) -> None:
    """Take in FILE, which the hub wrote and a courier brought.

    Every alert in it passes the same checks as by the line. To import a file again is harmless, and older files and
    newer ones may come in any order.
    """
    node, screen = settings.node(), settings.screen()
    brought = node.import_file(read_medium(file))
    if screen.as_json:
        screen.data(brought)
        return
    new = f"New: {_contents(brought)}." if _contents(brought) else "Nothing in it is new."
    screen.line(f"{new} The file was made {clock(brought['made'], now_ms())}.", "good")
    if brought["accepted"] or brought["refused"]:
        told = f"Of what you sent, {words.count(brought['accepted'], 'alert')} entered the log"
        refused = f", {brought['refused']} refused (bearing sent)" if brought["refused"] else ""
        screen.line(f"{told}{refused}.", "warn" if brought["refused"] else "good")
    if brought["quarantined"]:
        screen.line(f"{words.count(brought['quarantined'], 'item')} failed a check; see `bearing quarantine`.", "bad")
    if brought["older"]:
        screen.note("It is older than what this node holds, so most of it came before.")
    if brought["alerts"]:
        screen.note("Read them: bearing inbox. Your receipts go by the line, or with the next `bearing export`.")


def _target(path: Path, agency: str) -> Path:
    """The file itself, or a name of its own in a folder."""
    if not path.is_dir():
        return path
    return path / f"{agency}-to-hub-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.carrier"


def _contents(found: dict[str, Any]) -> str:
    """What there is of it: `2 alerts, 1 receipt`; empty for nothing."""
    kinds = [kind for kind in ("alert", "receipt", "attachment") if found[f"{kind}s"]]
    return ", ".join(words.count(found[f"{kind}s"], kind) for kind in kinds)
