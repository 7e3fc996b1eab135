from __future__ import annotations

import pytest

from broker.governance.source import read_source
from broker.governance.source_text import first_source_text, source_text
from schemas.directory.authority import Quorum
from schemas.directory.governed import governed_by
from schemas.errors import BadSource, DirectoryInvalid
from tests.support.ceremony import Secretariat, named
from tests.support.directory import EXPIRES, ORIGIN, make_world


def problems(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(BadSource) as refused:
        read_source(text)
    assert refused.value.as_dict()["problems"]
    return [(p.line, p.field, p.message) for p in refused.value.problems]


def line_of(text: str, words: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if words in line)


def test_what_is_in_force_reads_back(secretariat: Secretariat) -> None:
    source = read_source(secretariat.source())
    held = governed_by(secretariat.held)
    assert source.document == held.document
    assert source.governors == held.governors
    assert source.administrators == held.administrators
    assert source.root_expires == source.document_expires == source.agencies_expire == EXPIRES


def test_every_fault_is_named_at_once_by_line_and_field(secretariat: Secretariat) -> None:
    text = secretariat.source()
    text = text.replace("country: HK", "country: QQ").replace("country: SG", "country: SG\n  color: red")
    text = text.replace("status: active", "status: asleep", 1).replace(
        "alerts_per_minute: {flash: 60000", "alerts_per_minute: {flash: 0"
    )
    found = problems(text)
    assert [(line, field) for line, field, _ in found] == [
        (line_of(text, "status: asleep"), "agencies[0].status"),
        (line_of(text, "country: QQ"), "agencies[1].country"),
        (line_of(text, "color: red"), "agencies[2].color"),
        (line_of(text, "alerts_per_minute: {flash: 0"), "limits.alerts_per_minute.flash"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ("name: Test directory", "title: x", "", "the section name is missing"),
        ("name: Test directory", "name: Test directory\ntitle: x", "title", "not a section"),
        ("format: 1", "format: 2", "format", "format is not 1"),
        ("document: '2036-01-01'", "document: soon", "expires.document", "not a date"),
        ("document: '2036-01-01'", "document: '2036-02-31'", "expires.document", "not a date"),
        ("document: '2036-01-01'", "document: '2036-01-01', pages: 3", "expires.pages", "none of"),
        ("threshold: 3", "threshold: 6", "governors", "cannot be reached with 5 keys"),
        ("threshold: 3", "threshold: '3'", "governors.threshold", "not a whole number"),
        ("- id: au-abf", "- id: hk-customs", "agencies[1]", "there twice"),
        ("regions: [asia]", "regions: [europe]", "agencies[0]", "names region 'europe', which is not defined"),
        ("host: au-abf", "host: nz-customs", "operations[0]", "names agency 'nz-customs'"),
        ("starts: '2026-09-21'", "starts: '2030-01-01'", "operations[0].starts", "before it starts"),
        (
            "rules: []",
            "rules: [{id: r, effect: deny, to: {regions: [atlantis]}, reason: None must get it}]",
            "rules[0]",
            "rule r names region 'atlantis', which is not defined",
        ),
        ("rules: []", "rules: [{id: r, effect: wish, to: {}, reason: x}]", "rules[0].effect", "effect is none of"),
        ("rules: []", "rules: none", "rules", "rules is not a list"),
        ("status: active", "status: suspended", "agencies", "no active agency"),
    ],
)
def test_each_fault_has_its_place(secretariat: Secretariat, old: str, new: str, field: str, words: str) -> None:
    text = secretariat.source()
    assert old in text
    found = problems(text.replace(old, new, -1 if old == "status: active" else 1))
    assert any(f == field and words in message for _, f, message in found), found


def test_keys_are_refused_one_by_one(secretariat: Secretariat) -> None:
    text = secretariat.source()
    first, second = (m.key for m in governed_by(secretariat.held).root.signatories[:2])
    assert "not written" not in text
    (bad,) = problems(text.replace(first, "ed25519:00"))
    assert bad[1:] == ("governors.keys[0]", "a public key is written ed25519:, p256: or p384: and lower-case hex")
    (double,) = problems(text.replace(first, second))
    assert double[1] == "governors"
    assert "is there twice" in double[2]


def test_one_key_cannot_administer_two_agencies(secretariat: Secretariat) -> None:
    theirs, ours = named("au-abf/administrator-1").key, named("sg-cnb/administrator-1").key
    (found,) = problems(secretariat.source().replace(ours, theirs))
    assert found[1] == "agencies[2].administrators"
    assert "administers au-abf already" in found[2]


def test_an_agency_without_administrators(secretariat: Secretariat) -> None:
    text = secretariat.source()
    start = text.index("  administrators:", text.index("id: sg-cnb"))
    end = text.index("# Joint efforts")
    (found,) = problems(text[:start] + text[end:])
    assert found[1:] == ("agencies[2].administrators", "administrators is missing")


def test_the_first_source_lacks_its_agencies_and_nothing_else() -> None:
    governors = Quorum(2, tuple(named(f"governor-{n}") for n in (1, 2, 3)))
    world = make_world()
    text = first_source_text(
        "A new exchange",
        governors,
        expires=EXPIRES.date(),
        origin=ORIGIN,
        log_keys=world.document.log.keys,
        broker="ab" * 32,
    )
    assert [message for _, _, message in problems(text)] == [
        "this leaves no active agency, so nobody could use the exchange"
    ]


def test_no_source_without_a_document() -> None:
    world = make_world(publish=False)
    world.publish("root")
    with pytest.raises(DirectoryInvalid, match="no document yet"):
        source_text(governed_by(world.directory), 0)
