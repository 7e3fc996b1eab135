"""`bearing-broker` as an operator uses it: exit codes, what is printed, and the running process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from broker.cli import main
from broker.config import load_config
from broker.engines.sqlite_files import open_connection
from schemas.example import example_seed
from schemas.keys import SigningKey
from schemas.log.note import ED25519, parse_vkey, vkey
from tests.support.directory import World, make_world
from tests.support.hub import sources, write_repository


@pytest.fixture
def world() -> World:
    return make_world()


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def init(world: World, folder: Path, *more: str, **changed: Path) -> Result:
    made = sources(world, folder)
    options: dict[str, str | Path] = {
        "--repository": made.repository,
        "--tls-cert": made.tls_certificate,
        "--tls-key": made.tls_key,
        "--ca": made.ca,
        "--log-seed": made.log_seed,
        "--listen": "127.0.0.1:0",
        "--metrics": "127.0.0.1:0",
    }
    options |= {f"--{name.replace('_', '-')}": value for name, value in changed.items()}
    words = [word for pair in options.items() for word in pair]
    return call("init", folder / "hub", *words, *more)


@dataclass
class Process:
    """A running hub, and what it logs."""

    popen: subprocess.Popen[str]
    ready: dict[str, Any]

    def wait_for(self, event: str) -> dict[str, Any]:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            said: dict[str, Any] = json.loads(line)
            if said["event"] == event:
                return said
        raise AssertionError(f"the hub ended without {event}")

    def get(self, path: str) -> tuple[int, str]:
        with urllib.request.urlopen(f"http://{self.ready['metrics']}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()


@contextmanager
def process(folder: Path) -> Iterator[Process]:
    command = [sys.executable, "-m", "broker.cli", "run", str(folder / "hub")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as popen:
        try:
            running = Process(popen, {})
            running.ready = running.wait_for("ready")
            yield running
        finally:
            popen.kill()


# -- init --------------------------------------------------------------------------------------------------------------


def test_init_makes_a_private_directory_and_prints_the_logs_key(world: World, tmp_path: Path) -> None:
    result = init(world, tmp_path)
    assert result.exit_code == 0, result.stderr
    own = vkey(world.origin, ED25519, SigningKey(example_seed("broker", "log")).public)
    assert result.stdout == own + "\n"
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "hub").iterdir()}
    for name in ("log.key", "tls.key", "log.db", "anchor.db", "broker.toml"):
        assert modes[name] == 0o600, name
    assert (tmp_path / "hub").stat().st_mode & 0o777 == 0o700
    assert load_config(tmp_path / "hub").origin == world.origin


def test_init_does_not_touch_what_is_there(world: World, tmp_path: Path) -> None:
    assert init(world, tmp_path).exit_code == 0
    before = (tmp_path / "hub" / "log.db").read_bytes()
    again = init(world, tmp_path)
    assert (again.exit_code, "bad-config" in again.stderr) == (1, True)
    assert (tmp_path / "hub" / "log.db").read_bytes() == before


def test_init_leaves_nothing_behind_when_it_fails(world: World, tmp_path: Path) -> None:
    other = tmp_path / "other.seed"
    other.write_text("11" * 32 + "\n", encoding="ascii")
    result = init(world, tmp_path, log_seed=other)
    assert (result.exit_code, "directory-lockout" in result.stderr) == (4, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broker", "other.seed", "repository"]


def test_init_refuses_a_repository_without_its_threshold(tmp_path: Path) -> None:
    world = make_world()
    world.bundles[1] = world.bundle("targets", version=1, signers=("governor-1",))
    result = init(world, tmp_path)
    assert (result.exit_code, "directory-threshold" in result.stderr) == (4, True)


def test_init_names_a_file_that_is_missing_from_the_repository(world: World, tmp_path: Path) -> None:
    repository = write_repository(world, tmp_path / "partial")
    (repository / "metadata" / "sg-cnb.json").unlink()
    result = init(world, tmp_path, repository=repository)
    assert (result.exit_code, "sg-cnb.json" in result.stderr) == (3, True)


@pytest.mark.parametrize("text", ["", "zz" * 32, "11" * 31, " " + "11" * 32, "AA" * 32])
def test_init_refuses_a_file_that_is_no_seed(world: World, tmp_path: Path, text: str) -> None:
    seed = tmp_path / "bad.seed"
    seed.write_text(text, encoding="ascii")
    assert init(world, tmp_path, log_seed=seed).exit_code == 1


def test_example_keys_are_refused_off_loopback(world: World, tmp_path: Path) -> None:
    result = init(world, tmp_path, "--listen", "192.0.2.1:7443")
    assert (result.exit_code, "example-keys" in result.stderr) == (1, True)
    assert not (tmp_path / "hub").exists()


def test_example_keys_are_refused_off_loopback_by_run_too(world: World, tmp_path: Path) -> None:
    init(world, tmp_path)
    path = tmp_path / "hub" / "broker.toml"
    path.write_text(path.read_text("utf-8").replace("127.0.0.1:0", "0.0.0.0:0", 1), encoding="utf-8")
    result = run_to_the_end(tmp_path)
    assert result["code"] == "example-keys"


# -- key, usage --------------------------------------------------------------------------------------------------------


def test_key_makes_a_fresh_private_seed(tmp_path: Path) -> None:
    first = call("key", tmp_path / "log.seed", "--origin", "example.org/log")
    assert first.exit_code == 0
    seed = (tmp_path / "log.seed").read_text(encoding="ascii")
    assert (tmp_path / "log.seed").stat().st_mode & 0o777 == 0o600
    assert parse_vkey(first.stdout.strip()).public == SigningKey(bytes.fromhex(seed)).public
    again = call("key", tmp_path / "log.seed", "--origin", "example.org/log")
    assert again.exit_code == 1
    assert (tmp_path / "log.seed").read_text(encoding="ascii") == seed


@pytest.mark.parametrize("words", [["init"], ["run", "/nowhere"], ["nonsense"], ["key", "x"]])
def test_wrong_usage_is_exit_code_2(words: list[str]) -> None:
    assert call(*words).exit_code == 2


@pytest.mark.parametrize("command", ["init", "run", "status", "publish", "key"])
def test_every_command_has_help(command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


def test_status_of_a_hub_that_does_not_run(world: World, tmp_path: Path) -> None:
    init(world, tmp_path)
    result = call("status", tmp_path / "hub")
    assert (result.exit_code, "unreachable" in result.stderr) == (5, True)


# -- run ---------------------------------------------------------------------------------------------------------------


def run_to_the_end(folder: Path) -> dict[str, Any]:
    """The last thing that a hub says which cannot start."""
    command = [sys.executable, "-m", "broker.cli", "run", str(folder / "hub")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode != 0
    said: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])
    return said


def test_a_hub_runs_answers_takes_a_new_directory_and_stops(world: World, tmp_path: Path) -> None:
    init(world, tmp_path)
    with process(tmp_path) as hub:
        assert hub.ready["size"] == 5
        assert hub.get("/readyz")[0] == hub.get("/healthz")[0] == 200
        assert "crossbearing_log_size 5.0" in hub.get("/metrics")[1]
        status = json.loads(call("status", tmp_path / "hub", "--json").stdout)
        assert (status["ready"], status["size"], status["directory"]) == (True, 5, 5)
        assert "size\t5\n" in call("status", tmp_path / "hub").stdout
        second = run_to_the_end(tmp_path)
        assert second["code"] == "storage-locked"
        world.change_agency("au-abf", status="suspended")
        world.bundles.append(world.bundle("targets"))
        repository = write_repository(world, tmp_path / "repository")
        published = call("publish", tmp_path / "hub", "targets", "--repository", repository)
        assert published.stdout == "directory version 6\n"
        again = call("publish", tmp_path / "hub", "targets", "--repository", repository)
        assert again.stdout == published.stdout, "the same bundle again gives the same answer"
        world.bundles.append(world.bundle("targets", version=1))
        older = write_repository(world, tmp_path / "older")
        refused = call("publish", tmp_path / "hub", "targets", "--repository", older)
        assert (refused.exit_code, "directory-rollback" in refused.stderr) == (4, True)
        hub.popen.send_signal(signal.SIGTERM)
        assert hub.wait_for("stopped")["size"] == 6
        assert hub.popen.wait(30) == 0
    assert not (tmp_path / "hub" / "broker.sock").exists()


def test_a_killed_hub_starts_again(world: World, tmp_path: Path) -> None:
    init(world, tmp_path)
    with process(tmp_path) as hub:
        hub.popen.kill()
        hub.popen.wait(30)
    with process(tmp_path) as hub:
        assert hub.get("/readyz")[0] == 200


@pytest.mark.parametrize("name", ["log.key", "tls.key"])
def test_a_key_that_others_can_read_is_refused(world: World, tmp_path: Path, name: str) -> None:
    init(world, tmp_path)
    (tmp_path / "hub" / name).chmod(0o640)
    assert run_to_the_end(tmp_path)["code"] == "open-permissions"


def test_a_log_that_contradicts_its_anchor_is_refused(world: World, tmp_path: Path) -> None:
    init(world, tmp_path)
    db = open_connection(tmp_path / "hub" / "log.db")
    db.execute("DELETE FROM entry WHERE idx = 4")
    db.close()
    assert run_to_the_end(tmp_path)["code"] == "storage-tampered"


def test_a_taken_address_is_named(world: World, tmp_path: Path) -> None:
    init(world, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        path = tmp_path / "hub" / "broker.toml"
        port = taken.getsockname()[1]
        path.write_text(path.read_text("utf-8").replace("127.0.0.1:0", f"127.0.0.1:{port}"), encoding="utf-8")
        assert run_to_the_end(tmp_path)["code"] == "bad-config"
