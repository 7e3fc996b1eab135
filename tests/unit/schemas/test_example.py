from __future__ import annotations

import hashlib

import pytest

from schemas.example import example_seed, is_example_seed, is_loopback


def test_a_seed_is_a_hash_of_public_names() -> None:
    expected = hashlib.sha256(b"crossbearing example key, worthless\0hk-customs\0signing").digest()
    assert example_seed("hk-customs", "signing") == expected
    assert example_seed("hk-customs", "sealing") != expected


def test_an_example_seed_is_recognised() -> None:
    seed = example_seed("broker", "log")
    assert is_example_seed("broker", "log", seed)
    assert not is_example_seed("broker", "tls", seed)
    assert not is_example_seed("broker", "log", seed[:-1])


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "::1", "0:0:0:0:0:0:0:1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "0.0.0.0",
        "::",
        "128.0.0.1",
        "10.0.0.1",
        "127.1",
        "127.0.0.01",
        "2130706433",
        "::ffff:127.0.0.1",
        "::1%lo",
        "[::1]",
        "LOCALHOST",
        "localhost.",
        "localhost.example.com",
        "127.0.0.1.example.com",
        " 127.0.0.1",
    ],
)
def test_what_is_not_surely_loopback(host: str) -> None:
    assert not is_loopback(host)
