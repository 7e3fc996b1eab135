"""The production hub of a data directory, by a clock that is set: `python -m benchmarks.scale.serve DATA OFFSET_MS`."""

from __future__ import annotations

import sys
from pathlib import Path

import uvloop

from broker.config import load_config
from broker.hub import now_ms, run_hub
from broker.logs import configure_logs


def main() -> None:
    """Run until SIGTERM; `OFFSET_MS` is what the hub's time is ahead of this machine's."""
    config, offset = load_config(Path(sys.argv[1])), int(sys.argv[2])
    configure_logs("warning")
    uvloop.run(run_hub(config, lambda: now_ms() + offset))


if __name__ == "__main__":
    main()
