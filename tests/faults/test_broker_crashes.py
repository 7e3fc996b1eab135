"""Any sequence of work and crashes: no answer is broken, nothing is logged twice, nothing signed is ever taken back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.committer import Committer
from broker.draft import Work
from broker.quota import Quotas
from broker.recovery import recover
from schemas.envelope.header import decode_header
from schemas.errors import StorageFailed, StorageInDoubt
from schemas.log.checkpoint import Checkpoint, verify_checkpoint
from schemas.log.entry import AlertEntry
from schemas.log.merkle import prove_consistency, verify_consistency
from schemas.session.frames import Submit
from tests.support.directory import make_world
from tests.support.hub_core import HubCore

SENDER = "hk-customs"
ALERTS = 8


@cache
def alerts() -> tuple[Submit, ...]:
    core = HubCore(make_world())
    return tuple(core.alert(number=number) for number in range(ALERTS))


class Life:
    """A hub that is started, used and crashed; `answered` is what its senders were told."""

    def __init__(self) -> None:
        self.core = HubCore(make_world())
        self.answered: dict[bytes, int] = {}
        self.signed: list[Checkpoint] = []
        self.see()

    def see(self) -> None:
        """Note what the anchor holds: anybody may have been shown it."""
        note = self.core.anchor.read()
        assert note is not None
        self.signed.append(verify_checkpoint(note, self.core.world.origin, self.core.world.directory.log_keys()))

    def start(self) -> None:
        recovered = recover(self.core.engine, self.core.anchor, self.core.signer, self.core.world.trusted_root)
        self.core.tree, self.core.history = recovered.tree, recovered.history
        self.core.committer = Committer(
            engine=self.core.engine,
            anchor=self.core.anchor,
            tree=recovered.tree,
            history=recovered.history,
            head=recovered.head,
            signer=self.core.signer,
            trusted_root=self.core.world.trusted_root,
            quotas=Quotas(receipts_per_minute=999, refusals_per_minute=999),
            clock=self.core.clock,
            stopwatch=lambda: 0.0,
        )
        self.see()

    def submit(self, numbers: Sequence[int], fault: str) -> None:
        """One block; a fault may hit it. Doubt is followed by a restart, as it ends the hub."""
        engine, anchor = self.core.engine, self.core.anchor
        if fault == "refused":
            engine.fail = StorageFailed("lost for certain")
            engine.persist = False
        elif fault.startswith("block"):
            engine.fail, engine.persist = StorageInDoubt("crash"), fault.endswith("kept")
        elif fault.startswith("anchor"):
            anchor.fail, anchor.persist = StorageInDoubt("crash"), fault.endswith("kept")
        batch = [alerts()[number] for number in numbers]
        try:
            verdicts = self.core.commit(*(Work(SENDER, alert) for alert in batch)).verdicts
        except StorageFailed:
            pass
        except StorageInDoubt:
            self.start()
        else:
            for alert, verdict in zip(batch, verdicts, strict=True):
                assert isinstance(verdict, int)
                assert self.answered.setdefault(decode_header(alert.header).id, verdict) == verdict
        engine.fail = anchor.fail = None
        self.see()

    def check(self) -> None:
        logged = [decode_header(e.header).id for e in self.core.entries() if isinstance(e, AlertEntry)]
        assert len(logged) == len(set(logged)), "an alert is logged twice"
        for identity, index in self.answered.items():
            assert logged.index(identity) == index - 5, "an answered alert is not where it was said to be"
        last = self.signed[-1]
        assert last.size == len(self.core.engine.contents.log)
        for earlier in self.signed:
            proof = prove_consistency(earlier.size, last.size, self.core.tree.read)
            verify_consistency(earlier.size, earlier.root, last.size, last.root, proof)


FAULTS = st.sampled_from(
    ["none", "none", "refused", "block-lost", "block-kept", "anchor-lost", "anchor-kept", "restart"]
)
STEPS = st.lists(st.tuples(st.lists(st.integers(0, ALERTS - 1), min_size=1, max_size=3), FAULTS), max_size=10)


@settings(deadline=None, max_examples=60)
@given(STEPS)
def test_whatever_happens(steps: list[tuple[list[int], str]]) -> None:
    life = Life()
    for numbers, fault in steps:
        if fault == "restart":
            life.start()
        life.submit(numbers, fault)
    life.submit(range(ALERTS), "none")
    assert len(life.answered) == ALERTS
    life.check()
