"""Canonical msgpack: one value, one encoding.

Values are nil, booleans, integers from -2^63 to 2^64-1, UTF-8 text, bytes, lists, and maps from text to values. There
are no floats and no extension types. Every head and integer takes its shortest form, and map keys are sorted by their
UTF-8 bytes, each once. `decode` accepts exactly what `encode` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, TypeAlias

import msgpack
import msgspec

from schemas.errors import EncodingRefusal, Malformed, NotCanonical, TooDeep, TooLarge, Truncated
from schemas.limits import MAX_DEPTH, MAX_ITEMS, MAX_LISTS

Value: TypeAlias = "bool | int | str | bytes | list[Value] | dict[str, Value] | None"

_INTEGERS = range(-(1 << 63), 1 << 64)
_LEAVES = frozenset({type(None), bool, int, str, bytes})
_AS_THEY_ARE = _LEAVES - {int}
_KEYS = frozenset({str})

pack: Final[Callable[[Value], bytes]] = msgpack.Packer(use_bin_type=True, strict_types=True).pack
"""The shortest encoding of a value that is known to have one, its maps in the order they have.

The keys of its maps are to be sorted already; then it is what `encode` gives.
"""


_decode: Final = msgspec.msgpack.Decoder().decode
_encode: Final = msgspec.msgpack.Encoder(order="sorted").encode
"""What sorts the keys of maps by their UTF-8 bytes, and refuses those that are not text."""


def encode(value: Value) -> bytes:
    """The canonical encoding of ``value``.

    Raises `Malformed` for what has no encoding (a float, a key that is not text, a number out of range, a lone
    surrogate), `TooDeep` and `TooLarge` for what `decode` would refuse.
    """
    data = _write_good(value) or _write(value)
    if len(data) > MAX_LISTS and _lists(value) > MAX_LISTS:  # each takes a byte, so a shorter one need not be counted
        raise TooLarge(f"the value holds more than {MAX_LISTS} lists and maps", limit=MAX_LISTS)
    return data


def decode(data: bytes, *, max_size: int, max_depth: int = MAX_DEPTH) -> Value:
    """The value that ``data`` encodes, provided that `encode` would give these very bytes.

    ``max_size`` is in bytes; ``max_depth`` counts lists and maps around the innermost value. Raises `TooLarge`,
    `Truncated`, `Malformed`, `TooDeep` or `NotCanonical`.
    """
    if len(data) > max_size:
        raise TooLarge(f"{len(data)} bytes, where {max_size} are allowed", size=len(data), limit=max_size)
    return _read_good(data, max_depth) or _read(data, max_depth)


# -- what is good beyond doubt, at once --------------------------------------------------------------------------------


def _write_good(value: Value) -> bytes | None:
    """The encoding of a value that surely has one; else None."""
    try:
        return _encode(value) if _is_good(value, MAX_DEPTH) else None
    except (OverflowError, ValueError):
        pass  # a number beyond 64 bits, a lone surrogate
    return None


def _read_good(data: bytes, max_depth: int) -> Value:
    """The value in ``data`` if nothing can be wrong with it. Else None, which is what nothing but a nil reads as."""
    if len(data) > MAX_LISTS:  # so that its lists need not be counted: each takes a byte
        return None
    try:
        value: Value = _decode(data)
        return value if _is_good(value, max_depth) and _encode(value) == data else None
    except (msgspec.DecodeError, TypeError, RecursionError):
        pass
    return None


def _is_good(value: Value, depth: int) -> bool:
    """Whether a value is of the types of this encoding and within its bounds, the range of its numbers apart."""
    if type(value) is dict:
        if not _KEYS.issuperset(map(type, value)):
            return False
        items: Collection[Value] = value.values()
    elif type(value) is list:
        items = value
    else:
        return type(value) in _LEAVES
    if depth == 0 or len(items) > MAX_ITEMS:
        return False
    if _LEAVES.issuperset(map(type, items)):
        return True
    below = depth - 1
    for item in items:  # noqa: SIM110  # a loop takes two thirds of what `all` of a generator does
        if type(item) not in _LEAVES and not _is_good(item, below):
            return False
    return True


# -- whatever may be wrong ---------------------------------------------------------------------------------------------


def _write(value: Value) -> bytes:
    try:
        return pack(_sorted(value, MAX_DEPTH))
    except UnicodeEncodeError:
        raise Malformed("a text is not valid Unicode") from None


def _read(data: bytes, max_depth: int) -> Value:
    claimed = min(MAX_ITEMS, len(data))  # an item has a byte at least, so that no claim reserves more than was sent
    counted = (
        Counter() if len(data) > MAX_LISTS else None
    )  # each list or map takes a byte, so a shorter one has no more
    try:
        value: Value = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            max_array_len=claimed,
            max_map_len=claimed,
            max_ext_len=0,
            list_hook=counted,
            object_hook=counted,
        )
    except ValueError as error:
        raise _refusal(error) from None
    _check(value, max_depth)
    if pack(value) != data:  # a map keeps the order and drops the doubles it was read with, so this shows both
        raise NotCanonical("the bytes are not the shortest encoding of their value, or repeat a key")
    return value


class Counter:
    """A hook that stops msgpack once it has made too many lists and maps, with `TooLarge`: an empty one is a byte, and
    seventy in memory. Bytes no longer than MAX_LISTS need none."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_LISTS

    def __call__(self, made: Value) -> Value:
        """The list or map, counted."""
        if self._left == 0:
            raise TooLarge(f"the bytes hold more than {MAX_LISTS} lists and maps", limit=MAX_LISTS)
        self._left -= 1
        return made


def _refusal(error: ValueError) -> EncodingRefusal:
    """Which refusal the decoder's ``error`` stands for; the library tells some only by their text."""
    if isinstance(error, msgpack.StackError):
        return TooDeep("lists and maps nest too deep")
    if isinstance(error, msgpack.ExtraData):
        return Malformed("bytes follow the end of the value")
    if isinstance(error, UnicodeDecodeError):
        return Malformed("a text is not valid UTF-8")
    text = str(error)
    if "incomplete input" in text:
        return Truncated("the bytes end before the value does")
    if "exceeds max_array_len" in text or "exceeds max_map_len" in text:
        count = text.partition(" ")[0]
        if count.isdecimal() and int(count) <= MAX_ITEMS:
            return Truncated("the bytes end before the items that a list or map claims")
        return TooLarge(f"a list or map claims more than {MAX_ITEMS} items", limit=MAX_ITEMS)
    return Malformed("the bytes are not of the types this encoding has")


def _sorted(value: Value, depth: int) -> Value:
    """``value`` with the keys of its maps sorted; sorting by code point is sorting by UTF-8 bytes."""
    if isinstance(value, dict | list):
        if depth == 0:
            raise TooDeep(f"lists and maps nest deeper than {MAX_DEPTH}", limit=MAX_DEPTH)
        if len(value) > MAX_ITEMS:
            raise TooLarge(f"a list or map has more than {MAX_ITEMS} items", limit=MAX_ITEMS)
    if isinstance(value, dict):
        if not all(type(key) is str for key in value):
            raise Malformed("a map key is not text")
        below = depth - 1
        return {
            key: item if type(item := value[key]) in _AS_THEY_ARE else _sorted(item, below) for key in sorted(value)
        }
    if isinstance(value, list):
        below = depth - 1
        return [item if type(item) in _AS_THEY_ARE else _sorted(item, below) for item in value]
    if type(value) not in _LEAVES:
        raise Malformed(f"a value of type {type(value).__name__} has no encoding")
    if type(value) is int and value not in _INTEGERS:
        raise Malformed("a number does not fit 64 bits")
    return value


def _lists(value: Value) -> int:
    """How many lists and maps there are in a value, itself included."""
    if not isinstance(value, dict | list):
        return 0
    return 1 + sum(map(_lists, value.values() if isinstance(value, dict) else value))


def _check(value: Value, depth: int) -> None:
    """Refuse in a decoded value what the encoder would not have written, as far as packing it again cannot show.

    Types are compared a whole list at a time: a peer may send millions of items in one frame.
    """
    kind = type(value)
    if kind in _LEAVES:
        return
    if kind is not dict and kind is not list:
        raise Malformed("the bytes hold a float or an extension type")
    if depth == 0:
        raise TooDeep("lists and maps nest too deep")
    items: Collection[Value] = value  # type: ignore[assignment]  # it is one of the two
    if kind is dict:
        keys = list(items)
        if not _KEYS.issuperset(map(type, keys)):
            raise Malformed("a map key is not text")
        if keys != sorted(keys):  # type: ignore[type-var]  # they are texts
            raise NotCanonical("the keys of a map are not sorted")
        items = value.values()  # type: ignore[union-attr]
    if not _LEAVES.issuperset(map(type, items)):
        for item in items:
            if type(item) not in _LEAVES:
                _check(item, depth - 1)


class Fields:
    """Reads a typed map field by field, naming the field that is missing or of the wrong type.

    ``Fields(value, what="header")`` refuses what is no map; each reader takes one key; `done` refuses keys nobody
    read. All raise `Malformed` with the field's path (``header.sender``) in the sentence and the context.
    """

    __slots__ = ("_left", "_what")

    def __init__(self, value: Value, what: str) -> None:
        if not isinstance(value, dict):
            raise Malformed(f"{what} is not a map", field=what)
        self._left = dict(value)
        self._what = what

    def text(self, name: str, *, max_length: int | None = None) -> str:
        """A text, of at most ``max_length`` characters."""
        value = self._take(name)
        if type(value) is not str:
            raise self._wrong(name, "is not text")
        if max_length is not None and len(value) > max_length:
            raise self._wrong(name, f"is longer than {max_length} characters")
        return value

    def optional_text(self, name: str, *, max_length: int | None = None) -> str | None:
        """A text or nil; the key must be there."""
        return None if self._is_nil(name) else self.text(name, max_length=max_length)

    def integer(self, name: str, *, low: int = 0, high: int = (1 << 63) - 1) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        value = self._take(name)
        if type(value) is not int:
            raise self._wrong(name, "is not a whole number")
        if not low <= value <= high:
            raise self._wrong(name, f"is not within {low} and {high}")
        return value

    def optional_integer(self, name: str, *, low: int = 0, high: int = (1 << 63) - 1) -> int | None:
        """A whole number or nil; the key must be there."""
        return None if self._is_nil(name) else self.integer(name, low=low, high=high)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._take(name)
        if type(value) is not bool:
            raise self._wrong(name, "is not true or false")
        return value

    def blob(self, name: str, *, size: int | None = None, max_size: int | None = None) -> bytes:
        """Bytes, of exactly ``size`` or at most ``max_size``."""
        value = self._take(name)
        if type(value) is not bytes:
            raise self._wrong(name, "is not bytes")
        if size is not None and len(value) != size:
            raise self._wrong(name, f"is not {size} bytes long")
        if max_size is not None and len(value) > max_size:
            raise self._wrong(name, f"is longer than {max_size} bytes")
        return value

    def optional_blob(self, name: str, *, size: int | None = None, max_size: int | None = None) -> bytes | None:
        """Bytes or nil; the key must be there."""
        return None if self._is_nil(name) else self.blob(name, size=size, max_size=max_size)

    def items(self, name: str, *, max_items: int | None = None) -> list[Value]:
        """A list, of at most ``max_items``."""
        value = self._take(name)
        if not isinstance(value, list):
            raise self._wrong(name, "is not a list")
        if max_items is not None and len(value) > max_items:
            raise self._wrong(name, f"has more than {max_items} items")
        return value

    def texts(self, name: str, *, max_items: int | None = None) -> tuple[str, ...]:
        """A list of texts."""
        values = self.items(name, max_items=max_items)
        texts = tuple(value for value in values if isinstance(value, str))
        if len(texts) != len(values):
            raise self._wrong(name, "is not a list of texts")
        return texts

    def map(self, name: str) -> dict[str, Value]:
        """A map, unread."""
        value = self._take(name)
        if not isinstance(value, dict):
            raise self._wrong(name, "is not a map")
        return value

    def fields(self, name: str) -> Fields:
        """A map, to be read by its own fields."""
        return Fields(self._take(name), f"{self._what}.{name}")

    def value(self, name: str) -> Value:
        """Any value; the caller looks at its type."""
        return self._take(name)

    def done(self) -> None:
        """Refuse the map if a key was not read."""
        if self._left:
            raise self._wrong(min(self._left), "is not a field of this format")

    def _take(self, name: str) -> Value:
        try:
            return self._left.pop(name)
        except KeyError:
            raise self._wrong(name, "is missing") from None

    def _is_nil(self, name: str) -> bool:
        """Whether ``name`` is there and nil; then it counts as read."""
        if name in self._left and self._left[name] is None:
            del self._left[name]
            return True
        return False

    def _wrong(self, name: str, what: str) -> Malformed:
        field = f"{self._what}.{name if len(name) <= 40 and name.isprintable() else ascii(name[:40])}"
        return Malformed(f"{field} {what}", field=field)
