"""Messages that no honest peer sends, the same for the same seed: real frames, changed as values or as bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from schemas.session.frames import Frame, encode_frame
from tests.fuzz.mutator import Mutate, mutated

LARGEST = 65_536


def strange_messages(seed: int, frames: Sequence[Frame], *, most: int = 8) -> Iterator[bytes]:
    """Up to `most` messages made of `frames`: as they are, or with a few changes, or junk."""
    random = Random(seed)
    encoded = [encode_frame(frame) for frame in frames]
    for _ in range(random.randint(1, most)):
        data = random.choice(encoded)
        match random.randrange(4):
            case 0:
                yield data
            case 1:
                yield random.randbytes(random.randrange(40))
            case _:
                yield mutated(data, LARGEST, random.getrandbits(32), _plainly(random))


def _plainly(random: Random) -> Mutate:
    def change(data: bytes, max_size: int) -> bytes:
        start = random.randrange(len(data) + 1)
        return (data[:start] + random.randbytes(random.randrange(4)) + data[start + random.randrange(4) :])[:max_size]

    return change
