"""Bugs planted in the production code, each of which some seed must find: `python -m tests.simulation.planted`.

A check that cannot fail proves nothing. Each `Bug` takes one safeguard away, by a replacement in the running program;
then seeds are run until one breaks an invariant. `SEEN` remembers the seed that found it, so that the short form (`make
planted`) runs only those; `--search` looks for them anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import apsw

import broker.admission
import broker.apply
import broker.draft
import broker.recovery
import nodes.dispatch
import nodes.receipt_sender
import nodes.receive
import nodes.store.outbox
import schemas.envelope.opening
from broker.delivery import DeliveryQueue
from broker.engines import sqlite, sqlite_anchor
from broker.engines.sqlite_anchor import SqliteAnchor
from broker.exchange import Exchange
from broker.sequencer import Sequencer
from broker.shipping import Shipping
from nodes.store import database
from nodes.store.alerts import Alerts
from nodes.store.inbox import Inbox
from nodes.store.outbox import Outbox
from nodes.store.receipts import Receipts
from nodes.store.sent import SentAlerts
from schemas.envelope.opening import TrustedCheckpoint
from schemas.errors import StorageFailed, StorageInDoubt
from schemas.log.checkpoint import verify_checkpoint
from tests.simulation.plan import make_plan
from tests.simulation.world import beginning, simulate

Replacement = tuple[Any, str, Callable[[Any], Any]]
"""Where, which name, and what makes the broken one of the right one."""
SEARCH = 300
"""Seeds within which a bug must be found."""


@dataclass(frozen=True)
class Bug:
    """One safeguard taken away."""

    name: str
    replaced: tuple[Replacement, ...]

    @contextmanager
    def planted(self) -> Iterator[None]:
        """While this lasts, the bug is in the program."""
        kept = [getattr(where, name) for where, name, _ in self.replaced]
        for where, name, breaks in self.replaced:
            setattr(where, name, breaks(getattr(where, name)))
        try:
            yield
        finally:
            for (where, name, _), right in zip(self.replaced, kept, strict=True):
                setattr(where, name, right)


def _bug(name: str, where: Any, attribute: str, breaks: Callable[[Any], Any]) -> Bug:
    return Bug(name, ((where, attribute, breaks),))


def _nothing(_: Any) -> Callable[..., None]:
    """In place of a check that raises: one that does not."""
    return lambda *args, **kwargs: None


def _without_synchronisation(right: Callable[..., apsw.Connection]) -> Callable[..., apsw.Connection]:
    def broken(*args: Any, **kwargs: Any) -> apsw.Connection:
        db = right(*args, **kwargs)
        db.execute("PRAGMA synchronous = off")
        return db

    return broken


def _doubt_is_failure(right: Any) -> Any:
    """A block whose fate is unknown is answered as one that was surely lost."""

    @wraps(right)
    async def broken(self: Exchange, batch: Any) -> Any:
        try:
            return await right(self, batch)
        except StorageInDoubt as doubt:
            raise StorageFailed(doubt.message) from doubt

    return broken


def _answer_first(right: Any) -> Any:
    """Senders are answered before the block is durable: with the indexes it will have."""

    async def broken(self: Sequencer, batch: Any) -> Any:
        exchange = self._commit.__self__  # type: ignore[attr-defined]  # the exchange's own method
        alone = len(batch) == 1 and exchange.engine.alert(_id_of(batch[0].work)) is None
        if alone and type(batch[0].work.what).__name__ == "Submit" and not batch[0].answer.done():
            batch[0].answer.set_result(exchange.head.size)
        return await right(self, batch)

    return broken


def _id_of(work: Any) -> bytes:
    return broker.draft.reference(work.what) if hasattr(work.what, "header") else b""


def _unknown(_: Any) -> Any:
    """No alert was ever received here."""
    return lambda self, alert_ids: {}


def _shows_again(right: Any) -> Any:
    """The store refuses no alert that it holds, and tells of it again."""

    def broken(self: Inbox, received: Any, *, now: int) -> int:
        last = 0
        for one in received:
            if Alerts(self._db).get("in", one.id) is None:
                last = int(right(self, [one], now=now))
            else:
                self._events.add("alert", {"alert": one.alert.id}, now=now)
        return last

    return broken


def _is_not_kept(_: Any) -> Any:
    """A receipt is sent, and kept nowhere."""
    return lambda self, receipts, **kwargs: None


def _gives_up(right: Any) -> Any:
    """A receipt that the hub refuses for the moment is given up."""

    def broken(tables: Any, receipt: Any, item: Any, *args: Any, **kwargs: Any) -> None:
        if item.accepted:
            right(tables, receipt, item, *args, **kwargs)
        else:
            tables.receipts.done(receipt.ref)

    return broken


def _not_marked(_: Any) -> Callable[..., None]:
    """An accepted alert leaves the outbox, and is shown as it was."""

    def broken(self: Outbox, alert_id: bytes, index: int, *, now: int) -> None:
        self._db.execute("DELETE FROM outgoing WHERE number = ?", (self._number(alert_id),))

    return broken


def _trusts_anything(_: Any) -> Any:
    """The node takes any signed checkpoint, whether it continues the one held or not."""

    def broken(note: bytes, *, origin: str, keys: Any, held: Any, proof: Any) -> TrustedCheckpoint:
        return TrustedCheckpoint(verify_checkpoint(note, origin, keys), note, schemas.envelope.opening._VERIFIED)

    return broken


def _first_come(right: Any) -> Any:
    """Precedence is ignored."""
    return lambda self, key: right(self, (3, key[1]))


def _twice(right: Any) -> Any:
    """What was delivered is forgotten, and delivered again on the same connection."""

    def broken(self: DeliveryQueue, limit: int, **kwargs: Any) -> Any:
        taken = right(self, limit, **kwargs)
        if len(taken) > 1:
            self.put_back(taken[:1])
        return taken

    return broken


def _skips_a_notice(right: Any) -> Any:
    """The hub goes on one receipt too far."""

    def broken(self: Shipping, *args: Any, **kwargs: Any) -> Any:
        shipment = right(self, *args, **kwargs)
        return replace(shipment, notices_to=shipment.notices_to + 1)

    return broken


BUGS: tuple[Bug, ...] = (
    Bug("the hub's log is not synchronised", ((sqlite, "open_connection", _without_synchronisation),)),
    Bug("the anchor is not synchronised", ((sqlite_anchor, "open_connection", _without_synchronisation),)),
    Bug("a node's store is not synchronised", ((database, "open_connection", _without_synchronisation),)),
    _bug("senders are answered before the block is durable", Sequencer, "_settle", _answer_first),
    _bug("a block in doubt is treated as lost", Exchange, "_commit", _doubt_is_failure),
    _bug("the anchor is not swapped", SqliteAnchor, "swap", _nothing),
    _bug("a recall withdraws nothing", broker.apply, "_withdrawn", lambda _: lambda view, admitted: ()),
    Bug(
        "a node forgets what it showed, and its store takes an alert twice",
        ((Inbox, "known", _unknown), (Inbox, "add_all", _shows_again)),
    ),
    _bug("a receipt is forgotten when it is sent", Receipts, "keep", _is_not_kept),
    _bug("a receipt refused for the moment is given up", nodes.receipt_sender, "settle_receipt", _gives_up),
    _bug(
        "a node does not check that a checkpoint continues its own", nodes.receive, "trust_checkpoint", _trusts_anything
    ),
    _bug("precedence is ignored", DeliveryQueue, "_add", _first_come),
    _bug("an alert is delivered twice on a connection", DeliveryQueue, "take", _twice),
    _bug("the hub does not check whom an alert is for", broker.admission, "_check_recipients", _nothing),
    _bug("the hub does not check an alert's signature", broker.admission, "verify_header", _nothing),
    _bug("the hub does not look at the time an alert was made", broker.admission, "_check_time", _nothing),
    _bug("the hub skips a receipt in what it tells senders", Shipping, "block", _skips_a_notice),
    _bug("a sender does not note what became of an alert", SentAlerts, "note_receipt", lambda _: lambda *a, **k: True),
    _bug("an accepted alert is not marked so", Outbox, "accept", _not_marked),
)

SEEN: dict[str, tuple[int, tuple[str, ...]]] = {
    "the hub's log is not synchronised": (13, ()),
    "the anchor is not synchronised": (3, ()),
    "a node's store is not synchronised": (1, ()),
    "senders are answered before the block is durable": (13, ()),
    "a block in doubt is treated as lost": (25, ()),
    "the anchor is not swapped": (1, ()),
    "a recall withdraws nothing": (7, ()),
    "a node does not check that a checkpoint continues its own": (12, ()),
    "precedence is ignored": (8, ()),
    "the hub does not check whom an alert is for": (42, ("rogue",)),
    "the hub does not check an alert's signature": (85, ("rogue",)),
    "a receipt refused for the moment is given up": (18, ()),
    "an accepted alert is not marked so": (1, ()),
    "a sender does not note what became of an alert": (1, ()),
    "the hub skips a receipt in what it tells senders": (1, ()),
    "the hub does not look at the time an alert was made": (22, ()),
    "an alert is delivered twice on a connection": (1, ()),
    "a receipt is forgotten when it is sent": (1, ()),
    "a node forgets what it showed, and its store takes an alert twice": (3, ()),
}
"""The seed that finds each, and the kinds of trouble to which it is kept; all of the seed's, if none are named."""


def found_by(bug: Bug, seeds: Sequence[int], only: Sequence[str]) -> tuple[int, str] | None:
    """The first of these seeds, kept to the troubles `only`, that finds the bug and nothing without it."""
    for seed in seeds:
        plan = make_plan(seed, only=only)
        if only and not plan.troubles:
            continue
        beginning(plan.agencies, plan.witnessed)  # is kept for other seeds, so it is made without the bug
        with bug.planted():
            outcome = simulate(plan)
        if outcome.violations and not simulate(plan).violations:
            return seed, outcome.violations[0]
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant every bug, and say which seed finds it."""
    parser = argparse.ArgumentParser(prog="make planted", description=__doc__)
    parser.add_argument("--search", action="store_true", help="look among seeds 1 and up instead of those remembered")
    parser.add_argument("--name", default="", help="only bugs whose name contains this")
    parser.add_argument("--only", default="", help="with --search: kinds of trouble to keep, with commas between")
    given = parser.parse_args(arguments)
    missed = 0
    for bug in BUGS:
        if given.name not in bug.name:
            continue
        seeds: Sequence[int] = range(1, SEARCH + 1)
        only = tuple(filter(None, given.only.split(",")))
        if not given.search:
            seed, only = SEEN[bug.name]
            seeds = [seed]
        found = found_by(bug, seeds, only)
        missed += found is None
        print(f"{bug.name}: " + (f"seed {found[0]}, {found[1][:150]}" if found else "NOT FOUND"), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
