"""A process with production nodes in it, and all they do: stores, checks, witnesses, local APIs.

    python -m benchmarks.brokers.nodes ROOT AGENCY…

It ends with SIGTERM.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from benchmarks.brokers.collecting import tell_collections
from benchmarks.logs import keep_silent
from deploy.demo.exchange import PASSPHRASE
from nodes.config import load_config
from nodes.daemon import COLLECT_AFTER, run_node
from nodes.keystore import read_keystore


async def run(root: Path, agencies: Sequence[str]) -> None:
    """Run the nodes of these agencies until told to stop."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with asyncio.TaskGroup() as nodes:
        for agency in agencies:
            config = load_config(root / "nodes" / agency)
            seeds = await asyncio.to_thread(read_keystore, config.keystore, PASSPHRASE.encode())
            nodes.create_task(run_node(config, seeds, stop=stop))


def main() -> None:
    """Run what the command line names."""
    keep_silent()
    gc.freeze()  # as `bearing node run` does once everything is imported
    gc.set_threshold(COLLECT_AFTER)
    tell_collections()
    uvloop.run(run(Path(sys.argv[1]), sys.argv[2:]))


if __name__ == "__main__":
    main()
