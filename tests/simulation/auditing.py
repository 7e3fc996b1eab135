"""The auditor's verdict on a simulated hub: its own code fetches the log from the hub's engine and verifies it."""

from __future__ import annotations

from pathlib import Path

from broker.committer import Head
from broker.engines.port import Engine
from broker.tree import Tree
from nodes.auditor.fetch import fetch
from nodes.auditor.findings import Finding
from nodes.auditor.mirror import CHECKPOINT, DIRECTORY, LogFolder
from nodes.auditor.verify import Question, verify
from schemas.errors import CrossbearingError, Missing
from schemas.log.note import note_key
from schemas.log.tiles import TILE_WIDTH, entry_bundle, parse_tile_path
from tests.support.directory import World


class EngineSource:
    """`nodes.auditor.fetch.Source` over a hub's storage, as `broker.log_http` serves it."""

    def __init__(self, engine: Engine, tree: Tree, head: Head) -> None:
        self._engine = engine
        self._tree = tree
        self._head = head

    def get(self, path: str) -> bytes:
        """See `Source`."""
        if path == CHECKPOINT:
            return self._head.note
        if path.startswith(f"{DIRECTORY}/"):
            data = self._engine.blob(bytes.fromhex(path.removeprefix(f"{DIRECTORY}/")))
            if data is None:
                raise Missing(f"there is no {path}")
            return data
        if not path.startswith("tile/"):
            raise Missing(f"there is no {path}")
        level, index, width = parse_tile_path(path)
        if level is not None:
            return self._tree.tile(level, index, width)
        start = index * TILE_WIDTH
        return entry_bundle(self._engine.entries(start, start + width))


def findings(
    world: World, engine: Engine, tree: Tree, head: Head, folder: Path, seen: tuple[tuple[str, bytes], ...] = ()
) -> list[Finding]:
    """What an auditor finds. A log that cannot even be fetched raises, as it does for a person."""
    copy = LogFolder(folder)
    keys = [note_key(world.origin, world.log_key.public)]
    folder.mkdir(parents=True, exist_ok=True)
    fetch(EngineSource(engine, tree, head), copy, keys=keys, progress=_quiet)
    report = verify(copy, Question(world.trusted_root, keys, seen), _quiet)
    return list(report.findings.kept)


def complaint(error: CrossbearingError) -> str:
    """An error as a line."""
    return f"{error.code}: {error.message}"


def _quiet(what: str, done: int, total: int) -> None:
    del what, done, total
