"""`make kill` and `make soak`: python -m tests.endurance kill|soak."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Sequence

from deploy.demo.exchange import CHECKOUT
from deploy.demo.processes import DaemonFailed
from tests.endurance import kill

ROOT = CHECKOUT / ".endurance"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of them; the exit status."""
    options = _options(arguments)
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    seconds = options.minutes * 60
    replay = f"make kill MINUTES={options.minutes:g} NODES={options.nodes} SEED={seed}"
    say(f"{options.nodes} nodes, {options.minutes:g} minutes, seed {seed}, {os.cpu_count()} processors")
    try:
        outcome = kill.run(ROOT / "kill", seed=seed, seconds=seconds, nodes=options.nodes, say=say)
    except (DaemonFailed, AssertionError) as failure:
        say(f"FAILED: {failure}")
        say(f"everything is kept in {ROOT / 'kill'}\nthe same blows again: {replay}")
        return 1
    say(f"{'kills':<12} {outcome.kills} SIGKILL, {outcome.of_broker} of them at the hub; audits {outcome.audits}")
    for name, text in outcome.books.rows():
        say(f"{name:<12} {text}")
    for wrong in (*outcome.books.wrong[:50], *outcome.refused[:50]):
        say(f"WRONG: {wrong}")
    say("all counts are equal" if outcome.even else f"THE COUNTS DIFFER; everything is kept in {ROOT / 'kill'}")
    say(f"the same blows again: {replay}")
    return 0 if outcome.even else 1


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
    killing.add_argument("--seed", type=int)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
