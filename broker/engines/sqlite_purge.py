"""Deleting what purges name. What is small goes in the purge's own block; the rest is swept up later, bit by bit."""

from __future__ import annotations

import apsw

from broker.state import Purge

_PIECES = (
    "DELETE FROM piece WHERE key IN (SELECT p.key FROM attachment a JOIN piece p USING (digest) "
    "WHERE a.used = 2 LIMIT ?)"
)
_EMPTY = (
    "UPDATE attachment SET used = 3 WHERE used = 2 "
    "AND NOT EXISTS (SELECT 1 FROM piece WHERE piece.digest = attachment.digest)"
)
_OPENERS = "DELETE FROM opener WHERE id IN (SELECT id FROM opener WHERE until <= ? LIMIT ?) RETURNING id"


def purge(db: apsw.Connection, what: Purge) -> None:
    """Delete the body, and mark the attachments as deleted; the caller holds the block's transaction."""
    db.execute("UPDATE alert SET idle_since = NULL WHERE idx = ?", (what.index,))
    db.execute("DELETE FROM body WHERE idx = ?", (what.index,))
    db.executemany("UPDATE attachment SET used = 2 WHERE digest = ?", [(digest,) for digest in what.attachments])


def sweep(db: apsw.Connection, before: int, limit: int) -> int:
    """See `Engine.sweep`; the caller holds the transaction."""
    db.execute(_PIECES, (limit,))
    done = db.changes()
    if done < limit:
        db.execute(_EMPTY)
    openers = [identity for (identity,) in db.execute(_OPENERS, (before, limit - done))]
    db.executemany("DELETE FROM blob WHERE digest = ?", [(identity,) for identity in openers])
    return done + len(openers)
