"""The parcel cache stays within its bytes and keeps what is used."""

from __future__ import annotations

from broker.parcel import Parcel, ParcelCache


def parcel(index: int, size: int = 400) -> Parcel:
    return Parcel(index, b"e" * 100, b"b" * (size - 100), {}, 0)


def test_what_is_not_used_goes_first() -> None:
    cache = ParcelCache(1_000)
    cache.put(parcel(1))
    cache.put(parcel(2))
    assert cache.get(1) == parcel(1)
    cache.put(parcel(3))
    assert cache.get(2) is None
    assert cache.get(1) == parcel(1)
    assert cache.get(3) == parcel(3)


def test_one_parcel_is_kept_however_large() -> None:
    cache = ParcelCache(10)
    cache.put(parcel(1))
    assert cache.get(1) is not None
    cache.put(parcel(2))
    assert cache.get(1) is None
    assert cache.get(2) is not None


def test_the_same_parcel_counts_once() -> None:
    cache = ParcelCache(1_000)
    for _ in range(9):
        cache.put(parcel(1))
    cache.put(parcel(2))
    assert cache.get(1) is not None
