"""docs/governance.md is run as it stands, by a secretariat of three governors and two agencies."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from broker.cli import main
from broker.governance.repository import open_repository, replay
from certs.example.pki import authority, leaf, pin, tls_key
from schemas.directory.agency_keys import encode_agency_keys
from tests.support.directory import make_world

PAGE = Path(__file__).parents[4] / "docs" / "governance.md"
AGENCY = """\
- id: {id}
  name: Agency {id}
  country: {country}
  timezone: UTC
  regions: [asia]
  status: active
  administrators: {{threshold: 1, keys: [{{name: Administrator of {id}, key: '{key}'}}]}}
"""


def run(script: str, folder: Path) -> str:
    """Run a shell script in `folder`, with this installation's commands; its output."""
    commands = folder / "bin"
    commands.mkdir(exist_ok=True)
    command = commands / "bearing-broker"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m broker.cli "$@"\n')
    command.chmod(0o755)
    environment = {"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(PAGE.parents[1])}
    done = subprocess.run(["bash", "-euc", script], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


class Reader:
    """Somebody who follows the page; the edits of the source file are theirs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = folder / "directory.yaml"
        world = make_world(("hk-customs", "sg-cnb"))
        (folder / "passphrase").write_text("three words suffice\n")
        hub = leaf("broker", hosts=("localhost", "127.0.0.1"))
        for name, data in (("hub.crt", hub.certificate), ("hub.key", hub.private_key)):
            (folder / name).write_bytes(data)
        (folder / "ca.crt").write_bytes(authority().certificate)
        (folder / "hub.spki").write_text(pin(tls_key("broker").public_key()))
        self.administrators = {}
        for agency, short in (("hk-customs", "hk"), ("sg-cnb", "sg")):
            keys = world.keys[agency]
            (folder / f"{agency}.json").write_bytes(encode_agency_keys(replace(keys, agency=agency)))
            made = f"bearing-broker directory key new {short}-admin.key --passphrase-file passphrase"
            self.administrators[agency] = run(made, folder).strip()

    def agencies(self) -> None:
        entries = "".join(
            AGENCY.format(id=agency, country=agency[:2].upper(), key=key) for agency, key in self.administrators.items()
        )
        text = self.source.read_text()
        text = text.replace("agencies: []", f"agencies:\n{entries}")
        text = text.replace("regions: []", "regions: [{id: asia, name: Asia}]")
        auditor = "{id: court, name: Court of audit, tls: [" + "ab" * 32 + "]}"
        self.source.write_text(text.replace("auditors: []", f"auditors: [{auditor}]"))

    def suspend(self) -> None:
        text = self.source.read_text()
        singapore = text.index("- id: sg-cnb")
        text = text[:singapore] + text[singapore:].replace("status: active", "status: suspended", 1)
        self.source.write_text(text)

    def governor(self) -> None:
        public = run("bearing-broker directory key new dara.key --passphrase-file passphrase", self.folder).strip()
        text = self.source.read_text()
        found = re.search(r"name: Chitra, key: '([^']*)'", text)
        assert found is not None
        self.source.write_text(text.replace("Chitra", "Dara").replace(found[1], public))


@pytest.mark.slow
def test_the_page_works_as_written(tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        reader = Reader(tmp_path)
        edits: dict[str, Callable[[], None]] = {
            "agencies": reader.agencies, "suspend": reader.suspend, "governor": reader.governor
        }  # fmt: skip
        for edit, block in re.findall(r"<!-- edit: (\w+) -->|```sh\n(.*?)```", PAGE.read_text(), re.DOTALL):
            if edit:
                edits.pop(edit)()
            else:
                run(block, tmp_path)
        assert not edits, "every edit stands on the page"
    finally:
        os.umask(umask)
    held = replay(open_repository(tmp_path / "repository"))
    assert held is not None
    assert (held.versions()["root"], held.versions()["targets"]) == (2, 3)
    assert not held.is_active("sg-cnb")


def test_every_command_is_on_the_page_and_every_one_named_exists() -> None:
    shown = CliRunner().invoke(main, ["directory", "--help"]).stdout
    commands = set(re.findall(r"^  ([a-z]+)  ", shown.partition("Commands:")[2], re.MULTILINE))
    text = PAGE.read_text()
    assert set(re.findall(r"bearing-broker directory ([a-z]+)", text)) == commands
