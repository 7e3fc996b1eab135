from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from nodes.witness.config import (
    FILE,
    MAX_CONFIG,
    WitnessConfig,
    format_config,
    group_by_origin,
    load_config,
    parse_address,
    parse_config,
)
from schemas.errors import BadConfig
from tests.support.witnessing import COSIGNER, LOG_KEYS, LOGS, ORIGIN

GOOD = format_config("witness.example/w1", "127.0.0.1:7490", LOGS)


def parse(text: str) -> WitnessConfig:
    return parse_config(tomllib.loads(text), Path("home"))


def test_a_new_file_is_read_back(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(GOOD)
    config = load_config(tmp_path)
    assert (config.name, config.host, config.port) == ("witness.example/w1", "127.0.0.1", 7490)
    assert config.logs == LOGS
    parts = {config.keystore, config.state, config.evidence, config.lock}
    assert len(parts) == 4
    assert {path.parent for path in parts} == {tmp_path}


def test_a_log_may_have_an_origin_that_is_not_its_keys_name() -> None:
    config = parse(GOOD.replace(f'"{ORIGIN}"', '"go.sum database tree"'))
    assert config.logs == {"go.sum database tree": LOG_KEYS}


def test_a_witness_may_know_no_log_yet() -> None:
    assert parse(format_config("w", "localhost:0", {})).logs == {}


VKEY = LOG_KEYS[0].vkey


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (GOOD.replace("name = ", "nam = "), "unknown option: nam"),
        (GOOD.replace('name = "witness.example/w1"\n', ""), "name"),
        (GOOD.replace('"witness.example/w1"', "7"), "name"),
        (GOOD.replace('listen = "127.0.0.1:7490"\n', ""), "listen"),
        (GOOD.replace("127.0.0.1:7490", "127.0.0.1"), "listen"),
        (GOOD + 'extra = "x"\n', "unknown option: extra"),
        (GOOD + f'[[logs]]\norigin = "{ORIGIN}"\nkeys = ["{VKEY}"]\n', "twice"),
        (GOOD + '[[logs]]\norigin = "other"\nkeys = []\n', "keys"),
        (GOOD + '[[logs]]\norigin = "other"\nkeys = [1]\n', "keys"),
        (GOOD + '[[logs]]\norigin = "other"\n', "keys"),
        (GOOD + f'[[logs]]\nkeys = ["{VKEY}"]\n', "origin"),
        (GOOD + f'[[logs]]\norigin = "a\\nb"\nkeys = ["{VKEY}"]\n', "origin"),
        (GOOD + f'[[logs]]\norigin = "other"\nkeys = ["{VKEY}", "{VKEY}"]\n', "twice"),
        (GOOD + f'[[logs]]\norigin = "other"\nkeys = ["{VKEY[:-1]}"]\n', "keys of the log other"),
        (GOOD + f'[[logs]]\norigin = "other"\nkeys = ["{COSIGNER.keys[0].vkey}"]\n', "keys of the log other"),
        ('name = "w"\nlisten = "localhost:0"\nlogs = 1\n', "logs"),
        ('name = "w"\nlisten = "localhost:0"\nlogs = [1]\n', "logs"),
    ],
)
def test_other_files_are_refused_by_the_option(text: str, match: str) -> None:
    with pytest.raises(BadConfig, match=match):
        parse(text)


@pytest.mark.parametrize("data", [b"name", b"\xff", b"#" * (MAX_CONFIG + 1)])
def test_what_is_no_toml_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(BadConfig):
        load_config(tmp_path)


def test_a_home_without_the_file_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="not a witness's home"):
        load_config(tmp_path)
    (tmp_path / FILE).mkdir()
    with pytest.raises(BadConfig, match="cannot be read"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:65535", ("::1", 65535)), ("localhost:80", ("localhost", 80))],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":80",
        "host",
        "host:",
        "host:65536",
        "host:+1",
        "host:1_0",
        "::1:80",
        "a b:1",
        "host:\N{ARABIC-INDIC DIGIT ONE}",
    ],
)
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(BadConfig, match="listen"):
        parse_address(text)


def test_keys_are_grouped_by_their_log() -> None:
    assert group_by_origin(LOG_KEYS) == {ORIGIN: LOG_KEYS}
    with pytest.raises(BadConfig, match="twice"):
        group_by_origin((*LOG_KEYS, LOG_KEYS[0]))
