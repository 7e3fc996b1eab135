"""The secrets of pair keys that others made for us: remembered, opened from what came with the alert, or fetched.

Opening an opener costs a post-quantum decapsulation, once per sender and day; every later alert finds the secret in
memory or in the store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from nodes.identity import Identity
from nodes.store.openers import OpenerRow
from schemas.envelope.opener import OPENER_SIZE, open_opener, opener_id
from schemas.errors import NotFound, OpenerUnknown
from schemas.limits import MAX_KNOWN_OPENERS

if TYPE_CHECKING:
    from schemas.envelope.header import Header


Fetch = Callable[[bytes], Awaitable[bytes]]


class Keyring:
    """Finds pair secrets. `fetch` asks the hub for an opener by its id and raises NotFound when it has none."""

    def __init__(self, identity: Identity, fetch: Fetch) -> None:
        self._identity = identity
        self._fetch = fetch
        self._known: dict[bytes, OpenerRow] = {}

    def remember(self, rows: Sequence[OpenerRow]) -> None:
        """Take in secrets from the store, or newly committed to it."""
        for row in rows:
            self._known[row.opener_id] = row
        while len(self._known) > MAX_KNOWN_OPENERS:
            del self._known[next(iter(self._known))]

    def knows(self, wanted: bytes) -> bool:
        """Whether that opener's secret is in memory."""
        return wanted in self._known

    async def openers_for(self, header: Header, sent: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """The opener that starts our pair key in `header`, by id: of those sent along, else fetched; empty if known."""
        wanted = own_opener_id(header, self._identity.agency)
        if wanted is None or wanted in self._known:
            return {}
        for opener in sent:
            if opener_id(opener) == wanted:
                return {wanted: opener}
        try:
            opener = await self._fetch(wanted)
        except NotFound:
            return {}
        return {wanted: opener}

    def secret(
        self, wanted: bytes, sender: str, sender_key: bytes, *, openers: Mapping[bytes, bytes]
    ) -> tuple[bytes, OpenerRow | None]:
        """The pair secret, and the row to keep when it is new. Raises OpenerUnknown.

        A secret counts only for the sender and signing key whose opener it came in.
        """
        row = self._known.get(wanted)
        if row is not None:
            if (row.sender, row.sender_key) != (sender, sender_key):
                raise OpenerUnknown("the opener named was made by another sender or under another of its keys")
            return row.secret, None
        opener = openers.get(wanted)
        if opener is None or len(opener) != OPENER_SIZE or opener_id(opener) != wanted:
            raise OpenerUnknown(f"the hub holds no opener {wanted.hex()}")
        secret = open_opener(
            opener,
            sender=sender,
            recipient=self._identity.agency,
            sender_key_id=sender_key,
            keys=self._identity.sealing_keys,
        )
        return secret, OpenerRow(wanted, sender, sender_key, secret)


def own_opener_id(header: Header, agency: str) -> bytes | None:
    """The opener id that a header gives for `agency`, or None when it is no recipient."""
    recipient = header.recipient(agency)
    return recipient.opener_id if recipient is not None else None
