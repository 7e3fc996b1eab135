"""Replaying the log of a hub, running or not, against a proposed directory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from broker.cli import main
from broker.config import load_config
from broker.engines.sqlite import SqliteEngine
from broker.state import Changes
from schemas.directory.documents import encode_directory
from schemas.log.entry import AlertEntry, encode_entry
from schemas.routing.rules import Condition, Rule, Target
from tests.support.directory import NOW, World, make_world
from tests.support.envelope import make_alert, seal_alert
from tests.unit.broker.test_cli import init

NEVER = Rule("never", "deny", Condition(), Target(agencies=("au-abf",)), None, "no agreement")


@pytest.fixture
def world() -> World:
    return make_world()


def log_alerts(world: World, engine: SqliteEngine) -> None:
    size = engine.size()
    with engine.block(size) as block:
        for number, to in enumerate((["all"], ["sg-cnb"], ["au-abf"])):
            sealed, _ = seal_alert(world, make_alert(world, "hk-customs", number=number, to=to))
            entry = AlertEntry(NOW, world.directory.version, sealed.header, sealed.signature)
            block.append(encode_entry(entry), Changes())


def test_changes_are_listed_beside_the_running_hub(world: World, tmp_path: Path) -> None:
    assert init(world, tmp_path).exit_code == 0
    new = tmp_path / "new"
    new.mkdir()
    (new / "directory.json").write_bytes(encode_directory(replace(world.document, rules=(NEVER,))))
    engine = SqliteEngine(load_config(tmp_path / "hub").log)  # holds the lock, as a running hub does
    try:
        log_alerts(world, engine)
        result = CliRunner().invoke(main, ["route", "simulate", str(tmp_path / "hub"), str(new)])
        again = CliRunner().invoke(
            main, ["route", "simulate", str(tmp_path / "hub"), str(new / "directory.json"), "--json"]
        )
    finally:
        engine.close()
    assert result.exit_code == 0, result.stderr
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[4:] for row in rows] == [
        ["-", "au-abf", "never", "no agreement"],
        ["-", "au-abf", "never", "no agreement"],
        ["!", "", "", "it would have reached nobody"],
    ]
    assert "2 of 3 alerts would have gone elsewhere" in result.stderr
    assert len(json.loads(again.stdout)["changes"]) == 2


def test_what_cannot_be_read_is_said(world: World, tmp_path: Path) -> None:
    assert init(world, tmp_path).exit_code == 0
    bad = tmp_path / "directory.json"
    bad.write_text("{}", encoding="utf-8")
    refused = CliRunner().invoke(main, ["route", "simulate", str(tmp_path / "hub"), str(bad)])
    assert "directory-invalid" in refused.stderr
    missing = CliRunner().invoke(main, ["route", "simulate", str(tmp_path / "hub"), str(tmp_path / "hub")])
    assert "storage-failed" in missing.stderr
    bad.write_bytes(encode_directory(world.document))
    (tmp_path / "hub" / "log.db").unlink()
    gone = CliRunner().invoke(main, ["route", "simulate", str(tmp_path / "hub"), str(bad)])
    assert "there is no log" in gone.stderr
