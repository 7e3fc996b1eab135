"""Attachments: files sealed in chunks, so that neither end holds one in memory. See docs/spec/attachments.md.

    24 bytes  stream header (random)
    then      chunks of CHUNK + 17 bytes, the last one shorter or equal and marked final

Each file has a key of its own, which travels in the sealed body together with the digest of the whole ciphertext.
Chunks are libsodium's secretstream (XChaCha20-Poly1305): they cannot be reordered, repeated, dropped or cut short.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_init_pull,
    crypto_secretstream_xchacha20poly1305_init_push,
    crypto_secretstream_xchacha20poly1305_pull,
    crypto_secretstream_xchacha20poly1305_push,
    crypto_secretstream_xchacha20poly1305_state,
    crypto_secretstream_xchacha20poly1305_TAG_FINAL,
    crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
)
from nacl.exceptions import CryptoError

from schemas.errors import AttachmentUnreadable, TooLarge
from schemas.limits import CHUNK, MAX_ATTACHMENT

KEY_SIZE: Final = 32
STREAM_HEADER_SIZE: Final = 24
CHUNK_OVERHEAD: Final = 17
SEALED_CHUNK: Final = CHUNK + CHUNK_OVERHEAD
_AAD: Final = b"crossbearing/1/attachment\0"


def sealed_size(size: int) -> int:
    """The size of the ciphertext of a file of ``size`` bytes; an empty file is one empty chunk."""
    chunks = max(1, -(-size // CHUNK))
    return STREAM_HEADER_SIZE + size + chunks * CHUNK_OVERHEAD


def seal_attachment(data: Iterable[bytes], key: bytes) -> Iterator[bytes]:
    """Seal a file given in pieces of any size; yields the stream header, then one sealed chunk after another.

    ``key`` is 32 fresh random bytes. Raises `TooLarge` as soon as the ciphertext would exceed MAX_ATTACHMENT.
    """
    state = crypto_secretstream_xchacha20poly1305_state()
    yield crypto_secretstream_xchacha20poly1305_init_push(state, key)
    total = STREAM_HEADER_SIZE
    for chunk, last in _with_last(_pieces(data, CHUNK)):
        total += len(chunk) + CHUNK_OVERHEAD
        if total > MAX_ATTACHMENT:
            raise TooLarge(f"a sealed attachment may have {MAX_ATTACHMENT} bytes", limit=MAX_ATTACHMENT)
        tag = (
            crypto_secretstream_xchacha20poly1305_TAG_FINAL
            if last
            else crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
        )
        yield crypto_secretstream_xchacha20poly1305_push(state, chunk, _AAD, tag)


def open_attachment(sealed: Iterable[bytes], key: bytes, *, digest: bytes) -> Iterator[bytes]:
    """Open a ciphertext given in pieces of any size; yields the file chunk by chunk.

    Every chunk is authentic when it is yielded; that the file is whole, and is the one with this SHA-256 ``digest``,
    is certain when the iterator ends without raising. Raises `AttachmentUnreadable`.
    """
    hasher = hashlib.sha256()
    pieces = _pieces(_hashed(sealed, hasher), SEALED_CHUNK, first=STREAM_HEADER_SIZE)
    state = crypto_secretstream_xchacha20poly1305_state()
    header = next(pieces)
    if len(header) != STREAM_HEADER_SIZE:
        raise AttachmentUnreadable("the attachment is shorter than its stream header")
    crypto_secretstream_xchacha20poly1305_init_pull(state, header, key)
    for chunk, last in _with_last(pieces):
        try:
            if len(chunk) < CHUNK_OVERHEAD:
                raise ValueError("shorter than a chunk's overhead")
            plain, tag = crypto_secretstream_xchacha20poly1305_pull(state, chunk, _AAD)
        except (CryptoError, RuntimeError, ValueError):
            raise AttachmentUnreadable("a chunk of the attachment does not open") from None
        expected = (
            crypto_secretstream_xchacha20poly1305_TAG_FINAL
            if last
            else crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
        )
        if tag != expected:
            raise AttachmentUnreadable("the attachment is cut short, or goes on after its end")
        yield plain
    if hasher.digest() != digest:
        raise AttachmentUnreadable("the attachment is not the file with this digest")


def _hashed(pieces: Iterable[bytes], hasher: hashlib._Hash) -> Iterator[bytes]:
    for piece in pieces:
        hasher.update(piece)
        yield piece


def _pieces(data: Iterable[bytes], size: int, *, first: int = 0) -> Iterator[bytes]:
    """``data`` cut anew: one piece of ``first`` bytes if asked for, then pieces of ``size``; the last may be shorter.

    There is always a last piece, empty only if there is nothing left for it.
    """
    buffer = bytearray()
    want = first or size
    seen = False
    for piece in data:
        buffer += piece
        while len(buffer) > want:
            yield bytes(buffer[:want])
            del buffer[:want]
            want, seen = size, True
    if first and not seen:
        yield bytes(buffer)
        buffer.clear()
    yield bytes(buffer)


def _with_last(pieces: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each of at least one piece, with whether it is the last one."""
    held = next(pieces)
    for piece in pieces:
        yield held, False
        held = piece
    yield held, True
