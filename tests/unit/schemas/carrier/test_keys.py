"""The hub's key for carried files follows from the log's, and is another."""

from __future__ import annotations

from schemas.carrier.keys import carrier_key
from schemas.keys import SealingKey, seal_to


def test_the_key_follows_from_the_seed_and_from_nothing_else() -> None:
    seed = bytes(range(32))
    key = carrier_key(seed)
    assert key.public == carrier_key(seed).public
    assert key.public not in (SealingKey(seed).public, carrier_key(bytes(32)).public)
    assert carrier_key(seed).open(seal_to(key.public, b"x", b"info"), b"info") == b"x"
