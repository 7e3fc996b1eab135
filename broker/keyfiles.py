"""The hub's private keys on disk: who may read them, and that the published example keys stay on loopback."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from schemas.errors import BadConfig, ExampleKeys, OpenPermissions
from schemas.example import is_example_seed, is_loopback

_SEED = re.compile(r"([0-9a-f]{64})\n?")


def read_private(path: Path) -> bytes:
    """The bytes of a file that nobody but its owner can read. Raises `OpenPermissions` or `BadConfig`."""
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except OSError as error:
        raise BadConfig(f"{path} cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise OpenPermissions(f"{path} can be used by others than its owner", hint=f"Run chmod 600 {path}")
    return data


def read_seed(path: Path) -> bytes:
    """The 32-byte seed that a file holds in hex. Raises `BadConfig` or `OpenPermissions`."""
    return parse_seed(read_private(path), path)


def parse_seed(data: bytes, path: Path) -> bytes:
    """The seed in the text of a seed file. Raises `BadConfig`."""
    match = _SEED.fullmatch(data.decode("ascii", errors="replace"))
    if match is None:
        raise BadConfig(f"{path} does not hold a seed: 64 lower-case hex digits")
    return bytes.fromhex(match[1])


def check_example_keys(seed: bytes, tls_key: bytes, hosts: tuple[str, ...]) -> None:
    """Refuse the published example keys, of either type, unless all `hosts` are loopback. Raises `ExampleKeys`."""
    outside = [host for host in hosts if not is_loopback(host)]
    if not outside:
        return
    if any(is_example_seed("broker", purpose, seed) for purpose in ("log", "log-mldsa")):
        raise ExampleKeys(f"the log key is the published example; it must not be used on {outside[0]}")
    if _is_example_tls(tls_key):
        raise ExampleKeys(f"the TLS key is the published example; it must not be used on {outside[0]}")


def _is_example_tls(pem: bytes) -> bool:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadConfig("the TLS key is not an unencrypted private key in PEM") from error
    return isinstance(key, Ed25519PrivateKey) and is_example_seed("broker", "tls", key.private_bytes_raw())
