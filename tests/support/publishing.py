"""Bring a directory change into force in a world and in a hub's core alike."""

from __future__ import annotations

from broker.draft import NewDirectory
from schemas.log.entry import DirectoryEntry
from tests.support.hub_core import HubCore


def publish(core: HubCore, role: str) -> None:
    """Log the next version of a role as the world stands."""
    made = core.world.bundle(role)
    index = core.accepted("", NewDirectory(made.role, made.version, made.bundle))
    entry = core.entries()[index]
    assert isinstance(entry, DirectoryEntry)
    core.world.history.accept(index, entry, made.bundle, trusted_root=core.world.trusted_root)
    core.world.versions[role] = made.version
