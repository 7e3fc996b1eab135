"""The log over HTTP: what C2SP tlog-tiles asks for, and who may read what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest

from broker.draft import NewDirectory, Work
from broker.hub import Hub
from broker.state import Changes
from schemas.ids import sha256
from schemas.limits import MAX_WAITING_READS
from schemas.log.checkpoint import verify_checkpoint
from schemas.log.entry import DirectoryEntry, RefusalEntry, decode_entry, encode_entry
from schemas.log.merkle import leaf_hash, root
from schemas.log.tiles import TileReader, entries_path, split_bundle, tile_path, tiles_for
from tests.support.directory import World, make_world
from tests.support.hub import new_hub, running_hub
from tests.support.hub_client import client_tls


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]


@dataclass
class Site:
    world: World
    hub: Hub
    folder: Path

    async def get(self, path: str, who: str = "auditor-1") -> Answer:
        url = f"https://{self.hub.server.address}/{path}"
        async with aiohttp.ClientSession() as session, session.get(url, ssl=client_tls(self.folder, who)) as response:
            return Answer(response.status, await response.read(), dict(response.headers))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    world = make_world()
    async with running_hub(new_hub(world, tmp_path)) as hub:
        for _ in range(260):
            made = world.bundle("targets")
            assert isinstance(
                await hub.exchange.submit(Work("", NewDirectory(made.role, made.version, made.bundle))), int
            )
            world.versions["targets"] = made.version
        yield Site(world, hub, tmp_path)


async def test_more_requests_than_can_wait_are_told_when_to_come_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.hub.exchange._reader, "waiting", lambda _: MAX_WAITING_READS)
    answer = await site.get("tile/0/000")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert b"overloaded" in answer.body


async def test_an_auditor_rebuilds_the_log_from_its_tiles(site: Site) -> None:
    answer = await site.get("checkpoint")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    checkpoint = verify_checkpoint(answer.body, site.world.origin, site.world.directory.log_keys())
    assert checkpoint.size == 265
    tiles: dict[tuple[int, int, int], bytes] = {}
    for level, index, width in tiles_for(checkpoint.size):
        tile = await site.get(tile_path(level, index, width))
        assert tile.headers["Content-Type"] == "application/octet-stream"
        assert "immutable" in tile.headers["Cache-Control"]
        tiles[level, index, width] = tile.body
    read = TileReader(checkpoint.size, lambda level, index, width: tiles[level, index, width])
    assert root(checkpoint.size, read) == checkpoint.root
    entries = []
    for index, width in ((0, 256), (1, 9)):
        bundle = await site.get(entries_path(index, width))
        entries += split_bundle(bundle.body, width)
    assert [leaf_hash(entry) for entry in entries] == [read(0, index) for index in range(checkpoint.size)]
    first = decode_entry(entries[0])
    assert isinstance(first, DirectoryEntry)
    stored = await site.get(f"directory/{first.digest.hex()}")
    assert sha256(stored.body) == first.digest


async def test_partial_tiles_of_earlier_sizes_are_served(site: Site) -> None:
    whole = (await site.get(tile_path(0, 0))).body
    assert (await site.get(tile_path(0, 0, 5))).body == whole[: 5 * 32]
    assert (await site.get(entries_path(0, 5))).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/001.p/10",
        "tile/0/002",
        "tile/1/000.p/2",
        "tile/9/000",
        "tile/entries/001.p/10",
        "tile/entries/007",
        "tile/0/1",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000/extra",
        "tile/x/000",
        "directory/" + "0" * 64,
        "directory/short",
        "directory/" + "A" * 64,
        "nothing/here",
        "party/sg-cnb/tile/0/000",
        "party/sg-cnb/tile/entries/7",
        "party/sg-cnb/tile/entries/007",
        "party/sg-cnb/checkpoint",
    ],
)
async def test_what_is_not_there_is_not_found(site: Site, path: str) -> None:
    assert (await site.get(path)).status == 404


async def test_a_member_reads_hashes_and_the_directory_but_no_entries_of_others(site: Site) -> None:
    entry = decode_entry(site.hub.exchange.engine.entries(0, 1)[0])
    assert isinstance(entry, DirectoryEntry)
    assert (await site.get("checkpoint", "sg-cnb")).status == 200
    assert (await site.get(tile_path(0, 0), "sg-cnb")).status == 200
    assert (await site.get(f"directory/{entry.digest.hex()}", "sg-cnb")).status == 200
    for path in (entries_path(0), f"party/hk-customs/{entries_path(0)}"):
        refused = await site.get(path, "sg-cnb")
        assert refused.status == 403
        assert b"not-a-party" in refused.body


async def test_a_member_reads_the_entries_that_concern_it_and_others_as_empty(site: Site) -> None:
    engine = site.hub.exchange.engine
    with engine.block(265) as block:
        for agency in ("sg-cnb", "hk-customs"):
            block.append(encode_entry(RefusalEntry(1, 5, agency, "quota", bytes(32))), Changes())
    head = site.hub.exchange.head
    site.hub.exchange.head = replace(head, checkpoint=replace(head.checkpoint, size=267))
    answer = await site.get(f"party/sg-cnb/{entries_path(1, 11)}", "sg-cnb")
    assert answer.status == 200
    assert answer.headers["Cache-Control"].startswith("private")
    entries = split_bundle(answer.body, 11)
    assert entries[:-1] == engine.entries(256, 266)
    assert entries[-1] == b""
    assert (await site.get(f"party/sg-cnb/{entries_path(1, 11)}")).body == answer.body, "an auditor sees the same"


async def test_bodies_are_not_directory_bundles(site: Site) -> None:
    with site.hub.exchange.engine.block(265) as block:
        block.append(b"x", Changes())
        block.put_blob(sha256(b"a sealed body"), b"a sealed body")
    assert (await site.get(f"directory/{sha256(b'a sealed body').hex()}")).status == 404


async def test_strangers_read_nothing(site: Site) -> None:
    answer = await site.get("checkpoint", "nz-customs")
    assert answer.status == 403
    assert b"not-pinned" in answer.body
