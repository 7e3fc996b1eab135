from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nodes.durable import write_durably
from nodes.witness.evidence import EvidenceFolder
from nodes.witness.state import WitnessState
from nodes.witness.witness import Witness
from tests.support.witnessing import COSIGNER, LOGS, NOW


@dataclass
class World:
    """A witness in a folder of its own, on a clock and a disk that tests turn."""

    folder: Path
    now: int = NOW
    write: Callable[[Path, bytes], None] = write_durably
    witness: Witness = field(init=False)
    state: WitnessState = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget everything but what is on disk."""
        self.state = WitnessState(self.folder / "state", COSIGNER.keys, write=self._write)
        evidence = EvidenceFolder(self.folder / "evidence")
        self.witness = Witness(COSIGNER, LOGS, self.state, evidence, lambda: self.now)

    def _write(self, path: Path, data: bytes) -> None:
        self.write(path, data)

    def cases(self) -> list[Path]:
        return sorted(path for path in (self.folder / "evidence").glob("*/*") if path.is_dir())


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "evidence").mkdir()
    return World(tmp_path)
