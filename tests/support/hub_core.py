"""The hub's core without sockets or files: a committer over memory, begun with a world's directory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from broker.committer import Committed, Committer, LogSigner
from broker.draft import DeleteBody, NewDirectory, Verdict, Work
from broker.escalating import Escalate
from broker.quota import Quotas
from broker.recovery import recover
from broker.tree import Tree
from schemas.directory.history import DirectoryHistory
from schemas.envelope.header import Header, decode_header, encode_header, sign_header
from schemas.envelope.seal import PairKey, Sealed
from schemas.errors import CrossbearingError
from schemas.log.entry import AlertEntry, Entry, decode_entry
from schemas.log.merkle import leaf_hash
from schemas.log.receipt import Receipt, ReceiptItem, State, sign_receipt
from schemas.session.frames import SendReceipt, Submit
from tests.support.directory import NOW, World
from tests.support.envelope import make_alert, seal_alert
from tests.support.hub import TestClock
from tests.support.memory_engine import MemoryAnchor, MemoryEngine

What = Submit | SendReceipt | NewDirectory | DeleteBody | Escalate


def ticks() -> Iterator[float]:
    """Seconds of a stopwatch that advances by one at each look."""
    now = 0.0
    while True:
        yield now
        now += 1.0


@dataclass
class HubCore:
    """A hub's memory and storage; `commit` makes one block."""

    world: World
    engine: MemoryEngine = field(default_factory=MemoryEngine)
    anchor: MemoryAnchor = field(default_factory=MemoryAnchor)
    clock: TestClock = field(default_factory=TestClock)
    history: DirectoryHistory = field(default_factory=DirectoryHistory)
    refusals_per_minute: int = 1_000
    receipts_per_minute: int = 1_000
    begun: bool = False
    """Whether another hub stopped on this engine and anchor, so that this one recovers what it left."""

    def __post_init__(self) -> None:
        self.signer = LogSigner(self.world.origin, self.world.log_key)
        self.tree, head = Tree(self.engine.tile), None
        if self.begun:
            found = recover(self.engine, self.anchor, self.signer, self.world.trusted_root)
            self.tree, self.history, head = found.tree, found.history, found.head
        stopwatch = ticks()
        self.committer = Committer(
            engine=self.engine,
            anchor=self.anchor,
            tree=self.tree,
            history=self.history,
            head=head,
            signer=self.signer,
            trusted_root=self.world.trusted_root,
            quotas=Quotas(receipts_per_minute=self.receipts_per_minute, refusals_per_minute=self.refusals_per_minute),
            clock=self.clock,
            stopwatch=lambda: next(stopwatch),
        )
        if not self.begun:
            self.commit(*(Work("", NewDirectory(b.role, b.version, b.bundle)) for b in self.world.bundles))

    def commit(self, *works: Work) -> Committed:
        """One block of these."""
        return self.committer.commit(works)

    def verdict(self, agency: str, what: What) -> Verdict:
        """What becomes of one submission in a block of its own."""
        return self.commit(Work(agency, what)).verdicts[0]

    def refused(self, agency: str, what: What) -> CrossbearingError:
        """The refusal of one submission; fails the test when it is accepted."""
        verdict = self.verdict(agency, what)
        assert isinstance(verdict, CrossbearingError), f"accepted at {verdict}"
        return verdict

    def accepted(self, agency: str, what: What) -> int:
        """The index of one submission; fails the test when it is refused."""
        verdict = self.verdict(agency, what)
        assert isinstance(verdict, int), f"refused: {verdict.code} {verdict}"
        return verdict

    def alert(self, sender: str = "hk-customs", *, number: int = 1, **fields: object) -> Submit:
        """A sealed alert, ready to submit."""
        sealed, pairs = seal_alert(
            self.world, make_alert(self.world, sender, number=number, **fields), now=self.clock.now
        )
        return submission(sealed, pairs)

    def entries(self) -> list[Entry]:
        """The log."""
        return [decode_entry(data) for data in self.engine.contents.log]

    def receipt(self, agency: str, *indexes: int, state: State = "stored", **changes: object) -> Receipt:
        """A receipt by `agency` for the alerts at these indexes, with `changes` to its fields."""
        items, sender = [], ""
        for index in indexes:
            data = self.engine.contents.log[index]
            entry = decode_entry(data)
            assert isinstance(entry, AlertEntry)
            header = decode_header(entry.header)
            code, step = ("wrap-failed", 8) if state == "refused" else (None, None)
            items.append(ReceiptItem(index, header.id, leaf_hash(data), code, step))
            sender = header.sender
        receipt = Receipt(agency, self.world.signing[agency].key_id, sender, state, NOW, None, tuple(items))
        return replace(receipt, **changes)  # type: ignore[arg-type]  # replace checks the names

    def signed(self, receipt: Receipt) -> SendReceipt:
        """The receipt as its agency submits it."""
        return SendReceipt(*sign_receipt(receipt, self.world.signing[receipt.agency]))


def submission(sealed: Sealed, pairs: dict[str, PairKey]) -> Submit:
    """What a node submits: everything it has."""
    return Submit(sealed.header, sealed.signature, sealed.body, tuple(pair.opener for pair in pairs.values()))


def altered(world: World, original: Submit, **changes: object) -> Submit:
    """The submission with fields of its header changed, signed again by its sender."""
    header: Header = replace(decode_header(original.header), **changes)  # type: ignore[arg-type]  # replace checks the names
    data = encode_header(header)
    sender = decode_header(original.header).sender
    return Submit(data, sign_header(data, world.signing[sender]), original.body, original.openers)
