"""The next document of an agency with a contact added, replaced or taken out. Pure."""

from __future__ import annotations

from dataclasses import replace

from cryptography.x509 import load_pem_x509_certificate

from schemas.codec import Value
from schemas.directory.agency_keys import AgencyKeys
from schemas.directory.contacts import MAX_CONTACTS, Contact, parse_contacts
from schemas.errors import BadConfig, NotFound
from schemas.pins import spki_pin


def contact_of(name: str, url: str, certificate: bytes) -> Contact:
    """The contact at `url`, where the key of a certificate (PEM) answers. Raises `BadConfig`, `Malformed`, `BadId`."""
    try:
        pin = spki_pin(load_pem_x509_certificate(certificate).public_key())
    except ValueError as error:
        raise BadConfig(f"the certificate of contact {name[:40]!a} is no PEM certificate: {error}") from None
    value: Value = {"id": name, "kind": "webhook", "url": url, "pin": pin.hex()}
    (contact,) = parse_contacts([value])
    return contact


def with_contact(listed: AgencyKeys, contact: Contact) -> AgencyKeys:
    """The document in which `contact` stands in the place of its namesake, or last. Raises `BadConfig`."""
    known = [each.id for each in listed.contacts]
    if contact.id in known:
        contacts = tuple(contact if each.id == contact.id else each for each in listed.contacts)
    else:
        contacts = (*listed.contacts, contact)
    if len(contacts) > MAX_CONTACTS:
        raise BadConfig(
            f"{MAX_CONTACTS} contacts are published already", hint="Take one out: bearing keys contact NAME --remove."
        )
    return replace(listed, contacts=contacts)


def without_contact(listed: AgencyKeys, name: str) -> AgencyKeys:
    """The document without the contact of that name. Raises `NotFound`."""
    contacts = tuple(each for each in listed.contacts if each.id != name)
    if len(contacts) == len(listed.contacts):
        known = ", ".join(each.id for each in listed.contacts) or "none"
        raise NotFound(f"no contact {name[:40]!a} is published", hint=f"These are: {known}.")
    return replace(listed, contacts=contacts)
