"""Mutations that keep the form: plain changes of bytes rarely get behind a canonical encoding or strict JSON.

Every second input is left to libFuzzer's own mutations. Of the others the value is read, changed in one to four places
as a value, and written again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import msgpack

Mutate = Callable[[bytes, int], bytes]

NUMBERS = (
    0,
    1,
    -1,
    255,
    256,
    65_535,
    65_536,
    (1 << 31) - 1,
    1 << 32,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
    -(1 << 63),
)
TEXTS = (
    "",
    "all",
    "hk-customs",
    "sg-cnb",
    "region:asia",
    "\0",
    "é",
    "\u202e",
    "ﷺ" * 5,
    "a" * 33,
    "2026-09-01T00:00:00Z",
)


def mutated(data: bytes, max_size: int, seed: int, plainly: Mutate) -> bytes:
    """Another input made of `data`, of at most `max_size` bytes; the same for the same seed."""
    random = Random(seed)
    if random.random() < 0.5:
        return plainly(data, max_size)
    for read, write in ((_unpacked, _packed), (json.loads, _dumped)):
        try:
            value = read(data)
            for _ in range(random.randint(1, 4)):
                value = _changed(value, random)
            made = write(value)
        except (ValueError, OverflowError, TypeError, RecursionError, msgpack.UnpackException):
            continue
        if 0 < len(made) <= max_size:
            return made
    return plainly(data, max_size)


def _unpacked(data: bytes) -> Any:
    value = msgpack.unpackb(data, raw=False, strict_map_key=False)
    if not isinstance(value, list | dict):
        raise ValueError("a number or a text by itself is better changed as bytes")
    return value


def _packed(value: Any) -> bytes:
    return bytes(msgpack.packb(_sorted(value), use_bin_type=True))


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=str)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _changed(value: Any, random: Random) -> Any:
    """The value with one change somewhere in it; deeper places are as likely as shallow ones."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(list(value))
        match random.randrange(12):
            case 0:
                return {name: item for name, item in value.items() if name != key}
            case 1:
                return {**value, random.choice((*TEXTS, f"{key}x")): value[key]}
            case _:
                return {**value, key: _changed(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.85:
        at = random.randrange(len(value))
        match random.randrange(12):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return value[:at] + [value[at]] * random.choice((2, 3, 17, 300)) + value[at + 1 :]
            case 2:
                return random.sample(value, len(value))
            case _:
                return [*value[:at], _changed(value[at], random), *value[at + 1 :]]
    return _other(value, random)


def _other(value: Any, random: Random) -> Any:
    """Another value in its place, mostly of the same type."""
    if random.random() < 0.2:
        value = random.choice(({}, [], "", 0, b"", None, True, 1.5))
    match value:
        case bool():
            return not value
        case int():
            return random.choice((*NUMBERS, value + 1, value - 1, -value))
        case str():
            cut = random.randrange(len(value) + 1)
            return random.choice((*TEXTS, value[:cut] + random.choice(TEXTS) + value[cut:], value[:cut], value.upper()))
        case bytes():
            cut = random.randrange(len(value) + 1)
            junk = bytes(random.randrange(256) for _ in range(random.choice((1, 8, 32))))
            return random.choice(
                (value[:cut] + junk[:1] + value[cut + 1 :], value[:cut], value + junk, junk, bytes(len(value)))
            )
        case dict():
            return random.choice(({}, {"a": 1}, []))
        case list():
            return random.choice(([], [0], [[]], {}))
        case _:
            return random.choice((None, 0, "", True))
