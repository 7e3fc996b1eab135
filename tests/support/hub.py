"""The real hub for tests: a world's keys and directory as files, a data directory made from them, run on free ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from broker.config import Address, Config, load_config
from broker.hub import Hub, make_exchange, open_storage
from broker.setup import Sources, make_hub
from certs.example.pki import authority, leaf
from schemas.directory.metadata import decode_bundle
from schemas.example import example_seed
from tests.support.directory import NOW, World

ANY_PORT = Address("127.0.0.1", 0)


class TestClock:
    """A clock that stands still until it is set."""

    __test__ = False

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def write_identity(folder: Path, name: str) -> None:
    """The example certificate and key of `name`, and the authority's certificate, as PEM files."""
    folder.mkdir(parents=True, exist_ok=True)
    identity = leaf(name, hosts=("localhost", "127.0.0.1"))
    (folder / "tls.crt").write_bytes(identity.certificate)
    (folder / "tls.key").write_bytes(identity.private_key)
    (folder / "ca.crt").write_bytes(authority().certificate)


def write_repository(world: World, folder: Path) -> Path:
    """The newest bundle of each role of a world, laid out as a TUF repository."""
    for name in ("metadata", "agencies"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for made in world.bundles:
        bundle = decode_bundle(made.bundle)
        if made.role in ("root", "targets"):
            (folder / f"{made.role}.json").write_bytes(bundle.metadata)
        else:
            (folder / "metadata" / f"{made.role}.json").write_bytes(bundle.metadata)
            (folder / "agencies" / f"{made.role}.json").write_bytes(bundle.target)
        if made.role == "targets":
            (folder / "directory.json").write_bytes(bundle.target)
    return folder


def sources(world: World, folder: Path) -> Sources:
    """Everything a new hub is made of, written to `folder`."""
    write_identity(folder / "broker", "broker")
    seed = folder / "broker" / "log.seed"
    seed.write_text(example_seed("broker", "log").hex() + "\n", encoding="ascii")
    mldsa = folder / "broker" / "log-mldsa.seed"
    mldsa.write_text(example_seed("broker", "log-mldsa").hex() + "\n", encoding="ascii")
    repository = write_repository(world, folder / "repository")
    own = folder / "broker"
    listed = mldsa if len(world.document.log.keys) > 1 else None
    return Sources(repository, own / "tls.crt", own / "tls.key", own / "ca.crt", seed, listed)


def new_hub(world: World, folder: Path, clock: Callable[[], int] = TestClock(), **settings: int) -> Config:  # noqa: B008  # it stands still
    """Make a hub's data directory in `folder`, and give its configuration with `settings` changed."""
    data = folder / "hub"
    make_hub(data, sources(world, folder), ANY_PORT, ANY_PORT, clock)
    config = load_config(data)
    return replace(config, settings=replace(config.settings, **settings))


@asynccontextmanager
async def running_hub(config: Config, clock: Callable[[], int] = TestClock()) -> AsyncIterator[Hub]:  # noqa: B008  # it stands still
    """The hub of a data directory, ready for connections."""
    with open_storage(config) as storage:
        hub = Hub(make_exchange(storage, config, clock), config)
        try:
            await hub.start()
            yield hub
        finally:
            await hub.stop()
