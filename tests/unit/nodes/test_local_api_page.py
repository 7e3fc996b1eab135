"""docs/spec/local-api.md and docs/automation.md say what is: every endpoint, the examples as they stand."""

from __future__ import annotations

import asyncio
import json
import re
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from nodes.api import LocalApi
from nodes.handlers.command import command_environment
from nodes.handlers.delivery import Delivery
from nodes.handlers.settings import parse_handlers
from nodes.handlers.webhook import sign_webhook
from schemas.alert.document import check_document, load_document
from schemas.errors import REGISTRY
from tests.support.edge import edge_node

DOCS = Path(__file__).parents[3] / "docs"
API = (DOCS / "spec" / "local-api.md").read_text(encoding="utf-8")
AUTOMATION = (DOCS / "automation.md").read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def plain(path: str) -> str:
    """A route's path without the patterns of its parts."""
    return re.sub(r"{(\w+):.*?}(?=/|$)", r"{\1}", path)


async def test_every_endpoint_has_its_section_and_no_other(tmp_path: Path) -> None:
    async with edge_node(tmp_path) as node:
        routes = LocalApi(node.service, node.config.socket)._routes()
    served = {f"{route.method} {plain(route.path)}" for route in routes}
    assert set(re.findall(r"^### `((?:GET|POST) [^`]+)`$", API, re.MULTILINE)) == served


def test_every_code_exists() -> None:
    rows = re.findall(r"^\| \d{3} \|[^|]*\|([^|]*)\|$", API, re.MULTILINE)
    codes = {code for row in rows for code in re.findall(r"`([a-z-]+)`", row)}
    assert len(codes) > 15
    assert codes <= set(REGISTRY)


@pytest.mark.parametrize("example", [*blocks(API, "json"), *blocks(AUTOMATION, "json")])
def test_examples_of_json_are_json(example: str) -> None:
    assert json.loads(example)


async def test_the_program_in_ten_lines_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = blocks(API, "python")
    home = tmp_path / ".bearing"
    home.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    async with edge_node(home) as node:
        api = LocalApi(node.service, node.config.socket)
        await api.start()
        await asyncio.to_thread(exec, program, {})
        await api.close()
        (sent,) = (await node.service.reading.sent())["alerts"]
    assert capsys.readouterr().out.strip() == f"{sent['id']} goes to au-abf, hk-customs"


def test_the_example_document_is_a_good_one() -> None:
    (document,) = blocks(AUTOMATION, "yaml")
    assert check_document(load_document(document, format="yaml")) == []


def test_the_example_handlers_are_good_ones() -> None:
    (tables,) = blocks(AUTOMATION, "toml")
    handlers = parse_handlers(tomllib.loads(tables)["handlers"], home=Path("/home"))
    assert [handler.name for handler in handlers] == ["case-system", "dashboard", "archive"]
    assert handlers[0].when.precedences == ("flash", "immediate")


def test_the_receivers_check_takes_our_signature_and_no_other() -> None:
    (program,) = blocks(AUTOMATION, "python")
    names: dict[str, Any] = {}
    exec(program, names)
    secret, now = b"0123456789abcdef", int(time.time())
    headers = {"Bearing-Timestamp": str(now), "Bearing-Signature": sign_webhook(secret, now, b"{}")}
    assert names["is_from_our_node"](headers, b"{}", secret)
    assert not names["is_from_our_node"](headers, b"{ }", secret)
    late = {"Bearing-Timestamp": str(now - 301), "Bearing-Signature": sign_webhook(secret, now - 301, b"{}")}
    assert not names["is_from_our_node"](late, b"{}", secret)


def test_every_variable_of_a_command_is_named() -> None:
    delivery = Delivery("h", "i", "hk-customs", "watch", "amber", "routine", "test", None, 1, b"{}")
    assert set(command_environment(delivery, {})) == set(re.findall(r"`(BEARING_[A-Z_]+)`", AUTOMATION))
