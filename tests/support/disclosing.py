"""One alert in a small log, and the file that discloses it."""

from __future__ import annotations

from dataclasses import replace

from schemas.alert.document import Alert, alert_to_wire
from schemas.codec import Value, encode
from schemas.envelope.disclosure import DirectoryItem, Disclosure, encode_disclosure
from schemas.envelope.header import decode_header
from schemas.envelope.opener import unwrap
from schemas.envelope.seal import PairKey
from schemas.ids import parse_id
from schemas.log.entry import encode_entry
from schemas.log.note import NoteKey
from tests.support.directory import World, make_world
from tests.support.envelope import SmallLog, alert_entry, make_alert, seal_alert

SENDER = "hk-customs"


class Disclosing:
    """An alert of `SENDER` at `index`, with `disclosure` and its bytes `data`; `suspended` is its sender if asked."""

    def __init__(self, *, number: int = 1, suspended: bool = False, **fields: object) -> None:
        self.world: World = make_world()
        self.alert: Alert = make_alert(self.world, SENDER, number=number, **fields)
        sealed, self.pairs = seal_alert(self.world, self.alert, label=f"disclosing {number}")
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
