"""A file of secrets sealed under a passphrase: the form that every keystore here has (`schemas.sealed`)."""

from __future__ import annotations

from pathlib import Path

from nodes.durable import write_durably
from nodes.ports import Random
from nodes.private_files import read_private
from schemas import codec
from schemas.sealed import MAX_SEALED, MEMORY, OPS, open_secrets, seal_secrets

__all__ = ["MEMORY", "OPS", "read_sealed", "write_sealed"]


def write_sealed(
    path: Path,
    form: str,
    value: codec.Value,
    passphrase: bytes,
    random: Random,
    *,
    ops: int = OPS,
    memory: int = MEMORY,
) -> None:
    """Seal a value into a new file of the format `form`, mode 0600, whole or not at all. Raises OSError."""
    write_durably(path, seal_secrets(form, value, passphrase, random, ops=ops, memory=memory), mode=0o600)


def read_sealed(path: Path, form: str, passphrase: bytes) -> codec.Value:
    """Open a sealed file of the format `form`.

    Raises NotFound, OpenPermissions (group or others may read it), BadConfig (of another format, or its cost
    parameters are out of bounds), WrongPassphrase (or the file was altered: the two cannot be told apart).
    """
    return open_secrets(read_private(path, max_size=MAX_SEALED, what="keystore"), form, passphrase, str(path))
