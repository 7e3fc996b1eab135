"""Frames of the session: one canonical msgpack array `[type, field, …]` per binary WebSocket message.

Every frame is a frozen dataclass whose fields are the array's items in the order written here. Decoding is strict:
a frame that the encoder would not itself emit, or that the sending side may not send, is refused.
See docs/spec/session.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal

from schemas.codec import Fields, Value, decode, encode
from schemas.errors import Malformed, ProtocolError, VersionUnsupported
from schemas.limits import MAX_FRAME, MAX_MESSAGE, MAX_NOTE, MAX_RETRY_MS

PROTOCOL = 1

Side = Literal["node", "hub"]


@dataclass(frozen=True, slots=True)
class Hello:
    """Node to hub, first: who it is and what it already holds, so that the hub sends only the rest."""

    protocol: int
    agency: str
    directory: int  # newest directory version held, 0 when none
    size: int  # of the checkpoint held, 0 when none
    root: bytes  # of the checkpoint held, the empty root when none
    notices: int  # first log index from which receipts about its own alerts are wanted
    credit: int  # alerts it can take before granting more
    note: bytes = b""  # the checkpoint held, as the log signed it; empty when none
    known: int = 0  # the log holds an alert of its own at the index before this one, as it was told; 0 when none
    restored: int = 0  # time (ms) of the newest restoration of the log that it has worked through, 0 when none


@dataclass(frozen=True, slots=True)
class Welcome:
    """Hub to node, the answer to `Hello`: which log this is, how far it goes, and the hub's time in ms."""

    protocol: int
    origin: str
    directory: int
    size: int
    time: int
    restored: int = 0  # time (ms) of the newest restoration of the log, 0 when there never was one
    since: int = 0  # log index from which on restorations that the node has not worked through may have lost something


@dataclass(frozen=True, slots=True)
class Submit:
    """Node to hub: a signed header, its sealed body, and the openers the hub may not hold yet.

    ``carried`` is the sender's word (`schemas.envelope.carriage`) that it went on removable media too; else empty.
    """

    header: bytes
    signature: bytes
    body: bytes
    openers: tuple[bytes, ...]
    carried: bytes = b""


@dataclass(frozen=True, slots=True)
class SendReceipt:
    """Node to hub: a signed receipt."""

    receipt: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Publish:
    """Node to hub: a bundle with the next version of its own agency's keys, signed by the agency's administrators."""

    role: str  # the agency
    version: int  # of the metadata in the bundle
    bundle: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """Node to hub: a piece of a sealed attachment; `offset` and `total` in bytes."""

    digest: bytes
    offset: int
    total: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Uploaded:
    """Hub to node: everything before `offset` is durable; `offset` equals the total when all is held and checked."""

    digest: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """Node to hub: send the blob from `offset` on. 32 bytes name an attachment, 16 an opener, 8 (a log index) the
    evidence for an alert (`schemas.log.evidence`)."""

    digest: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class Blob:
    """Hub to node: the piece of a blob at `offset`. `total` 0 means that it is not available to this node."""

    digest: bytes
    offset: int
    total: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Credit:
    """Node to hub: `n` more alerts may be sent."""

    n: int


@dataclass(frozen=True, slots=True)
class ResultItem:
    """What became of one submission: `ref` is the alert id, or the first 16 bytes of SHA-256 of receipt or bundle."""

    ref: bytes
    accepted: bool
    index: int  # where it stands in the log; 0 when refused
    code: str  # why it was refused; empty when accepted
    message: str
    hint: str
    retry: int = 0  # after how many ms the very same may be tried again; 0 when accepted, or when that is not known


@dataclass(frozen=True, slots=True)
class Result:
    """Hub to node: the fate of submissions. An acceptance is sent only when the entry is durable and signed for."""

    items: tuple[ResultItem, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One log entry with its inclusion path in the tree of the frame's checkpoint, and the blobs that go with it."""

    index: int
    entry: bytes
    path: tuple[bytes, ...]
    body: bytes
    openers: tuple[bytes, ...]

    @property
    def is_alert(self) -> bool:
        """Whether it costs credit: alerts alone carry a body inside a `Block`."""
        return bool(self.body)


@dataclass(frozen=True, slots=True)
class Block:
    """Hub to node: alerts for the node and receipts about its alerts, proven in `checkpoint`.

    `proof` shows consistency with the checkpoint of the frame before it on this session, the first one with the
    checkpoint named in `Hello`.
    """

    checkpoint: bytes
    proof: tuple[bytes, ...]
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class DirectoryUpdate:
    """Hub to node: directory entries, oldest first; each item's body is the bundle that the entry names."""

    checkpoint: bytes
    proof: tuple[bytes, ...]
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class TreeHead:
    """Hub to node: a new checkpoint, whether or not it holds anything for the node, to be cosigned.

    `proof` as in `Block`. `both` asks for a cosignature by each of the node's witness keys, not by the cheapest alone.
    """

    checkpoint: bytes
    proof: tuple[bytes, ...]
    both: bool


@dataclass(frozen=True, slots=True)
class Cosign:
    """Node to hub: its cosignatures, as signature lines, on the `TreeHead` of that size, which it now holds durably."""

    size: int
    lines: bytes


@dataclass(frozen=True, slots=True)
class WitnessedHead:
    """Hub to node: the newest checkpoint that enough witnesses cosigned, with their lines.

    `proof` shows that the checkpoint of the frame before it on this session continues this one.
    """

    checkpoint: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Recover:
    """Node to hub, from a node that was restored: send again what concerns it, from log index `start` on.

    That is: alerts to it that are waiting or that it receipted at log index `since` or later, and its own alerts
    logged there.
    """

    since: int
    start: int


@dataclass(frozen=True, slots=True)
class Recovered:
    """Hub to node, the answer to `Recover`: `proof` as in `Block`; `next` is where to go on, 0 when that was all.

    Alerts to it have their body, and the opener it needs; its own, and those whose body was deleted, have none.
    """

    checkpoint: bytes
    proof: tuple[bytes, ...]
    items: tuple[Item, ...]
    next: int


@dataclass(frozen=True, slots=True)
class Bye:
    """Either side, last: why the session ends. An empty code is an orderly end."""

    code: str
    message: str


FromNode = Hello | Submit | SendReceipt | Publish | Upload | Fetch | Credit | Cosign | Recover | Bye
FromHub = Welcome | Result | Block | DirectoryUpdate | TreeHead | WitnessedHead | Uploaded | Blob | Recovered | Bye
Frame = FromNode | FromHub

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
    return encode([_NAMES[type(frame)], *_values(frame)])


def decode_frame(data: bytes, *, sender: Side) -> Frame:
    """The frame in `data`, which came from `sender`.

    Raises the codec's refusals, `Malformed` for wrong fields, `VersionUnsupported` for another protocol version and
    `ProtocolError` for a type that is unknown or not for this side to send.
    """
    value = decode(data, max_size=MAX_FRAME, max_depth=_DEPTH[sender])
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        raise Malformed("a frame is an array that starts with its type")
    name = value[0]
    if name not in _MAY_SEND[sender]:
        raise ProtocolError(f"a {sender} does not send frames of type {name[:32]!r}")
    return _DECODERS[name](_read(name, _TYPES[name], value[1:]))


def _values(record: Frame | Item | ResultItem) -> list[Value]:
    return [_value(getattr(record, field.name)) for field in fields(record)]


def _value(value: Value | tuple[object, ...]) -> Value:
    if not isinstance(value, tuple):
        return value
    return [_values(item) if isinstance(item, (Item, ResultItem)) else item for item in value]  # type: ignore[misc]  # tuples here hold bytes or the two item types


def _read(what: str, cls: type[Frame | Item | ResultItem], values: list[Value]) -> Fields:
    # Another protocol version may have other fields, so it is recognised before they are counted.
    if what in {"hello", "welcome"} and values and values[0] != PROTOCOL:
        raise VersionUnsupported(f"protocol version {str(values[0])[:32]} is not spoken here, only {PROTOCOL}")
    names = [field.name for field in fields(cls)]
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
