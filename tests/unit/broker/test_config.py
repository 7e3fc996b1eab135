"""Settings: what is explained is accepted, anything else is named."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path

import pytest

from broker.config import Address, Settings, load_config, parse_address, parse_config
from broker.destinations import Destinations
from schemas.errors import BadConfig

EXPLAINED = Path(__file__).resolve().parents[3] / "deploy" / "config" / "broker.toml"


def tables() -> dict[str, dict[str, object]]:
    return tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))


def test_the_explained_example_is_valid_and_shows_the_defaults(tmp_path: Path) -> None:
    config = parse_config(tmp_path, tables())
    assert config.settings == Settings()
    assert config.listen == Address("127.0.0.1", 7443)
    assert config.log == tmp_path / "log.db"
    assert config.destinations == Destinations()


def test_an_operator_says_where_desks_may_be_called(tmp_path: Path) -> None:
    values = tables() | {"escalation": {"public": False, "networks": ["10.1.0.0/16", "fd00::/8"]}}
    allowed = parse_config(tmp_path, values).destinations
    assert allowed == Destinations(public=False, networks=(ip_network("10.1.0.0/16"), ip_network("fd00::/8")))


def test_the_explained_example_names_every_limit() -> None:
    assert set(tables()["limits"]) == {field.name for field in fields(Settings)}


def test_every_setting_is_explained() -> None:
    lines = EXPLAINED.read_text(encoding="utf-8").splitlines()
    for before, line in pairwise(lines):
        if "=" in line and not line.startswith("#"):
            assert before.startswith("#"), f"{line} has no explanation"


WRONG = [
    ("listen", "sessions", "127.0.0.1"),
    ("listen", "sessions", "127.0.0.1:99999"),
    ("listen", "sessions", "a b:1"),
    ("listen", "sessions", 7443),
    ("listen", "metrics", "192.0.2.1:7480"),
    ("listen", "unheard", "x"),
    ("tls", "key", ""),
    ("log", "anchor", "log.db"),
    ("logging", "level", "loud"),
    ("limits", "block_entries", 0),
    ("limits", "block_entries", -1),
    ("limits", "block_entries", "many"),
    ("limits", "block_entries", True),
    ("limits", "unheard", 1),
    ("escalation", "public", "yes"),
    ("escalation", "networks", "10.0.0.0/8"),
    ("escalation", "networks", ["10.0.0.1/8"]),
    ("escalation", "networks", [10]),
    ("escalation", "unheard", 1),
    ("extra", "anything", 1),
]


@pytest.mark.parametrize(("table", "key", "value"), WRONG)
def test_a_wrong_setting_is_named(tmp_path: Path, table: str, key: str, value: object) -> None:
    values = tables()
    values.setdefault(table, {})[key] = value
    with pytest.raises(BadConfig, match=table):
        parse_config(tmp_path, values)


@pytest.mark.parametrize(("table", "key"), [("listen", "sessions"), ("tls", "ca"), ("log", "origin"), ("log", "file")])
def test_a_missing_setting_is_named(tmp_path: Path, table: str, key: str) -> None:
    values = tables()
    del values[table][key]
    with pytest.raises(BadConfig, match=rf"{table}\.{key}"):
        parse_config(tmp_path, values)


def test_files_that_are_no_settings(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="cannot be read"):
        load_config(tmp_path)
    (tmp_path / "broker.toml").write_text("listen = [", encoding="utf-8")
    with pytest.raises(BadConfig, match="TOML"):
        load_config(tmp_path)
    (tmp_path / "broker.toml").write_text("listen = 1", encoding="utf-8")
    with pytest.raises(BadConfig, match="outside of any table"):
        load_config(tmp_path)


def test_addresses() -> None:
    assert parse_address("[::1]:7443", "x") == Address("::1", 7443)
    assert str(Address("::1", 7443)) == "[::1]:7443"
    assert str(parse_address("hub.example.org:443", "x")) == "hub.example.org:443"


@pytest.mark.parametrize(
    "data", [b"\x80", b"a = " + b"[" * 100_000, b"a = 1\na = 2"], ids=["not UTF-8", "nested without end", "twice"]
)
def test_what_is_no_toml_is_refused_as_such(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "broker.toml").write_bytes(data)
    with pytest.raises(BadConfig, match="not valid TOML"):
        load_config(tmp_path)
