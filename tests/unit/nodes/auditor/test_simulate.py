from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nodes.auditor.mirror import LogFolder
from nodes.auditor.simulate import Simulation, simulate_log, simulation_lines
from schemas.errors import LogTampered
from schemas.routing.rules import Condition, Rule, Target
from tests.support.auditing import quiet
from tests.support.log_builder import LogBuilder
from tests.unit.nodes.auditor.test_cli import run

NEVER = Rule("never", "deny", Condition(), Target(agencies=("au-abf",)), None, "no agreement")


@pytest.fixture
def copy(log: LogBuilder, tmp_path: Path) -> Path:
    log.alert("hk-customs", ["all"])
    log.alert("au-abf", ["sg-cnb"])
    log.alert("sg-cnb", ["au-abf"])
    return log.write(tmp_path / "copy")


def simulated(log: LogBuilder, copy: Path, *rules: Rule) -> Simulation:
    document = replace(log.world.document, rules=rules)
    return simulate_log(LogFolder(copy), document, trusted_root=log.world.trusted_root, keys=log.keys, progress=quiet)


def test_the_rules_in_force_change_nothing(log: LogBuilder, copy: Path) -> None:
    simulation = simulated(log, copy)
    assert simulation.changes == ()
    assert simulation.alerts >= 3
    assert list(simulation_lines(simulation)) == [f"0 alerts of {simulation.alerts} would have gone elsewhere."]


def test_changes_are_told_by_entry_agency_and_rule(log: LogBuilder, copy: Path) -> None:
    lines = list(simulation_lines(simulated(log, copy, NEVER)))
    assert "  - au-abf: no agreement (never)" in lines
    assert "  ! it would have reached nobody" in lines
    assert lines[-1].endswith("would have gone elsewhere.")


def test_a_damaged_copy_is_refused(log: LogBuilder, copy: Path) -> None:
    (bundle,) = [path for path in (copy / "tile/entries").rglob("*") if path.is_file()]
    bundle.write_bytes(bundle.read_bytes()[:-1])
    with pytest.raises(LogTampered, match="damaged"):
        simulated(log, copy)


def test_the_command(log: LogBuilder, copy: Path, tmp_path: Path) -> None:
    from schemas.directory.documents import encode_directory

    (tmp_path / "root.json").write_bytes(log.world.trusted_root)
    (tmp_path / "new.json").write_bytes(encode_directory(replace(log.world.document, rules=(NEVER,))))
    asked = ("simulate", copy, "--directory", tmp_path / "new.json", "--root", tmp_path / "root.json")
    told = run(*asked)
    assert told.exit_code == 0
    assert "(never)" in told.stdout
    assert json.loads(run(*asked, "--json").stdout)["changes"]
    (tmp_path / "new.json").write_text("{}", encoding="utf-8")
    assert run(*asked).exit_code == 4
