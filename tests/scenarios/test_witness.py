"""A real witness process: killed at any instant it never cosigns two trees of one size, and forgets nothing it said."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.demo.exchange import script
from nodes.witness.state import origin_hash
from schemas.log.checkpoint import parse_tree, verify_signers
from schemas.log.note import WITNESS_TYPES, NoteKey, parse_note, parse_vkey
from schemas.log.witness import AddCheckpoint, format_request, parse_size, read_answer
from tests.support.wait import until
from tests.support.witnessing import GROWN, LOG_KEYS, ORIGIN, body, note, proof

pytestmark = pytest.mark.scenario

WRONG = b"\x5a" * 32


class Running:
    """A witness's home, and the process that runs on it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.passphrase = folder / "passphrase"
        self.passphrase.touch(mode=0o600)
        self.passphrase.write_text("a passphrase")
        self.log = folder / "log"
        made = self.command(
            "init", "--name", "witness.example/w1", "--log", LOG_KEYS[0].vkey, "--listen", "127.0.0.1:0"
        )
        self.keys: list[NoteKey] = [parse_vkey(line, WITNESS_TYPES) for line in made.stdout.split()]
        self.process: subprocess.Popen[bytes] | None = None
        self.address = ""

    def arguments(self, name: str, *more: str) -> list[str]:
        return [
            str(script("bearing")),
            "witness",
            name,
            str(self.home),
            "--passphrase-file",
            str(self.passphrase),
            *more,
        ]

    def command(self, name: str, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.arguments(name, *more), capture_output=True, text=True, timeout=60)

    def start(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self.arguments("run"), stderr=log)
        self.address = until(self._ready, what="the witness's ready line")

    def _ready(self) -> str:
        events = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return next((str(event["listen"]) for event in events if event["event"] == "ready"), "")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def add(self, data: bytes) -> tuple[int, bytes]:
        """The status and the answer; status 0 when the witness was gone before it answered."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/add-checkpoint", data, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def served(self) -> bytes:
        with urllib.request.urlopen(f"http://{self.address}/{origin_hash(ORIGIN)}/checkpoint", timeout=30) as answer:
            return bytes(answer.read())


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    running.start()
    yield running
    running.kill()


def test_killed_while_it_cosigns(witness: Running) -> None:
    """After each kill the witness holds what it answered last, or the one that was under way, and nothing else."""
    size = 0
    for _ in range(6):
        answered = size
        with ThreadPoolExecutor(1) as pool:
            for count in range(8):
                asked = pool.submit(witness.add, body(size, size + 5))
                if count == 7:
                    witness.kill()
                status, answer = asked.result()
                if status != 200:
                    break
                size = answered = size + 5
                read_answer(answer, note(size), witness.keys)
        assert witness.process is not None
        if witness.process.poll() is None:
            witness.kill()
        witness.start()
        conflict, told = witness.add(body(answered + 1, answered + 2))
        assert conflict == 409
        size = parse_size(told)
        assert size in {answered, answered + 5}
        signed = verify_signers(witness.served(), (LOG_KEYS[0], *witness.keys))
        assert len(signed.signatures) == 3
        assert parse_tree(signed.text).root == GROWN.roots[size]
    status, _ = witness.add(format_request(AddCheckpoint(size, (), note(size, WRONG))))
    assert status == 422
    assert witness.add(body(size, 300))[0] == 200


def test_of_many_logs_hands_one_moves_it(witness: Running) -> None:
    assert witness.add(body(0, 5))[0] == 200
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(witness.add, [body(5, size) for size in range(6, 30)]))
    assert sorted(status for status, _ in answers) == [200] + [409] * 23
    moved = 6 + [status for status, _ in answers].index(200)
    assert parse_tree(parse_note(witness.served()).text).end == moved


def test_a_fork_is_refused_and_kept_across_a_restart(witness: Running) -> None:
    assert witness.add(body(0, 20))[0] == 200
    witness.kill()
    witness.start()
    assert witness.add(format_request(AddCheckpoint(20, (), note(20, WRONG))))[0] == 422
    assert witness.add(format_request(AddCheckpoint(20, proof(20, 33), note(33, WRONG))))[0] == 422
    cases = sorted(path.name for path in (witness.home / "evidence" / origin_hash(ORIGIN)).iterdir())
    assert [name.rpartition("-")[0] for name in cases] == ["fork-20", "inconsistent-33"]
    assert witness.add(body(20, 33))[0] == 200


def test_a_second_process_on_one_home_is_refused(witness: Running) -> None:
    second = witness.command("run")
    assert second.returncode != 0
    assert "storage-locked" in second.stderr
    assert witness.add(body(0, 5))[0] == 200


def test_altered_state_is_not_started_on(witness: Running) -> None:
    assert witness.add(body(0, 20))[0] == 200
    witness.kill()
    state = witness.home / "state" / origin_hash(ORIGIN)
    state.write_bytes(state.read_bytes().replace(b"\n20\n", b"\n10\n"))
    second = witness.command("run")
    assert second.returncode != 0
    assert "storage-tampered" in second.stderr


def test_it_ends_in_good_order(witness: Running) -> None:
    assert witness.add(body(0, 5))[0] == 200
    assert witness.process is not None
    witness.process.terminate()
    assert witness.process.wait(timeout=30) == 0
    assert '"stopped"' in witness.log.read_text()
