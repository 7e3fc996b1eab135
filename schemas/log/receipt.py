"""Receipts: a recipient's signed word on what it holds of one sender's alerts. See docs/spec/receipts.md.

One signature covers up to 256 alerts. They are all of one sender, so that a receipt can be shown to that sender
without telling it of anybody else's alerts.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from itertools import chain, pairwise, product
from typing import Any, Final, Literal, TypeAlias, get_args

import msgpack

from schemas.codec import Fields, Value, decode, encode, pack
from schemas.errors import BadId, BadReceipt, EncodingRefusal
from schemas.ids import AGENCY_IDS, DIGEST_SIZE, KEY_ID_SIZE, check_agency_id, check_id, check_slug, is_id
from schemas.keys import SigningKey, verify
from schemas.limits import MAX_HEADER, MAX_INDEX, MAX_NAME, MAX_RECEIPT_ITEMS, MAX_TIME_MS

RECEIPT_CONTEXT = b"crossbearing/1/receipt\0"
"""What the signature covers before the receipt's bytes, so that it can be taken for nothing else."""

LAST_STEP = 11
"""The steps of opening an alert are numbered from 1 to this."""

State: TypeAlias = Literal["stored", "read", "actioned", "refused"]
_STATES: frozenset[str] = frozenset(get_args(State))
_HELD: Final = _STATES - {"refused"}


@dataclass(frozen=True, slots=True)
class ReceiptItem:
    """One alert: its place in the log, its id, the hash of its leaf; for a refusal the code and the opening step."""

    index: int
    alert_id: bytes
    leaf: bytes
    code: str | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What ``agency`` says at ``time`` (ms), under its signing key ``key``, of alerts by ``sender``.

    ``officer`` names the person for ``read`` and ``actioned`` where the agency wishes. Items are sorted by index.
    Raises `BadReceipt` when made from anything that has no encoding.
    """

    agency: str
    key: bytes
    sender: str
    state: State
    time: int
    officer: str | None
    items: tuple[ReceiptItem, ...]

    def __post_init__(self) -> None:
        _check(self.state in _STATES, "the state is not stored, read, actioned or refused")
        _check(len(self.key) == KEY_ID_SIZE, "the key id has the wrong length")
        _check(0 <= self.time <= MAX_TIME_MS, "the time is out of range")
        _check(self.officer is None or _is_name(self.officer), "the officer's name is empty, too long or unprintable")
        _check(0 < len(self.items) <= MAX_RECEIPT_ITEMS, f"a receipt has 1 to {MAX_RECEIPT_ITEMS} items")
        try:
            check_agency_id(self.agency)
            check_agency_id(self.sender)
            for item in self.items:
                _check_item(item, refused=self.state == "refused")
        except BadId as error:
            raise BadReceipt(error.message) from None
        _check(self.agency != self.sender, "an agency gives no receipt for its own alerts")
        indexes = [item.index for item in self.items]
        _check(all(a < b for a, b in pairwise(indexes)), "the items are not sorted, each once")
        _check(len({item.alert_id for item in self.items}) == len(self.items), "an alert is named twice")


def encode_receipt(receipt: Receipt) -> bytes:
    """The canonical bytes of a receipt."""
    refused = receipt.state == "refused"
    items: list[Any] = [[item.index, item.alert_id, item.leaf] for item in receipt.items]
    if refused:
        items = [[*wire, item.code, item.step] for wire, item in zip(items, receipt.items, strict=True)]
    value: dict[str, Any] = {
        "agency": receipt.agency,
        "items": items,
        "key": receipt.key,
        "officer": receipt.officer,
        "sender": receipt.sender,
        "state": receipt.state,
        "time": receipt.time,
    }
    # A receipt and its items are within all bounds, but may have been made of other types that have lengths and orders.
    # A refusal, which has texts in its items, is rare.
    if _is_typed(value) and _ITEM_LEAVES.issuperset(map(type, chain.from_iterable(items))):
        return pack(value)
    return encode(value)


def decode_receipt(data: bytes) -> Receipt:
    """The receipt in ``data``. Raises `BadReceipt` for anything that `encode_receipt` would not write."""
    return _read_good(data) or _read(data)


def sign_receipt(receipt: Receipt, key: SigningKey) -> tuple[bytes, bytes]:
    """The bytes of a receipt and the signature over them. Raises `BadReceipt` if it names another key than ``key``."""
    _check(receipt.key == key.key_id, "the receipt names another key than the one that signs it")
    data = encode_receipt(receipt)
    return data, key.sign(RECEIPT_CONTEXT + data)


def verify_receipt(data: bytes, signature: bytes, public: bytes) -> None:
    """Check the signature over the bytes of a receipt. Raises `BadSignature`."""
    verify(public, RECEIPT_CONTEXT + data, signature)


# -- reading what is wrong, field by field -----------------------------------------------------------------------------


def _read(data: bytes) -> Receipt:
    try:
        fields = Fields(decode(data, max_size=MAX_HEADER), "receipt")
        state = _state(fields.text("state"))
        receipt = Receipt(
            agency=fields.text("agency"),
            key=fields.blob("key"),
            sender=fields.text("sender"),
            state=state,
            time=fields.integer("time"),
            officer=fields.optional_text("officer"),
            items=tuple(_item(value, refused=state == "refused") for value in fields.items("items")),
        )
        fields.done()
    except EncodingRefusal as error:
        raise BadReceipt(error.message, cause=error.code) from None
    return receipt


def _state(text: str) -> State:
    match text:
        case "stored" | "read" | "actioned" | "refused":
            return text
    raise BadReceipt("the state is not stored, read, actioned or refused")


def _item(value: Value, *, refused: bool) -> ReceiptItem:
    match value:
        case [int(index), bytes(alert_id), bytes(leaf)] if not refused:
            return ReceiptItem(index, alert_id, leaf)
        case [int(index), bytes(alert_id), bytes(leaf), str(code), int() | None as step] if refused:
            return ReceiptItem(index, alert_id, leaf, code, step)
    raise BadReceipt("an item is not an index, an id and a leaf hash, with code and step where refused")


def _check_item(item: ReceiptItem, *, refused: bool) -> None:
    check_id(item.alert_id)
    _check(type(item.index) is int and 0 <= item.index <= MAX_INDEX, "an index is out of range")
    _check(len(item.leaf) == DIGEST_SIZE, "a leaf hash has the wrong length")
    if not refused:
        _check(item.code is None and item.step is None, "only a refusal has a code and a step")
        return
    if item.code is None:
        raise BadReceipt("a refusal has no code")
    check_slug(item.code)
    _check(item.step is None or (type(item.step) is int and 1 <= item.step <= LAST_STEP), "a step is out of range")


def _is_name(text: str) -> bool:
    return 0 < len(text) <= MAX_NAME and text.isprintable()


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BadReceipt(otherwise)


# -- reading what is good, at once -------------------------------------------------------------------------------------

_FIELDS: Final[tuple[tuple[str, tuple[type, ...]], ...]] = (
    ("agency", (str,)),
    ("items", (list,)),
    ("key", (bytes,)),
    ("officer", (str, type(None))),
    ("sender", (str,)),
    ("state", (str,)),
    ("time", (int,)),
)
"""Each with its types, in the order of the encoding."""
_ORDER: Final = tuple(name for name, _ in _FIELDS)
_TYPES: Final = frozenset(product(*(types for _, types in _FIELDS)))
_ITEM_LENGTH: Final = 3
_ITEM_LEAVES: Final = frozenset({int, bytes})
_SET: Final = {field.name: getattr(Receipt, field.name).__set__ for field in dataclass_fields(Receipt)}
_SET_INDEX, _SET_ID, _SET_LEAF, _SET_CODE, _SET_STEP = (
    getattr(ReceiptItem, field.name).__set__ for field in dataclass_fields(ReceiptItem)
)
"""They set the fields of what nobody has seen yet; afterwards it is frozen."""


def _is_typed(value: dict[str, Any]) -> bool:
    return tuple(map(type, value.values())) in _TYPES


def _read_good(data: bytes) -> Receipt | None:
    """The receipt in ``data`` if it is good beyond doubt; None if there may be anything wrong, or if it is a refusal.

    All that `_read` and the constructors check is checked here again, at a fifth of the cost.
    """
    if len(data) > MAX_HEADER:
        return None
    try:
        value = msgpack.unpackb(data, max_array_len=2 * MAX_RECEIPT_ITEMS, max_map_len=len(_ORDER), max_ext_len=0)
    except ValueError:
        return None
    if type(value) is not dict or tuple(value) != _ORDER or not _is_typed(value):
        return None
    items = _good_items(value["items"])
    good = (
        items is not None
        and len(value["key"]) == KEY_ID_SIZE
        and value["state"] in _HELD
        and 0 <= value["time"] <= MAX_TIME_MS
        and (value["officer"] is None or _is_name(value["officer"]))
        and AGENCY_IDS.all((value["agency"], value["sender"]))
        and value["agency"] != value["sender"]
        and pack(value) == data
    )
    if not good:
        return None
    receipt = object.__new__(Receipt)
    for name, part in (value | {"items": items}).items():
        _SET[name](receipt, part)
    return receipt


def _good_items(values: list[Any]) -> tuple[ReceiptItem, ...] | None:
    items, last = [], -1
    for value in values:
        if type(value) is not list or len(value) != _ITEM_LENGTH:
            return None
        index, alert_id, leaf = value
        if not (
            type(index) is int
            and last < index
            and type(alert_id) is bytes
            and is_id(alert_id)
            and type(leaf) is bytes
            and len(leaf) == DIGEST_SIZE
        ):
            return None
        item = object.__new__(ReceiptItem)
        _SET_INDEX(item, index)
        _SET_ID(item, alert_id)
        _SET_LEAF(item, leaf)
        _SET_CODE(item, None)
        _SET_STEP(item, None)
        items.append(item)
        last = index
    good = (
        0 < len(items) <= MAX_RECEIPT_ITEMS and last <= MAX_INDEX and len({value[1] for value in values}) == len(items)
    )
    return tuple(items) if good else None
