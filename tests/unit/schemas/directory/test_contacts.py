from __future__ import annotations

from typing import Any

import pytest

from schemas.directory.agency_keys import encode_agency_keys, parse_agency_keys
from schemas.directory.contacts import MAX_CONTACT_URL, MAX_CONTACTS, Contact, contact_to_json, parse_contacts
from schemas.directory.strict_json import dump_json, load_json
from schemas.errors import BadId, DirectoryInvalid, Malformed
from tests.support.directory import make_world

WORLD = make_world(publish=False)
GOOD: dict[str, Any] = {
    "id": "duty-desk",
    "kind": "webhook",
    "url": "https://duty.example:8443/page/7f3a?team=night",
    "pin": "ab" * 32,
}


def test_a_contact_reads_back() -> None:
    contacts = parse_contacts([GOOD, {**GOOD, "id": "deputy", "url": "https://[2001:db8::1]"}])
    assert contacts[0] == Contact("duty-desk", GOOD["url"], bytes.fromhex(GOOD["pin"]))
    assert parse_contacts([contact_to_json(contact) for contact in contacts]) == contacts


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://duty.example/page"},
        {"url": "https://user:secret@duty.example/"},
        {"url": "https://duty.example:0/"},
        {"url": "https://duty.example:65536/"},
        {"url": "https://duty.example/#part"},
        {"url": "https://duty.example/a b"},
        {"url": "https:///page"},
        {"url": "https://duty.example/" + "a" * MAX_CONTACT_URL},
        {"url": "file:///etc/passwd"},
        {"kind": "carrier-pigeon"},
        {"pin": "AB" * 32},
        {"pin": "ab" * 31},
        {"note": "x"},
        {"url": None},
    ],
)
def test_anything_else_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match=r"contact"):
        parse_contacts([{**GOOD, **changes}])


def test_an_id_is_a_word_and_there_once() -> None:
    with pytest.raises(BadId):
        parse_contacts([{**GOOD, "id": "Duty desk"}])
    with pytest.raises(Malformed, match="twice"):
        parse_contacts([GOOD, GOOD])


def test_an_agency_publishes_its_contacts() -> None:
    keys = WORLD.keys["hk-customs"]
    value = load_json(encode_agency_keys(keys), "keys")
    assert parse_agency_keys(dump_json(value), "hk-customs").contacts == ()
    told = parse_agency_keys(dump_json({**value, "contacts": [GOOD]}), "hk-customs")
    assert [contact.id for contact in told.contacts] == ["duty-desk"]
    assert parse_agency_keys(encode_agency_keys(told), "hk-customs") == told
    many: list[Any] = [{**GOOD, "id": f"desk-{number}"} for number in range(MAX_CONTACTS + 1)]
    bad: list[Any] = [many, [{**GOOD, "url": "http://x"}], "duty-desk"]
    for contacts in bad:
        with pytest.raises(DirectoryInvalid, match=r"agencies/hk-customs\.json: .*contact"):
            parse_agency_keys(dump_json({**value, "contacts": contacts}), "hk-customs")
