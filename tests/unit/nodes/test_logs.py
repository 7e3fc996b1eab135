from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from nodes.logs import configure_logs


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_away_from_a_terminal_every_line_is_an_object() -> None:
    stream = io.StringIO()
    configure_logs(stream)
    structlog.get_logger().info("ready", agency="sg-cnb")
    structlog.get_logger().debug("too fine")
    logging.getLogger("library").warning("careful")
    logging.getLogger("library").info("chatter")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("ready", "info"), ("careful", "warning")]
    assert lines[0]["agency"] == "sg-cnb"
    assert lines[0]["timestamp"].endswith("Z")


def test_a_failure_is_one_line_too() -> None:
    stream = io.StringIO()
    configure_logs(stream)
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger().exception("unforeseen")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: broken" in json.loads(line)["exception"]


def test_on_a_terminal_lines_are_for_people() -> None:
    stream = Terminal()
    configure_logs(stream)
    structlog.get_logger().info("ready", agency="sg-cnb")
    assert "ready" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
