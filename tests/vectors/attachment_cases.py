"""The attachment vectors: one small file, and one defect in each of the others."""

from __future__ import annotations

from typing import Any

from schemas.ids import sha256
from tests.vectors.fixed import ATTACHMENT_KEY, ATTACHMENT_TEXT, Fixed


def files(fixed: Fixed) -> dict[str, Any]:
    """One file for each vector."""
    sealed = fixed.attachment()
    flipped = bytes([sealed[40] ^ 1])
    cases: dict[str, tuple[str, bytes, bytes, bytes | None]] = {
        "good": ("Every part is as it should be.", sealed, ATTACHMENT_KEY, sha256(sealed)),
        "truncated": ("The last byte is missing.", sealed[:-1], ATTACHMENT_KEY, None),
        "trailing-byte": ("A byte follows the last chunk.", sealed + b"\0", ATTACHMENT_KEY, None),
        "flipped": ("One bit is another.", sealed[:40] + flipped + sealed[41:], ATTACHMENT_KEY, None),
        "header-only": ("No chunk follows the stream header.", sealed[:24], ATTACHMENT_KEY, None),
        "header-short": ("The stream header has 23 bytes.", sealed[:23], ATTACHMENT_KEY, None),
        "empty": ("There are no bytes.", b"", ATTACHMENT_KEY, None),
        "other-key": ("The key is another.", sealed, bytes(32), sha256(sealed)),
        "other-digest": ("The digest is another file's.", sealed, ATTACHMENT_KEY, bytes(32)),
    }
    made = {}
    for name, (sentence, data, key, digest) in cases.items():
        good = name == "good"
        made[f"attachment/{name}.json"] = {
            "name": name,
            "description": sentence,
            "expected": {"plaintext": ATTACHMENT_TEXT.hex()} if good else {"code": "attachment-unreadable"},
            "provenance": "tests/vectors/attachment_cases.py; the ciphertext as in fixed.json",
            "input": {"key": key.hex(), "digest": (digest or sha256(data)).hex(), "sealed": data.hex()},
        }
    return made
