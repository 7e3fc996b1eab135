"""Pair keys this agency made, one current per recipient, with the opener that carries each to its recipient.

Every alert names one of each of its recipients, so those in use are held in memory too. How often one was used is
written ahead, `AHEAD` uses at a time: what the table says is never less than what was sealed, so that a pair key's
allowance is kept whatever happens, and a restart costs it at most so many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import apsw

from schemas.limits import PAIR_KEY_ALERTS, PAIR_KEY_LIFE_MS

if TYPE_CHECKING:
    from schemas.envelope.seal import PairKey
    from schemas.routing.resolve import Resolution

AHEAD: Final = 64
"""Uses of a pair key that are written at once: of its 10,000 few are lost at a restart, and one write in 64 is left."""


@dataclass(slots=True)
class PairRow:
    """A pair key. `sealing_key` and `signing_key` are the key ids it is bound to; `known`: the hub has its opener."""

    opener_id: bytes
    recipient: str
    secret: bytes
    opener: bytes
    sealing_key: bytes
    signing_key: bytes
    created: int
    uses: int
    known: bool


@dataclass(frozen=True, slots=True)
class LastUsed:
    """The pair keys of `rows`, of all recipients of `resolution`, go with our signing key of that id."""

    resolution: Resolution
    signing_key: bytes
    rows: tuple[PairRow, ...]
    pairs: Mapping[str, PairKey]
    opener_ids: tuple[bytes, ...]
    since: int
    until: int

    @classmethod
    def of(
        cls, resolution: Resolution, signing_key: bytes, rows: Sequence[PairRow], pairs: Mapping[str, PairKey]
    ) -> LastUsed:
        """Those of `rows`: they live together from when the youngest was made to when the oldest ends (ms)."""
        since, until = max(row.created for row in rows), min(row.created for row in rows) + PAIR_KEY_LIFE_MS
        return cls(resolution, signing_key, tuple(rows), pairs, tuple(row.opener_id for row in rows), since, until)

    def live(self, now: int) -> bool:
        """Whether all of them may be used once more."""
        return self.since <= now < self.until and max(map(_USES, self.rows)) < PAIR_KEY_ALERTS


_USES = attrgetter("uses")
_SELECT = "SELECT opener_id, recipient, secret, opener, sealing_key, signing_key, created, uses, known FROM pair"


class Pairs:
    """Writes pair keys and finds them again."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._newest: dict[str, PairRow] = {}
        self._rows: dict[bytes, PairRow] = {}  # those of `_newest`, by opener id
        self._written: dict[bytes, int] = {}  # uses that the table counts already
        self.last: LastUsed | None = None

    def forget(self) -> None:
        """Believe the table alone: something was rolled back, or changed behind what is held in memory."""
        self._newest.clear()
        self._rows.clear()
        self._written.clear()
        self.last = None

    def newest(self, recipient: str) -> PairRow | None:
        """The pair key made last for this recipient."""
        held = self._newest.get(recipient)
        if held is not None:
            return held
        row = self._db.execute(
            _SELECT + " WHERE recipient = ? ORDER BY created DESC, opener_id LIMIT 1", (recipient,)
        ).fetchone()
        if row is None:
            return None
        pair = self._newest[recipient] = _pair(row)
        self._rows[pair.opener_id] = pair
        self._written[pair.opener_id] = pair.uses
        return pair

    def add(self, pair: PairRow) -> None:
        """Keep a new pair key."""
        self._db.execute(
            "INSERT INTO pair (opener_id, recipient, secret, opener, sealing_key, signing_key, created, uses, known) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                pair.opener_id,
                pair.recipient,
                pair.secret,
                pair.opener,
                pair.sealing_key,
                pair.signing_key,
                pair.created,
                pair.uses,
                int(pair.known),
            ),
        )
        self.last = None
        before = self._newest.pop(pair.recipient, None)
        if before is not None:
            self._rows.pop(before.opener_id, None)
            self._written.pop(before.opener_id, None)

    def use(self, opener_ids: Sequence[bytes]) -> None:
        """Count one alert sealed with each of these."""
        ahead: list[tuple[int, bytes]] = []
        for opener_id in opener_ids:
            pair = self._rows.get(opener_id)
            if pair is None:  # not in use any more
                self._db.execute("UPDATE pair SET uses = uses + 1 WHERE opener_id = ?", (opener_id,))
                continue
            pair.uses += 1
            if pair.uses > self._written[opener_id]:
                # Never beyond the allowance: the use that reaches it is the last, and is to be seen after a restart.
                self._written[opener_id] = max(pair.uses, min(pair.uses - 1 + AHEAD, PAIR_KEY_ALERTS))
                ahead.append((self._written[opener_id], opener_id))
        if ahead:
            self._db.executemany("UPDATE pair SET uses = ? WHERE opener_id = ?", ahead)

    def get(self, opener_ids: Sequence[bytes]) -> list[PairRow]:
        """Those of the given pair keys that are held, in the order given."""
        found = []
        for opener_id in opener_ids:
            pair = self._rows.get(opener_id)
            if pair is None:
                row = self._db.execute(_SELECT + " WHERE opener_id = ?", (opener_id,)).fetchone()
                pair = None if row is None else _pair(row)
            if pair is not None:
                found.append(pair)
        return found

    def set_known(self, opener_ids: Sequence[bytes], *, known: bool) -> None:
        """Whether the hub holds these openers: an accepted alert proves it, `opener-missing` the contrary."""
        changed = []
        for opener_id in opener_ids:
            pair = self._rows.get(opener_id)
            if pair is None or pair.known is not known:
                changed.append((int(known), opener_id))
            if pair is not None:
                pair.known = known
        if changed:
            self._db.executemany("UPDATE pair SET known = ? WHERE opener_id = ?", changed)

    def retire(self) -> None:
        """No further alert is sealed with any of these; they are kept for disclosures."""
        self._db.execute("UPDATE pair SET uses = ?", (PAIR_KEY_ALERTS,))
        self.forget()

    def prune(self, before: int) -> None:
        """Forget pair keys made before that time (ms); keep it well past their life and the longest outage."""
        self._db.execute("DELETE FROM pair WHERE created < ?", (before,))
        self.forget()


def _pair(row: tuple[apsw.SQLiteValue, ...]) -> PairRow:
    pair = PairRow(*row)  # type: ignore[arg-type]  # the columns' types are the table's
    pair.known = bool(pair.known)
    return pair
