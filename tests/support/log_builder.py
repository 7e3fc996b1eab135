"""A whole log made in memory, with real alerts and receipts, written out in the static layout of tlog-tiles.

What the hub would do is done here by the shortest way, and any step of it can be done wrongly, to see who notices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from broker.parties import party_bundle
from schemas.alert.document import compose_alert
from schemas.envelope.header import Header, Relation, decode_header, encode_header, sign_header
from schemas.envelope.opener import make_opener, opener_id
from schemas.envelope.seal import PairKey, Sealed, seal
from schemas.errors import Missing
from schemas.ids import format_id, uuid7
from schemas.log.checkpoint import Checkpoint, sign_checkpoint
from schemas.log.entry import (
    AlertEntry,
    Entry,
    EscalationEntry,
    Outcome,
    PurgeEntry,
    ReceiptEntry,
    RefusalEntry,
    decode_entry,
    encode_entry,
)
from schemas.log.merkle import leaf_hash
from schemas.log.note import NoteKey, note_key
from schemas.log.receipt import Receipt, ReceiptItem, State, sign_receipt
from schemas.log.tiles import TILE_WIDTH, entries_path, entry_bundle, parse_tile_path, tile, tile_path, tiles_for
from schemas.routing.resolve import query_of_alert, resolve
from tests.support.alerts import watch
from tests.support.directory import NOW, World, make_world
from tests.support.trees import Tree

Change = Callable[[Header], Header]


@dataclass
class LogBuilder:
    """A log of `world`, beginning with its directory; `now` (ms) advances by a second with every entry."""

    world: World = field(default_factory=make_world)
    now: int = NOW
    entries: list[bytes] = field(default_factory=list)
    tree: Tree = field(default_factory=Tree)
    files: dict[str, bytes] = field(default_factory=dict)
    """Directory files, checkpoints: everything but tiles and bundles, by path."""
    pairs: dict[tuple[str, str], PairKey] = field(default_factory=dict)
    _draws: count[int] = field(default_factory=count)
    _entered: int = 0
    """Directory entries of the world that are in the log already."""

    def __post_init__(self) -> None:
        self.take_directory()

    @property
    def size(self) -> int:
        return len(self.entries)

    @property
    def keys(self) -> list[NoteKey]:
        """The log's key, as an auditor is given it."""
        return [note_key(self.world.origin, self.world.log_key.public)]

    def random(self, size: int) -> bytes:
        """Bytes that are different at every draw and the same in every run."""
        return hashlib.shake_256(f"draw {next(self._draws)}".encode()).digest(size)

    # -- entries -------------------------------------------------------------------------------------------------------

    def append(self, entry: Entry | bytes) -> int:
        """Enter anything at all; returns its index."""
        data = entry if isinstance(entry, bytes) else encode_entry(entry)
        self.entries.append(data)
        self.tree.append(data)
        self.now += 1000
        return self.size - 1

    def take_directory(self) -> None:
        """Enter what the world published since."""
        new = zip(self.world.bundles[self._entered :], self.world.entries[self._entered :], strict=True)
        for bundle, entry in new:
            self.files[f"directory/{entry.digest.hex()}"] = bundle.bundle
            self.append(entry)
        self._entered = len(self.world.entries)

    def publish(self, *roles: str) -> None:
        """Publish new versions of directory roles as the world stands, and enter them."""
        for role in roles:
            self.world.publish(role, at=self.now, index=self.size)
            self.take_directory()

    def alert(
        self,
        sender: str = "hk-customs",
        to: Sequence[str] = ("sg-cnb",),
        *,
        change: Change | None = None,
        signature: bytes | None = None,
        **more: object,
    ) -> int:
        """Seal and enter an alert; `change` alters the header before it is signed. Returns its index."""
        sealed = self.seal(sender, to, **more)
        header, made = sealed.header, sealed.signature
        if change is not None:
            header = encode_header(change(decode_header(header)))
            made = sign_header(header, self.world.signing[sender])
        entry = AlertEntry(self.now, self.world.directory.version, header, signature or made)
        return self.append(entry)

    def seal(self, sender: str, to: Sequence[str], **more: object) -> Sealed:
        """A sealed alert from `sender`, as its node would submit it now."""
        document = {**watch(list(to)), **more}
        alert = compose_alert(document, alert_id=uuid7(self.now, self.random), sender=sender, composed=self.now)
        resolution = resolve(self.world.directory, query_of_alert(alert, at=self.now))
        return seal(
            alert,
            resolution=resolution,
            directory_version=self.world.directory.version,
            signing=self.world.signing[sender],
            pairs={agency: self.pair(sender, agency) for agency in resolution.recipients},
            now=self.now,
            random=self.random,
        )

    def pair(self, sender: str, recipient: str) -> PairKey:
        """The pair key of two agencies, made once."""
        if (sender, recipient) not in self.pairs:
            secret = self.random(32)
            opener = make_opener(
                secret,
                sender=sender,
                recipient=recipient,
                sender_key_id=self.world.signing[sender].key_id,
                recipient_public=self.world.sealing[recipient].public,
            )
            self.pairs[sender, recipient] = PairKey(recipient, secret, opener_id(opener), opener)
        return self.pairs[sender, recipient]

    def receipt(
        self,
        agency: str,
        indexes: Iterable[int],
        state: State = "stored",
        *,
        time: int | None = None,
        items: tuple[ReceiptItem, ...] | None = None,
        signer: str | None = None,
        signature: bytes | None = None,
    ) -> int:
        """Enter a receipt of `agency` for the alerts at `indexes`; returns its index."""
        headers = {index: self.header(index) for index in indexes}
        refusal = {"code": "body-unreadable", "step": 9} if state == "refused" else {}
        made = tuple(
            ReceiptItem(index, header.id, leaf_hash(self.entries[index]), **refusal)  # type: ignore[arg-type]  # by name
            for index, header in sorted(headers.items())
        )
        key = self.world.signing[signer or agency]
        sender = next(iter(headers.values())).sender
        said = self.now if time is None else time
        receipt = Receipt(agency, key.key_id, sender, state, said, None, made if items is None else items)
        data, good = sign_receipt(receipt, key)
        return self.append(ReceiptEntry(self.now, self.world.directory.version, data, signature or good))

    def relate(self, kind: str, index: int, sender: str = "hk-customs", to: Sequence[str] = ("sg-cnb",)) -> int:
        """Enter an alert that recalls, corrects or answers the one at `index`; returns its index."""
        relation = Relation(kind, self.header(index).id)
        return self.alert(sender, to, change=lambda header: replace(header, relation=relation))

    def refusal(self, agency: str = "hk-customs", code: str = "quota") -> int:
        """Enter the refusal of something `agency` sent."""
        return self.append(RefusalEntry(self.now, self.world.directory.version, agency, code, bytes(32)))

    def purge(self, index: int, basis: str = "retention", approvers: tuple[str, ...] = ()) -> int:
        """Enter that the body of the alert at `index` was deleted."""
        return self.append(PurgeEntry(self.now, self.world.directory.version, index, basis, approvers))

    def escalation(
        self, index: int, agency: str = "sg-cnb", outcome: Outcome = "due", contact: str | None = None
    ) -> int:
        """Enter that the alert at `index` was escalated for `agency`; one at no alert's place under a made-up id."""
        alert = decode_entry(self.entries[index]) if index < self.size else None
        alert_id = self.header(index).id if isinstance(alert, AlertEntry) else uuid7(self.now, bytes)
        return self.append(
            EscalationEntry(self.now, self.world.directory.version, index, alert_id, agency, outcome, contact)
        )

    def header(self, index: int) -> Header:
        """The header of the alert at `index`."""
        entry = decode_entry(self.entries[index])
        assert isinstance(entry, AlertEntry)
        return decode_header(entry.header)

    def alert_id(self, index: int) -> str:
        """The id of the alert at `index`, as text."""
        return format_id(self.header(index).id)

    def some_traffic(self, rounds: int = 1) -> None:
        """Alerts among all agencies, each receipted by its first recipient."""
        agencies = self.world.agencies
        for round_ in range(rounds):
            sender = agencies[round_ % len(agencies)]
            recipient = agencies[(round_ + 1) % len(agencies)]
            index = self.alert(sender, [recipient])
            self.receipt(recipient, [index])

    # -- what the hub serves -------------------------------------------------------------------------------------------

    def checkpoint(self, *, size: int | None = None, root: bytes | None = None) -> bytes:
        """A signed checkpoint of the log as it stands, or of what is claimed."""
        size = self.size if size is None else size
        root = self.tree.roots[size] if root is None else root
        return sign_checkpoint(Checkpoint(self.world.origin, size, root), self.world.log_key)

    def get(self, path: str) -> bytes:
        """One resource of the log as it stands: the `Source` of a fetch. Raises `Missing`."""
        if path == "checkpoint":
            return self.checkpoint()
        if path in self.files:
            return self.files[path]
        if path.startswith("party/"):
            _, agency, rest = path.split("/", 2)
            _, index, width = parse_tile_path(rest)
            entries = self.entries[index * TILE_WIDTH : index * TILE_WIDTH + width]
            if len(entries) < width:
                raise Missing(f"{path} is not served")
            return party_bundle(agency, entries, lambda at: self.entries[at])
        if not path.startswith("tile/"):
            raise Missing(f"{path} is not served")
        level, index, width = parse_tile_path(path)
        if level is None:
            entries = self.entries[index * TILE_WIDTH : index * TILE_WIDTH + width]
            if len(entries) < width:
                raise Missing(f"{path} is not served")
            return entry_bundle(entries)
        try:
            return tile(level, index, width, self.tree.read)
        except KeyError as error:
            raise Missing(f"{path} is not served") from error

    def write(self, folder: Path) -> Path:
        """Put the log as it stands into `folder`, as static files; returns `folder`."""
        paths = [tile_path(*parts) for parts in tiles_for(self.size)]
        paths += [entries_path(index, width) for level, index, width in tiles_for(self.size) if level == 0]
        note = self.checkpoint()
        for path, data in (
            *((path, self.get(path)) for path in paths),
            *self.files.items(),
            ("checkpoint", note),
            (f"checkpoints/{self.size}", note),
        ):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return folder
