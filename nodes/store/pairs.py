"""Pair keys this agency made, one current per recipient, with the opener that carries each to its recipient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import apsw

from schemas.limits import PAIR_KEY_ALERTS


@dataclass(frozen=True, slots=True)
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


_SELECT = "SELECT opener_id, recipient, secret, opener, sealing_key, signing_key, created, uses, known FROM pair"


class Pairs:
    """Writes pair keys and finds them again."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    def newest(self, recipient: str) -> PairRow | None:
        """The pair key made last for this recipient."""
        row = self._db.execute(
            _SELECT + " WHERE recipient = ? ORDER BY created DESC, opener_id LIMIT 1", (recipient,)
        ).fetchone()
        return None if row is None else _pair(row)

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

    def use(self, opener_ids: Sequence[bytes]) -> None:
        """Count one alert sealed with each of these."""
        self._db.executemany("UPDATE pair SET uses = uses + 1 WHERE opener_id = ?", [(i,) for i in opener_ids])

    def get(self, opener_ids: Sequence[bytes]) -> list[PairRow]:
        """Those of the given pair keys that are held, in the order given."""
        rows = (self._db.execute(_SELECT + " WHERE opener_id = ?", (i,)).fetchone() for i in opener_ids)
        return [_pair(row) for row in rows if row is not None]

    def set_known(self, opener_ids: Sequence[bytes], *, known: bool) -> None:
        """Whether the hub holds these openers: an accepted alert proves it, `opener-missing` the contrary."""
        self._db.executemany("UPDATE pair SET known = ? WHERE opener_id = ?", [(int(known), i) for i in opener_ids])

    def retire(self) -> None:
        """No further alert is sealed with any of these; they are kept for disclosures."""
        self._db.execute("UPDATE pair SET uses = ?", (PAIR_KEY_ALERTS,))

    def prune(self, before: int) -> None:
        """Forget pair keys made before that time (ms); keep it well past their life and the longest outage."""
        self._db.execute("DELETE FROM pair WHERE created < ?", (before,))


def _pair(row: tuple[apsw.SQLiteValue, ...]) -> PairRow:
    pair = PairRow(*row)  # type: ignore[arg-type]  # the columns' types are the table's
    return replace(pair, known=bool(pair.known))
