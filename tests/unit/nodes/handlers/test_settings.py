from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodes.handlers.settings import CommandSettings, FolderSettings, WebhookSettings, parse_handlers
from nodes.handlers.when import When
from schemas.errors import BadConfig

HOME = Path("/var/lib/bearing")


def command(**changes: Any) -> dict[str, Any]:
    return {"type": "command", "name": "case-system", "command": ["/usr/bin/import"], **changes}


def webhook(**changes: Any) -> dict[str, Any]:
    return {"type": "webhook", "name": "hook", "url": "https://cases.example/in", "secret_file": "hook.key", **changes}


def test_no_handlers() -> None:
    assert parse_handlers([], home=HOME) == ()


def test_each_type_with_its_defaults() -> None:
    handlers = parse_handlers([command(), webhook(), {"type": "folder", "name": "files", "path": "out"}], home=HOME)
    assert handlers == (
        CommandSettings("case-system", When(), ("/usr/bin/import",), 30, 12),
        WebhookSettings("hook", When(), "https://cases.example/in", HOME / "hook.key", None, 30, 12),
        FolderSettings("files", When(), HOME / "out", 12),
    )


def test_every_option() -> None:
    when = {
        "topics": ["seizure"],
        "markings": ["red"],
        "precedences": ["flash"],
        "statuses": ["actual"],
        "senders": ["hk-customs"],
        "operations": ["marker"],
    }
    (made,) = parse_handlers([webhook(ca="/etc/ca.pem", timeout=5, attempts=3, when=when)], home=HOME)
    assert made == WebhookSettings(
        "hook",
        When(("seizure",), ("red",), ("flash",), ("actual",), ("hk-customs",), ("marker",)),
        "https://cases.example/in",
        HOME / "hook.key",
        Path("/etc/ca.pem"),
        5,
        3,
    )


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({}, "list of tables"),
        (["x"], "handlers[0] must be a table"),
        ([{}], "handlers[0].type is missing"),
        ([{"type": "smtp", "name": "x"}], "'smtp' is not known"),
        ([command(name="Case System")], "handlers[0].name"),
        ([command(name=7)], "handlers[0].name must be a text"),
        ([command(), command()], "two handlers are named 'case-system'"),
        ([command(command=[])], "full path"),
        ([command(command=["import"])], "full path"),
        ([command(command="/usr/bin/import")], "list of texts"),
        ([command(command=["/usr/bin/import", 1])], "must be a text"),
        ([command(command=["/usr/bin/import", "a\0b"])], "must be a text"),
        ([command(timeout=0)], "from 1 to 3600"),
        ([command(timeout=True)], "from 1 to 3600"),
        ([command(timeout="9")], "from 1 to 3600"),
        ([command(attempts=1001)], "from 1 to 1000"),
        ([command(shell=True)], "handlers[0].shell is not an option"),
        ([command(when=["watch"])], "handlers[0].when must be a table"),
        ([command(when={"topic": ["watch"]})], "handlers[0].when.topic is not an option"),
        ([command(when={"topics": ["wach"]})], "names 'wach'"),
        ([command(when={"markings": ["secret"]})], "names 'secret'"),
        ([command(when={"precedences": ["fast"]})], "names 'fast'"),
        ([command(when={"statuses": ["real"]})], "names 'real'"),
        ([command(when={"senders": ["customs"]})], "handlers[0].when.senders"),
        ([command(when={"operations": ["Operation Marker"]})], "handlers[0].when.operations"),
        ([webhook(url="http://cases.example/in")], "unencrypted to cases.example"),
        ([webhook(url="ftp://cases.example/in")], "must be https"),
        ([webhook(url="https:///in")], "must be https"),
        ([webhook(url="https://me:pw@cases.example/in")], "without user name"),
        ([webhook(url="https://cases.example/in#x")], "fragment"),
        ([webhook(url="https://cases.example:port/in")], "not a URL"),
        ([webhook(secret="abc")], "handlers[0].secret is not an option"),
        ([webhook(ca=1)], "handlers[0].ca must be a text"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(value: object, says: str) -> None:
    with pytest.raises(BadConfig) as refused:
        parse_handlers(value, home=HOME)
    assert says in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:80"])
def test_plain_http_is_for_loopback(host: str) -> None:
    (made,) = parse_handlers([webhook(url=f"http://{host}/in")], home=HOME)
    assert isinstance(made, WebhookSettings)
