from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from broker.cli import main
from broker.governance.keys import make_key_file
from schemas.example import example_seed
from tests.support.ceremony import Secretariat, named
from tests.support.envelope import counting_random

KEY = "ed25519:" + "0" * 64


def call(*arguments: str | Path, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, ["directory", *map(str, arguments)], input=answer)


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.touch(mode=0o600)
    path.write_text("correct horse\n")
    return path


def key(folder: Path, name: str) -> Path:
    make_key_file(folder / name, example_seed(name, "governance"), b"correct horse", counting_random())
    return folder / name


def test_a_change_from_source_to_publication(secretariat: Secretariat, tmp_path: Path, passphrase: Path) -> None:
    source = tmp_path / "directory.yaml"
    exported = call("export", secretariat.repository)
    source.write_text(exported.stdout.replace("name: Test directory", "name: Renamed"))
    made = call("draft", source, tmp_path / "draft", "--repository", secretariat.repository)
    assert made.stdout == "The directory name is Renamed instead of Test directory.\n", made.stderr
    assert call("diff", tmp_path / "draft").stdout == made.stdout
    options = ("--passphrase-file", passphrase, "--repository", secretariat.repository)
    declined = call("sign", tmp_path / "draft", "--key", key(tmp_path, "governor-1"), *options, answer="n\n")
    assert (declined.exit_code, "Sign this?" in declined.stderr) == (1, True)
    assert "signed by nobody; 3 more of" in call("status", tmp_path / "draft").stdout
    agreed = call("sign", tmp_path / "draft", "--key", tmp_path / "governor-1", *options, answer="y\n")
    assert agreed.exit_code == 0, agreed.stderr
    assert made.stdout in agreed.stderr, "what is signed is shown first"
    missing = call("publish", tmp_path / "draft", "--repository", secretariat.repository)
    assert (missing.exit_code, missing.stderr.startswith("directory-threshold: ")) == (4, True)
    for name in ("governor-2", "governor-3"):
        call("sign", tmp_path / "draft", "--key", key(tmp_path, name), *options, "--yes")
    done = call("publish", tmp_path / "draft", "--repository", secretariat.repository)
    assert done.stdout == "targets\t2\n", done.stderr
    again = call("draft", source, tmp_path / "next", "--repository", secretariat.repository)
    assert (again.exit_code, "nothing changes" in again.stderr) == (0, True)
    assert not (tmp_path / "next").exists()


def test_a_draft_that_starts_elsewhere_is_not_signed(secretariat: Secretariat, tmp_path: Path) -> None:
    draft = secretariat.draft(secretariat.source().replace("name: Test directory", "name: Renamed"))
    other = Secretariat(secretariat.world, tmp_path / "other")
    other.change("name: Test directory", "name: Elsewhere")
    refused = call("sign", draft.folder, "--key", key(tmp_path, "governor-1"), "--repository", other.repository)
    assert (refused.exit_code, "does not start from" in refused.stderr) == (4, True)


def test_every_problem_of_the_source_is_listed(secretariat: Secretariat, tmp_path: Path) -> None:
    source = tmp_path / "directory.yaml"
    source.write_text(
        secretariat.source().replace("country: HK", "country: QQ").replace("regions: [asia]", "regions: x")
    )
    refused = call("draft", source, tmp_path / "draft", "--repository", secretariat.repository)
    assert refused.exit_code == 4
    assert refused.stderr.count("\nline ") + refused.stderr.startswith("line ") == 3
    assert "agencies[1].country" in refused.stderr
    assert "bad-source: the source file has 3 problems" in refused.stderr


def test_init_writes_a_source_once(secretariat: Secretariat, tmp_path: Path) -> None:
    log = secretariat.held.require_document().log.keys[0]
    governors = [f"--governor=G{n}={named(f'governor-{n}').key}" for n in (1, 2, 3)]
    options = [*governors, "--name=New", "--expires=2030-01-01", f"--log-key={log}", f"--hub={'ab' * 32}"]
    made = call("init", tmp_path / "new.yaml", "--threshold=2", *options)
    assert (made.exit_code, "2 of 3 governors" in made.stderr) == (0, True)
    assert "origin: log.crossbearing.test/1" in (tmp_path / "new.yaml").read_text()
    again = call("init", tmp_path / "new.yaml", "--threshold=2", *options)
    assert (again.exit_code, "exists already" in again.stderr) == (1, True)
    beyond = call("init", tmp_path / "other.yaml", "--threshold=4", *options)
    assert (beyond.exit_code, "cannot be reached with 3 keys" in beyond.stderr) == (4, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--token", "governor"], "either --key, or --module and --token"),
        ([], "either --key, or --module and --token"),
        (["--key", "KEY"], "there is no terminal to ask for the passphrase"),
        (["--key", "KEY", "--passphrase-file", "EMPTY"], "is empty"),
    ],
)
def test_a_key_must_be_named_and_opened(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "EMPTY").touch(mode=0o600)
    key(tmp_path, "governor-1").rename(tmp_path / "KEY")
    refused = call("key", "show", *(tmp_path / a if a in ("KEY", "EMPTY") else a for a in arguments))
    assert (refused.exit_code, words in refused.stderr) == (1, True), refused.stderr


def test_a_repository_without_a_directory(tmp_path: Path) -> None:
    assert call("export", tmp_path).exit_code == 3
