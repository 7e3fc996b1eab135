"""What of a header is needed before it is admitted: its id, and how urgent it claims to be.

Reads no further than that, whatever follows, and judges nothing: admission decodes the same bytes strictly, and refuses
those in which anything else could be read at another place. A false claim of urgency is the sender's own loss, which
uses up its own allowance.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgpack

from schemas.envelope.words import PRECEDENCE_RANK, PRECEDENCES
from schemas.ids import ID_SIZE
from schemas.limits import MAX_HEADER

LAST: Final = len(PRECEDENCES) - 1
"""The rank of what is least urgent."""
_FIELDS: Final = 32
"""Fields looked at; a header has fewer, and these two stand in its first half."""


class Glance(NamedTuple):
    """`id` as 16 bytes, or None where none is found; `rank` of the precedence, the last one where none is found."""

    id: bytes | None
    rank: int


def peek(header: bytes) -> Glance:
    """Look for both. Never raises: what cannot be read is least urgent."""
    found, rank = None, LAST
    if len(header) > MAX_HEADER:
        return Glance(None, LAST)
    reader = msgpack.Unpacker(raw=False, strict_map_key=True, max_buffer_size=MAX_HEADER)
    reader.feed(header)
    try:
        for _ in range(min(reader.read_map_header(), _FIELDS)):
            name = reader.unpack()
            if name == "id":
                value = reader.unpack()
                found = value if isinstance(value, bytes) and len(value) == ID_SIZE else None
            elif name == "precedence":
                word = reader.unpack()
                rank = PRECEDENCE_RANK.get(word, LAST) if isinstance(word, str) else LAST
                break
            else:
                reader.skip()
    except (ValueError, msgpack.UnpackException, RecursionError):
        pass
    return Glance(found, rank)
