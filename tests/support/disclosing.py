"""One alert in a small log, and the file that discloses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from schemas.alert.document import Alert, alert_to_wire
from schemas.codec import Value, encode
from schemas.directory.witnesses import Witnesses
from schemas.envelope.disclosure import DirectoryItem, Disclosure, encode_disclosure
from schemas.envelope.header import decode_header
from schemas.envelope.opener import unwrap
from schemas.envelope.seal import PairKey, seal
from schemas.ids import parse_id
from schemas.keys import SealingKey
from schemas.log.entry import encode_entry
from schemas.log.note import NoteKey
from schemas.routing.resolve import query_of_alert, resolve
from tests.support.directory import NOW, World, make_world
from tests.support.envelope import SmallLog, alert_entry, counting_random, make_alert, make_pairs

SENDER = "hk-customs"

MakePair = Callable[[str, str, bytes, SealingKey], PairKey]
"""Gives the pair key of a sender and a recipient, for the sender's signing key and the recipient's sealing key."""


class Disclosing:
    """An alert of `SENDER` at `index`, with `disclosure` and its bytes `data`; `suspended` is its sender if asked."""

    def __init__(
        self,
        *,
        number: int = 1,
        suspended: bool = False,
        witnesses: Witnesses | None = None,
        pair: MakePair | None = None,
        **fields: object,
    ) -> None:
        self.world: World = make_world(witnesses=witnesses)
        self.alert: Alert = make_alert(self.world, SENDER, number=number, **fields)
        self.pairs = self._pairs(pair)
        sealed = seal(
            self.alert,
            resolution=resolve(self.world.directory, query_of_alert(self.alert, at=NOW)),
            directory_version=self.world.directory.version,
            signing=self.world.signing[SENDER],
            pairs=self.pairs,
            now=NOW,
            random=counting_random(f"disclosing {number}"),
        )
        if suspended:
            self.world.change_agency(SENDER, status="suspended")
            self.world.publish("targets")
        self.log = SmallLog(self.world)
        self.index = self.log.append(encode_entry(alert_entry(self.world, sealed)))
        self.log.append(b"another entry, so that the tree goes on")
        inner: dict[str, Value] = {
            "id": parse_id(self.alert.id),
            "sender": SENDER,
            "alert": alert_to_wire(self.alert),
        }
        self.disclosure = self._proven(
            Disclosure(self.index, b"", (), b"", (), sealed.body, content_key(self.pairs, sealed.header), encode(inner))
        )
        self.data = encode_disclosure(self.disclosure)

    def _pairs(self, pair: MakePair | None) -> dict[str, PairKey]:
        others = [agency for agency in self.world.agencies if agency != SENDER]
        if pair is None:
            return make_pairs(self.world, SENDER, others)
        key_id = self.world.signing[SENDER].key_id
        return {agency: pair(SENDER, agency, key_id, self.world.sealing[agency]) for agency in others}

    @property
    def keys(self) -> tuple[NoteKey, ...]:
        """The log's."""
        return self.world.directory.log_keys()

    def with_entry(self, disclosure: Disclosure, entry: bytes) -> Disclosure:
        """The disclosure with another entry in the alert's place, in a log signed with it."""
        kept = self.log.leaves[self.index]
        self.log.leaves[self.index] = entry
        try:
            return self._proven(disclosure)
        finally:
            self.log.leaves[self.index] = kept

    def _proven(self, disclosure: Disclosure) -> Disclosure:
        directory = tuple(
            DirectoryItem(index, self.log.leaves[index], tuple(self.log.path(index)), made.bundle)
            for index, made in enumerate(self.world.bundles)
        )
        return replace(
            disclosure,
            entry=self.log.leaves[self.index],
            path=tuple(self.log.path(self.index)),
            checkpoint=self.log.note(),
            directory=directory,
        )


def content_key(pairs: dict[str, PairKey], header: bytes) -> bytes:
    """The content key of a sealed alert, as any of its parties finds it."""
    decoded = decode_header(header)
    recipient = decoded.recipients[0]
    return unwrap(pairs[recipient.agency].secret, decoded.id, decoded.commitment, recipient.wrap)
