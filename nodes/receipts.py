"""Receipts: this agency's signed word on the alerts it received.

`stored` and `refused` are signed in the transaction that stores or quarantines the alerts; `read` and `actioned` when
an officer says so. Every one is kept, and sent again, until the hub has answered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodes.identity import Identity
from nodes.ports import Clock
from nodes.standing import Standing
from nodes.store.store import Store
from schemas.errors import NotFound
from schemas.limits import MAX_RECEIPT_ITEMS
from schemas.log.receipt import Receipt, ReceiptItem, State, decode_receipt, sign_receipt

if TYPE_CHECKING:
    from nodes.store.database import Tables
    from schemas.keys import SigningKey


@dataclass(frozen=True, slots=True)
class Word:
    """What to say of one alert: its sender, the state, and the item of the receipt."""

    sender: str
    state: State
    item: ReceiptItem


def sign_words(
    words: Iterable[Word], agency: str, key: SigningKey, *, now: int, officer: str | None = None
) -> list[tuple[bytes, bytes]]:
    """Receipts that say all of `words`, with as few signatures as can be: one per sender, state and 256 alerts."""
    groups: dict[tuple[str, State], dict[int, ReceiptItem]] = defaultdict(dict)
    for word in words:
        groups[word.sender, word.state][word.item.index] = word.item
    receipts = []
    for (sender, state), items in sorted(groups.items()):
        ordered = [items[index] for index in sorted(items)]
        for start in range(0, len(ordered), MAX_RECEIPT_ITEMS):
            part = tuple(ordered[start : start + MAX_RECEIPT_ITEMS])
            receipts.append(sign_receipt(Receipt(agency, key.key_id, sender, state, now, officer, part), key))
    return receipts


class Acknowledgements:
    """Takes an officer's word that an alert was read or acted on."""

    def __init__(self, store: Store, identity: Identity, standing: Standing, clock: Clock) -> None:
        self._store = store
        self._identity = identity
        self._standing = standing
        self._clock = clock

    async def acknowledge(self, alert_id: bytes, state: State, *, officer: str | None) -> bool:
        """Set a received alert's state to `read` or `actioned` and keep the signed receipt for its sender.

        Durable when this returns; False when the alert was in that state, or beyond it, already. Raises NotFound for an
        alert not received here, KeyNotValid, NotReady, and the store's faults.
        """
        now = self._clock()
        key = self._identity.signing_key(self._standing.directory, now)

        def commit(tables: Tables) -> bool:
            row = tables.alerts.get("in", alert_id)
            if row is None or row.index is None or row.leaf is None:
                raise NotFound("that alert was not received here", hint="only received alerts are acknowledged")
            if not tables.inbox.set_state(alert_id, state, now=now):
                return False
            word = Word(row.sender, state, ReceiptItem(row.index, row.id, row.leaf))
            for receipt, signature in sign_words([word], self._identity.agency, key, now=now, officer=officer):
                tables.receipts.add(receipt, signature, now=now)
            return True

        return await self._store.write(commit)


def sign_again(receipt: bytes, key: SigningKey, *, now: int) -> tuple[bytes, bytes]:
    """The same words under another key and time: what the hub needs after the first key was retired on the way."""
    old = decode_receipt(receipt)
    return sign_receipt(Receipt(old.agency, key.key_id, old.sender, old.state, now, old.officer, old.items), key)
