"""Work for the outbound handlers, at least once each, and the dead letters: jobs that failed too often.

A handler reads events from its cursor on; `plan` turns one into a job and moves the cursor in the same transaction.
A job's `key` is the idempotency key its receiver sees: it stays the same over all attempts.
"""

from __future__ import annotations

from dataclasses import dataclass

import apsw

from nodes.store.rows import number, optional_number
from nodes.store.topics import Topics
from schemas import ids
from schemas.errors import NotFound


@dataclass(frozen=True, slots=True)
class Job:
    """Hand one alert to one handler. `event` is the sequence number of the event that caused it."""

    number: int
    handler: str
    alert: bytes
    event: int
    attempts: int
    not_before: int
    error: str | None
    time: int

    @property
    def key(self) -> str:
        """Idempotency key: the same for every attempt at this job."""
        return f"{ids.format_id(self.alert)}-{self.handler}-{self.event}"


_SELECT = "SELECT number, handler, alert, event, attempts, not_before, error, time FROM job"


class Jobs:
    """Writes handlers' cursors, jobs and dead letters."""

    def __init__(self, connection: apsw.Connection, topics: Topics) -> None:
        self._db = connection
        self._topics = topics

    def cursor(self, handler: str) -> int | None:
        """The last event this handler has looked at, or None when it is new."""
        return optional_number(self._db, "SELECT seq FROM handler WHERE name = ?", (handler,))

    def set_cursor(self, handler: str, seq: int) -> None:
        """The handler has looked at all events up to `seq`."""
        self._db.execute("INSERT OR REPLACE INTO handler (name, seq) VALUES (?, ?)", (handler, seq))

    def plan(self, handler: str, alert: bytes, event: int, *, now: int) -> None:
        """Queue one alert for a handler; queueing the same event again changes nothing."""
        self._db.execute(
            "INSERT OR IGNORE INTO job (handler, alert, event, time) VALUES (?, ?, ?, ?)", (handler, alert, event, now)
        )
        self._topics.add("jobs")

    def due(self, handler: str, *, now: int, limit: int = 32) -> list[Job]:
        """Jobs to do now, oldest first."""
        rows = self._db.execute(
            _SELECT + " WHERE dead = 0 AND handler = ? AND not_before <= ? ORDER BY number LIMIT ?",
            (handler, now, limit),
        )
        return [Job(*row) for row in rows]

    def next_due(self, handler: str) -> int | None:
        """The earliest time (ms) a job of this handler is to be tried, or None when it has none."""
        return optional_number(self._db, "SELECT min(not_before) FROM job WHERE dead = 0 AND handler = ?", (handler,))

    def count_open(self, handler: str) -> int:
        """How many jobs of this handler are neither done nor given up."""
        return number(self._db, "SELECT count(*) FROM job WHERE dead = 0 AND handler = ?", (handler,))

    def done(self, job: int) -> None:
        """The handler took it."""
        self._db.execute("DELETE FROM job WHERE number = ?", (job,))

    def retry_later(self, job: int, error: str, *, not_before: int) -> None:
        """It failed; try again no sooner than `not_before` (ms)."""
        self._db.execute(
            "UPDATE job SET attempts = attempts + 1, error = ?, not_before = ? WHERE number = ?",
            (error, not_before, job),
        )
        self._topics.add("jobs")

    def bury(self, job: int, error: str, *, now: int) -> None:
        """It failed too often: make it a dead letter."""
        self._db.execute(
            "UPDATE job SET dead = 1, attempts = attempts + 1, error = ?, time = ? WHERE number = ?",
            (error, now, job),
        )

    def dead(self, *, limit: int = 100) -> list[Job]:
        """Dead letters, newest first."""
        rows = self._db.execute(_SELECT + " WHERE dead = 1 ORDER BY number DESC LIMIT ?", (limit,))
        return [Job(*row) for row in rows]

    def count_dead(self, handler: str | None = None) -> int:
        """How many dead letters there are, of one handler or of all."""
        sql = "SELECT count(*) FROM job WHERE dead = 1 AND (? IS NULL OR handler = ?)"
        return number(self._db, sql, (handler, handler))

    def revive(self, job: int) -> None:
        """Try a dead letter again, with a fresh count of attempts. Raises NotFound."""
        self._db.execute("UPDATE job SET dead = 0, attempts = 0, not_before = 0 WHERE dead = 1 AND number = ?", (job,))
        if not self._db.changes():
            raise NotFound(f"there is no dead letter {job}", hint="list them: GET /v1/dead-letters")
        self._topics.add("jobs")
