"""The hub's settings: `broker.toml` in its data directory, read strictly. `deploy/config/broker.toml` explains each."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from broker.destinations import Destinations, Network
from schemas.errors import BadConfig
from schemas.example import is_loopback

CONFIG_NAME = "broker.toml"
_ADDRESS = re.compile(r"(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")
_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits that an operator may set; the defaults suit 31 agencies on one machine."""

    receipts_per_minute: int = 6_000
    refusals_per_minute: int = 10
    block_entries: int = 512
    block_bytes: int = 8_388_608
    session_submissions: int = 128
    session_bytes: int = 16_777_216
    upload_bytes: int = 1_073_741_824
    reserve_bytes: int = 67_108_864
    hello_seconds: int = 10
    ping_seconds: int = 20
    idle_seconds: int = 60
    probe_seconds: int = 3
    purge_seconds: int = 60
    quorum_seconds: int = 60


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. Paths are absolute."""

    data: Path
    listen: Address
    metrics: Address
    tls_certificate: Path
    tls_key: Path
    tls_ca: Path
    origin: str
    log_key: Path
    ml_dsa_key: Path | None
    log: Path
    anchor: Path
    trusted_root: Path
    log_level: str
    settings: Settings
    destinations: Destinations = field(default_factory=Destinations)
    """Where the agencies' contacts may be called."""

    @property
    def control_socket(self) -> Path:
        """The Unix socket through which the operator's commands reach the running hub."""
        return self.data / "broker.sock"

    @property
    def heard(self) -> Path:
        """Where signed checkpoints are kept that go beyond a restored log."""
        return self.data / "heard"

    @property
    def evidence(self) -> Path:
        """Where proof of wrongdoing by those who sign directories is kept."""
        return self.data / "evidence"


def load_config(data: Path) -> Config:
    """Read the settings of the data directory `data`. Raises `BadConfig` naming the setting at fault."""
    path = data / CONFIG_NAME
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BadConfig(f"{path} cannot be read: {error.strerror}", hint="Run `bearing-broker init` first.") from error
    try:
        values = tomllib.loads(text.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadConfig(f"{path} is not valid TOML: {str(error)[:200]}") from error
    return parse_config(data, values)


def parse_config(data: Path, values: Mapping[str, object]) -> Config:
    """The settings in the tables of a `broker.toml`. Raises `BadConfig`."""
    reader = _Reader(values)
    directory = data.resolve()
    config = Config(
        data=directory,
        listen=parse_address(reader.text("listen", "sessions"), "listen.sessions"),
        metrics=parse_address(reader.text("listen", "metrics"), "listen.metrics"),
        tls_certificate=directory / reader.text("tls", "certificate"),
        tls_key=directory / reader.text("tls", "key"),
        tls_ca=directory / reader.text("tls", "ca"),
        origin=reader.text("log", "origin"),
        log_key=directory / reader.text("log", "key"),
        ml_dsa_key=directory / reader.text("log", "mldsa_key") if reader.has("log", "mldsa_key") else None,
        log=directory / reader.text("log", "file"),
        anchor=directory / reader.text("log", "anchor"),
        trusted_root=directory / reader.text("log", "root"),
        log_level=reader.text("logging", "level", default="info"),
        settings=reader.settings(),
        destinations=reader.destinations(),
    )
    reader.done()
    if not is_loopback(config.metrics.host):
        raise BadConfig(
            f"listen.metrics: {config.metrics} is not loopback", hint="Let a collector on this machine read it."
        )
    if config.log_level not in _LEVELS:
        raise BadConfig(f"logging.level is none of {', '.join(_LEVELS)}")
    if config.log == config.anchor:
        raise BadConfig("log.file and log.anchor are the same file")
    return config


def parse_address(text: str, what: str) -> Address:
    """`HOST:PORT`, with brackets around an IPv6 address. Raises `BadConfig`."""
    match = _ADDRESS.fullmatch(text)
    if match is None or not int(match[2]) <= 65_535:
        raise BadConfig(f"{what}: {text[:80]!a} is not HOST:PORT")
    return Address(match[1].strip("[]"), int(match[2]))


def _network(text: object) -> Network:
    try:
        return ipaddress.ip_network(text if isinstance(text, str) else "")
    except ValueError as error:
        raise BadConfig(
            f"escalation.networks: {str(text)[:80]!a} is not a network such as 198.51.100.0/24: {error}"
        ) from error


class _Reader:
    """Takes settings out of the tables one by one; what is left over is a mistake."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._tables: dict[str, dict[str, object]] = {}
        for name, table in values.items():
            if not isinstance(table, dict):
                raise BadConfig(f"{name} stands outside of any table")
            self._tables[name] = dict(table)

    def has(self, table: str, key: str) -> bool:
        return key in self._tables.get(table, {})

    def text(self, table: str, key: str, default: str | None = None) -> str:
        value = self._tables.get(table, {}).pop(key, default)
        if not isinstance(value, str) or not value:
            raise BadConfig(f"{table}.{key} is missing or not text")
        return value

    def settings(self) -> Settings:
        table = self._tables.get("limits", {})
        given: dict[str, int] = {}
        for known in fields(Settings):
            if known.name not in table:
                continue
            value = table.pop(known.name)
            if type(value) is not int or not 0 <= value < 2**40 or (value == 0 and known.name != "reserve_bytes"):
                raise BadConfig(f"limits.{known.name} is not a whole number above zero")
            given[known.name] = value
        return Settings(**given)

    def destinations(self) -> Destinations:
        table = self._tables.get("escalation", {})
        public, networks = table.pop("public", True), table.pop("networks", [])
        if not isinstance(public, bool):
            raise BadConfig("escalation.public is neither true nor false")
        if not isinstance(networks, list):
            raise BadConfig("escalation.networks is not a list of networks")
        return Destinations(public, tuple(_network(network) for network in networks))

    def done(self) -> None:
        for name, table in self._tables.items():
            for key in table:
                raise BadConfig(f"{name}.{key} is not a setting")
            if name not in {"listen", "tls", "log", "logging", "limits", "escalation"}:
                raise BadConfig(f"{name} is not a table of settings")
