"""In the two modules that decide, no check can be removed without a test that fails."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.mutation.modules import ROOT

DECIDING = ("broker/admission.py", "schemas/envelope/opening.py")


@pytest.mark.timeout(600)  # about eighty small runs of tests, each in a process of its own
def test_every_removed_check_is_noticed() -> None:
    command = [sys.executable, "-m", "tests.mutation.removals", "--checks", *DECIDING]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = re.findall(r"^(\S+): (\d+) removals, (\d+) noticed$", done.stdout, re.MULTILINE)
    assert [module for module, _, _ in counts] == list(DECIDING)
    assert all(int(removed) == int(noticed) >= 30 for _, removed, noticed in counts)
