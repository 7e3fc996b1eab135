from __future__ import annotations

import pytest

from nodes.room import Room
from schemas.errors import Overloaded


def test_so_many_places_and_no_more() -> None:
    room = Room(2, "guests")
    with room.place(), room.place(), pytest.raises(Overloaded, match="2 guests already") as refused, room.place():
        pass
    assert refused.value.retry_after > 0


def test_a_place_is_free_again_whatever_happened_in_it() -> None:
    room = Room(1, "guests")
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), room.place():
            raise ZeroDivisionError
    with room.place():
        pass
