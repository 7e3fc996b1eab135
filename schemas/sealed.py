"""Secrets sealed under a passphrase: the bytes of every keystore and key file here.

The bytes are a canonical msgpack map. Argon2id (RFC 9106) turns the passphrase into the key of a SecretBox
(XSalsa20-Poly1305) that seals a value; the cost parameters stand beside it and are bounded when read, so that a file
put there by somebody else can neither weaken the derivation nor exhaust the machine. See docs/spec/keystore.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

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
_KIB = 1_024
MAX_SEALED: Final = 65_536
"""Bytes of the whole: some hundred keys of each kind fit."""


def seal_secrets(
    form: str,
    value: codec.Value,
    passphrase: bytes,
    random: Callable[[int], bytes],
    *,
    ops: int = OPS,
    memory: int = MEMORY,
) -> bytes:
    """Seal a value as bytes of the format `form`."""
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
    return codec.encode(outer)


def open_secrets(data: bytes, form: str, passphrase: bytes, what: str) -> codec.Value:
    """Open what `seal_secrets` made; `what` names the file in errors.

    Raises BadConfig (of another format, or its cost parameters are out of bounds) and WrongPassphrase (or the bytes
    were altered: the two cannot be told apart).
    """
    try:
        fields = Fields(codec.decode(data, max_size=MAX_SEALED), "keystore")
        if fields.text("format") != form or fields.text("kdf") != "argon2id":
            raise BadConfig(f"{what} is of another format than {form}")
        ops = _within(fields.integer("ops"), OPS_BOUNDS, "ops")
        memory = _within(fields.integer("memory"), MEMORY_BOUNDS, "memory")
        if memory % _KIB:
            raise BadConfig("the keystore's memory is no whole number of KiB, which is what Argon2id counts in")
        salt = fields.blob("salt", size=SALT_SIZE)
        nonce, sealed = fields.blob("nonce", size=SecretBox.NONCE_SIZE), fields.blob("sealed")
        fields.done()
    except EncodingRefusal as error:
        raise BadConfig(f"{what} is not a keystore: {error.message}") from None
    try:
        inner = SecretBox(_derive(passphrase, salt, ops, memory)).decrypt(sealed, nonce)
    except CryptoError:
        raise WrongPassphrase(f"the passphrase does not open {what}") from None
    try:
        return codec.decode(inner, max_size=MAX_SEALED)
    except EncodingRefusal as error:
        raise BadConfig(f"{what} opens but does not hold what a keystore holds: {error.message}") from None


def _within(value: int, bounds: tuple[int, int], what: str) -> int:
    low, high = bounds
    if not low <= value <= high:
        raise BadConfig(f"the keystore's {what} is {value}, outside {low} to {high}")
    return value


def _derive(passphrase: bytes, salt: bytes, ops: int, memory: int) -> bytes:
    return argon2id.kdf(SecretBox.KEY_SIZE, passphrase, salt, opslimit=ops, memlimit=memory)
