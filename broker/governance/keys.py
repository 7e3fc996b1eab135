"""Keys to sign with: a key file under a passphrase, or a token that never lets its key out (PKCS#11)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import (  # type: ignore[attr-defined]  # public, but no __all__ names them
    CryptoSigner,
    HSMSigner,
    Signer,
)

from broker.durable import write_durably
from broker.keyfiles import read_private
from schemas.codec import Fields
from schemas.directory.authority import KEY_FILE, public_key_text
from schemas.errors import BadConfig, EncodingRefusal, Unreachable
from schemas.keys import SEED_SIZE
from schemas.sealed import open_secrets, seal_secrets

FORMAT: Final = KEY_FILE


@dataclass(frozen=True, slots=True)
class Token:
    """Where on which token a key lies: the module is the PKCS#11 library, the label names the token."""

    module: Path
    label: str
    key: int


def make_key_file(path: Path, seed: bytes, passphrase: bytes, random: Callable[[int], bytes]) -> str:
    """Seal an Ed25519 key into a new file, mode 0600; its public text form. Raises `BadConfig`."""
    if path.exists():
        raise BadConfig(f"{path} exists already", hint="Choose a new file; a key is never written over.")
    try:
        write_durably(path, seal_secrets(FORMAT, {"seed": seed}, passphrase, random), mode=0o600)
    except OSError as error:
        raise BadConfig(f"{path} cannot be written: {error.strerror}") from error
    return public_key_text(_signer(seed).public_key)


def open_key_file(path: Path, passphrase: bytes) -> Signer:
    """The signer of a key file. Raises `BadConfig`, `OpenPermissions` or `WrongPassphrase`."""
    value = open_secrets(read_private(path), FORMAT, passphrase, str(path))
    try:
        fields = Fields(value, "key")
        seed = fields.blob("seed", size=SEED_SIZE)
        fields.done()
    except EncodingRefusal as error:
        raise BadConfig(f"{path} opens but holds no key: {error.message}") from None
    return _signer(seed)


def open_token(token: Token, pin: Callable[[], str]) -> Signer:
    """The signer of a key on a token; it must be ECDSA on P-256 or P-384. Raises `BadConfig` or `Unreachable`."""
    os.environ["PYKCS11LIB"] = str(token.module)  # where securesystemslib looks for the module
    address = f"hsm:{token.key}?{urlencode({'label': token.label})}"
    try:
        _, public = HSMSigner.import_(token.key, token.label, lambda _: pin())
        return HSMSigner.from_priv_key_uri(address, public, lambda _: pin())
    except UnsupportedLibraryError as error:
        raise BadConfig(
            "this installation cannot speak to tokens", hint="Install it with tokens: crossbearing[pkcs11]."
        ) from error
    except Exception as error:  # the module's own errors share no base class
        raise Unreachable(
            f"no usable key {token.key} on token {token.label}: {error or type(error).__name__}",
            hint="Check the module, the token's label, the key's id and the PIN; the key must be EC P-256 or P-384.",
        ) from error


def _signer(seed: bytes) -> CryptoSigner:
    return CryptoSigner(Ed25519PrivateKey.from_private_bytes(seed))
