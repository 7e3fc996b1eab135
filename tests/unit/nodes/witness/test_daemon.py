from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from nodes.cli import cli
from nodes.lock import home_lock
from nodes.ports import system_clock, system_random
from nodes.sealed_file import write_sealed
from nodes.witness.config import FILE, load_config
from nodes.witness.daemon import create_home, run_witness
from nodes.witness.keys import FORMAT, WitnessSeeds, fresh_seeds, read_witness_keys, write_witness_keys
from nodes.witness.state import origin_hash
from schemas.errors import BadConfig, OpenPermissions, StorageLocked, StorageTampered, WrongPassphrase
from schemas.log.note import WITNESS_TYPES, parse_vkey
from tests.support.witnessing import LOG_KEYS, LOGS, ORIGIN

PASSPHRASE = b"open sesame"
SEEDS = WitnessSeeds("witness.example/w1", b"\x03" * 32, b"\x04" * 32)


def make(home: Path, seeds: WitnessSeeds = SEEDS, listen: str = "127.0.0.1:0") -> tuple[str, ...]:
    return create_home(home, seeds, LOGS, listen=listen, passphrase=PASSPHRASE, random=system_random)


def test_a_home_is_for_its_user_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    vkeys = make(home)
    assert [parse_vkey(text, WITNESS_TYPES) for text in vkeys] == list(SEEDS.cosigner().keys)
    assert load_config(home).logs == LOGS
    assert read_witness_keys(home / "keystore", PASSPHRASE) == SEEDS
    for path in (home, *home.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_a_home_is_made_once(tmp_path: Path) -> None:
    make(tmp_path / "home")
    with pytest.raises(BadConfig, match="not empty"):
        make(tmp_path / "home")


def test_what_cannot_work_makes_no_home(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="listen"):
        make(tmp_path / "home", listen="nowhere")
    with pytest.raises(BadConfig, match="name"):
        make(tmp_path / "home", fresh_seeds("a b", system_random))
    assert not (tmp_path / "home").exists()


def test_keys_are_kept_under_the_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "keystore"
    write_witness_keys(path, SEEDS, PASSPHRASE, system_random)
    assert SEEDS.ed25519 not in path.read_bytes()
    with pytest.raises(WrongPassphrase):
        read_witness_keys(path, b"close sesame")
    path.chmod(0o640)
    with pytest.raises(OpenPermissions):
        read_witness_keys(path, PASSPHRASE)


def test_a_keystore_of_another_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keystore"
    write_sealed(path, FORMAT, {"name": "w", "ed25519": b"short", "ml_dsa": bytes(32)}, PASSPHRASE, system_random)
    with pytest.raises(BadConfig, match="witness's keys"):
        read_witness_keys(path, PASSPHRASE)


async def test_it_stops_when_told_to_and_lets_go_of_its_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make(home)
    stop = asyncio.Event()
    stop.set()
    await run_witness(load_config(home), SEEDS, stop=stop)
    with home_lock(load_config(home).lock), pytest.raises(StorageLocked, match="another daemon"):
        await run_witness(load_config(home), SEEDS, stop=stop)


async def test_a_witness_with_other_keys_or_altered_state_does_not_start(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make(home)
    config, stop = load_config(home), asyncio.Event()
    with pytest.raises(BadConfig, match="keystore is of"):
        await run_witness(config, fresh_seeds("other.example", system_random), stop=stop)
    (config.state / origin_hash(ORIGIN)).write_bytes(b"not a checkpoint\n")
    with pytest.raises(StorageTampered):
        await run_witness(config, SEEDS, clock=system_clock, stop=stop)


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def passphrase(tmp_path: Path) -> str:
    file = tmp_path / "passphrase"
    file.touch(mode=0o600)
    file.write_bytes(PASSPHRASE)
    return str(file)


def test_init_prints_the_public_keys(tmp_path: Path, passphrase: str) -> None:
    policy = tmp_path / "policy"
    policy.write_text(f"log {LOG_KEYS[1].vkey}\nquorum none\n")
    home = tmp_path / "home"
    arguments = ["witness", "init", str(home), "--name", "witness.example/w2", "--passphrase-file", passphrase]
    result = CliRunner().invoke(cli, [*arguments, "--log", LOG_KEYS[0].vkey, "--policy", str(policy)])
    assert result.exit_code == 0, result.output
    seeds = read_witness_keys(home / "keystore", PASSPHRASE)
    assert result.stdout.split() == [key.vkey for key in seeds.cosigner().keys]
    assert load_config(home).logs == LOGS
    assert (home / FILE).exists()


@pytest.mark.parametrize("option", [["--log", "nonsense"], ["--policy", "missing"], ["--listen", "nowhere"]])
def test_init_refuses_what_it_cannot_use(tmp_path: Path, passphrase: str, option: list[str]) -> None:
    home = tmp_path / "home"
    arguments = ["witness", "init", str(home), "--name", "w.example", "--passphrase-file", passphrase, *option]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code in {1, 2, 3, 4}
    assert "hint" in result.stderr
    assert not home.exists()


def test_run_needs_the_passphrase(tmp_path: Path, passphrase: str) -> None:
    make(tmp_path / "home")
    Path(passphrase).write_bytes(b"another")
    result = CliRunner().invoke(cli, ["witness", "run", str(tmp_path / "home"), "--passphrase-file", passphrase])
    assert result.exit_code == 1
    assert "wrong-passphrase" in result.stderr
