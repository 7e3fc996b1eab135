"""Structured logs on standard error: JSON for machines, lines for a terminal. No body, key or narrative goes in."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable

import structlog

from schemas.limits import MAX_LOG_LINES

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Ration:
    """So many lines a minute for each event, so that no peer can fill the disk by what it does.

    What was left out is counted, and told with the event's first line of a later minute.
    """

    def __init__(self, lines: int = MAX_LOG_LINES, clock: Callable[[], float] = time.monotonic) -> None:
        self._lines = lines
        self._clock = clock
        self._minute = 0
        self._seen: Counter[str] = Counter()
        self._before: Counter[str] = Counter()

    def __call__(self, _logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """As a processor of structlog. Raises `structlog.DropEvent`."""
        key = str(event.get("event"))
        if not self.allows(key):
            raise structlog.DropEvent
        if left_out := self._before.pop(key, 0):
            event["left_out"] = left_out
        return event

    def filter(self, record: logging.LogRecord) -> bool:
        """As a filter of `logging`, where each logger counts as one event."""
        return self.allows(record.name)

    def allows(self, key: str) -> bool:
        """Count one more of these, and say whether it may be told."""
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute = minute
            for name, seen in self._seen.items():
                self._before[name] += max(0, seen - self._lines)
            self._seen.clear()
        self._seen[key] += 1
        return self._seen[key] <= self._lines


def configure_logs(level: str) -> None:
    """Set up logging for the process; libraries that use `logging` are shown from warnings on."""
    terminal = sys.stderr.isatty()
    last = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(sort_keys=True)
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info if not terminal else _unchanged,
    ]
    ration = Ration()
    structlog.configure(
        processors=[ration, *shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    formatter = structlog.stdlib.ProcessorFormatter(processor=last, foreign_pre_chain=shared)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(ration.filter)
    logging.basicConfig(handlers=[handler], level=max(logging.WARNING, _LEVELS[level]), force=True)


def _unchanged(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return event
