"""Proof of a log that shows two histories: kept as files, so that it can be handed to others as it is.

A checkpoint is signed. Two signed checkpoints of one log that cannot both be true convict whoever signed them, in
front of anybody who has the log's public key.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nodes.durable import sync_folder, write_durably
from schemas.log.note import encode_base64


def keep_fork_evidence(folder: Path, *, held: bytes, received: bytes, proof: Sequence[bytes], now: int) -> Path:
    """Write both signed checkpoints and the proof that failed; returns the new folder. Raises OSError.

    `held.checkpoint` and `received.checkpoint` are C2SP signed notes as received; `consistency.proof` has one hash a
    line in base64, from the size held to the size received.
    """
    case = folder / f"fork-{now}"
    keep_checkpoints(case, held=held, received=received, proof=proof)
    return case


def keep_checkpoints(case: Path, *, held: bytes, received: bytes, proof: Sequence[bytes]) -> None:
    """Write both signed checkpoints and the proof into the folder `case`, in the form above. Raises OSError."""
    case.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(case / "held.checkpoint", held)
    write_durably(case / "received.checkpoint", received)
    write_durably(case / "consistency.proof", "".join(f"{encode_base64(h)}\n" for h in proof).encode())
    sync_folder(case.parent)
