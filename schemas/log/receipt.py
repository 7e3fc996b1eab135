"""Receipts: a recipient's signed word on what it holds of one sender's alerts. See docs/spec/receipts.md.

One signature covers up to 256 alerts. They are all of one sender, so that a receipt can be shown to that sender
without telling it of anybody else's alerts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias, get_args

from schemas.codec import Fields, Value, decode, encode
from schemas.errors import BadId, BadReceipt, EncodingRefusal
from schemas.ids import DIGEST_SIZE, KEY_ID_SIZE, check_agency_id, check_id, check_slug
from schemas.keys import SigningKey, verify
from schemas.limits import MAX_HEADER, MAX_INDEX, MAX_NAME, MAX_RECEIPT_ITEMS, MAX_TIME_MS

RECEIPT_CONTEXT = b"crossbearing/1/receipt\0"
"""What the signature covers before the receipt's bytes, so that it can be taken for nothing else."""

LAST_STEP = 11
"""The steps of opening an alert are numbered from 1 to this."""

State: TypeAlias = Literal["stored", "read", "actioned", "refused"]
_STATES: frozenset[str] = frozenset(get_args(State))


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
    items: list[Value] = []
    for item in receipt.items:
        wire: list[Value] = [item.index, item.alert_id, item.leaf]
        items.append([*wire, item.code, item.step] if refused else wire)
    return encode(
        {
            "agency": receipt.agency,
            "items": items,
            "key": receipt.key,
            "officer": receipt.officer,
            "sender": receipt.sender,
            "state": receipt.state,
            "time": receipt.time,
        }
    )


def decode_receipt(data: bytes) -> Receipt:
    """The receipt in ``data``. Raises `BadReceipt` for anything that `encode_receipt` would not write."""
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


def sign_receipt(receipt: Receipt, key: SigningKey) -> tuple[bytes, bytes]:
    """The bytes of a receipt and the signature over them. Raises `BadReceipt` if it names another key than ``key``."""
    _check(receipt.key == key.key_id, "the receipt names another key than the one that signs it")
    data = encode_receipt(receipt)
    return data, key.sign(RECEIPT_CONTEXT + data)


def verify_receipt(data: bytes, signature: bytes, public: bytes) -> None:
    """Check the signature over the bytes of a receipt. Raises `BadSignature`."""
    verify(public, RECEIPT_CONTEXT + data, signature)


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
