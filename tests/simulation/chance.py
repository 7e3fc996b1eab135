"""All chance from the seed, that of cryptography included: where a library draws for itself, it is given what to draw.

Openers are sealed with X-Wing through HPKE, which takes its randomness from the system. In their place stands a seal
that only the holder of the private key's object opens and that has the same size; everything around it is the
production code. An attachment's stream header is derived from its key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from nacl.bindings import crypto_secretstream_xchacha20poly1305_init_pull

from broker import draft
from schemas.directory import history, state
from schemas.directory.state import Directory
from schemas.envelope import attachment, opener
from schemas.errors import WrapFailed
from schemas.keys import SEALED_OVERHEAD, SealingKey

_TAG = 32


def stream(seed: int, purpose: str) -> Random:
    """The random numbers for one purpose; those for another do not change with how many are drawn here."""
    return Random(f"{seed} {purpose}")


def _mask(public: bytes, info: bytes, enc: bytes, size: int) -> bytes:
    return hashlib.shake_256(b"mask" + hashlib.sha256(public).digest() + hashlib.sha256(info).digest() + enc).digest(
        size
    )


def _seal(public: bytes, plaintext: bytes, info: bytes) -> bytes:
    enc = hashlib.shake_256(public + info + plaintext).digest(SEALED_OVERHEAD - _TAG)
    hidden = bytes(a ^ b for a, b in zip(plaintext, _mask(public, info, enc, len(plaintext)), strict=True))
    return enc + hidden + hashlib.sha256(public + info + plaintext).digest()


def _open(key: SealingKey, sealed: bytes, info: bytes) -> bytes:
    enc, hidden = sealed[: SEALED_OVERHEAD - _TAG], sealed[SEALED_OVERHEAD - _TAG : -_TAG]
    plaintext = bytes(a ^ b for a, b in zip(hidden, _mask(key.public, info, enc, len(hidden)), strict=True))
    if sealed[-_TAG:] != hashlib.sha256(key.public + info + plaintext).digest():
        raise WrapFailed("the sealed bytes do not open with this sealing key")
    return plaintext


def _init_push(state: Any, key: bytes) -> bytes:
    header = hashlib.sha256(b"stream header" + key).digest()[:24]
    crypto_secretstream_xchacha20poly1305_init_pull(state, header, key)  # the same state as for pushing
    return header


_Held = Directory | None
_applied: dict[tuple[int, str, int, bytes, int, bytes], tuple[_Held, Directory]] = {}


def _apply_once(held: _Held, role: str, version: int, bundle: bytes, *, at: int, trusted_root: bytes) -> Directory:
    """`apply_bundle`, which depends on its arguments alone, for each of them once: every node asks the same."""
    key = id(held), role, version, bundle, at, trusted_root
    known = _applied.get(key)
    if known is None:
        if len(_applied) > 2_000:
            _applied.clear()
        known = _applied[key] = held, state.apply_bundle(held, role, version, bundle, at=at, trusted_root=trusted_root)
    return known[1]


_REPLACED: tuple[tuple[Any, str, Any], ...] = (
    (opener, "seal_to", _seal),
    (SealingKey, "open", _open),
    (attachment, "crypto_secretstream_xchacha20poly1305_init_push", _init_push),
    (history, "apply_bundle", _apply_once),
    (draft, "apply_bundle", _apply_once),
)


@contextmanager
def nothing_left_to_chance() -> Iterator[None]:
    """While this lasts, sealing draws nothing."""
    kept = [getattr(where, name) for where, name, _ in _REPLACED]
    for where, name, other in _REPLACED:
        setattr(where, name, other)
    try:
        yield
    finally:
        for (where, name, _), before in zip(_REPLACED, kept, strict=True):
            setattr(where, name, before)
