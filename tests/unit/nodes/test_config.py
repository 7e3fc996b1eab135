from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from nodes.config import MAX_CONFIG, format_config, hub_address, load_config, parse_config, parse_pin
from schemas.errors import BadConfig
from schemas.keys import SigningKey
from schemas.log.note import ED25519, vkey

KEY = vkey("log.example/1", ED25519, SigningKey(bytes(32)).public)
EXAMPLE = Path(__file__).parents[3] / "deploy" / "config" / "node.toml"


def text() -> str:
    return format_config("hk-customs", url="wss://hub.example:7443/session", pin=bytes(32), log_vkey=KEY)


def tables() -> dict[str, Any]:
    return tomllib.loads(text())


def test_what_init_writes_is_read(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text(text(), encoding="ascii")
    config = load_config(tmp_path)
    assert (config.agency, config.hub.host, config.hub.pin) == ("hk-customs", "hub.example", bytes(32))
    assert config.hub.key == tmp_path / "tls" / "node.key"
    assert config.log.origin == "log.example/1"
    assert config.log.root == tmp_path / "root.json"
    assert (config.watch.enabled, config.watch.folder) == (True, tmp_path / "watch")
    assert config.handlers == ()
    assert {config.keystore, config.database, config.socket, config.lock, config.evidence} == {
        tmp_path / name for name in ("keystore", "node.db", "node.sock", "node.lock", "evidence")
    }


def test_the_commented_example_is_valid_and_shows_every_option(tmp_path: Path) -> None:
    values = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    config = parse_config(values, tmp_path)
    assert {handler.name for handler in config.handlers} == {handler["name"] for handler in values["handlers"]}
    assert {handler["type"] for handler in values["handlers"]} == {"command", "webhook", "folder"}
    assert set(values) == {"agency", "hub", "log", "watch", "handlers"}
    assert set(values["hub"]) == {"url", "pin", "ca", "certificate", "key"}
    assert set(values["log"]) == {"key", "root"}
    assert set(values["watch"]) == {"enabled", "folder"}


def test_absolute_paths_are_kept(tmp_path: Path) -> None:
    values = tables()
    values["hub"]["ca"] = "/etc/ssl/hub.pem"
    assert parse_config(values, tmp_path).hub.ca == Path("/etc/ssl/hub.pem")


def test_the_watched_folder_can_be_left_out_or_turned_off(tmp_path: Path) -> None:
    values = tables()
    del values["watch"]
    assert parse_config(values, tmp_path).watch.enabled
    values["watch"] = {"enabled": False}
    assert not parse_config(values, tmp_path).watch.enabled


@pytest.mark.parametrize(
    ("table", "option", "value", "named"),
    [
        (None, "agency", None, "agency"),
        (None, "agency", "HK", "agency"),
        (None, "agency", 3, "agency"),
        (None, "surprise", 1, "surprise"),
        (None, "hub", 3, "hub"),
        (None, "log", None, "log"),
        ("hub", "url", "http://hub.example/session", "hub.url"),
        ("hub", "pin", "AB" * 32, "hub.pin"),
        ("hub", "pin", "ab" * 31, "hub.pin"),
        ("hub", "ca", None, "ca"),
        ("hub", "key", "", "key"),
        ("hub", "retry", 1, "retry"),
        ("log", "key", "no key", "log.key"),
        ("log", "size", 1, "size"),
        ("watch", "enabled", "yes", "watch.enabled"),
        ("watch", "interval", 1, "interval"),
        (None, "handlers", {}, "handlers"),
    ],
)
def test_what_is_wrong_is_refused_by_name(
    tmp_path: Path, table: str | None, option: str, value: object, named: str
) -> None:
    values = tables()
    where = values if table is None else values[table]
    if value is None:
        del where[option]
    else:
        where[option] = value
    with pytest.raises(BadConfig) as refusal:
        parse_config(values, tmp_path)
    assert named in refusal.value.message


@pytest.mark.parametrize(
    "url",
    [
        "ws://hub.example/session",
        "https://hub.example/session",
        "wss://",
        "wss://user:word@hub.example/session",
        "wss://hub.example:99999/session",
        "wss://hub.example:0/session",
        "wss://hub.example/session?x=1",
        "wss://hub.example/session#x",
        "wss://[::1/session",
        "",
    ],
)
def test_only_a_plain_wss_address_will_do(url: str) -> None:
    with pytest.raises(BadConfig, match=r"hub\.url"):
        hub_address(url)


def test_hosts_are_taken_from_addresses() -> None:
    assert hub_address("wss://[::1]:7443/session") == "::1"
    assert hub_address("wss://127.0.0.1/session") == "127.0.0.1"


def test_a_pin_is_hex() -> None:
    assert parse_pin("0f" * 32) == b"\x0f" * 32


@pytest.mark.parametrize("data", [b"agency = ", b"\xff\xfe", b"x" * (MAX_CONFIG + 1)])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "node.toml").write_bytes(data)
    with pytest.raises(BadConfig):
        load_config(tmp_path)


def test_a_folder_without_it_is_no_home(tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as refusal:
        load_config(tmp_path)
    assert "bearing node init" in refusal.value.hint
    (tmp_path / "node.toml").mkdir()
    with pytest.raises(BadConfig, match="cannot be read"):
        load_config(tmp_path)
