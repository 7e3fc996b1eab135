from __future__ import annotations

from pathlib import Path

import pytest

from nodes.passphrase import CREDENTIALS, ENVIRONMENT, find_passphrase
from schemas.errors import BadConfig, NotFound, OpenPermissions


def secret(path: Path, data: bytes = b"from a file\n", mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


def no_terminal() -> str:
    raise AssertionError("nobody is to be asked")


def test_the_option_comes_first(tmp_path: Path) -> None:
    other = secret(tmp_path / "other", b"other")
    found = find_passphrase(secret(tmp_path / "p"), {ENVIRONMENT: str(other)}, no_terminal)
    assert found == b"from a file"


def test_then_the_environment(tmp_path: Path) -> None:
    credentials = secret(tmp_path / "passphrase", b"credential").parent
    environment = {ENVIRONMENT: str(secret(tmp_path / "p")), CREDENTIALS: str(credentials)}
    assert find_passphrase(None, environment, no_terminal) == b"from a file"


def test_then_the_systemd_credential(tmp_path: Path) -> None:
    secret(tmp_path / "passphrase", b"credential", 0o400)
    assert find_passphrase(None, {CREDENTIALS: str(tmp_path)}, no_terminal) == b"credential"


def test_then_a_person(tmp_path: Path) -> None:
    assert find_passphrase(None, {CREDENTIALS: str(tmp_path)}, lambda: "typed ü") == "typed ü".encode()


def test_without_any_source_it_says_where_to_put_one() -> None:
    with pytest.raises(BadConfig) as refusal:
        find_passphrase(None, {}, None)
    assert ENVIRONMENT in refusal.value.hint


def test_only_one_line_break_is_taken_off(tmp_path: Path) -> None:
    assert find_passphrase(secret(tmp_path / "p", b" two\n\n"), {}, None) == b" two\n"


@pytest.mark.parametrize("data", [b"", b"\n"])
def test_an_empty_passphrase_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BadConfig, match="empty"):
        find_passphrase(secret(tmp_path / "p", data), {}, None)


def test_a_file_open_to_others_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OpenPermissions):
        find_passphrase(secret(tmp_path / "p", mode=0o644), {}, None)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        find_passphrase(tmp_path / "none", {}, no_terminal)


def test_a_file_too_large_for_a_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="larger"):
        find_passphrase(secret(tmp_path / "p", b"x" * 1_025), {}, None)
