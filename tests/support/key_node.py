"""The node that `bearing keys` talks to, reduced to what it says of keys: it holds a world's directory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nodes.config import NodeConfig
from nodes.keys.certificate import Certificates
from nodes.keys.request import check_signatures, read_request
from nodes.keys.rotation import check_holds, held_keys
from nodes.keystore import read_keystore
from schemas.directory.agency_keys import encode_agency_keys
from schemas.directory.state import apply_bundle
from schemas.ids import sha256
from schemas.log.entry import DirectoryEntry
from tests.support.certificates import ME
from tests.support.directory import NOW, World


class RunningNode:
    """The node that the commands talk to: it holds the world's directory, and publishes as the hub would decide."""

    def __init__(self, world: World, config: NodeConfig) -> None:
        self.world = world
        self.config = config
        self.reloaded = 0

    def keys(self) -> dict[str, Any]:
        published = self.world.directory.published.get(ME)
        document = None if published is None else encode_agency_keys(published.keys).decode()
        return {"version": 0 if published is None else published.metadata.signed.version, "document": document}

    def reload_keys(self, passphrase: bytes) -> dict[str, Any]:
        self.seeds = read_keystore(self.config.keystore, passphrase)
        self.reloaded += 1
        return self.keys()

    def publish_keys(self, bundle: bytes) -> dict[str, Any]:
        request, world = read_request(bundle), self.world
        if bundle not in {made.bundle for made in world.bundles}:
            pins = Certificates(self.config.hub.certificate, self.config.hub.key).pins()
            check_holds(request.keys, held_keys(self.seeds, pins), now=NOW)
            assert world.directory.targets is not None
            check_signatures(bundle, world.directory.targets)
            apply_bundle(world.directory, ME, request.version, bundle, at=NOW, trusted_root=world.trusted_root)
            entry = DirectoryEntry(NOW, len(world.history) + 1, ME, request.version, sha256(bundle), len(bundle))
            world.history.accept(len(world.entries), entry, bundle, trusted_root=world.trusted_root)
            world.entries.append(entry)
            world.bundles.append(replace(world.bundles[-1], role=ME, version=request.version, bundle=bundle))
        return {"version": request.version, "directory": world.directory.version, "index": None}
