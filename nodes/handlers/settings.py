"""The `[[handlers]]` tables of node.toml: what each handler does, and for which alerts.

Strict: an unknown or missing option is refused by name, so that a misspelt filter never lets everything through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from nodes.handlers.when import When
from schemas.envelope.words import MARKINGS, PRECEDENCES, STATUSES, TOPICS
from schemas.errors import BadConfig, BadId
from schemas.example import is_loopback
from schemas.ids import check_agency_id, check_slug

__all__ = [
    "CommandSettings",
    "FolderSettings",
    "HandlerSettings",
    "WebhookSettings",
    "parse_handlers",
]

DEFAULT_TIMEOUT = 30
"""Seconds one delivery may take before it counts as failed."""

MAX_TIMEOUT = 3_600
"""Seconds: a handler that needs more should take the alert and work on it later."""

DEFAULT_ATTEMPTS = 12
"""With the queue's pauses, about an hour and a half of trying: longer than a restart, shorter than a shift."""

MAX_ATTEMPTS = 1_000


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """Run a program with the alert as JSON on its standard input. `timeout` is in seconds."""

    name: str
    when: When
    argv: tuple[str, ...]
    timeout: int = DEFAULT_TIMEOUT
    attempts: int = DEFAULT_ATTEMPTS


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """POST the alert as JSON, signed with the secret in `secret_file`. `ca` is a file of trusted certificates."""

    name: str
    when: When
    url: str
    secret_file: Path
    ca: Path | None = None
    timeout: int = DEFAULT_TIMEOUT
    attempts: int = DEFAULT_ATTEMPTS


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """Write each alert as `<id>.json` into a folder."""

    name: str
    when: When
    path: Path
    attempts: int = DEFAULT_ATTEMPTS


HandlerSettings = CommandSettings | WebhookSettings | FolderSettings


def parse_handlers(value: object, *, home: Path) -> tuple[HandlerSettings, ...]:
    """Read the list of handler tables; relative paths are taken from the node's home. Raises `BadConfig`."""
    if not isinstance(value, list):
        raise BadConfig("handlers must be a list of tables", hint="Write each one as [[handlers]].")
    handlers = tuple(_parse_handler(item, f"handlers[{number}]", home) for number, item in enumerate(value))
    names = [handler.name for handler in handlers]
    for name in names:
        if names.count(name) > 1:
            raise BadConfig(
                f"two handlers are named {name!r}", hint="Give each its own name: it is part of the idempotency key."
            )
    return handlers


def _parse_handler(value: object, what: str, home: Path) -> HandlerSettings:
    table = _Table(value, what)
    kind = table.text("type")
    name = table.slug("name")
    when = _parse_when(table.optional("when"), f"{what}.when")
    attempts = table.number("attempts", DEFAULT_ATTEMPTS, MAX_ATTEMPTS)
    handler: HandlerSettings
    match kind:
        case "command":
            timeout = table.number("timeout", DEFAULT_TIMEOUT, MAX_TIMEOUT)
            argv = table.texts("command")
            if not argv or not Path(argv[0]).is_absolute():
                raise BadConfig(
                    f"{what}.command must start with a program's full path",
                    hint='For example ["/usr/local/bin/import-alert", "--queue", "customs"]; no shell is involved.',
                )
            handler = CommandSettings(name, when, argv, timeout, attempts)
        case "webhook":
            timeout = table.number("timeout", DEFAULT_TIMEOUT, MAX_TIMEOUT)
            ca = table.optional("ca")
            handler = WebhookSettings(
                name,
                when,
                _webhook_url(table.text("url"), what),
                home / table.text("secret_file"),
                None if ca is None else home / _text(ca, f"{what}.ca"),
                timeout,
                attempts,
            )
        case "folder":
            handler = FolderSettings(name, when, home / table.text("path"), attempts)
        case _:
            raise BadConfig(f"{what}.type {kind!r} is not known", hint="Use command, webhook or folder.")
    table.done()
    return handler


def _webhook_url(url: str, what: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise BadConfig(f"{what}.url is not a URL: {error}", hint="Write it as https://host/path.") from error
    if parts.username is not None or parts.fragment or not host or parts.scheme not in {"http", "https"}:
        raise BadConfig(
            f"{what}.url must be https://host/path, without user name or fragment",
            hint="The receiver recognises the node by the signature in the headers.",
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise BadConfig(
            f"{what}.url sends opened alerts unencrypted to {host}",
            hint="Use https://, or http:// to a loopback address only.",
        )
    return url


def _parse_when(value: object, what: str) -> When:
    if value is None:
        return When()
    table = _Table(value, what)
    when = When(
        topics=table.choices("topics", TOPICS),
        markings=table.choices("markings", MARKINGS),
        precedences=table.choices("precedences", PRECEDENCES),
        statuses=table.choices("statuses", STATUSES),
        senders=table.ids("senders", check_agency_id),
        operations=table.ids("operations", check_slug),
    )
    table.done()
    return when


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise BadConfig(f"{what} must be a text", hint="Put it in quotes.")
    return value


class _Table:
    """One TOML table, read option by option; `done` refuses what was not asked for."""

    def __init__(self, value: object, what: str) -> None:
        if not isinstance(value, Mapping):
            raise BadConfig(f"{what} must be a table", hint="See the handlers in docs/automation.md.")
        self._left = dict(value)
        self._what = what

    def optional(self, name: str) -> object:
        return self._left.pop(name, None)

    def text(self, name: str) -> str:
        if name not in self._left:
            raise BadConfig(f"{self._what}.{name} is missing", hint="See the handlers in docs/automation.md.")
        return _text(self._left.pop(name), f"{self._what}.{name}")

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._left.pop(name, [])
        if not isinstance(value, list):
            raise BadConfig(f"{self._what}.{name} must be a list of texts", hint='For example ["one", "two"].')
        return tuple(_text(item, f"{self._what}.{name}") for item in value)

    def choices(self, name: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        values = self.texts(name)
        for value in values:
            if value not in allowed:
                raise BadConfig(f"{self._what}.{name} names {value!r}", hint=f"Use one of {', '.join(allowed)}.")
        return values

    def slug(self, name: str) -> str:
        return self._checked(name, check_slug, self.text(name))

    def ids(self, name: str, check: Callable[[str], str]) -> tuple[str, ...]:
        return tuple(self._checked(name, check, text) for text in self.texts(name))

    def _checked(self, name: str, check: Callable[[str], str], text: str) -> str:
        try:
            return check(text)
        except BadId as error:
            raise BadConfig(f"{self._what}.{name}: {error.message}", hint=error.hint) from error

    def number(self, name: str, default: int, most: int) -> int:
        value = self._left.pop(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise BadConfig(f"{self._what}.{name} must be a whole number from 1 to {most}")
        return value

    def done(self) -> None:
        for name in self._left:
            raise BadConfig(f"{self._what}.{name} is not an option", hint="See the handlers in docs/automation.md.")
