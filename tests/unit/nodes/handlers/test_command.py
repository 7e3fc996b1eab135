from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from nodes.handlers.command import CommandHandler, command_environment
from nodes.handlers.delivery import Delivery
from nodes.handlers.settings import CommandSettings
from nodes.handlers.when import When
from schemas.errors import HandlerFailed

OWN = {"PATH": os.environ["PATH"], "BEARING_PASSPHRASE_FILE": "/secret"}


def handler(script: str, *arguments: str, timeout: int = 30, grace: float = 5.0) -> CommandHandler:
    argv = ("/bin/sh", "-c", script, "sh", *arguments)
    return CommandHandler(CommandSettings("case-system", When(), argv, timeout), environment=OWN, grace=grace)


async def test_the_alert_arrives_on_standard_input(delivery: Delivery, tmp_path: Path) -> None:
    await handler('cat > "$1"', str(tmp_path / "alert.json")).deliver(delivery)
    assert (tmp_path / "alert.json").read_bytes() == delivery.payload


async def test_the_environment_tells_the_essentials_and_no_secret(delivery: Delivery, tmp_path: Path) -> None:
    await handler('env > "$1"', str(tmp_path / "env")).deliver(delivery)
    seen = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert {name: value for name, value in seen.items() if name.startswith("BEARING_")} == {
        "BEARING_HANDLER": "case-system",
        "BEARING_IDEMPOTENCY_KEY": delivery.key,
        "BEARING_ATTEMPT": "2",
        "BEARING_ALERT_ID": delivery.alert_id,
        "BEARING_SENDER": "hk-customs",
        "BEARING_TOPIC": "watch",
        "BEARING_MARKING": "amber",
        "BEARING_PRECEDENCE": "priority",
        "BEARING_STATUS": "actual",
        "BEARING_OPERATION": "marker",
    }


def test_an_alert_of_no_operation_has_an_empty_variable(delivery: Delivery) -> None:
    environment = command_environment(
        Delivery("h", "i", "hk-customs", "watch", "amber", "routine", "test", None, 1, b"{}"), {}
    )
    assert environment["BEARING_OPERATION"] == ""
    assert "PATH" not in environment


async def test_a_program_may_ignore_its_input(delivery: Delivery) -> None:
    big = Delivery("h", "i", "hk-customs", "watch", "amber", "routine", "test", None, 1, b"x" * 1_000_000)
    await handler("exec true").deliver(big)


async def test_another_status_than_0_is_a_failure_with_the_programs_words(delivery: Delivery) -> None:
    with pytest.raises(HandlerFailed, match=r"/bin/sh ended with status 3: no such case$"):
        await handler("echo no such case >&2; exit 3").deliver(delivery)


async def test_a_failure_without_words(delivery: Delivery) -> None:
    with pytest.raises(HandlerFailed, match=r"ended with status 1$"):
        await handler("exit 1").deliver(delivery)


async def test_a_killed_program_is_a_failure(delivery: Delivery) -> None:
    with pytest.raises(HandlerFailed, match="ended by signal 9"):
        await handler("kill -9 $$").deliver(delivery)


async def test_a_missing_program_is_a_failure(delivery: Delivery) -> None:
    missing = CommandHandler(CommandSettings("x", When(), ("/nonexistent/program",)), environment=OWN)
    with pytest.raises(HandlerFailed, match="could not be started: No such file"):
        await missing.deliver(delivery)
    await missing.close()


async def test_a_late_program_is_ended_with_all_it_started(delivery: Delivery, tmp_path: Path) -> None:
    fifo = tmp_path / "held"
    os.mkfifo(fifo)
    # The grandchild ignores TERM and holds the pipe's writing end: reading to its end proves that it is gone.
    script = """trap '' TERM; (trap '' TERM; exec 3> "$1"; echo up >&3; exec sleep 600) & wait"""
    reader = asyncio.create_task(asyncio.to_thread(fifo.read_text))
    with pytest.raises(HandlerFailed, match="not done after 1 seconds"):
        await handler(script, str(fifo), timeout=1, grace=0.05).deliver(delivery)
    assert await reader == "up\n"


async def test_stopping_the_node_ends_the_program(delivery: Delivery, tmp_path: Path) -> None:
    fifo = tmp_path / "held"
    os.mkfifo(fifo)
    running = asyncio.create_task(handler('exec 3> "$1"; echo up >&3; exec sleep 600', str(fifo)).deliver(delivery))
    with await asyncio.to_thread(fifo.open) as pipe:
        assert await asyncio.to_thread(pipe.readline) == "up\n"
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        assert await asyncio.to_thread(pipe.read) == ""
