"""The hub as `bearing-broker run` runs it, in a process that can be asked what its garbage collector took.

python -m benchmarks.brokers.hub DATA
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvloop

from benchmarks.brokers.collecting import tell_collections
from broker.config import load_config
from broker.hub import run_hub
from broker.logs import configure_logs


def main() -> None:
    """Run it until told to stop."""
    config = load_config(Path(sys.argv[1]))
    configure_logs(config.log_level)
    tell_collections()
    uvloop.run(run_hub(config))


if __name__ == "__main__":
    main()
