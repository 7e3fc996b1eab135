"""Files beside an alert: taken from the request and sealed, or opened for whoever reads the alert.

A file is sealed under a key of its own that travels inside the alert; its ciphertext is stored, uploaded and fetched
by digest. Files are taken inline only, never by path: the daemon must not read files on behalf of its callers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nodes.ports import Random
from schemas.envelope.attachment import KEY_SIZE, open_attachment, seal_attachment
from schemas.errors import Malformed, NotFound, NotReady, TooLarge
from schemas.limits import MAX_ATTACHMENT, MAX_ATTACHMENTS

if TYPE_CHECKING:
    from nodes.store.alerts import Content
    from nodes.store.database import Tables

__all__ = ["SealedFile", "StoredFile", "find_file", "open_file", "seal_files"]

_FIELDS = ("name", "media_type", "data")


@dataclass(frozen=True, slots=True)
class SealedFile:
    """One file after sealing: what the alert says of it, and its ciphertext in parts."""

    facts: Mapping[str, Any]
    parts: tuple[bytes, ...]

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the ciphertext."""
        return bytes.fromhex(self.facts["digest"])


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file as it rests in the store, with the key that opens it."""

    name: str
    media_type: str
    digest: bytes
    key: bytes
    parts: tuple[bytes, ...]


def seal_files(given: Sequence[object], random: Random) -> tuple[SealedFile, ...]:
    """Seal the files of a request: maps with `name`, `media_type` and `data` (base64, RFC 4648 section 4).

    Takes time in proportion to their size. Raises `Malformed` or `TooLarge`, naming the file.
    """
    if len(given) > MAX_ATTACHMENTS:
        raise TooLarge(f"an alert carries at most {MAX_ATTACHMENTS} attachments", hint="Send the rest in a follow-up.")
    return tuple(_seal(item, f"attachments[{number}]", random) for number, item in enumerate(given))


def _seal(item: object, where: str, random: Random) -> SealedFile:
    name, media_type, text = _read(item, where)
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise Malformed(f"{where}.data is not base64", hint="Use the standard alphabet, with padding.") from error
    key = random(KEY_SIZE)
    try:
        parts = tuple(seal_attachment([data], key))
    except TooLarge as error:
        raise TooLarge(
            f"{where} ({name[:120]!a}) is larger than {MAX_ATTACHMENT} bytes when sealed",
            hint="Send a smaller version, or split it over several files.",
        ) from error
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    facts = {
        "name": name,
        "media_type": media_type,
        "size": len(data),
        "sealed_size": sum(map(len, parts)),
        "digest": digest.hexdigest(),
        "key": key.hex(),
    }
    return SealedFile(facts, parts)


def _read(item: object, where: str) -> tuple[str, str, str]:
    """The fields of one attachment; their own form is checked with the rest of the alert."""
    if not isinstance(item, Mapping) or set(item) != set(_FIELDS):
        raise Malformed(
            f"{where} must have exactly the fields {', '.join(_FIELDS)}",
            hint="Give the content itself as base64 in data; files are not read by path.",
        )
    values = [item[field] for field in _FIELDS]
    for field, value in zip(_FIELDS, values, strict=True):
        if not isinstance(value, str):
            raise Malformed(f"{where}.{field} must be a text")
    name, media_type, data = values
    return name, media_type, data


def find_file(tables: Tables, content: Content, number: int) -> StoredFile:
    """Attachment `number` (from 1) of an alert.

    Raises `NotFound`, or `NotReady` while it is still being fetched.
    """
    document = content.document
    listed = document.get("attachments") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not 1 <= number <= len(listed):
        count = len(listed) if isinstance(listed, list) else 0
        raise NotFound(f"the alert has {count} attachments, so none with number {number}", hint="Count from 1.")
    facts = listed[number - 1]
    if not isinstance(facts, dict):
        raise TypeError("a stored attachment is a map")
    digest = bytes.fromhex(str(facts["digest"]))
    size = int(str(facts["sealed_size"]))
    row = tables.attachments.get(digest)
    if row is None or not row.complete:
        here = 0 if row is None else row.stored
        raise NotReady(
            f"the attachment is still being fetched: {here} of {size} bytes are here",
            hint="Try again in a moment; the node goes on by itself while it is connected.",
        )
    parts = []
    offset = 0
    while part := tables.attachments.part(digest, offset):
        parts.append(part)
        offset += len(part)
    key = bytes.fromhex(str(facts["key"]))
    return StoredFile(str(facts["name"]), str(facts["media_type"]), digest, key, tuple(parts))


def open_file(file: StoredFile) -> bytes:
    """The file's content. Takes time in proportion to its size. Raises what `open_attachment` raises."""
    return b"".join(open_attachment(file.parts, file.key, digest=file.digest))
