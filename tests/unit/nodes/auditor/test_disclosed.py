"""A disclosure in words: the alert whole, the parties by name, and nothing that steers a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from nodes.auditor.cli import audit
from nodes.auditor.disclosed import check_disclosure, disclosed_lines, disclosed_view
from schemas.errors import BadConfig, CrossbearingError
from schemas.log.note import note_key
from tests.support.disclosing import Disclosing


@pytest.fixture(scope="module")
def made() -> Disclosing:
    return Disclosing(narrative="Box red,\nat the \u00a0gate.", title="Look out")


def test_it_is_told_in_words(made: Disclosing) -> None:
    lines = list(disclosed_lines(check_disclosure(made.data, made.keys, made.world.trusted_root)))
    text = "\n".join(lines)
    assert lines[0].startswith("THE DISCLOSURE IS GOOD")
    assert f"Alert       {made.alert.id}" in lines
    assert "title: Look out" in lines
    assert lines[lines.index("narrative:") + 1 :][:2] == ["  Box red,", "  at the \\xa0gate."]
    assert any(line.startswith("Recipient   sg-cnb is ") for line in lines)
    assert "this file's word" not in text
    assert all(line.isprintable() or not line for line in lines)


def test_a_root_that_was_not_given_is_named(made: Disclosing) -> None:
    told = check_disclosure(made.data, made.keys, None)
    assert "this file's word" in "\n".join(disclosed_lines(told))
    assert disclosed_view(told)["governors_root_given"] is False


def test_attachments_are_not_in_the_file() -> None:
    facts = {"name": "a.png", "media_type": "image/png", "size": 1, "sealed_size": 42}
    made = Disclosing(attachments=[{**facts, "digest": "ab" * 32, "key": "cd" * 32}])
    text = "\n".join(disclosed_lines(check_disclosure(made.data, made.keys, None)))
    assert "The attachments are not in this file." in text
    assert f"key: {'cd' * 32}" in text


@pytest.mark.parametrize("names", [[], ["one.example", "two.example"]])
def test_keys_of_no_log_or_of_two(made: Disclosing, names: list[str]) -> None:
    keys = [note_key(name, made.world.log_key.public) for name in names]
    with pytest.raises(BadConfig):
        check_disclosure(made.data, keys, None)


def test_the_command_reads_both_kinds_of_evidence(made: Disclosing, tmp_path: Path) -> None:
    file, root = tmp_path / "alert.disclosure", tmp_path / "root.json"
    file.write_bytes(made.data)
    root.write_bytes(made.world.trusted_root)
    arguments = ["check", str(file), "--log-vkey", made.keys[0].vkey, "--root", str(root)]
    shown = CliRunner().invoke(audit, arguments)
    assert shown.exit_code == 0
    assert "WHAT IT SAYS" in shown.output
    told = json.loads(CliRunner().invoke(audit, [*arguments, "--json"]).output)
    assert (told["alert"]["title"], told["sender"], told["governors_root_given"]) == ("Look out", "hk-customs", True)


def test_a_file_that_was_touched_is_refused_by_the_command(made: Disclosing, tmp_path: Path) -> None:
    file = tmp_path / "alert.disclosure"
    file.write_bytes(made.data.replace(b"Look out", b"Look art"))
    refused = CliRunner().invoke(audit, ["check", str(file), "--log-vkey", made.keys[0].vkey])
    assert isinstance(refused.exception, CrossbearingError)
    assert (refused.exception.code, refused.exception.context["step"]) == ("inner-mismatch", 8)
