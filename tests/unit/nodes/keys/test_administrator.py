from __future__ import annotations

from pathlib import Path

import pytest

from broker.governance.keys import open_key_file
from nodes.keys.administrator import FORMAT, make_administrator, read_administrator, read_seed
from nodes.keys.request import key_text
from nodes.sealed_file import write_sealed
from schemas.directory.authority import public_key_text
from schemas.errors import BadConfig, NotFound, OpenPermissions, WrongPassphrase
from tests.support.envelope import counting_random

SEED, PASSPHRASE = bytes(range(32)), b"open sesame"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "administrator.key"
    make_administrator(path, SEED, PASSPHRASE, counting_random())
    return path


def test_a_key_file_gives_its_seed_back(file: Path) -> None:
    assert read_administrator(file, PASSPHRASE) == SEED
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_governors_program_reads_it_too(file: Path) -> None:
    assert public_key_text(open_key_file(file, PASSPHRASE).public_key) == key_text(SEED)


def test_a_key_is_never_overwritten(file: Path) -> None:
    with pytest.raises(BadConfig, match="exists already"):
        make_administrator(file, SEED, PASSPHRASE, counting_random())


def test_a_wrong_passphrase_opens_nothing(file: Path) -> None:
    with pytest.raises(WrongPassphrase):
        read_administrator(file, b"sesame")


def test_a_file_open_to_others_is_refused(file: Path) -> None:
    file.chmod(0o644)
    with pytest.raises(OpenPermissions):
        read_administrator(file, PASSPHRASE)


@pytest.mark.parametrize("value", [{"seed": b"short"}, {"seed": SEED, "more": 1}, {}])
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, value: dict[str, bytes | int]) -> None:
    path = tmp_path / "odd.key"
    write_sealed(path, FORMAT, dict(value), PASSPHRASE, counting_random())
    with pytest.raises(BadConfig, match="holds no administrator's key"):
        read_administrator(path, PASSPHRASE)


def test_a_seed_in_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "seed"
    path.touch(mode=0o600)
    path.write_text(SEED.hex() + "\n", encoding="ascii")
    assert read_seed(path) == SEED
    for text in (SEED.hex().upper(), SEED.hex()[:-2], SEED.hex() + "\n\n", " " + SEED.hex()):
        path.write_text(text, encoding="ascii")
        with pytest.raises(BadConfig):
            read_seed(path)
    with pytest.raises(NotFound):
        read_seed(tmp_path / "none")
