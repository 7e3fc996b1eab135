"""One exchange on loopback: its folders, broker and nodes, built from keys and a directory like `certs/example/`."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from deploy.demo import processes
from deploy.demo.processes import Daemon
from nodes.client import NodeClient
from schemas.errors import CrossbearingError

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLE = CHECKOUT / "certs" / "example"
PASSPHRASE = "worthless, as everything in the example"  # noqa: S105 -- the example keys are public


def example_agencies() -> list[str]:
    """The ids of the example's 31 agencies, as the generator of the example lists them."""
    listed = yaml.safe_load((EXAMPLE / "agencies.yaml").read_text(encoding="utf-8"))
    return [agency["id"] for agency in listed["agencies"]]


class Exchange:
    """A broker and nodes under `root`; every daemon has its own directory, keys, certificate and connection.

    `example` is the folder with the keys and the directory: what `certs/example/generate.py` writes.
    """

    def __init__(self, root: Path, agencies: Sequence[str] | None = None, *, example: Path = EXAMPLE) -> None:
        self.root = root
        self.example = example
        self.agencies = list(agencies) if agencies is not None else example_agencies()
        self.broker_data = root / "broker"
        self.broker_command: Sequence[str | Path] = (script("bearing-broker"), "run")
        """What starts the broker, with its data directory behind it."""
        self.logs = root / "logs"
        self.pids = root / "daemons.json"
        self.passphrase = root / "passphrase"
        self.daemons: dict[str, Daemon] = {d.name: d for d in processes.recall(self.pids)}

    def home(self, agency: str) -> Path:
        """The node's directory."""
        return self.root / "nodes" / agency

    def client(self, agency: str) -> NodeClient:
        """A client of the node's local API."""
        return NodeClient(self.home(agency) / "node.sock")

    @property
    def vkey(self) -> str:
        """The log's verifier key, as `bearing-broker init` printed it."""
        return (self.root / "log.vkey").read_text(encoding="utf-8").strip()

    @property
    def port(self) -> int:
        """Where the broker listens."""
        return int((self.root / "port").read_text(encoding="utf-8"))

    @property
    def metrics_port(self) -> int:
        """Where the broker's health and metrics listen."""
        return int((self.root / "metrics-port").read_text(encoding="utf-8"))

    def create(self) -> None:
        """Make the broker's and every node's directory afresh, with the commands an operator would use."""
        if self.root.exists():
            shutil.rmtree(self.root)
        self.logs.mkdir(parents=True)
        self.passphrase.touch(mode=0o600)
        self.passphrase.write_text(PASSPHRASE, encoding="utf-8")
        port, metrics_port = _free_ports(2)
        (self.root / "port").write_text(str(port), encoding="utf-8")
        (self.root / "metrics-port").write_text(str(metrics_port), encoding="utf-8")
        keys = self.example / "keys" / "broker"
        printed = run(
            *("bearing-broker", "init", self.broker_data, "--repository", self.example / "repository"),
            *("--tls-cert", keys / "tls.crt", "--tls-key", keys / "tls.key", "--ca", self.example / "ca.crt"),
            *("--log-seed", keys / "log.seed", "--log-mldsa-seed", keys / "log-mldsa.seed"),
            *("--listen", f"127.0.0.1:{port}"),
            *("--metrics", f"127.0.0.1:{metrics_port}"),
        )
        vkey = next(word for word in printed.split() if word.startswith("crossbearing.example/log+"))
        (self.root / "log.vkey").write_text(vkey, encoding="utf-8")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(self.create_node, self.agencies))

    def create_node(self, agency: str) -> None:
        """Make one node's directory."""
        keys = self.example / "keys" / agency
        run(
            *("bearing", "node", "init", self.home(agency), "--agency", agency),
            *("--hub", f"wss://127.0.0.1:{self.port}/session", "--ca", self.example / "ca.crt"),
            *("--tls-cert", keys / "tls.crt", "--tls-key", keys / "tls.key"),
            *("--hub-pin", (self.example / "keys" / "broker" / "tls.spki").read_text(encoding="utf-8").strip()),
            *("--root", self.example / "repository" / "root.json", "--log-vkey", self.vkey),
            *("--keys", keys / "keys.json", "--passphrase-file", self.passphrase),
        )

    def start_broker(self) -> Daemon:
        """Start the broker and wait until it is ready."""
        daemon = self.spawn_broker()
        processes.wait_ready(daemon, self.broker_ready)
        return daemon

    def spawn_broker(self) -> Daemon:
        """Start the broker without waiting for it."""
        return self._start("broker", [*self.broker_command, self.broker_data])

    def start_nodes(self, agencies: Iterable[str] | None = None) -> list[Daemon]:
        """Start nodes side by side and wait until each is connected to the broker."""
        names = list(self.agencies if agencies is None else agencies)
        started = [self.spawn_node(name) for name in names]
        self.wait_connected(names)
        return started

    def wait_connected(self, agencies: Iterable[str] | None = None) -> None:
        """Return when each node is connected to the broker; raise `DaemonFailed` if one ends or takes too long."""
        for name in self.agencies if agencies is None else agencies:
            processes.wait_ready(self.daemons[name], partial(self.connected, name))

    def spawn_node(self, agency: str) -> Daemon:
        """Start one node without waiting for it."""
        command: list[str | Path] = [script("bearing"), "node", "run", self.home(agency)]
        command += ["--passphrase-file", self.passphrase]
        return self._start(agency, command)

    def broker_ready(self) -> bool:
        """What `/readyz` says."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def metric(self, name: str) -> float:
        """The sum of a metric of the broker over its labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        values = [float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name]
        return sum(values)

    def wait_quorum(self, *, seconds: float = 30.0) -> None:
        """Return when enough witnesses have cosigned everything logged; raise `DaemonFailed` if that takes longer."""
        broker = self.daemons["broker"]
        processes.wait_ready(
            broker,
            lambda: self.metric("crossbearing_quorum_log_size") == self.metric("crossbearing_log_size"),
            seconds=seconds,
        )

    def audit_fetch(self, copy: Path) -> None:
        """Bring a copy of the log up to date, with an auditor's own certificate."""
        keys = self.example / "keys" / "auditor-1"
        pin = (self.example / "keys" / "broker" / "tls.spki").read_text(encoding="utf-8").strip()
        run(
            *("bearing", "audit", "fetch", copy, "--hub", f"https://127.0.0.1:{self.port}"),
            *("--cert", keys / "tls.crt", "--key", keys / "tls.key", "--ca", self.example / "ca.crt", "--hub-pin", pin),
            *("--log-vkey", self.vkey),
        )

    def audit_verify(self, copy: Path) -> dict[str, Any]:
        """What the auditor says of the copy, offline; raises `DaemonFailed` with the report if it found anything."""
        root = self.example / "repository" / "root.json"
        report = run("bearing", "audit", "verify", copy, "--root", root, "--log-vkey", self.vkey, "--json")
        return dict(json.loads(report))

    def connected(self, agency: str) -> bool:
        """Whether the node answers, has its link to the broker, and holds a directory to send under."""
        try:
            status = self.client(agency).status()
            return bool(status["connected"] and status["directory"]["version"])
        except CrossbearingError:
            return False

    def kill(self, name: str) -> None:
        """SIGKILL one daemon."""
        processes.kill(self.daemons.pop(name))
        self._remember()

    def stop_one(self, name: str) -> None:
        """End one daemon in good order."""
        processes.stop(self.daemons.pop(name))
        self._remember()

    def stop(self) -> int:
        """End every daemon in good order, nodes first; how many there were."""
        daemons = sorted(self.daemons.values(), key=lambda daemon: daemon.name == "broker")
        nodes = [daemon for daemon in daemons if daemon.name != "broker"]
        with ThreadPoolExecutor(max(len(nodes), 1)) as pool:
            list(pool.map(processes.stop, nodes))
        for daemon in daemons:
            processes.stop(daemon)
        self.daemons.clear()
        self._remember()
        return len(daemons)

    def _start(self, name: str, command: Sequence[str | Path]) -> Daemon:
        daemon = processes.start(name, command, self.logs / f"{name}.log")
        self.daemons[name] = daemon
        self._remember()
        return daemon

    def _remember(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        processes.remember(list(self.daemons.values()), self.pids)


def script(name: str) -> Path:
    """A command of this installation."""
    return Path(sys.executable).parent / name


def run(name: str, *arguments: str | Path) -> str:
    """Run one of our commands to its end; its output, or `DaemonFailed` with what it said."""
    command = [str(script(name)), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)  # noqa: S603
    if done.returncode != 0:
        raise processes.DaemonFailed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return ports
