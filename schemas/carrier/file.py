"""The file itself: a clear head, then records sealed for whoever may open it. See docs/spec/carrier.md.

Records are libsodium's secretstream (XChaCha20-Poly1305) under a key that is sealed in the head and signed for in the
first record: each record is known to be its maker's, in its place, when it is read, and the last one is marked so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, cast

from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_ABYTES,
    crypto_secretstream_xchacha20poly1305_init_pull,
    crypto_secretstream_xchacha20poly1305_init_push,
    crypto_secretstream_xchacha20poly1305_pull,
    crypto_secretstream_xchacha20poly1305_push,
    crypto_secretstream_xchacha20poly1305_state,
    crypto_secretstream_xchacha20poly1305_TAG_FINAL,
    crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
)
from nacl.exceptions import CryptoError

from schemas.carrier.records import (
    ALLOWED,
    GREETING,
    End,
    Manifest,
    Record,
    SignedManifest,
    decode_manifest,
    decode_record,
    encode_manifest,
    encode_record,
    signed_bytes,
)
from schemas.codec import Fields, Value, decode, encode
from schemas.errors import CarrierDamaged, CarrierMisdirected, CarrierUnknown, EncodingRefusal, TooLarge, WrapFailed
from schemas.ids import KEY_ID_SIZE, key_id, sha256
from schemas.keys import SEALED_OVERHEAD, SealingKey, seal_to, verify
from schemas.limits import MAX_CARRIER, MAX_CARRIER_HEAD, MAX_FRAME
from schemas.session.frames import Hello, Side, Welcome

MAGIC: Final = b"crossbearing carrier 1\n"
MAX_KEYS: Final = 16
KEY_SIZE: Final = 32
STREAM_HEADER_SIZE: Final = 24
OVERHEAD: Final = crypto_secretstream_xchacha20poly1305_ABYTES
_LENGTH: Final = 4
_CONTEXT: Final = b"crossbearing/1/carrier\0"
_FINAL: Final = crypto_secretstream_xchacha20poly1305_TAG_FINAL
_MESSAGE: Final = crypto_secretstream_xchacha20poly1305_TAG_MESSAGE

Read = Callable[[int], bytes]
"""As a file's `read`: so many bytes, or fewer at the end."""


class CarrierWriter:
    """Makes one file, piece by piece: `begin`, then `add` each record, then `end`. Each gives bytes to be written.

    `keys` are the public keys that may open it, `sign` signs with the key that the manifest names, `random` gives so
    many random bytes. `size` counts what was made.
    """

    def __init__(
        self,
        manifest: Manifest,
        keys: Sequence[bytes],
        sign: Callable[[bytes], bytes],
        random: Callable[[int], bytes],
    ) -> None:
        stream_key = random(KEY_SIZE)
        self._state = crypto_secretstream_xchacha20poly1305_state()
        stream = crypto_secretstream_xchacha20poly1305_init_push(self._state, stream_key)
        sealed: list[Value] = [[key_id(key), seal_to(key, stream_key, _info(key_id(key)))] for key in keys]
        head = encode({"stream": stream, "to": sealed})
        self._head = MAGIC + len(head).to_bytes(_LENGTH, "big") + head
        data = encode_manifest(manifest)
        self._manifest = SignedManifest(data, sign(signed_bytes(sha256(self._head), data)))
        self._records = 0
        self.size = 0

    def begin(self, greeting: Hello | Welcome) -> bytes:
        """Head, manifest and greeting."""
        self.size += len(self._head)
        return self._head + self.add(self._manifest) + self.add(greeting)

    def add(self, record: Record) -> bytes:
        """One record. Raises `TooLarge` when the file would become larger than it may."""
        return self._push(encode_record(record), _MESSAGE)

    def end(self) -> bytes:
        """The last record."""
        return self._push(encode_record(End(self._records)), _FINAL)

    def _push(self, data: bytes, tag: int) -> bytes:
        message = crypto_secretstream_xchacha20poly1305_push(self._state, data, _CONTEXT, tag)
        if self.size + _LENGTH + len(message) > MAX_CARRIER:
            raise TooLarge(f"a file may have {MAX_CARRIER} bytes")
        self._records += 1
        self.size += _LENGTH + len(message)
        return len(message).to_bytes(_LENGTH, "big") + message


class CarrierReader:
    """Reads one file that `sender` made, with whichever of `keys` opens it: steps 1 and 2, and 3 as far as it is read.

    `manifest` and `greeting` are there from the start, and are the maker's word only once `verify` returned. Raises
    `CarrierUnknown`, `CarrierDamaged` or `CarrierMisdirected`.
    """

    def __init__(self, read: Read, keys: Sequence[SealingKey], *, sender: Side) -> None:
        self._read = read
        self._sender: Side = sender
        self._count = 0
        self._ended = False
        head, stream, stream_key = self._open(keys)
        self._digest = sha256(head)
        self._state = crypto_secretstream_xchacha20poly1305_state()
        crypto_secretstream_xchacha20poly1305_init_pull(self._state, stream, stream_key)
        signed, greeting = self._next(), self._next()
        if not isinstance(signed, SignedManifest) or not isinstance(greeting, GREETING[sender]):
            raise CarrierDamaged("the file does not begin with its manifest and a greeting")
        self._signed = signed
        self.greeting = cast(Hello | Welcome, greeting)
        try:
            self.manifest = decode_manifest(signed.manifest)
        except EncodingRefusal as error:
            raise CarrierDamaged(f"the manifest is out of form: {error.message}") from None

    def verify(self, public: bytes) -> None:
        """Step 5: the maker's key signed the manifest and the head of this file. Raises `BadSignature`."""
        verify(public, signed_bytes(self._digest, self._signed.manifest), self._signed.signature)

    def records(self) -> Iterator[Record]:
        """What stands between greeting and end; when this ends without raising, the file is whole."""
        while not isinstance(record := self._next(), End):
            if not isinstance(record, ALLOWED[self._sender]):
                raise CarrierDamaged(f"the file holds a {type(record).__name__} where none may be")
            yield record
        if record.records != self._count - 1 or not self._ended:
            raise CarrierDamaged("the file ends before its end")
        if self._read(1):
            raise CarrierDamaged("the file goes on after its end")

    def _open(self, keys: Sequence[SealingKey]) -> tuple[bytes, bytes, bytes]:
        if (magic := self._read(len(MAGIC))) != MAGIC:
            short = MAGIC.startswith(magic) and magic
            raise (CarrierDamaged if short else CarrierUnknown)("the file does not begin as a carrier's file does")
        length = self._exactly(_LENGTH)
        head = self._exactly(_length(length, MAX_CARRIER_HEAD))
        try:
            fields = Fields(decode(head, max_size=MAX_CARRIER_HEAD, max_depth=3), "head")
            stream = fields.blob("stream", size=STREAM_HEADER_SIZE)
            sealed = [_sealed(value) for value in fields.items("to", max_items=MAX_KEYS)]
            fields.done()
        except EncodingRefusal as error:
            raise CarrierDamaged(f"the file's head is out of form: {error.message}") from None
        by_id = {key.key_id: key for key in keys}
        for name, data in sealed:
            if name in by_id:
                try:
                    return magic + length + head, stream, _stream_key(by_id[name].open(data, _info(name)))
                except WrapFailed:
                    raise CarrierDamaged("the file's own key does not open, so its head was altered") from None
        raise CarrierMisdirected("the file is sealed for somebody else: no key held here opens it")

    def _next(self) -> Record:
        if self._ended:
            raise CarrierDamaged("the file's last record is not its end")
        message = self._exactly(_length(self._exactly(_LENGTH), MAX_FRAME + OVERHEAD))
        try:
            data, tag = crypto_secretstream_xchacha20poly1305_pull(self._state, message, _CONTEXT)
        except (CryptoError, RuntimeError, ValueError):
            raise CarrierDamaged("a record of the file does not open") from None
        if tag not in (_MESSAGE, _FINAL):
            raise CarrierDamaged("a record of the file is marked as none may be")
        self._ended = tag == _FINAL
        self._count += 1
        return decode_record(data, sender=self._sender)

    def _exactly(self, size: int) -> bytes:
        data = self._read(size)
        if len(data) != size:
            raise CarrierDamaged("the file was cut short")
        return data


def _info(name: bytes) -> bytes:
    return _CONTEXT + encode(name)


def _length(data: bytes, limit: int) -> int:
    length = int.from_bytes(data, "big")
    if not OVERHEAD <= length <= limit:
        raise CarrierDamaged(f"a part of the file claims {length} bytes")
    return length


def _sealed(value: Value) -> tuple[bytes, bytes]:
    match value:
        case [bytes(name), bytes(sealed)] if len(name) == KEY_ID_SIZE and len(sealed) == SEALED_OVERHEAD + KEY_SIZE:
            return name, sealed
    raise CarrierDamaged("the file's head is out of form: a sealed key is no key id and 1,168 bytes")


def _stream_key(data: bytes) -> bytes:
    if len(data) != KEY_SIZE:
        raise CarrierDamaged("the file's own key has another length")
    return data
