"""The directory for measuring: of any size, accepted by every party, with allowances that no measurement meets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.directory import SENDER, measuring_source, write_directory
from certs.example.source import directory_document, load_source
from schemas.directory.documents import parse_directory
from schemas.limits import MAX_ALERTS_PER_MINUTE, MAX_RECIPIENTS


@pytest.mark.parametrize("recipients", [1, 5, 30, 31, 100, MAX_RECIPIENTS])
def test_any_number_of_recipients_makes_a_directory(recipients: int) -> None:
    document = parse_directory(directory_document(measuring_source(recipients)))
    assert len(document.agencies) == recipients + 1
    assert SENDER in document.agencies
    assert set(document.limits.alerts_per_minute) == {MAX_ALERTS_PER_MINUTE}


def test_with_the_examples_agencies_only_the_limits_differ() -> None:
    example, measuring = load_source(), measuring_source(30)
    assert measuring.rules["rules"] == example.rules["rules"]
    assert replace(measuring, rules=example.rules) == example


def test_a_rule_about_an_agency_that_is_not_there_is_left_out() -> None:
    ids = {rule["id"] for rule in measuring_source(5).rules["rules"]}
    assert "islands-by-hub" not in ids
    assert "red-methods-stay-near" in ids


def test_the_folder_holds_keys_and_metadata_of_each_agency(tmp_path: Path) -> None:
    agencies = write_directory(tmp_path, 2)
    assert agencies[0] == SENDER
    for agency in agencies:
        assert json.loads((tmp_path / "keys" / agency / "keys.json").read_text())
        assert (tmp_path / "repository" / "metadata" / f"{agency}.json").is_file()
