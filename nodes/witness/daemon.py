"""The witness as a process: make its home, and run it until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from nodes.durable import write_durably
from nodes.lock import home_lock
from nodes.ports import Clock, Random, system_clock
from nodes.witness.config import FILE, WitnessConfig, format_config, load_config, parse_address
from nodes.witness.evidence import EvidenceFolder
from nodes.witness.keys import WitnessSeeds, write_witness_keys
from nodes.witness.server import WitnessServer
from nodes.witness.state import WitnessState
from nodes.witness.witness import Witness
from schemas.errors import BadCheckpoint, BadConfig
from schemas.log.cosignature import Cosigner
from schemas.log.note import NoteKey

log = structlog.get_logger(__name__)


def create_home(
    home: Path,
    seeds: WitnessSeeds,
    logs: Mapping[str, Sequence[NoteKey]],
    *,
    listen: str,
    passphrase: bytes,
    random: Random,
) -> tuple[str, ...]:
    """Make the home; the public keys as vkeys. witness.toml is written last, so a home that has it is complete.

    Raises BadConfig for what does not fit together, OSError.
    """
    parse_address(listen)
    keys = _cosigner(seeds).keys
    if home.exists() and any(home.iterdir()):
        raise BadConfig(f"{home} exists and is not empty", hint="name another directory; a home is made only once")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    for folder in ("state", "evidence"):
        (home / folder).mkdir(mode=0o700)
    write_witness_keys(home / "keystore", seeds, passphrase, random)
    write_durably(home / FILE, format_config(seeds.name, listen, logs).encode())
    load_config(home)
    return tuple(key.vkey for key in keys)


async def run_witness(
    config: WitnessConfig, seeds: WitnessSeeds, *, clock: Clock = system_clock, stop: asyncio.Event | None = None
) -> None:
    """Serve until `stop` is set, or SIGTERM or SIGINT comes.

    Raises StorageLocked when another witness runs on this home, StorageTampered, StorageFailed, BadConfig.
    """
    if seeds.name != config.name:
        raise BadConfig(f"the keystore is of {seeds.name}, {FILE} says {config.name}")
    cosigner = _cosigner(seeds)
    stop = stop or _stop_on_signals()
    with home_lock(config.lock, hint="stop it first; two witnesses with one key could cosign a fork"):
        state = await asyncio.to_thread(WitnessState, config.state, cosigner.keys)
        witness = Witness(cosigner, config.logs, state, EvidenceFolder(config.evidence), clock)
        server = WitnessServer(witness, config.host, config.port)
        address = await server.start()
        log.info("ready", witness=config.name, listen=address, logs=len(config.logs), pid=os.getpid())
        try:
            await stop.wait()
        finally:
            await server.close()
    log.info("stopped", witness=config.name)


def _cosigner(seeds: WitnessSeeds) -> Cosigner:
    try:
        return seeds.cosigner()
    except BadCheckpoint as error:
        raise BadConfig(f"name: {error.message}", hint="use a name such as witness.example.org/w1") from None


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
