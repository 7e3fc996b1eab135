from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nodes import setup
from nodes.config import load_config
from nodes.keystore import Seeds, fresh_seeds, read_keystore
from nodes.setup import HomePlan, clear_halt, create_home, import_seeds, public_document
from nodes.store.database import Database
from schemas.directory.agency_keys import parse_agency_keys
from schemas.errors import BadCheckpoint, BadConfig, DirectoryInvalid, ExampleKeys, NotFound
from schemas.keys import SealingKey, SigningKey
from schemas.log.note import ED25519, vkey
from tests.support.directory import NOW, make_world, spki_digest
from tests.support.envelope import counting_random
from tests.support.fake_hub import example_seeds
from tests.support.hub import write_identity

ME = "sg-cnb"
PASSPHRASE = b"correct horse"


@pytest.fixture
def plan(tmp_path: Path) -> HomePlan:
    world = make_world()
    own = tmp_path / "given"
    write_identity(own, ME)
    (own / "root.json").write_bytes(world.trusted_root)
    return HomePlan(
        agency=ME,
        hub="wss://127.0.0.1:7443/session",
        hub_pin=spki_digest("broker").hex(),
        log_vkey=vkey(world.origin, ED25519, world.log_key.public),
        ca=own / "ca.crt",
        tls_certificate=own / "tls.crt",
        tls_key=own / "tls.key",
        root=own / "root.json",
    )


@pytest.fixture
def seeds() -> Seeds:
    return fresh_seeds(ME, counting_random())


def make(home: Path, plan: HomePlan, seeds: Seeds) -> None:
    create_home(home, plan, seeds, PASSPHRASE, counting_random("home"))


def test_a_home_has_everything_and_is_closed_to_others(tmp_path: Path, plan: HomePlan, seeds: Seeds) -> None:
    home = tmp_path / "home"
    make(home, plan, seeds)
    config = load_config(home)
    assert (config.agency, config.hub.pin) == (ME, spki_digest("broker"))
    assert read_keystore(config.keystore, PASSPHRASE) == seeds
    Database(config.database, seeds.database).close()
    assert {path.name for path in (home / "watch").iterdir()} == {"in", "done", "failed"}
    for path in [home, *home.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_an_empty_directory_will_do_and_a_used_one_will_not(tmp_path: Path, plan: HomePlan, seeds: Seeds) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    make(home, plan, seeds)
    with pytest.raises(BadConfig, match="not empty"):
        make(home, plan, seeds)


def test_without_its_last_file_a_home_is_none(
    tmp_path: Path, plan: HomePlan, seeds: Seeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        if path.name == "node.toml":
            raise OSError("no space left on device")
        path.write_bytes(data)

    monkeypatch.setattr(setup, "write_durably", full)
    with pytest.raises(OSError, match="no space"):
        make(tmp_path / "home", plan, seeds)
    with pytest.raises(BadConfig, match="not a node's home"):
        load_config(tmp_path / "home")


def test_what_does_not_fit_is_refused_before_anything_is_made(tmp_path: Path, plan: HomePlan, seeds: Seeds) -> None:
    home = tmp_path / "home"
    other = tmp_path / "other.json"
    other.write_bytes(b"{}")
    for wrong, error in (
        (replace(plan, hub="http://127.0.0.1/"), BadConfig),
        (replace(plan, hub_pin="zz"), BadConfig),
        (replace(plan, log_vkey="no key"), BadCheckpoint),
        (replace(plan, root=other), DirectoryInvalid),
        (replace(plan, ca=tmp_path / "none"), NotFound),
        (replace(plan, ca=tmp_path), BadConfig),
    ):
        with pytest.raises(error):
            make(home, wrong, seeds)
        assert not home.exists()


def test_a_key_that_does_not_fit_its_certificate_is_refused(tmp_path: Path, plan: HomePlan, seeds: Seeds) -> None:
    write_identity(tmp_path / "other", "au-abf")
    with pytest.raises(BadConfig, match="TLS files"):
        make(tmp_path / "home", replace(plan, tls_key=tmp_path / "other" / "tls.key"), seeds)


def test_example_keys_are_for_this_machine_only(tmp_path: Path, plan: HomePlan) -> None:
    with pytest.raises(ExampleKeys):
        make(tmp_path / "home", replace(plan, hub="wss://hub.example:7443/session"), example_seeds(ME))
    make(tmp_path / "home", plan, example_seeds(ME))


def test_keys_are_imported_with_a_database_key_of_their_own(tmp_path: Path, seeds: Seeds) -> None:
    kinds = {"signing": "aa", "sealing": "bb", "witness": "cc", "witness_pq": "dd"}
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({kind: digits * 32 for kind, digits in kinds.items()}), encoding="ascii")
    imported = import_seeds(path, ME, counting_random())
    assert imported.signing == (b"\xaa" * 32,)
    assert imported.witness_pq == (b"\xdd" * 32,)
    assert imported.database == counting_random()(32)


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"signing": ""}',
        json.dumps(dict.fromkeys(("signing", "sealing", "witness", "witness_pq"), "AA" * 32)),
        json.dumps(dict.fromkeys(("signing", "sealing", "witness", "witness_pq"), "aa" * 31)),
        json.dumps(dict.fromkeys(("signing", "sealing", "witness", "witness_pq"), 7)),
        json.dumps(dict.fromkeys(("signing", "sealing", "witness", "witness_pq", "more"), "aa" * 32)),
    ],
)
def test_a_key_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text, encoding="ascii")
    with pytest.raises(BadConfig):
        import_seeds(tmp_path / "keys.json", ME, counting_random())


def test_the_public_document_is_what_administrators_sign(plan: HomePlan, seeds: Seeds) -> None:
    keys = parse_agency_keys(public_document(seeds, plan.tls_certificate, now=NOW + 1), ME)
    assert [record.public for record in keys.signing] == [SigningKey(seeds.signing[0]).public]
    assert [record.public for record in keys.sealing] == [SealingKey(seeds.sealing[0]).public]
    assert keys.tls == (spki_digest(ME),)
    assert keys.signing[0].valid(NOW + 1)


def test_a_certificate_that_is_none_is_refused(tmp_path: Path, seeds: Seeds) -> None:
    (tmp_path / "x").write_text("no certificate", encoding="ascii")
    with pytest.raises(BadConfig, match="PEM"):
        public_document(seeds, tmp_path / "x", now=NOW)


def test_a_halt_is_cleared_once(tmp_path: Path, seeds: Seeds) -> None:
    path = tmp_path / "node.db"
    database = Database(path, seeds.database)
    database.write(lambda tables: tables.held.halt("evidence"))
    database.close()
    assert clear_halt(path, seeds.database) is True
    assert clear_halt(path, seeds.database) is False
