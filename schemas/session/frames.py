"""Frames of the session: one canonical msgpack array `[type, field, …]` per binary WebSocket message.

Every frame is a type whose fields are the array's items in the order written there. Decoding is strict:
a frame that the encoder would not itself emit, or that the sending side may not send, is refused.
See docs/spec/session.md.

Those that come in thousands are read and written in few steps where they are good beyond doubt; all others, and
whatever may be wrong, field by field.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from schemas.codec import Fields, Value, decode, encode
from schemas.errors import Malformed, ProtocolError, VersionUnsupported
from schemas.limits import MAX_FRAME, MAX_ITEMS, MAX_MESSAGE, MAX_NOTE, MAX_RETRY_MS
from schemas.session.frame_types import (
    PROTOCOL,
    Blob,
    Block,
    Bye,
    Cosign,
    Credit,
    DirectoryUpdate,
    Fetch,
    Frame,
    FromHub,
    FromNode,
    Hello,
    Item,
    Publish,
    Recover,
    Recovered,
    Result,
    ResultItem,
    SendReceipt,
    Side,
    Submit,
    TreeHead,
    Upload,
    Uploaded,
    Welcome,
    WitnessedHead,
)

__all__ = [
    "PROTOCOL",
    "Blob",
    "Block",
    "Bye",
    "Cosign",
    "Credit",
    "DirectoryUpdate",
    "Fetch",
    "Frame",
    "FromHub",
    "FromNode",
    "Hello",
    "Item",
    "Publish",
    "Recover",
    "Recovered",
    "Result",
    "ResultItem",
    "SendReceipt",
    "Side",
    "Submit",
    "TreeHead",
    "Upload",
    "Uploaded",
    "Welcome",
    "WitnessedHead",
    "decode_frame",
    "encode_frame",
]

_TYPES: dict[str, type[Frame]] = {
    "hello": Hello,
    "submit": Submit,
    "receipt": SendReceipt,
    "publish": Publish,
    "upload": Upload,
    "fetch": Fetch,
    "credit": Credit,
    "cosign": Cosign,
    "recover": Recover,
    "bye": Bye,
    "welcome": Welcome,
    "result": Result,
    "block": Block,
    "directory": DirectoryUpdate,
    "head": TreeHead,
    "witnessed": WitnessedHead,
    "uploaded": Uploaded,
    "blob": Blob,
    "recovered": Recovered,
}
_NAMES = {cls: name for name, cls in _TYPES.items()}
_MAY_SEND: dict[Side, frozenset[str]] = {
    "node": frozenset(
        {"hello", "submit", "receipt", "publish", "upload", "fetch", "credit", "cosign", "recover", "bye"}
    ),
    "hub": frozenset(
        {"welcome", "result", "block", "directory", "head", "witnessed", "uploaded", "blob", "recovered", "bye"}
    ),
}


_DEPTH: dict[Side, int] = {"node": 2, "hub": 4}
"""Lists in lists: a submission's openers, and the path of an item of a block. Four megabytes of empty lists in lists
would cost whoever reads them two seconds."""


def encode_frame(frame: Frame) -> bytes:
    """The frame as it goes over the wire."""
    return _write_good(frame) or encode([_NAMES[type(frame)], *_values(frame)])


def decode_frame(data: bytes, *, sender: Side) -> Frame:
    """The frame in `data`, which came from `sender`.

    Raises the codec's refusals, `Malformed` for wrong fields, `VersionUnsupported` for another protocol version and
    `ProtocolError` for a type that is unknown or not for this side to send.
    """
    return _read_good(data, sender) or _read_frame(data, sender)


# -- field by field ----------------------------------------------------------------------------------------------------


def _read_frame(data: bytes, sender: Side) -> Frame:
    value = decode(data, max_size=MAX_FRAME, max_depth=_DEPTH[sender])
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        raise Malformed("a frame is an array that starts with its type")
    name = value[0]
    if name not in _MAY_SEND[sender]:
        raise ProtocolError(f"a {sender} does not send frames of type {name[:32]!r}")
    return _DECODERS[name](_read(name, _TYPES[name], value[1:]))


def _values(record: Frame | Item | ResultItem) -> list[Value]:
    return [_value(getattr(record, name)) for name in type(record).__match_args__]


def _value(value: Value | tuple[object, ...]) -> Value:
    if not isinstance(value, tuple):
        return value
    return [_values(item) if isinstance(item, (Item, ResultItem)) else item for item in value]  # type: ignore[misc]  # tuples here hold bytes or the two item types


def _read(what: str, cls: type[Frame | Item | ResultItem], values: list[Value]) -> Fields:
    # Another protocol version may have other fields, so it is recognised before they are counted.
    if what in {"hello", "welcome"} and values and values[0] != PROTOCOL:
        raise VersionUnsupported(f"protocol version {str(values[0])[:32]} is not spoken here, only {PROTOCOL}")
    names = cls.__match_args__
    if len(values) != len(names):
        raise Malformed(f"{what} has {len(values)} fields instead of {len(names)}")
    return Fields(dict(zip(names, values, strict=True)), what)


def _blobs(fields_: Fields, name: str, size: int | None = None) -> tuple[bytes, ...]:
    blobs = []
    for item in fields_.items(name):
        if not isinstance(item, bytes) or (size is not None and len(item) != size):
            raise Malformed(f"{name} holds something else than byte strings" + (f" of {size} bytes" if size else ""))
        blobs.append(item)
    return tuple(blobs)


def _name_of_blob(fields_: Fields) -> bytes:
    digest = fields_.blob("digest")
    if len(digest) not in {8, 16, 32}:
        raise Malformed("a blob is named by 8, 16 or 32 bytes")
    return digest


def _hello(f: Fields) -> Hello:
    protocol, agency = f.integer("protocol"), f.text("agency", max_length=MAX_MESSAGE)
    directory, size, root = f.integer("directory"), f.integer("size"), f.blob("root", size=32)
    notices, credit, note = f.integer("notices"), f.integer("credit"), f.blob("note", max_size=MAX_NOTE)
    return Hello(
        protocol, agency, directory, size, root, notices, credit, note, f.integer("known"), f.integer("restored")
    )


def _welcome(f: Fields) -> Welcome:
    protocol, origin = f.integer("protocol"), f.text("origin", max_length=MAX_MESSAGE)
    directory, size, time = f.integer("directory"), f.integer("size"), f.integer("time")
    return Welcome(protocol, origin, directory, size, time, f.integer("restored"), f.integer("since"))


def _submit(f: Fields) -> Submit:
    header, signature, body = f.blob("header"), f.blob("signature"), f.blob("body")
    return Submit(header, signature, body, _blobs(f, "openers"), f.blob("carried"))


def _receipt(f: Fields) -> SendReceipt:
    return SendReceipt(f.blob("receipt"), f.blob("signature"))


def _publish(f: Fields) -> Publish:
    return Publish(f.text("role", max_length=MAX_MESSAGE), f.integer("version"), f.blob("bundle"))


def _upload(f: Fields) -> Upload:
    return Upload(f.blob("digest", size=32), f.integer("offset"), f.integer("total"), f.blob("data"))


def _uploaded(f: Fields) -> Uploaded:
    return Uploaded(f.blob("digest", size=32), f.integer("offset"))


def _fetch(f: Fields) -> Fetch:
    return Fetch(_name_of_blob(f), f.integer("offset"))


def _blob(f: Fields) -> Blob:
    return Blob(_name_of_blob(f), f.integer("offset"), f.integer("total"), f.blob("data"))


def _credit(f: Fields) -> Credit:
    return Credit(f.integer("n"))


def _bye(f: Fields) -> Bye:
    return Bye(f.text("code", max_length=MAX_MESSAGE), f.text("message", max_length=MAX_MESSAGE))


def _result_item(value: Value) -> ResultItem:
    if not isinstance(value, list):
        raise Malformed("a result item is an array")
    f = _read("result item", ResultItem, value)
    ref, accepted, index = f.blob("ref", size=16), f.flag("accepted"), f.integer("index")
    code, message = f.text("code", max_length=MAX_MESSAGE), f.text("message", max_length=MAX_MESSAGE)
    if accepted and code:
        raise Malformed("an accepted submission carries no code")
    if not accepted and (not code or index):
        raise Malformed("a refused submission carries a code and no index")
    hint, retry = f.text("hint", max_length=MAX_MESSAGE), f.integer("retry")
    if retry > MAX_RETRY_MS or (accepted and retry):
        raise Malformed(f"a refused submission is to be tried again within {MAX_RETRY_MS} ms, an accepted one never")
    return ResultItem(ref, accepted, index, code, message, hint, retry)


def _result(f: Fields) -> Result:
    return Result(tuple(_result_item(item) for item in f.items("items")))


def _item(value: Value) -> Item:
    if not isinstance(value, list):
        raise Malformed("an item is an array")
    f = _read("item", Item, value)
    return Item(f.integer("index"), f.blob("entry"), _blobs(f, "path", 32), f.blob("body"), _blobs(f, "openers"))


def _block(f: Fields) -> Block:
    return Block(f.blob("checkpoint"), _blobs(f, "proof", 32), tuple(_item(item) for item in f.items("items")))


def _directory(f: Fields) -> DirectoryUpdate:
    items = tuple(_item(item) for item in f.items("items"))
    return DirectoryUpdate(f.blob("checkpoint"), _blobs(f, "proof", 32), items)


def _head(f: Fields) -> TreeHead:
    return TreeHead(f.blob("checkpoint"), _blobs(f, "proof", 32), f.flag("both"))


def _witnessed(f: Fields) -> WitnessedHead:
    return WitnessedHead(f.blob("checkpoint"), _blobs(f, "proof", 32))


def _cosign(f: Fields) -> Cosign:
    return Cosign(f.integer("size"), f.blob("lines"))


def _recover(f: Fields) -> Recover:
    return Recover(f.integer("since"), f.integer("start"))


def _recovered(f: Fields) -> Recovered:
    items = tuple(_item(item) for item in f.items("items"))
    return Recovered(f.blob("checkpoint"), _blobs(f, "proof", 32), items, f.integer("next"))


_DECODERS: dict[str, Callable[[Fields], Frame]] = {
    "hello": _hello,
    "welcome": _welcome,
    "submit": _submit,
    "receipt": _receipt,
    "publish": _publish,
    "upload": _upload,
    "uploaded": _uploaded,
    "fetch": _fetch,
    "blob": _blob,
    "recover": _recover,
    "recovered": _recovered,
    "credit": _credit,
    "result": _result,
    "block": _block,
    "directory": _directory,
    "head": _head,
    "witnessed": _witnessed,
    "cosign": _cosign,
    "bye": _bye,
}


# -- what comes in thousands, at once ----------------------------------------------------------------------------------

_SubmitWire: TypeAlias = tuple[
    Literal["submit"], bytes, bytes, bytes, Annotated[tuple[bytes, ...], Meta(max_length=MAX_ITEMS)], bytes
]
_ReceiptWire: TypeAlias = tuple[Literal["receipt"], bytes, bytes]
_ITEM: Final = attrgetter(*Item.__struct_fields__)
_SUBMIT: Final = attrgetter(*(field.name for field in fields(Submit)))
_RESULT_ITEM: Final = attrgetter(*ResultItem.__struct_fields__)
_RESULT_TYPES: Final = (bytes, bool, int, str, str, str, int)
_BYTES: Final = frozenset({bytes})
_encode: Final = msgspec.msgpack.Encoder().encode


def _write_good(frame: Frame) -> bytes | None:
    """The frame's bytes if it is of the frequent ones and has nothing in it that no frame can have; else None."""
    write = _WRITERS.get(type(frame))
    try:
        value = write(frame) if write is not None else None
        return None if value is None else _encode(value)
    except (OverflowError, ValueError):
        pass  # a number beyond 64 bits, a lone surrogate
    return None


def _write_block(frame: Block) -> Block | None:
    if type(frame.items) is not tuple or not _are_bytes(frame.proof) or type(frame.checkpoint) is not bytes:
        return None
    for item in frame.items:
        if type(item) is not Item:
            return None
        index, entry, path, body, openers = _ITEM(item)
        if not (
            type(index) is int
            and type(entry) is bytes
            and _are_bytes(path)
            and type(body) is bytes
            and _are_bytes(openers)
        ):
            return None
    return frame if len(frame.items) <= MAX_ITEMS else None


def _write_result(frame: Result) -> Result | None:
    if type(frame.items) is not tuple or {ResultItem} != set(map(type, frame.items)):
        return None
    good = all(tuple(map(type, _RESULT_ITEM(item))) == _RESULT_TYPES for item in frame.items)
    return frame if good and len(frame.items) <= MAX_ITEMS else None


def _write_submit(frame: Submit) -> _SubmitWire | None:
    header, signature, body, openers, carried = _SUBMIT(frame)
    good = _are_bytes((header, signature, body, carried)) and _are_bytes(openers)
    return ("submit", header, signature, body, openers, carried) if good else None


def _write_receipt(frame: SendReceipt) -> _ReceiptWire | None:
    good = type(frame.receipt) is bytes and type(frame.signature) is bytes
    return ("receipt", frame.receipt, frame.signature) if good else None


def _are_bytes(values: Any) -> bool:
    return type(values) is tuple and len(values) <= MAX_ITEMS and _BYTES.issuperset(map(type, values))


_WRITERS: Final[dict[type, Callable[[Any], object]]] = {
    Block: _write_block,
    Result: _write_result,
    SendReceipt: _write_receipt,
    Submit: _write_submit,
}


def _read_good(data: bytes, sender: Side) -> Frame | None:
    """The frame in ``data`` if it is of the frequent ones and good beyond doubt; else None, without a reason."""
    if not _START < len(data) <= MAX_FRAME:
        return None
    read = _READERS[sender].get(data[_START : _START + (data[1] & 0x1F)])
    try:
        value = read(data) if read is not None else None
    except msgspec.DecodeError:
        return None
    if value is None or _encode(value) != data:
        return None
    if isinstance(value, tuple):
        return Submit(*value[1:]) if value[0] == "submit" else SendReceipt(*value[1:])
    if type(value) is Result and not all(map(_is_sound, value.items)):
        return None
    return value


def _is_sound(item: ResultItem) -> bool:
    """Whether the fields of an acceptance or of a refusal fit each other."""
    if item.accepted:
        return not item.code and not item.retry
    return bool(item.code) and not item.index


_START: Final = 2
"""Bytes before the frame's name: how many fields it has, and how long the name is."""


_Wire: TypeAlias = Block | Result | TreeHead | WitnessedHead | Credit | Cosign | _SubmitWire | _ReceiptWire
_READERS: Final[dict[Side, dict[bytes, Callable[[bytes], _Wire]]]] = {
    "hub": {
        b"block": msgspec.msgpack.Decoder(Block).decode,
        b"head": msgspec.msgpack.Decoder(TreeHead).decode,
        b"result": msgspec.msgpack.Decoder(Result).decode,
        b"witnessed": msgspec.msgpack.Decoder(WitnessedHead).decode,
    },
    "node": {
        b"cosign": msgspec.msgpack.Decoder(Cosign).decode,
        b"credit": msgspec.msgpack.Decoder(Credit).decode,
        b"receipt": msgspec.msgpack.Decoder(_ReceiptWire).decode,
        b"submit": msgspec.msgpack.Decoder(_SubmitWire).decode,
    },
}
