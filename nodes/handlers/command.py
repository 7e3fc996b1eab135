"""A handler that runs a program: the alert as JSON on its standard input, the essentials in its environment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping

from nodes.handlers.delivery import Delivery
from nodes.handlers.settings import CommandSettings
from schemas.errors import HandlerFailed

__all__ = ["CommandHandler", "command_environment"]

KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
"""Of the daemon's own environment only these go on: the rest may name its secrets."""

GRACE = 5.0
"""Seconds between asking a late program to end and killing it."""

STDERR_KEPT = 2_000
"""Bytes of the program's last words kept for the dead-letter list."""


class CommandHandler:
    """Runs `settings.argv` once per delivery. Exit status 0 within the timeout means the alert was taken over."""

    def __init__(self, settings: CommandSettings, *, environment: Mapping[str, str], grace: float = GRACE) -> None:
        self._settings = settings
        self._environment = environment
        self._grace = grace

    async def deliver(self, delivery: Delivery) -> None:
        """Run the program. Raises `HandlerFailed` if it cannot start, is late, or ends with another status than 0."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._settings.argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=command_environment(delivery, self._environment),
                start_new_session=True,  # so that what the program started ends with it
            )
        except OSError as error:
            raise HandlerFailed(
                f"{self._settings.argv[0]} could not be started: {error.strerror}",
                hint="Check that the program exists and that the node's user may run it.",
            ) from error
        try:
            async with asyncio.timeout(self._settings.timeout):
                _, stderr = await process.communicate(delivery.payload)
        except TimeoutError:
            raise HandlerFailed(
                f"{self._settings.argv[0]} was not done after {self._settings.timeout} seconds",
                hint="Let the program store the alert and work on it later, or raise the handler's timeout.",
            ) from None
        finally:
            await self._end(process)
        if process.returncode != 0:
            raise HandlerFailed(_verdict(self._settings.argv[0], process.returncode, stderr))

    async def close(self) -> None:
        """Nothing outlives a delivery."""

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """Leave no process of this delivery behind, whether it succeeded, was late, or the node is stopping."""
        if process.returncode is None:
            _signal_group(process.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self._grace)
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()


def command_environment(delivery: Delivery, own: Mapping[str, str]) -> dict[str, str]:
    """The environment of a handler's program: a few variables of the daemon's `own`, and `BEARING_*`."""
    environment = {name: own[name] for name in KEPT if name in own}
    environment |= {
        "BEARING_HANDLER": delivery.handler,
        "BEARING_IDEMPOTENCY_KEY": delivery.key,
        "BEARING_ATTEMPT": str(delivery.attempt),
        "BEARING_ALERT_ID": delivery.alert_id,
        "BEARING_SENDER": delivery.sender,
        "BEARING_TOPIC": delivery.topic,
        "BEARING_MARKING": delivery.marking,
        "BEARING_PRECEDENCE": delivery.precedence,
        "BEARING_STATUS": delivery.status,
        "BEARING_OPERATION": delivery.operation or "",
    }
    return environment


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def _verdict(program: str, status: int | None, stderr: bytes) -> str:
    ended = f"was ended by signal {-status}" if status is not None and status < 0 else f"ended with status {status}"
    said = stderr[-STDERR_KEPT:].decode("utf-8", "replace").strip()
    return f"{program} {ended}: {said}" if said else f"{program} {ended}"
