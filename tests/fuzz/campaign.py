"""Fuzz every target for its share of the time, and tell what came of it.

    python -m tests.fuzz.campaign SECONDS [TARGET …]

A line for each target: executions, how much of the code it reached, and findings. What was found stays in the folder
named at the end; exits with 1 if any input broke a promise.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.targets import TARGETS

OPTIONS = ("-rss_limit_mb=1536", "-timeout=20", "-max_len=65536", "-print_final_stats=1", "-verbosity=1")
_DONE = re.compile(r"stat::number_of_executed_units:\s*([0-9]+)")
_COVERED = re.compile(r"cov: ([0-9]+)")


def fuzz(name: str, seconds: int, folder: Path) -> tuple[str, bool]:
    """Fuzz one target in a process of its own; the line that tells of it, and whether nothing was found."""
    found, broken = folder / name, folder / "broken" / name
    found.mkdir(parents=True)
    broken.mkdir(parents=True)
    command = [sys.executable, "-m", "tests.fuzz.run", name, str(found), *OPTIONS]
    command += [f"-max_total_time={seconds}", f"-artifact_prefix={broken}/"]
    ended = subprocess.run(command, capture_output=True, text=True, errors="replace")
    (folder / f"{name}.log").write_text(ended.stdout + ended.stderr, "utf-8")
    done = _DONE.findall(ended.stderr) or ["?"]
    covered = _COVERED.findall(ended.stderr) or ["?"]
    good = ended.returncode == 0
    words = "nothing broke" if good else f"BROKE (exit {ended.returncode}): {folder}/{name}.log"
    return f"{name}\t{done[-1]}\t{covered[-1]}\t{len(list(found.iterdir()))}\t{words}", good


def main() -> int:
    """Exit code 1 if an input broke a promise."""
    seconds, names = int(sys.argv[1]), sys.argv[2:] or sorted(TARGETS)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    share = max(1, seconds // len(names))
    print(f"{len(names)} targets, {share} s each\ntarget\texecutions\tedges\tnew inputs\toutcome")
    whole = True
    for name in names:
        line, good = fuzz(name, share, folder)
        print(line, flush=True)
        whole &= good
    print(f"what was found is in {folder}")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
