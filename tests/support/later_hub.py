"""A hub whose clock is ahead: `python -m tests.support.later_hub DATA DAYS`, for what takes weeks to come about."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from broker.config import load_config
from broker.hub import now_ms, run_hub
from broker.logs import configure_logs
from schemas.limits import DAY_MS


def main() -> None:
    """Run until SIGTERM."""
    data, ahead = Path(sys.argv[1]), round(float(sys.argv[2]) * DAY_MS)
    config = load_config(data)
    configure_logs(config.log_level)
    asyncio.run(run_hub(config, lambda: now_ms() + ahead))


if __name__ == "__main__":
    main()
