"""Run the scenario under a sampling profiler, and say where the processor time of a delivery goes.

python -m benchmarks.profile [--seconds 12] [--alerts 4000] [--to FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.brokers.collecting import FOLDER, collected
from benchmarks.brokers.crossbearing import Crossbearing
from benchmarks.brokers.plan import WARM_UP, alerts_for
from benchmarks.brokers.processes import end_in_order
from benchmarks.brokers.scenario import Scenario
from benchmarks.machine import machine
from benchmarks.profile.sampling import sampled, spent
from benchmarks.profile.stages import read_samples, share_out

FILE = "profile.json"
RECIPIENTS = 30


@dataclass(frozen=True, slots=True)
class Profile:
    """µs of a delivery, by party: of each stage, and of the garbage collector, which runs inside the stages."""

    stages: dict[str, dict[str, float]]
    collections: dict[str, float]


def profile(seconds: float, most: int, folder: Path) -> Profile:
    """Run one round. Raises RuntimeError."""
    with Crossbearing().running(RECIPIENTS) as running:
        pilot = running.run(Scenario(WARM_UP, RECIPIENTS, RECIPIENTS))
        alerts = alerts_for(pilot.rate / RECIPIENTS, seconds, most)
        scenario = Scenario(alerts, RECIPIENTS, RECIPIENTS, first=WARM_UP)
        pids = dict(zip(("hub", "sender", "recipients"), running.pids, strict=True))
        with sampled(pids, folder) as files:
            collections = {party: -collected(pid, folder) for party, pid in pids.items()}
            before = {party: spent(pid) for party, pid in pids.items()}
            running.run(scenario)
            used = {party: spent(pid) - before[party] for party, pid in pids.items()}
            for party, pid in pids.items():
                collections[party] += collected(pid, folder)
        each = 1e6 / scenario.deliveries
        stages = {}
        for party, file in files.items():
            samples = read_samples(file.read_text(encoding="utf-8").splitlines())
            shares = share_out(samples, used[party].main, used[party].others)
            stages[party] = {stage: part * each for stage, part in shares.items()}
        return Profile(stages, {party: seconds * each for party, seconds in collections.items()})


def main() -> None:
    """Parse the command line, profile, keep the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--alerts", type=int, default=4_000, help="at most")
    parser.add_argument("--to", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    end_in_order()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        os.environ[FOLDER] = folder  # for the processes that are started
        made = profile(options.seconds, options.alerts, Path(folder))
    for party, shares in made.stages.items():
        print(f"{party}: {sum(shares.values()):,.0f} µs of a delivery", flush=True)
        for stage, part in sorted(shares.items(), key=lambda item: -item[1]):
            print(f"  {part:8.1f}  {stage}", flush=True)
    options.to.mkdir(parents=True, exist_ok=True)
    value = {"machine": machine(), "stages": made.stages, "collections": made.collections}
    (options.to / FILE).write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
