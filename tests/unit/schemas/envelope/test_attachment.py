"""Attachments in chunks: whole, in order, to the end, or refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_init_push,
    crypto_secretstream_xchacha20poly1305_push,
    crypto_secretstream_xchacha20poly1305_state,
)

from schemas.envelope.attachment import (
    SEALED_CHUNK,
    STREAM_HEADER_SIZE,
    open_attachment,
    seal_attachment,
    sealed_size,
)
from schemas.errors import AttachmentUnreadable, TooLarge
from schemas.ids import sha256
from schemas.limits import CHUNK, MAX_ATTACHMENT

KEY = b"a" * 32


def sealed_bytes(*pieces: bytes) -> bytes:
    return b"".join(seal_attachment(pieces, KEY))


def opened(sealed: bytes, *, digest: bytes | None = None, key: bytes = KEY, cut: int = 100_000) -> bytes:
    pieces = [sealed[n : n + cut] for n in range(0, len(sealed), cut)]
    return b"".join(open_attachment(pieces, key, digest=sha256(sealed) if digest is None else digest))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5])
def test_round_trip(size: int) -> None:
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    sealed = sealed_bytes(data)
    assert len(sealed) == sealed_size(size)
    assert opened(sealed) == data


@given(st.lists(st.integers(0, 2 * CHUNK), max_size=4), st.integers(1, 3 * SEALED_CHUNK))
def test_the_cut_of_the_input_is_without_meaning(sizes: list[int], cut: int) -> None:
    pieces = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    assert opened(sealed_bytes(*pieces), cut=cut + 10_000) == b"".join(pieces)


def test_two_seals_of_one_file_differ() -> None:
    assert sealed_bytes(b"x") != sealed_bytes(b"x")


def chunks(sealed: bytes) -> list[bytes]:
    body = sealed[STREAM_HEADER_SIZE:]
    return [body[n : n + SEALED_CHUNK] for n in range(0, len(body), SEALED_CHUNK)]


SEALED = sealed_bytes(b"a" * CHUNK, b"b" * CHUNK, b"c" * 10)
HEAD, PARTS = SEALED[:STREAM_HEADER_SIZE], chunks(SEALED)


@pytest.mark.parametrize(
    "faulty",
    [
        b"",
        HEAD[:-1],
        HEAD,
        HEAD + PARTS[2],
        HEAD + PARTS[0],
        HEAD + PARTS[0] + PARTS[1],
        HEAD + PARTS[1] + PARTS[0] + PARTS[2],
        HEAD + PARTS[0] + PARTS[0] + PARTS[1] + PARTS[2],
        SEALED + b"x",
        SEALED[:-1],
        SEALED + PARTS[2],
        bytes(STREAM_HEADER_SIZE) + b"".join(PARTS),
    ],
)
def test_cut_repeated_reordered_or_damaged(faulty: bytes) -> None:
    with pytest.raises(AttachmentUnreadable):
        opened(faulty)


def test_bytes_after_the_end_are_refused() -> None:
    whole = sealed_bytes(b"a" * CHUNK)
    with pytest.raises(AttachmentUnreadable):
        opened(whole + b"x" * 50)


def test_the_key_and_the_digest_must_fit() -> None:
    with pytest.raises(AttachmentUnreadable):
        opened(SEALED, key=bytes(32))
    with pytest.raises(AttachmentUnreadable, match="not the file"):
        opened(SEALED, digest=bytes(32))


def test_chunks_of_another_format_are_refused() -> None:
    state = crypto_secretstream_xchacha20poly1305_state()
    head = crypto_secretstream_xchacha20poly1305_init_push(state, KEY)
    foreign = head + crypto_secretstream_xchacha20poly1305_push(state, b"x", b"another format", 3)
    with pytest.raises(AttachmentUnreadable):
        opened(foreign)


def endless() -> Iterator[bytes]:
    while True:
        yield bytes(8 * CHUNK)


def test_too_large_is_noticed_on_the_way() -> None:
    def drain(pieces: Iterable[bytes]) -> int:
        return sum(len(piece) for piece in pieces)

    with pytest.raises(TooLarge):
        drain(seal_attachment(endless(), KEY))
    assert sealed_size(MAX_ATTACHMENT - 1_000_000) < MAX_ATTACHMENT
