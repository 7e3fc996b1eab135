"""``witnesses`` of ``directory.json``: how many must cosign a checkpoint, and who does so beside the agencies' nodes.

Every agency with witness keys is a witness. The governors may name others, which the hub asks over the C2SP
tlog-witness protocol; each of them counts as one, like an agency.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from schemas.codec import Fields, Value
from schemas.errors import CrossbearingError, Malformed
from schemas.example import is_loopback
from schemas.ids import check_slug
from schemas.log.note import WITNESS_TYPES, NoteKey, parse_vkey

MAX_OUTSIDE: Final = 32
"""Witnesses beside the agencies: more lines would crowd out the agencies' own under a checkpoint."""

_URL = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")


@dataclass(frozen=True, slots=True)
class OutsideWitness:
    """A witness that is no agency: its key as a C2SP vkey, and the prefix of its ``add-checkpoint`` (tlog-witness)."""

    id: str
    vkey: str
    url: str

    @property
    def key(self) -> NoteKey:
        """The key its cosignatures verify under."""
        return parse_vkey(self.vkey, WITNESS_TYPES)


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What the governors decide about witnessing. ``quorum`` None: as many as `usual_quorum` says."""

    quorum: int | None = None
    outside: tuple[OutsideWitness, ...] = ()

    def needed(self, agencies: int) -> int:
        """How many witnesses must cosign a checkpoint, in a directory of so many agencies."""
        return self.quorum if self.quorum is not None else usual_quorum(agencies)


def usual_quorum(agencies: int) -> int:
    """More than two thirds: of 31, 21. Two such quorums share more members than may be dishonest."""
    return agencies - (agencies - 1) // 3


def read_witnesses(value: Value, agencies: Collection[str]) -> Witnesses:
    """Read the section, in a directory of these agencies. Raises `Malformed`, `BadId` or `BadCheckpoint`."""
    if not isinstance(value, dict):
        raise Malformed("witnesses is not an object")
    reader = Fields({"outside": [], **value}, "witnesses")
    outside: dict[str, OutsideWitness] = {}
    for item in reader.items("outside", max_items=MAX_OUTSIDE):
        witness = _outside(item)
        if witness.id in outside or witness.id in agencies:
            raise Malformed(f"witnesses: {witness.id} is there twice, or is an agency")
        outside[witness.id] = witness
    if len({witness.key.public for witness in outside.values()}) != len(outside):
        raise Malformed("witnesses: two have the same key, so it would count twice")
    most = len(agencies) + len(outside)
    quorum = reader.integer("quorum", low=1, high=most) if "quorum" in value else None
    reader.done()
    return Witnesses(quorum, tuple(outside.values()))


def witnesses_to_json(witnesses: Witnesses) -> dict[str, Value]:
    """The section; `read_witnesses` gives it back."""
    shown: dict[str, Value] = {} if witnesses.quorum is None else {"quorum": witnesses.quorum}
    if witnesses.outside:
        shown["outside"] = [{"id": w.id, "vkey": w.vkey, "url": w.url} for w in witnesses.outside]
    return shown


def _outside(value: Value) -> OutsideWitness:
    reader = Fields(value, "witness")
    witness = OutsideWitness(check_slug(reader.text("id")), reader.text("vkey"), reader.text("url"))
    reader.done()
    try:
        parse_vkey(witness.vkey, WITNESS_TYPES)
    except CrossbearingError as error:
        raise Malformed(f"witness {witness.id}: {error.message}") from error
    match = _URL.fullmatch(witness.url)
    if match is None or len(witness.url) > 200 or (match[1] == "http" and not is_loopback(match[2].strip("[]"))):
        raise Malformed(f"witness {witness.id}: url is not an https address (http only on this machine)")
    return witness
