"""An administrator's key file: the secret that signs an agency's key documents, kept away from the node.

A file sealed under a passphrase, as the keystore is (`nodes.sealed_file`). It is made once; its public key goes to the
governors, who name it in the directory.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from nodes.ports import Random
from nodes.private_files import read_private
from nodes.sealed_file import MEMORY, OPS, read_sealed, write_sealed
from schemas.codec import Fields
from schemas.directory.authority import KEY_FILE
from schemas.errors import BadConfig, Malformed
from schemas.keys import SEED_SIZE

FORMAT: Final = KEY_FILE
"""The governors' key files have it too, so a key made by either program works with both."""
_MAX_SEED_FILE: Final = 256
_SEED = re.compile(rb"[0-9a-f]{64}\n?")


def make_administrator(
    path: Path, seed: bytes, passphrase: bytes, random: Random, *, ops: int = OPS, memory: int = MEMORY
) -> None:
    """Seal `seed` into a new file at `path`. Raises `BadConfig` when something is there already, OSError."""
    if path.exists():
        raise BadConfig(f"{path} exists already", hint="Name another file; a key that is overwritten is lost.")
    write_sealed(path, FORMAT, {"seed": seed}, passphrase, random, ops=ops, memory=memory)


def read_administrator(path: Path, passphrase: bytes) -> bytes:
    """The seed in an administrator's key file. Raises as `nodes.sealed_file.read_sealed` does."""
    try:
        fields = Fields(read_sealed(path, FORMAT, passphrase), "administrator's key")
        seed = fields.blob("seed", size=SEED_SIZE)
        fields.done()
    except Malformed as error:
        raise BadConfig(f"{path} holds no administrator's key: {error.message}") from None
    return seed


def read_seed(path: Path) -> bytes:
    """A seed in a file of its own: 64 hex digits on one line, closed to others. Raises as `read_private` does."""
    data = read_private(path, max_size=_MAX_SEED_FILE, what="seed file")
    if not _SEED.fullmatch(data):
        raise BadConfig(f"{path} does not hold a seed of {SEED_SIZE} bytes in lower-case hex")
    return bytes.fromhex(data.decode("ascii").strip())
