"""Runs seeds: `python -m tests.simulation.run 200`, `100-299`, or `--seed 17` to see one in full."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulation.plan import KINDS, make_plan
from tests.simulation.world import Outcome, simulate

FRESH = 1 << 32


def seeds_of(text: str) -> range:
    """`100-299` is that range; `200` is so many fresh ones."""
    first, dash, last = text.partition("-")
    if dash:
        return range(int(first), int(last) + 1)
    start = secrets.randbelow(FRESH)
    return range(start, start + int(first))


def run_seed(seed: int, *, without: Sequence[str], only: Sequence[str]) -> Outcome:
    """One seed without a trace."""
    return simulate(make_plan(seed, without=without, only=only))


def outcomes(seeds: range, jobs: int, run: partial[Outcome]) -> Iterator[Outcome]:
    """The outcomes in the order of the seeds."""
    if jobs == 1:
        yield from map(run, seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(run, seeds, chunksize=4)


def replay_line(outcome: Outcome, without: Sequence[str], only: Sequence[str]) -> str:
    """The one line that shows a failing seed again."""
    options = [f"--without {','.join(without)}"] if without else []
    options += [f"--only {','.join(only)}"] if only else []
    more = f' OPTIONS="{" ".join(options)}"' if options else ""
    return f"make simulate SEED={outcome.seed}{more}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, report, and say how to see a failure again. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("seeds", nargs="?", help="how many fresh seeds, or a range FIRST-LAST")
    parser.add_argument("--seed", type=int, help="one seed, with everything that happens")
    parser.add_argument("--quiet", action="store_true", help="with --seed: only the verdict")
    parser.add_argument("--without", default="", help="kinds of trouble to leave out, with commas between")
    parser.add_argument("--only", default="", help="kinds of trouble to keep")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    without, only = (tuple(filter(None, text.split(","))) for text in (given.without, given.only))
    if unknown := {*without, *only} - set(KINDS):
        parser.error(f"no such kind of trouble: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    if given.seed is not None:
        return _one(given.seed, without, only, quiet=given.quiet)
    if not given.seeds:
        parser.error("say how many seeds, or which")
    return _many(seeds_of(given.seeds), without, only, given.jobs)


def _one(seed: int, without: Sequence[str], only: Sequence[str], *, quiet: bool) -> int:
    plan = make_plan(seed, without=without, only=only)
    print(
        f"seed {seed}: {len(plan.agencies)} agencies, {len(plan.acts)} acts in {plan.length:.0f} s, "
        f"{len(plan.troubles)} troubles of {', '.join(plan.kinds) or 'no kind'}"
    )
    outcome = simulate(plan, trace=None if quiet else print)
    print(f"{outcome.size} entries, {outcome.seconds:.0f} s simulated, {outcome.counts}, events {outcome.digest}")
    for violation in outcome.violations:
        print(f"VIOLATED {violation}")
    return 1 if outcome.violations else 0


def _many(seeds: range, without: Sequence[str], only: Sequence[str], jobs: int) -> int:
    print(f"seeds {seeds.start}-{seeds.stop - 1}", flush=True)
    began, failed, totals, simulated = time.monotonic(), 0, Counter[str](), 0.0
    run = partial(run_seed, without=without, only=only)
    for outcome in outcomes(seeds, jobs, run):
        totals.update(outcome.counts)
        totals["entries"] += outcome.size
        simulated += outcome.seconds
        if outcome.violations:
            failed += 1
            print(f"seed {outcome.seed}: {outcome.violations[0]}")
            print(f"  {replay_line(outcome, without, only)}", flush=True)
    took = time.monotonic() - began
    print(
        f"{len(seeds)} seeds in {took:.0f} s ({len(seeds) / took:.1f}/s), {simulated / 3600:.0f} h simulated; "
        f"{', '.join(f'{count} {name}' for name, count in sorted(totals.items()))}"
    )
    print(f"{failed} of {len(seeds)} seeds failed" if failed else "no invariant was violated")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
