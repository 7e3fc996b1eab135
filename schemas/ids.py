"""Identifiers: agency ids, slugs, alert ids (UUIDv7) and key ids. Each has one accepted form."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from iso3166 import countries_by_alpha2

from schemas.errors import BadId, InputRefusal
from schemas.limits import MAX_REMEMBERED, MAX_SLUG, MAX_TIME_MS

ID_SIZE = 16
KEY_ID_SIZE = 8
DIGEST_SIZE = 32

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_AGENCY = re.compile(r"([a-z]{2})-[a-z0-9]+(-[a-z0-9]+)*")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_SIZES = frozenset({ID_SIZE})
_VERSION = bytes(range(0x70, 0x80))
_VARIANT = bytes(range(0x80, 0xC0))
"""The bytes that may stand in places 6 and 8 of a UUIDv7."""
_COUNTRIES = frozenset(code.lower() for code in countries_by_alpha2)


class Remembered:
    """Texts that passed ``check``, which refuses all others: the same few hundred come in header after header."""

    __slots__ = ("_check", "_good")

    def __init__(self, check: Callable[[str], object]) -> None:
        self._check = check
        self._good: set[str] = set()

    def all(self, texts: Sequence[str]) -> bool:
        """Whether every one of ``texts`` passes."""
        if self._good.issuperset(texts):
            return True
        try:
            for text in texts:
                self._check(text)
        except InputRefusal:
            return False
        self._remember(texts)
        return True

    def _remember(self, texts: Iterable[str]) -> None:
        """Keep them; those before them are forgotten once they are too many, and are then checked again."""
        if len(self._good) >= MAX_REMEMBERED:
            self._good.clear()
        self._good.update(texts)


def check_agency_id(text: str) -> str:
    """``text`` if it is an agency id: ISO 3166 alpha-2 country, a hyphen, a slug (``hk-customs``). Raises `BadId`."""
    match = _AGENCY.fullmatch(text) if len(text) <= MAX_SLUG else None
    if match is None:
        raise BadId(
            f"{_shown(text)} is not an agency id",
            hint="Write the country code, a hyphen and a short name in lower case, as in hk-customs.",
        )
    if match[1] not in _COUNTRIES:
        raise BadId(f"{_shown(text)} does not begin with an ISO 3166 country code", hint="Check the first two letters.")
    return text


AGENCY_IDS: Final = Remembered(check_agency_id)


def is_slug(text: str) -> bool:
    """Whether `check_slug` passes it."""
    return len(text) <= MAX_SLUG and _SLUG.fullmatch(text) is not None


def check_slug(text: str) -> str:
    """``text`` if it is a slug: a-z and 0-9 with single hyphens between, at most 32 characters. Raises `BadId`."""
    if not is_slug(text):
        raise BadId(
            f"{_shown(text)} is not a short name",
            hint="Use lower-case letters and digits, with single hyphens between, at most 32 characters.",
        )
    return text


def uuid7(now_ms: int, random: Callable[[int], bytes]) -> bytes:
    """A new UUIDv7 (RFC 9562 section 5.7): 48 bits of ``now_ms``, then 74 bits from ``random(10)``. 16 bytes."""
    if not 0 <= now_ms <= MAX_TIME_MS:
        raise BadId(f"the time {now_ms} ms does not fit an id", hint="Check the clock.")
    filler = random(10)
    return now_ms.to_bytes(6, "big") + bytes((0x70 | filler[0] & 0x0F, filler[1], 0x80 | filler[2] & 0x3F)) + filler[3:]


def is_id(value: bytes) -> bool:
    """Whether `check_id` passes it."""
    return len(value) == ID_SIZE and value[6] >> 4 == 7 and value[8] >> 6 == 0b10


def are_ids(values: Collection[bytes]) -> bool:
    """Whether `check_id` passes all of ``values``, in as many steps for hundreds as for one."""
    together = b"".join(values)
    return (
        _SIZES.issuperset(map(len, values))
        and not together[6::ID_SIZE].translate(None, _VERSION)
        and not together[8::ID_SIZE].translate(None, _VARIANT)
    )


def check_id(value: bytes) -> bytes:
    """``value`` if it is a UUIDv7 in 16 bytes: version 7, RFC 9562 variant. Raises `BadId`."""
    if not is_id(value):
        raise BadId(f"{value[:ID_SIZE].hex() or 'nothing'} is not an alert id")
    return value


def uuid7_time(alert_id: bytes) -> int:
    """The time (ms since the epoch) at which an id was made. Raises `BadId`."""
    return int.from_bytes(check_id(alert_id)[:6], "big")


def format_id(alert_id: bytes) -> str:
    """The hyphenated lower-case form of an id. Raises `BadId`."""
    h = check_id(alert_id).hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def parse_id(text: str) -> bytes:
    """The 16 bytes of an id in the form `format_id` writes, and in no other. Raises `BadId`."""
    if not _UUID.fullmatch(text):
        raise BadId(f"{_shown(text)} is not an alert id")
    return bytes.fromhex(text.replace("-", ""))


def sha256(data: bytes) -> bytes:
    """The SHA-256 digest of ``data``, 32 bytes."""
    return hashlib.sha256(data).digest()


def key_id(public: bytes) -> bytes:
    """The 8 bytes by which a public key is named: the start of its SHA-256."""
    return sha256(public)[:KEY_ID_SIZE]


def _shown(text: str) -> str:
    """``text`` fit for a message: quoted, escaped, short."""
    return ascii(text if len(text) <= 2 * MAX_SLUG else text[: 2 * MAX_SLUG] + "...")
