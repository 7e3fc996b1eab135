from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nodes.config import load_config
from nodes.keystore import read_keystore
from nodes.node_cli import node
from nodes.store.database import Database
from schemas.errors import BadConfig, BadId, StorageLocked, WrongPassphrase
from schemas.log.note import ED25519, vkey
from tests.support.directory import make_world, spki_digest
from tests.support.fake_hub import example_seeds
from tests.support.hub import write_identity

ME = "sg-cnb"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BEARING_PASSPHRASE_FILE", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


def arguments(folder: Path, *more: str) -> list[str]:
    """What `init` needs, with its files written to `folder`."""
    world = make_world()
    write_identity(folder, ME)
    (folder / "root.json").write_bytes(world.trusted_root)
    (folder / "pass").write_bytes(b"correct horse\n")
    (folder / "pass").chmod(0o600)
    seeds = example_seeds(ME)
    keys = {
        "signing": seeds.signing,
        "sealing": seeds.sealing,
        "witness": seeds.witness,
        "witness_pq": seeds.witness_pq,
    }
    (folder / "keys.json").write_text(json.dumps({kind: one.hex() for kind, (one,) in keys.items()}), encoding="ascii")
    return [
        *("init", str(folder / "home"), "--agency", ME, "--hub", "wss://127.0.0.1:7443/session"),
        *("--hub-pin", spki_digest("broker").hex(), "--log-vkey", vkey(world.origin, ED25519, world.log_key.public)),
        *("--ca", str(folder / "ca.crt"), "--tls-cert", str(folder / "tls.crt"), "--tls-key", str(folder / "tls.key")),
        *("--root", str(folder / "root.json"), "--passphrase-file", str(folder / "pass")),
        *more,
    ]


def call(*words: str) -> Result:
    return CliRunner().invoke(node, list(words))


def test_fresh_keys_are_made_and_their_public_document_printed(tmp_path: Path) -> None:
    result = call(*arguments(tmp_path))
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["agency"] == ME
    assert "bearing node run" in result.stderr
    seeds = read_keystore(load_config(tmp_path / "home").keystore, b"correct horse")
    assert seeds.signing[0].hex() not in result.output


def test_imported_keys_print_nothing(tmp_path: Path) -> None:
    result = call(*arguments(tmp_path, "--keys", str(tmp_path / "keys.json")))
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert read_keystore(load_config(tmp_path / "home").keystore, b"correct horse").signing == example_seeds(ME).signing


def test_without_a_passphrase_nothing_is_made(tmp_path: Path) -> None:
    words = arguments(tmp_path)
    place = words.index("--passphrase-file")
    result = call(*words[:place], *words[place + 2 :])
    assert isinstance(result.exception, BadConfig)
    assert not (tmp_path / "home").exists()


def test_an_agency_id_of_another_form_is_refused(tmp_path: Path) -> None:
    words = arguments(tmp_path)
    words[words.index(ME)] = "Singapore"
    assert isinstance(call(*words).exception, BadId)


def test_a_wrong_passphrase_runs_nothing(tmp_path: Path) -> None:
    assert call(*arguments(tmp_path)).exit_code == 0
    (tmp_path / "pass").write_bytes(b"wrong")
    result = call("run", str(tmp_path / "home"), "--passphrase-file", str(tmp_path / "pass"))
    assert isinstance(result.exception, WrongPassphrase)


def test_resume_clears_the_halt_of_a_stopped_node(tmp_path: Path) -> None:
    assert call(*arguments(tmp_path)).exit_code == 0
    home, secret = str(tmp_path / "home"), str(tmp_path / "pass")
    config = load_config(tmp_path / "home")
    database = Database(config.database, read_keystore(config.keystore, b"correct horse").database)
    database.write(lambda tables: tables.held.halt("evidence"))
    locked = call("resume", home, "--passphrase-file", secret)
    assert isinstance(locked.exception, StorageLocked)
    database.close()
    assert "call the hub again" in call("resume", home, "--passphrase-file", secret).stderr
    assert "not halted" in call("resume", home, "--passphrase-file", secret).stderr
