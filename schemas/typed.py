"""The wire read by types: what the readers of good headers, entries and receipts share (ADR 28)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from itertools import repeat
from operator import call
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")
W = TypeVar("W", bound=msgspec.Struct)


class Form(Generic[W]):
    """Canonical msgpack of one type, of at most `limit` bytes."""

    __slots__ = ("_decode", "_limit", "encode")

    def __init__(self, kind: type[W], *, limit: int) -> None:
        self._decode = msgspec.msgpack.Decoder(kind).decode
        self._limit = limit
        self.encode: Callable[[W], bytes] = msgspec.msgpack.Encoder().encode
        """The shortest encoding of a value whose parts have the types they should have."""

    def read(self, data: bytes) -> W | None:
        """The value in ``data``, if it is one of that type and in canonical form; else None."""
        if len(data) > self._limit:
            return None
        try:
            value = self._decode(data)
        except msgspec.DecodeError:
            return None
        return value if self.encode(value) == data else None


def unchecked(kind: type[T], names: Iterable[str]) -> Callable[[Iterable[object]], T]:
    """Makes objects of a frozen class with slots out of the values of these fields, which were checked before.

    Its constructor would check them again. The fields are set while nobody has seen the object yet.
    """
    setters: list[Any] = [getattr(kind, name).__set__ for name in names]

    def make(values: Iterable[object]) -> T:
        made = object.__new__(kind)
        deque(map(call, setters, repeat(made), values), 0)
        return made

    return make
