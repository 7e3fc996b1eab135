"""Bytes that stand near good ones: what decoders meet from a faulty or hostile party."""

from __future__ import annotations

from random import Random

import msgpack
from hypothesis import strategies as st

from tests.fuzz.mutator import mutated

ROOM = 4_096
"""Bytes by which a changed input may be longer."""


def changed(*good: bytes) -> st.SearchStrategy[bytes]:
    """One of the good encodings as it is, with some bytes changed, with its value changed, or in another encoding."""
    return st.builds(_changed, st.sampled_from(good), st.integers(0, (1 << 32) - 1))


def _changed(data: bytes, seed: int) -> bytes:
    random = Random(seed)
    match random.randrange(8):
        case 0:
            return data
        case 1:
            return _loosened(data, random)
        case _:
            return mutated(data, len(data) + ROOM, seed, lambda given, _: _bytes_changed(given, random))


def _bytes_changed(data: bytes, random: Random) -> bytes:
    """With one byte another, cut, repeated, or with bytes in between."""
    at = random.randrange(len(data))
    match random.randrange(4):
        case 0:
            return data[:at] + bytes((random.randrange(256),)) + data[at + 1 :]
        case 1:
            return data[:at] + data[at + random.randrange(9) :]
        case 2:
            return data[:at] + random.randbytes(random.randrange(1, 5)) + data[at:]
        case _:
            return data[:at] + data[at : at + 1] * random.randrange(2, 5) + data[at + 1 :]


def _loosened(data: bytes, random: Random) -> bytes:
    """The same value with a number or a text in a longer form than the shortest, or with two keys exchanged."""
    value = msgpack.unpackb(data, raw=False)
    if isinstance(value, dict) and random.randrange(2):
        names = list(value)
        one, other = random.randrange(len(names)), random.randrange(len(names))
        names[one], names[other] = names[other], names[one]
        return bytes(msgpack.packb({name: value[name] for name in names}))
    at = random.randrange(len(data))
    head = data[at]
    if head < 0x80:
        return data[:at] + bytes((0xCC, head)) + data[at + 1 :]
    if 0xA0 <= head < 0xC0:
        return data[:at] + bytes((0xD9, head & 0x1F)) + data[at + 1 :]
    if 0x90 <= head < 0xA0:
        return data[:at] + bytes((0xDC, 0, head & 0x0F)) + data[at + 1 :]
    return data[:at] + b"\xc5\0" + data[at + 1 :] if head == 0xC4 else data
