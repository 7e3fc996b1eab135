"""`make kill` and `make soak`: python -m tests.endurance kill|soak."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.demo.exchange import CHECKOUT, example_agencies
from deploy.demo.processes import DaemonFailed
from tests.endurance import kill, soak
from tests.endurance.balance import Balance

ROOT = CHECKOUT / ".endurance"
SHOWN = 50
"""Wrong things listed; they are all counted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of them; the exit status."""
    options = _options(arguments)
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    root = ROOT / options.command
    say(f"{options.nodes} nodes, {options.minutes:g} minutes, seed {seed}, {os.cpu_count()} processors")
    try:
        passed = (_kill if options.command == "kill" else _soak)(root, options, seed)
    except DaemonFailed as failure:
        say(f"FAILED: {failure}")
        passed = False
    if not passed:
        say(f"everything is kept in {root}")
    say(f"once more: make {options.command} MINUTES={options.minutes:g} NODES={options.nodes} SEED={seed}")
    return 0 if passed else 1


def _kill(root: Path, options: argparse.Namespace, seed: int) -> bool:
    outcome = kill.run(root, seed=seed, seconds=options.minutes * 60, nodes=options.nodes, say=say)
    say(f"{'kills':<12} {outcome.kills} SIGKILL, {outcome.of_broker} of them at the hub; {outcome.audits} audits")
    _count(outcome.books, outcome.refused)
    return outcome.even


def _soak(root: Path, options: argparse.Namespace, seed: int) -> bool:
    outcome = soak.run(root, seed=seed, seconds=options.minutes * 60, nodes=options.nodes, say=say)
    _count(outcome.books, outcome.refused)
    for thing in outcome.growing:
        say(f"GROWS: {thing}")
    if not outcome.growing:
        say("nothing that is judged grows")
    if options.minutes * 60 < soak.JUDGED_FROM:
        say(f"memory and latency are judged from {soak.JUDGED_FROM / 60:.0f} minutes on; until then caches still fill")
    return outcome.passed


def _count(books: Balance, refused: Sequence[str]) -> None:
    for name, text in books.rows():
        say(f"{name:<12} {text}")
    wrong = [*books.wrong, *refused]
    for line in wrong[:SHOWN]:
        say(f"WRONG: {line}")
    if len(wrong) > SHOWN:
        say(f"and {len(wrong) - SHOWN} more")
    say("all counts are equal" if books.even else "THE COUNTS DIFFER, or something is wrong")


def say(text: str) -> None:
    """One line of the account, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.endurance", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    killing = commands.add_parser("kill", help="SIGKILL under load, then compare all counts")
    killing.add_argument("--minutes", type=float, default=10.0)
    killing.add_argument("--nodes", type=int, default=6, choices=range(2, len(kill.AGENCIES) + 1))
    soaking = commands.add_parser("soak", help="31 nodes under an even load; what they take must stay flat")
    soaking.add_argument("--minutes", type=float, default=60.0)
    soaking.add_argument("--nodes", type=int, default=31, choices=range(2, len(example_agencies()) + 1))
    for command in (killing, soaking):
        command.add_argument("--seed", type=int)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
