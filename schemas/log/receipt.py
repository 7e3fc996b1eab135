"""Receipts: a recipient's signed word on what it holds of one sender's alerts. See docs/spec/receipts.md.

One signature covers up to 256 alerts. They are all of one sender, so that a receipt can be shown to that sender
without telling it of anybody else's alerts.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import chain, pairwise, product
from operator import attrgetter, lt
from typing import Annotated, Final, Literal, TypeAlias, get_args

from msgspec import Meta, Struct

from schemas.codec import Fields, Value, decode, encode
from schemas.errors import BadId, BadReceipt, EncodingRefusal
from schemas.ids import AGENCY_IDS, DIGEST_SIZE, ID_SIZE, KEY_ID_SIZE, are_ids, check_agency_id, check_id, check_slug
from schemas.keys import SigningKey, verify
from schemas.limits import MAX_HEADER, MAX_INDEX, MAX_NAME, MAX_RECEIPT_ITEMS, MAX_TIME_MS
from schemas.typed import Form, unchecked

RECEIPT_CONTEXT = b"crossbearing/1/receipt\0"
"""What the signature covers before the receipt's bytes, so that it can be taken for nothing else."""

LAST_STEP = 11
"""The steps of opening an alert are numbered from 1 to this."""

State: TypeAlias = Literal["stored", "read", "actioned", "refused"]
_STATES: frozenset[str] = frozenset(get_args(State))


class ReceiptItem(Struct, frozen=True, gc=False):
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
    return _write_good(receipt) or encode(_wire(receipt))


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


# -- field by field ----------------------------------------------------------------------------------------------------


def _wire(receipt: Receipt) -> dict[str, Value]:
    items: list[Value] = [[item.index, item.alert_id, item.leaf] for item in receipt.items]
    if receipt.state == "refused":
        items = [[item.index, item.alert_id, item.leaf, item.code, item.step] for item in receipt.items]
    return {
        "agency": receipt.agency,
        "items": items,
        "key": receipt.key,
        "officer": receipt.officer,
        "sender": receipt.sender,
        "state": receipt.state,
        "time": receipt.time,
    }


def _read(data: bytes) -> Receipt:
    try:
        reader = Fields(decode(data, max_size=MAX_HEADER), "receipt")
        state = _state(reader.text("state"))
        receipt = Receipt(
            agency=reader.text("agency"),
            key=reader.blob("key"),
            sender=reader.text("sender"),
            state=state,
            time=reader.integer("time"),
            officer=reader.optional_text("officer"),
            items=tuple(_item(value, refused=state == "refused") for value in reader.items("items")),
        )
        reader.done()
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

_Item: TypeAlias = tuple[
    Annotated[int, Meta(ge=0, le=MAX_INDEX)],
    Annotated[bytes, Meta(min_length=ID_SIZE, max_length=ID_SIZE)],
    Annotated[bytes, Meta(min_length=DIGEST_SIZE, max_length=DIGEST_SIZE)],
]


class _Wire(Struct, frozen=True, forbid_unknown_fields=True):
    """A receipt for alerts that are held, in the order of the encoding. Refusals, with more to an item, are rare."""

    agency: str
    items: Annotated[tuple[_Item, ...], Meta(min_length=1, max_length=MAX_RECEIPT_ITEMS)]
    key: Annotated[bytes, Meta(min_length=KEY_ID_SIZE, max_length=KEY_ID_SIZE)]
    officer: Annotated[str, Meta(min_length=1, max_length=MAX_NAME)] | None
    sender: str
    state: Literal["stored", "read", "actioned"]
    time: Annotated[int, Meta(ge=0, le=MAX_TIME_MS)]


_form: Final = Form(_Wire, limit=MAX_HEADER)
_parts: Final = attrgetter("index", "alert_id", "leaf")
_TYPES: Final = frozenset(product((str,), (bytes,), (str, type(None)), (str,), (str,), (int,)))
_ITEM_TYPES: Final = frozenset({int, bytes})
_make: Final = unchecked(Receipt, [field.name for field in fields(Receipt)])


def _write_good(receipt: Receipt) -> bytes | None:
    """The bytes of a receipt that is no refusal; None if it was made of other types that have lengths and orders."""
    if receipt.state == "refused":
        return None
    heads = (receipt.agency, receipt.key, receipt.officer, receipt.sender, receipt.state, receipt.time)
    items = tuple(map(_parts, receipt.items))
    if tuple(map(type, heads)) not in _TYPES or not _ITEM_TYPES.issuperset(map(type, chain.from_iterable(items))):
        return None
    agency, key, officer, sender, state, time = heads
    return _form.encode(_Wire(agency, items, key, officer, sender, state, time))


def _read_good(data: bytes) -> Receipt | None:
    """The receipt in ``data`` if it is good beyond doubt; None for a refusal, and for what may be wrong."""
    wire = _form.read(data)
    if wire is None:
        return None
    indexes, ids, leaves = zip(*wire.items, strict=True)
    good = (
        all(map(lt, indexes, indexes[1:]))
        and are_ids(ids)
        and len(set(ids)) == len(ids)
        and (wire.officer is None or wire.officer.isprintable())
        and AGENCY_IDS.all((wire.agency, wire.sender))
        and wire.agency != wire.sender
    )
    if not good:
        return None
    items = tuple(map(ReceiptItem, indexes, ids, leaves))
    return _make((wire.agency, wire.key, wire.sender, wire.state, wire.time, wire.officer, items))
