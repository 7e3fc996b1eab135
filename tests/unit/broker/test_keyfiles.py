"""Private files, and the example keys that must stay on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from broker.keyfiles import check_example_keys, parse_seed, read_private, read_seed
from certs.example.pki import leaf
from schemas.errors import BadConfig, ExampleKeys, OpenPermissions
from schemas.example import example_seed

OWN = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
EXAMPLE_TLS = leaf("broker").private_key
EXAMPLE_LOG = example_seed("broker", "log")
FRESH = bytes(range(32))
LOCAL, OUTSIDE = ("127.0.0.1", "::1", "localhost"), ("127.0.0.1", "192.0.2.1")


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_private_file_is_read(tmp_path: Path, mode: int) -> None:
    (tmp_path / "key").write_bytes(b"secret")
    (tmp_path / "key").chmod(mode)
    assert read_private(tmp_path / "key") == b"secret"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "key").write_bytes(b"secret")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(OpenPermissions, match="others"):
        read_private(tmp_path / "key")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadConfig):
        read_private(tmp_path / "key")


def test_seeds(tmp_path: Path) -> None:
    (tmp_path / "seed").touch(mode=0o600)
    (tmp_path / "seed").write_text(FRESH.hex() + "\n", encoding="ascii")
    assert read_seed(tmp_path / "seed") == FRESH
    assert parse_seed(FRESH.hex().encode(), tmp_path) == FRESH
    for wrong in (b"", b"00" * 31, b"00" * 33, b"AA" * 32, b"00" * 32 + b"\n\n", "\u0660".encode() * 64):
        with pytest.raises(BadConfig):
            parse_seed(wrong, tmp_path)


def test_example_keys_may_be_used_on_loopback() -> None:
    check_example_keys(EXAMPLE_LOG, EXAMPLE_TLS, LOCAL)


@pytest.mark.parametrize(
    ("seed", "tls"),
    [(EXAMPLE_LOG, OWN), (example_seed("broker", "log-mldsa"), OWN), (FRESH, EXAMPLE_TLS)],
    ids=["log key", "second log key", "TLS key"],
)
def test_example_keys_are_refused_elsewhere(seed: bytes, tls: bytes) -> None:
    with pytest.raises(ExampleKeys, match=r"192\.0\.2\.1"):
        check_example_keys(seed, tls, OUTSIDE)


def test_own_keys_may_be_used_anywhere() -> None:
    check_example_keys(FRESH, OWN, OUTSIDE)


def test_a_tls_key_that_is_none_is_named() -> None:
    with pytest.raises(BadConfig):
        check_example_keys(FRESH, b"-----BEGIN nothing", OUTSIDE)
