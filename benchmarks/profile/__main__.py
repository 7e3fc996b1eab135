"""Run the scenario under a sampling profiler, and say where the processor time of a delivery goes.

python -m benchmarks.profile [--seconds 12] [--alerts 4000] [--to FOLDER]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.brokers.crossbearing import Crossbearing
from benchmarks.brokers.plan import WARM_UP, alerts_for
from benchmarks.brokers.scenario import Scenario
from benchmarks.machine import machine
from benchmarks.profile.sampling import sampled, spent
from benchmarks.profile.stages import read_samples, share_out

FILE = "profile.json"
RECIPIENTS = 30


def profile(seconds: float, most: int) -> dict[str, dict[str, float]]:
    """µs of a delivery by party and stage. Raises RuntimeError."""
    with Crossbearing().running(RECIPIENTS) as running, tempfile.TemporaryDirectory() as folder:
        pilot = running.run(Scenario(WARM_UP, RECIPIENTS, RECIPIENTS))
        alerts = alerts_for(pilot.rate / RECIPIENTS, seconds, most)
        scenario = Scenario(alerts, RECIPIENTS, RECIPIENTS, first=WARM_UP)
        pids = dict(zip(("hub", "sender", "recipients"), running.pids, strict=True))
        with sampled(pids, Path(folder)) as files:
            before = {party: spent(pid) for party, pid in pids.items()}
            running.run(scenario)
            used = {party: spent(pid) - before[party] for party, pid in pids.items()}
        stages = {}
        for party, file in files.items():
            samples = read_samples(file.read_text(encoding="utf-8").splitlines())
            shares = share_out(samples, used[party].main, used[party].others)
            stages[party] = {stage: part / scenario.deliveries * 1e6 for stage, part in shares.items()}
        return stages


def main() -> None:
    """Parse the command line, profile, keep the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--alerts", type=int, default=4_000, help="at most")
    parser.add_argument("--to", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    stages = profile(options.seconds, options.alerts)
    for party, shares in stages.items():
        print(f"{party}: {sum(shares.values()):,.0f} µs of a delivery", flush=True)
        for stage, part in sorted(shares.items(), key=lambda item: -item[1]):
            print(f"  {part:8.1f}  {stage}", flush=True)
    options.to.mkdir(parents=True, exist_ok=True)
    value = {"machine": machine(), "stages": stages}
    (options.to / FILE).write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
