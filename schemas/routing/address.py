"""Addresses as a sender writes them: ``hk-customs``, ``region:oceania``, ``operation:marker``, ``all``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from schemas.errors import BadAddress, BadId, UnknownAgency, UnknownOperation, UnknownRegion
from schemas.ids import Remembered, check_agency_id, check_slug

if TYPE_CHECKING:
    from schemas.directory.documents import DirectoryDocument
    from schemas.directory.state import Directory

AddressKind = Literal["agency", "region", "operation", "all"]

ALL = "all"
"""The address of every agency; no region or operation may be called so."""


@dataclass(frozen=True, slots=True)
class Address:
    """One parsed address; ``name`` is empty for ``all``."""

    kind: AddressKind
    name: str


def parse_address(text: str) -> Address:
    """Read an address in its wire form. Raises `BadAddress`."""
    if text == ALL:
        return Address("all", "")
    prefix, colon, name = text.partition(":")
    try:
        if not colon:
            return Address("agency", check_agency_id(text))
        if prefix == "region":
            return Address("region", check_slug(name))
        if prefix == "operation":
            return Address("operation", check_slug(name))
    except BadId as bad:
        raise BadAddress(f"{text[:80]!a} is not an address: {bad.message}") from bad
    raise BadAddress(f"{text[:80]!a} is not an address")


ADDRESSES: Final = Remembered(parse_address)


def normalise(text: str, directory: Directory) -> str:
    """The wire form of what a person typed, in which a bare region or operation name stands where it is unambiguous.

    Raises `UnknownAgency`, `UnknownRegion`, `UnknownOperation` with close names in the hint, or `BadAddress` when the
    name is both a region and an operation, or in no known form.
    """
    document = directory.require_document()
    typed = text.strip().lower()
    if typed in document.agencies:
        return typed
    if ":" not in typed and typed != ALL:
        meanings = [f"region:{typed}"] if typed in document.regions else []
        meanings += [f"operation:{typed}"] if typed in document.operations else []
        if len(meanings) > 1:
            raise BadAddress(f"{typed!a} is both a region and an operation", hint=f"Write {' or '.join(meanings)}.")
        if meanings:
            return meanings[0]
        known = [*document.agencies, *document.regions, *document.operations]
        raise UnknownAgency(f"{typed[:80]!a} is no agency, region or operation", hint=_close(typed, known))
    check_known(parse_address(typed), document)
    return typed


def check_known(address: Address, document: DirectoryDocument) -> None:
    """Refuse an address that leads nowhere. Raises `UnknownAgency`, `UnknownRegion` or `UnknownOperation`."""
    name = address.name
    if address.kind == "agency" and name not in document.agencies:
        raise UnknownAgency(f"there is no agency {name}", hint=_close(name, document.agencies))
    if address.kind == "region" and name not in document.regions:
        raise UnknownRegion(f"there is no region {name}", hint=_close(name, document.regions))
    if address.kind == "operation" and name not in document.operations:
        raise UnknownOperation(f"there is no operation {name}", hint=_close(name, document.operations))


def _close(name: str, known: Iterable[str]) -> str | None:
    """A hint naming what was perhaps meant; none leaves the error's own hint."""
    near = difflib.get_close_matches(name[:80], list(known), n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(near)}?" if near else None
