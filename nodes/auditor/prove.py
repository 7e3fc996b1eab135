"""Writing evidence: a C2SP tlog-proof file that one alert is in the log, checkable with nothing but the log's key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nodes.auditor.bundles import bundles_of, read_bundle
from nodes.auditor.fetch import open_checkpoint
from nodes.auditor.mirror import CHECKPOINT, LogFolder
from nodes.auditor.progress import Progress
from schemas.envelope.header import decode_header
from schemas.errors import BadId, CrossbearingError, LogTampered, NotFound
from schemas.ids import format_id
from schemas.log.entry import AlertEntry, decode_entry
from schemas.log.merkle import leaf_hash, prove_inclusion, verify_inclusion
from schemas.log.note import NoteKey
from schemas.log.proof import format_proof
from schemas.log.tiles import TILE_WIDTH, TileReader

MIN_SUFFIX = 4
"""Hex digits of an id's end that must be given; the end of an id is random, its beginning is the time."""

_WANTED = re.compile(r"[0-9a-f-]+")


@dataclass(frozen=True, slots=True)
class Proof:
    """A finished proof file."""

    alert_id: str
    index: int
    size: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """An alert that was looked for, and its entry."""

    alert_id: str
    index: int
    data: bytes
    entry: AlertEntry


def prove(folder: LogFolder, wanted: str, *, keys: Sequence[NoteKey] = (), progress: Progress) -> Proof:
    """Return the proof that the alert whose id is or ends in `wanted` is in the log that `folder` copies.

    Only the last `MIN_SUFFIX` or more hex digits of the id are needed. The proof is checked before it is returned.
    Raises `BadId`, `NotFound`, `LogTampered` if the copy contradicts itself, and what reading it raises.
    """
    note = folder.read(CHECKPOINT)
    checkpoint = open_checkpoint(note, keys)
    found = find_alert(folder, wanted, checkpoint.size, progress)
    index, entry = found.index, found.data
    path = prove_inclusion(index, checkpoint.size, TileReader(checkpoint.size, folder.read_tile))
    try:
        verify_inclusion(leaf_hash(entry), index, checkpoint.size, path, checkpoint.root)
    except CrossbearingError as error:
        raise LogTampered(
            f"entry {index} and the hash tiles do not lead to the checkpoint's root",
            hint="Run bearing audit verify on this folder; it names the file at fault.",
        ) from error
    return Proof(found.alert_id, index, checkpoint.size, format_proof(index, path, note, entry))


def _ending(wanted: str) -> str:
    text = wanted.lower()
    if not _WANTED.fullmatch(text) or len(text.replace("-", "")) < MIN_SUFFIX:
        raise BadId(f"{wanted[:64]!a} is not the end of an alert id", hint=f"Give at least {MIN_SUFFIX} hex digits.")
    return text


def find_alert(folder: LogFolder, wanted: str, size: int, progress: Progress) -> Found:
    """Return the one alert among the first `size` entries whose id is or ends in `wanted`.

    Raises `BadId` if that is no id's end or that of several, and `NotFound`.
    """
    ending = _ending(wanted)
    matches = list(_find(folder, ending, size, progress))
    if not matches:
        raise NotFound(f"no alert in this copy has an id ending in {ending}", hint="Fetch again, or check the id.")
    if len({found.alert_id for found in matches}) > 1:
        raise BadId(f"{len(matches)} alerts have an id ending in {ending}", hint="Give more of the id.")
    return matches[0]


def _find(folder: LogFolder, ending: str, size: int, progress: Progress) -> Iterator[Found]:
    digits = ending.replace("-", "")
    last_bytes = bytes.fromhex(digits[len(digits) % 2 :])
    bundles = list(bundles_of(size))
    for done, (index, width) in enumerate(bundles):
        progress("looking for the alert", done, len(bundles))
        for item, data in enumerate(read_bundle(folder, index, width).entries):
            if last_bytes not in data:
                continue
            entry = _alert(data)
            if entry is None:
                continue
            alert_id = format_id(decode_header(entry.header).id)
            if alert_id.endswith(ending) or alert_id.replace("-", "").endswith(ending):
                yield Found(alert_id, index * TILE_WIDTH + item, data, entry)


def _alert(data: bytes) -> AlertEntry | None:
    """The alert in an entry; None for other entries and for what does not decode: `verify` reports those."""
    try:
        entry = decode_entry(data)
        if not isinstance(entry, AlertEntry):
            return None
        decode_header(entry.header)
    except CrossbearingError:
        return None
    return entry
