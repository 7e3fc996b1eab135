"""Replaying the headers of the hub's log against a proposed directory, beside the running hub."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from broker.config import Config
from broker.engines.sqlite_reader import SqliteReader, reading
from broker.recovery import restore_history
from schemas.directory.documents import DirectoryDocument
from schemas.envelope.header import Header, decode_header
from schemas.errors import BadConfig
from schemas.log.entry import AlertEntry, decode_entry
from schemas.routing.simulate import Change, proposal, simulate

AT_ONCE = 256
"""Entries read at a time, so that memory stays bounded for any log."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a proposed directory would have changed."""

    alerts: int
    changes: tuple[Change, ...]


def simulate_log(config: Config, document: DirectoryDocument) -> Simulation:
    """Which logged alerts would have gone elsewhere under a proposed document and the standing requests in force.

    Raises `StorageFailed` without a log, `BadConfig` without the trusted root, and `StorageTampered`.
    """
    try:
        trusted_root = config.trusted_root.read_bytes()
    except OSError as error:
        raise BadConfig(f"{config.trusted_root} cannot be read: {error.strerror}") from error
    with reading(config.log) as log:
        counted: list[int] = []
        plan = proposal(document, restore_history(log, trusted_root).latest)
        changes = tuple(simulate(plan, _headers(log, counted)))
        return Simulation(len(counted), changes)


def _headers(log: SqliteReader, counted: list[int]) -> Iterator[tuple[int, Header]]:
    """Every alert's header with its index, which is noted in `counted`."""
    size = log.size()
    for start in range(0, size, AT_ONCE):
        for index, data in enumerate(log.entries(start, min(start + AT_ONCE, size)), start):
            entry = decode_entry(data)
            if isinstance(entry, AlertEntry):
                counted.append(index)
                yield index, decode_header(entry.header)
