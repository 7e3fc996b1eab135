"""Write `schemas/vectors`, or check that the committed files are current.

    python -m tests.vectors.generate           write every file
    python -m tests.vectors.generate --check   change nothing; exit 1 and name the files that differ

All bytes follow from the example seeds and this code, except what libraries draw at random: openers, the stream
header of a sealed attachment and ML-DSA-44 signatures. Those stand in `fixed.json`, are kept as they are while they
still open or verify, and are made anew only when they do not.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.vectors import (
    attachment_cases,
    checkpoint_cases,
    directory_cases,
    disclosure_cases,
    envelope_cases,
    log_cases,
    routing_cases,
    witness_cases,
)
from tests.vectors.fixed import Fixed

ROOT = Path(__file__).resolve().parents[2] / "schemas" / "vectors"
FIXED = ROOT / "fixed.json"


def generate() -> dict[str, bytes]:
    """Every generated file by its path below `schemas/vectors`."""
    fixed = Fixed.load(json.loads(FIXED.read_bytes()) if FIXED.exists() else {})
    files: dict[str, Any] = {}
    parts = (
        envelope_cases,
        directory_cases,
        routing_cases,
        attachment_cases,
        checkpoint_cases,
        witness_cases,
        disclosure_cases,
        log_cases,
    )
    for cases in parts:
        files |= cases.files(fixed)
    files["fixed.json"] = fixed.dump()
    return {name: (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode() for name, value in files.items()}


def differences(made: dict[str, bytes]) -> list[str]:
    """The files that are missing, left over, or other than they would be written."""
    found = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in ROOT.rglob("*.json")}
    return sorted(name for name in made.keys() | found.keys() if made.get(name) != found.get(name))


def main() -> int:
    """Write or check, as the command line says."""
    made = generate()
    changed = differences(made)
    if "--check" in sys.argv[1:]:
        sys.stderr.writelines(f"not current: schemas/vectors/{name}\n" for name in changed)
        return 1 if changed else 0
    for name in changed:
        path = ROOT / name
        if name in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(made[name])
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
