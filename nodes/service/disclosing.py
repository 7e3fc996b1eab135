"""Disclosing one alert: everything that proves it, in a file for somebody outside the exchange, such as a court.

The node keeps neither sealed bodies nor content keys. It finds the key in the alert's own header, with the pair secret
that it used or was given, and makes the body anew: the same plaintext under the same key gives the same bytes, which
the header's digest shows. The hub adds the proofs. What comes out is verified here before anybody gets it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from nodes.openers import own_opener_id
from nodes.standing import Standing
from nodes.store.store import Store
from schemas.codec import Value, encode
from schemas.envelope.body import seal_body
from schemas.envelope.disclosure import DirectoryItem, Disclosure, encode_disclosure, known_lines, verify_disclosure
from schemas.envelope.header import Header, decode_header
from schemas.envelope.opener import unwrap
from schemas.errors import DirectoryUnknown, OpenerUnknown, WrongState
from schemas.ids import format_id
from schemas.log.entry import decode_entry
from schemas.log.evidence import Evidence, decode_evidence

if TYPE_CHECKING:
    from nodes.store.alerts import AlertRow
    from nodes.store.database import Tables
    from nodes.store.directory import DirectoryRow

FetchEvidence = Callable[[int], Awaitable[bytes]]
"""Ask the hub for the evidence for the alert at a log index. Raises `Unreachable` without a connection, `NotFound`."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    """What this node knows of one alert."""

    index: int
    header: Header
    content_key: bytes
    inner: dict[str, Value]


class Disclosing:
    """Makes disclosure files of the alerts of one node."""

    def __init__(self, store: Store, standing: Standing, evidence: FetchEvidence) -> None:
        self._store = store
        self._standing = standing
        self._evidence = evidence

    async def disclose(self, text: str) -> bytes:
        """`POST /v1/alerts/{id}/disclosure`: the file that proves the alert to anybody.

        Raises `BadId`, `NotFound`, `WrongState` for an alert that is not in the log, `OpenerUnknown` when its key is no
        longer held, `Unreachable` without the hub, and what the verification finds wrong.
        """
        held = await self._store.read(lambda tables: _look(tables, text, self._standing.agency))
        evidence = decode_evidence(await self._evidence(held.index))
        rows = await self._store.read(lambda tables: tables.directory.all())
        data = await asyncio.to_thread(self._assemble, held, evidence, rows)
        log.warning("alert disclosed", alert=format_id(held.header.id))
        return data

    def _assemble(self, held: _Held, evidence: Evidence, rows: Sequence[DirectoryRow]) -> bytes:
        version = decode_entry(evidence.entry).directory
        if version > len(rows) or version != len(evidence.directory):
            raise DirectoryUnknown(f"the alert was entered under directory version {version}; {len(rows)} are held")
        directory = tuple(
            DirectoryItem(place.index, row.entry, place.path, row.bundle)
            for place, row in zip(evidence.directory, rows[:version], strict=True)
        )
        in_force = self._standing.history.version(version)
        data = encode_disclosure(
            Disclosure(
                index=held.index,
                entry=evidence.entry,
                path=evidence.path,
                checkpoint=known_lines(evidence.checkpoint, in_force, self._standing.log_keys),
                directory=directory,
                body=seal_body(held.inner, held.content_key),
                content_key=held.content_key,
                plaintext=encode(held.inner),
            )
        )
        verify_disclosure(data, keys=self._standing.log_keys, trusted_root=self._standing.trusted_root)
        return data


def _look(tables: Tables, text: str, agency: str) -> _Held:
    row = tables.alerts.find(text)
    content = tables.alerts.content(row.number)
    if row.index is None or content.header is None:
        raise WrongState(
            "this alert is not in the log", hint="Only what the log holds can be proven; see `bearing sent`."
        )
    header = decode_header(content.header)
    inner: dict[str, Value] = {"id": header.id, "sender": header.sender, "alert": content.document}
    return _Held(row.index, header, _content_key(tables, row, header, agency), inner)


def _content_key(tables: Tables, row: AlertRow, header: Header, agency: str) -> bytes:
    """The alert's key, out of whichever wrap in its header this node has the pair secret for."""
    if row.direction == "in":
        opener = tables.openers.get(own_opener_id(header, agency) or b"")
        secrets = {opener.opener_id: opener.secret} if opener is not None else {}
    else:
        named = [recipient.opener_id for recipient in header.recipients]
        secrets = {pair.opener_id: pair.secret for pair in tables.pairs.get(named)}
    for recipient in header.recipients:
        if recipient.opener_id in secrets:
            return unwrap(secrets[recipient.opener_id], header.id, header.commitment, recipient.wrap)
    raise OpenerUnknown(
        f"the pair key of alert {format_id(header.id)} is no longer held", hint="Ask another party to it."
    )
