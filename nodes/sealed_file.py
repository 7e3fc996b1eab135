"""A file of secrets sealed under a passphrase: the form that every keystore here has.

The file is a canonical msgpack map. Argon2id (RFC 9106) turns the passphrase into the key of a SecretBox
(XSalsa20-Poly1305) that seals a value; the cost parameters stand beside it and are bounded when read, so that a file
put there by somebody else can neither weaken the derivation nor exhaust the machine. See docs/spec/keystore.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

from nodes.durable import write_durably
from nodes.ports import Random
from nodes.private_files import read_private
from schemas import codec
from schemas.codec import Fields
from schemas.errors import BadConfig, EncodingRefusal, WrongPassphrase

OPS: Final = 3
"""Argon2id passes: RFC 9106's second recommendation, with MEMORY."""
MEMORY: Final = 67_108_864
"""Argon2id memory in bytes (64 MiB), given back to the system at once."""
OPS_BOUNDS: Final = (3, 16)
MEMORY_BOUNDS: Final = (67_108_864, 1_073_741_824)
SALT_SIZE: Final = 16
MAX_KEYSTORE: Final = 65_536
"""Bytes of the whole file: some hundred keys of each kind fit."""


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
    salt, nonce = random(SALT_SIZE), random(SecretBox.NONCE_SIZE)
    sealed = SecretBox(_derive(passphrase, salt, ops, memory)).encrypt(codec.encode(value), nonce).ciphertext
    outer: dict[str, codec.Value] = {
        "format": form,
        "kdf": "argon2id",
        "memory": memory,
        "nonce": nonce,
        "ops": ops,
        "salt": salt,
        "sealed": sealed,
    }
    write_durably(path, codec.encode(outer), mode=0o600)


def read_sealed(path: Path, form: str, passphrase: bytes) -> codec.Value:
    """Open a sealed file of the format `form`.

    Raises NotFound, OpenPermissions (group or others may read it), BadConfig (of another format, or its cost
    parameters are out of bounds), WrongPassphrase (or the file was altered: the two cannot be told apart).
    """
    data = read_private(path, max_size=MAX_KEYSTORE, what="keystore")
    try:
        fields = Fields(codec.decode(data, max_size=MAX_KEYSTORE), "keystore")
        if fields.text("format") != form or fields.text("kdf") != "argon2id":
            raise BadConfig(f"{path} is of another format than {form}")
        ops = _within(fields.integer("ops"), OPS_BOUNDS, "ops")
        memory = _within(fields.integer("memory"), MEMORY_BOUNDS, "memory")
        if memory % 1024:
            raise BadConfig("the memory is not in whole KiB, as Argon2 counts it")
        salt = fields.blob("salt", size=SALT_SIZE)
        nonce, sealed = fields.blob("nonce", size=SecretBox.NONCE_SIZE), fields.blob("sealed")
        fields.done()
    except EncodingRefusal as error:
        raise BadConfig(f"{path} is not a keystore: {error.message}") from None
    try:
        inner = SecretBox(_derive(passphrase, salt, ops, memory)).decrypt(sealed, nonce)
    except CryptoError:
        raise WrongPassphrase(f"the passphrase does not open {path}") from None
    try:
        return codec.decode(inner, max_size=MAX_KEYSTORE)
    except EncodingRefusal as error:
        raise BadConfig(f"{path} opens but does not hold what a keystore holds: {error.message}") from None


def _within(value: int, bounds: tuple[int, int], what: str) -> int:
    low, high = bounds
    if not low <= value <= high:
        raise BadConfig(f"the keystore's {what} is {value}, outside {low} to {high}")
    return value


def _derive(passphrase: bytes, salt: bytes, ops: int, memory: int) -> bytes:
    return argon2id.kdf(SecretBox.KEY_SIZE, passphrase, salt, opslimit=ops, memlimit=memory)
