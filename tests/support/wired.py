"""An exchange whose hub and nodes each sit on a host of their own, with a `Wire` between them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from deploy.demo.exchange import EXAMPLE, Exchange, run, script
from deploy.demo.processes import Daemon, DaemonFailed
from tests.support.wire import Wire

BROKER = "broker"


class WiredExchange(Exchange):
    """Everything as in `Exchange`, but for where the daemons run."""

    def __init__(self, root: Path, agencies: Sequence[str], wire: Wire) -> None:
        super().__init__(root, agencies)
        self.wire = wire

    def limits(self, **seconds: int) -> None:
        """Change settings of the hub before it starts."""
        lines = "\n".join(f"{name} = {value}" for name, value in seconds.items())
        with (self.broker_data / "broker.toml").open("a", encoding="utf-8") as settings:
            settings.write(f"\n[limits]\n{lines}\n")

    def sessions(self) -> list[str]:
        """The agencies that the hub believes connected, as its control socket tells."""
        return list(json.loads(run("bearing-broker", "status", self.broker_data, "--json"))["sessions"])

    def broker_ready(self) -> bool:
        """Asked over the control socket: health and metrics are on the hub's own host only."""
        try:
            self.sessions()
        except DaemonFailed:
            return False
        return True

    def audit_fetch(self, copy: Path) -> None:
        """The auditor sits beside the first agency's node."""
        keys, host = EXAMPLE / "keys" / "auditor-1", self.wire.hosts[self.agencies[0]]
        command = host.command(
            *(script("bearing"), "audit", "fetch", copy, "--hub", f"https://127.0.0.1:{self.port}"),
            *("--cert", keys / "tls.crt", "--key", keys / "tls.key", "--ca", EXAMPLE / "ca.crt"),
            *("--log-vkey", self.vkey),
        )
        subprocess.run(command, check=True, capture_output=True)

    def _start(self, name: str, command: Sequence[str | Path]) -> Daemon:
        return super()._start(name, self.wire.hosts[name].command(*command))
