"""The pages on formats say what the code does: examples read, steps have the same words, codes exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from schemas.directory.agency_keys import parse_agency_keys
from schemas.directory.documents import parse_directory
from schemas.envelope import disclosure
from schemas.envelope.header import decode_header
from schemas.envelope.opening import STEPS
from schemas.errors import REGISTRY
from schemas.routing.requests import parse_requests
from schemas.routing.rules import parse_rule
from tests.support.directory import make_world
from tests.support.envelope import make_alert, seal_alert

SPEC = Path(__file__).resolve().parents[4] / "docs" / "spec"
EXAMPLE_AGENCIES = ("hk-customs", "cn-customs", "sg-cnb", "nz-customs", "fj-customs", "to-customs")
PAGES = ("attachments.md", "directory.md", "disclosure.md", "envelope.md", "routing.md")


def page(name: str) -> str:
    return (SPEC / name).read_text(encoding="utf-8")


def example(name: str, label: str) -> str:
    found = re.findall(rf"^```json {label}\n(.*?)^```$", page(name), re.DOTALL | re.MULTILINE)
    assert len(found) == 1
    return str(found[0])


def test_examples_read() -> None:
    assert parse_directory(example("directory.md", "directory").encode()).operations["marker"].host == "hk-customs"
    assert parse_agency_keys(example("directory.md", "agency").encode(), "hk-customs").witness
    assert parse_rule(json.loads(example("routing.md", "rule"))).id == "copy-sea"
    assert parse_requests([json.loads(example("routing.md", "request"))])[0].subjects == ("vessel",)


def test_the_steps_of_opening_have_the_same_words() -> None:
    listed = re.findall(r"^(\d+)\. (.*?): `", page("envelope.md"), re.MULTILINE | re.DOTALL)
    assert {int(number): " ".join(words.split()) for number, words in listed} == STEPS


def test_the_steps_of_checking_a_disclosure_have_the_same_words() -> None:
    listed = re.findall(r"^(\d+)\. (.*?): `", page("disclosure.md"), re.MULTILINE | re.DOTALL)
    assert {int(number): " ".join(words.split()) for number, words in listed} == disclosure.STEPS


def test_the_disclosure_table_names_every_field() -> None:
    table = page("disclosure.md").split("## Checking")[0]
    assert [name for name in disclosure.Disclosure.__slots__ if f"`{name}`" not in table] == []


def test_the_header_table_names_every_field() -> None:
    world = make_world()
    header = decode_header(seal_alert(world, make_alert(world, "hk-customs"))[0].header)
    table = page("envelope.md").split("## Body")[0]
    assert [name for name in header.__slots__ if f"`{name}`" not in table] == []


@pytest.mark.parametrize("name", PAGES)
def test_codes_exist(name: str) -> None:
    meant = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", page(name)))
    words = {"crossbearing-disclosure", "hk-customs", "follow-up", "ml-dsa-44", "xb1-commit", "xb1-wrap"}
    words |= set(re.findall(r'"(?:id|hub)": "([a-z-]+)"', page(name)))  # of the examples
    words |= {agency for agency in re.findall(r"`([a-z]{2}-[a-z]+)`", page(name)) if agency in EXAMPLE_AGENCIES}
    words |= {"far-east", "south-east-asia"} if name == "routing.md" else set()
    assert sorted(meant - set(REGISTRY) - words) == []
