"""Logs are JSON lines for machines, and never hold what must not be there."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from broker.draft import Work
from broker.logs import Ration, configure_logs
from schemas.errors import CrossbearingError
from tests.support.alerts import SECRET_WORDS
from tests.support.directory import make_world
from tests.support.envelope import make_alert, seal_alert
from tests.support.hub import new_hub, running_hub
from tests.support.hub_core import submission


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave logging as it was."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_is_json_with_time_level_and_event(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    structlog.get_logger().info("ready", size=5)
    structlog.get_logger().debug("too small")
    logging.getLogger("aiohttp.server").error("a library's words")
    logging.getLogger("asyncio").info("too small")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("ready", "info"), ("a library's words", "error")]
    assert all(line["timestamp"].endswith("Z") for line in lines)


def test_an_exception_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("error")
    try:
        raise KeyError("a bug")
    except KeyError:
        structlog.get_logger().exception("failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "KeyError" in json.loads(line)["exception"]


async def test_nothing_of_an_alert_is_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("debug")
    world = make_world()
    async with running_hub(new_hub(world, tmp_path)) as hub:
        alert = make_alert(world, "hk-customs", narrative=SECRET_WORDS)
        sealed, pairs = seal_alert(world, alert)
        assert isinstance(await hub.exchange.submit(Work("hk-customs", submission(sealed, pairs))), int)
        refused = await hub.exchange.submit(Work("sg-cnb", submission(sealed, pairs)))
        assert isinstance(refused, CrossbearingError)
    said = capsys.readouterr().err
    assert "ready" in said
    for secret in (SECRET_WORDS, world.log_key.public.hex(), sealed.body.hex()[:32], alert.title):
        assert secret not in said


def test_one_event_cannot_fill_the_disk_and_what_was_left_out_is_told() -> None:
    now = [600.0]
    ration = Ration(3, lambda: now[0])

    def told(event: str) -> dict[str, object] | None:
        try:
            return dict(ration(None, "info", {"event": event}))
        except structlog.DropEvent:
            return None

    assert [told("turned away") is not None for _ in range(10)] == [True] * 3 + [False] * 7
    assert told("another event") == {"event": "another event"}
    now[0] += 60
    assert told("turned away") == {"event": "turned away", "left_out": 7}
    assert told("turned away") == {"event": "turned away"}


def test_lines_of_libraries_are_rationed_by_their_logger() -> None:
    ration = Ration(2, lambda: 0.0)
    record = logging.LogRecord("asyncio", logging.ERROR, "", 0, "something else each time", (), None)
    assert [ration.filter(record) for _ in range(3)] == [True, True, False]
