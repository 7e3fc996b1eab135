"""Names of what changed in a commit, so that whoever waits for it can be woken."""

from __future__ import annotations

from typing import Literal

Topic = Literal["outbox", "receipts", "events", "jobs", "downloads", "directory", "search"]
Topics = set[Topic]
