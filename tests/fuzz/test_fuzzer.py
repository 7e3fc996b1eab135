"""The fuzzer itself, for a few seconds over all targets: what the corpus does not hold yet is looked for each time."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS

SECONDS = 5


def test_a_few_seconds_of_fuzzing_break_no_promise(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.run", "any", str(tmp_path), f"-max_total_time={SECONDS}"]
    options = ["-rss_limit_mb=1024", "-timeout=60", f"-artifact_prefix={tmp_path}/broken-", "-print_final_stats=1"]
    ended = subprocess.run([*command, *options], capture_output=True, text=True, errors="replace", timeout=110)
    broken = {path.name: path.read_bytes().hex()[:400] for path in tmp_path.glob("broken-*")}
    assert ended.returncode == 0, f"{broken}\n{ended.stderr[-3_000:]}"
    executed = re.search(r"stat::number_of_executed_units:\s*([0-9]+)", ended.stderr)
    assert executed is not None
    assert int(executed[1]) > len(TARGETS)
