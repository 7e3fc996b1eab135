"""``contacts`` of ``agencies/<id>.json``: how an agency's duty desk is reached when its node is not.

The hub calls them, in the order given, when an alert was not stored in the time that the governors allow
(`schemas.directory.escalation`). Each is an https address with the key its certificate must have, so the call reaches
the agency and nobody else, whatever name servers and certificate authorities say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from schemas.codec import Fields, Value
from schemas.directory.strict_json import hex_digests
from schemas.errors import Malformed
from schemas.ids import check_slug

MAX_CONTACTS: Final = 4
"""Contacts of one agency: a desk, its deputy, and two gateways; each that fails costs the next one time."""
MAX_CONTACT_URL: Final = 500
"""Characters of an address; paging gateways put a token into the path."""

_URL = re.compile(
    r"https://(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+)(?::([0-9]{1,5}))?(?:/[A-Za-z0-9._~/%-]*)?(?:\?[A-Za-z0-9._~=&%-]*)?"
)


@dataclass(frozen=True, slots=True)
class Contact:
    """One way to reach the desk. ``pin`` is the SHA-256 of the certificate key (SPKI) that must answer at ``url``."""

    id: str
    url: str
    pin: bytes
    kind: Literal["webhook"] = "webhook"


def parse_contacts(values: list[Value]) -> tuple[Contact, ...]:
    """Read an agency's list of contacts, first choice first. Raises `Malformed` or `BadId` naming the field."""
    contacts = tuple(_parse_contact(value) for value in values)
    if len({contact.id for contact in contacts}) != len(contacts):
        raise Malformed("contacts: an id is there twice")
    return contacts


def contact_to_json(contact: Contact) -> dict[str, Value]:
    """The JSON form of a contact; `parse_contacts` gives it back."""
    return {"id": contact.id, "kind": contact.kind, "url": contact.url, "pin": contact.pin.hex()}


def _parse_contact(value: Value) -> Contact:
    reader = Fields(value, "contact")
    contact_id = check_slug(reader.text("id"))
    what = f"contact {contact_id}"
    if reader.text("kind") != "webhook":
        raise Malformed(f"{what}: kind is not webhook")
    url = reader.text("url", max_length=MAX_CONTACT_URL)
    match = _URL.fullmatch(url)
    if match is None or not 0 < int(match[2] or 443) <= 65_535:
        raise Malformed(f"{what}: url is not a plain https address")
    (pin,) = hex_digests((reader.text("pin"),), f"{what}: pin")
    reader.done()
    return Contact(contact_id, url, pin)
