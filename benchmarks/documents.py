"""Alerts to measure with, of about any size that an alert may have."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from schemas.alert.codes import MAX_ADDRESSES, MAX_LINE, MAX_NARRATIVE

CONTAINER: Final = {"type": "container", "number": "CSQU3054383"}
_AROUND: Final = 1_000
"""Bytes that a long alert has besides its narrative and its containers."""
_OF_ONE: Final = MAX_LINE * 3 + 45
"""Bytes of a container with a note of the longest."""
_HAN: Final = 0x4E00
"""The first of the Chinese characters, three bytes each, of which notes are made."""


def alert_document(
    number: int, to: Sequence[str], size: int = 1_024, *, random: Callable[[int], bytes] = os.urandom
) -> dict[str, Any]:
    """An alert with so many bytes of text, little of which can be compressed.

    Up to 20,000 of them are its narrative; beyond that it lists containers, each with a note in Chinese characters.
    """
    narrative = min(size, MAX_NARRATIVE)
    listed = max(0, size - narrative - _AROUND) // _OF_ONE
    return {
        "kind": "watch",
        "marking": "green",
        "to": list(to) if len(to) <= MAX_ADDRESSES else ["all"],
        "title": f"alert {number}",
        "narrative": random(narrative // 2).hex(),
        "subjects": [CONTAINER, *({**CONTAINER, "note": note} for note in _notes(listed, random))],
    }


def _notes(count: int, random: Callable[[int], bytes]) -> Iterator[str]:
    for _ in range(count):
        drawn = random(2 * MAX_LINE)
        yield "".join(chr(_HAN + int.from_bytes(drawn[n : n + 2], "big") % 0x5000) for n in range(0, len(drawn), 2))
