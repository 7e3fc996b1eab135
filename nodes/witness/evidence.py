"""What logs signed and this witness refused, kept on disk: two trees of one size convict a log in front of anybody."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

import structlog

from nodes.durable import sync_folder
from nodes.evidence import keep_checkpoints
from nodes.witness.state import Held, origin_hash
from schemas.ids import sha256
from schemas.log.cosignature import Tree
from schemas.log.witness import AddCheckpoint, Evidence

MAX_CASES: Final = 1_000
"""Cases kept of one log and kind: anybody can send a log's checkpoint with a wrong proof, so the disk must not fill."""

log = structlog.get_logger(__name__)


class EvidenceFolder:
    """One folder a log, in it one a case, named by what is wrong, the size signed and the note's digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def keep(self, kind: Evidence, tree: Tree, request: AddCheckpoint, held: Held | None) -> Path | None:
        """Write the case, unless it is kept already; its folder, or None where there are too many. Raises OSError."""
        of_log = self._folder / origin_hash(tree.origin)
        case = of_log / f"{kind}-{tree.end}-{sha256(request.note).hex()[:16]}"
        with self._lock:
            if case.exists():
                return case
            of_log.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(self._folder)
            if sum(path.name.startswith(f"{kind}-") for path in of_log.iterdir()) >= MAX_CASES:
                log.warning("evidence not kept", origin=tree.origin, kind=kind, cases=MAX_CASES)
                return None
            keep_checkpoints(
                case, held=held.note if held is not None else b"", received=request.note, proof=request.proof
            )
        log.error("a log contradicts itself" if kind == "fork" else "a checkpoint does not follow", evidence=str(case))
        return case
