"""A production hub in a process of its own, in a directory of any number of agencies, with a past of any length."""

from __future__ import annotations

import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import usage
from benchmarks.brokers.processes import free_port
from benchmarks.brokers.scenario import CHECKOUT
from benchmarks.scale.prefill import prefill
from benchmarks.world import agency_names
from broker.config import Address, Config, load_config
from broker.hub import now_ms
from broker.setup import make_hub
from schemas.log.checkpoint import Checkpoint, verify_checkpoint
from schemas.log.note import note_key
from tests.support.directory import NOW, World, make_world
from tests.support.hub import TestClock, sources, write_identity

PATIENCE = 600.0
"""Seconds until a hub that does not become ready has failed: on ten million entries too it takes less than one."""


@dataclass(frozen=True, slots=True)
class HubFiles:
    """A hub that is not running. `ends` is the time of its log's end (ms)."""

    world: World
    folder: Path
    config: Config
    ends: int


def make_files(folder: Path, agencies: int, size: int = 0, *, past_recipients: int = 3) -> HubFiles:
    """A new hub for so many agencies, with a log of about `size` entries."""
    world = make_world(agency_names(agencies))
    data = folder / "hub"
    listen, metrics = (Address("127.0.0.1", free_port()) for _ in range(2))
    make_hub(data, sources(world, folder), listen, metrics, TestClock())
    config = load_config(data)
    ends = prefill(config, world, size, recipients=past_recipients, say=lambda _: None) if size else NOW + 1
    return HubFiles(world, folder, config, ends)


@dataclass(frozen=True, slots=True)
class RunningHub:
    """A hub that takes sessions. `offset` is what its time is ahead of this machine's (ms), `head` where it began."""

    files: HubFiles
    pid: int
    offset: int
    head: Checkpoint
    start_seconds: float
    """Processor time until it was ready."""

    @property
    def now(self) -> int:
        """The hub's time (ms)."""
        return now_ms() + self.offset

    def metric(self, name: str) -> float:
        """The sum of one of its metrics over all labels."""
        with urllib.request.urlopen(f"http://{self.files.config.metrics}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)


@contextmanager
def running(files: HubFiles) -> Iterator[RunningHub]:
    """Run the hub. It goes on in time where its log ends."""
    offset = files.ends + 1_000 - now_ms()
    command = [sys.executable, "-m", "benchmarks.scale.serve", str(files.config.data), str(offset)]
    with (files.folder / "hub.log").open("ab") as output:
        process = subprocess.Popen(command, cwd=CHECKOUT, stdout=output, stderr=output)  # noqa: S603 -- our own module
    try:
        _wait_ready(files.config, process)
        started = usage.cpu(process.pid)
        key = note_key(files.world.origin, files.world.log_key.public)
        note = _get(files, "/checkpoint")
        yield RunningHub(files, process.pid, offset, verify_checkpoint(note, files.world.origin, [key]), started)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _wait_ready(config: Config, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://{config.metrics}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    raise RuntimeError(f"the hub did not start: {(config.data.parent / 'hub.log').read_text()[-2_000:]}")


def _get(files: HubFiles, path: str) -> bytes:
    context = tls(files.folder, files.world.agencies[0])
    with urllib.request.urlopen(f"https://{files.config.listen}{path}", timeout=30, context=context) as answer:
        return bytes(answer.read())


def tls(folder: Path, name: str) -> ssl.SSLContext:
    """The client's side of mutual TLS for a party of the world."""
    own = folder / "parties" / name
    if not own.exists():
        write_identity(own, name)
    context = ssl.create_default_context(cafile=str(own / "ca.crt"))
    context.load_cert_chain(own / "tls.crt", own / "tls.key")
    return context
