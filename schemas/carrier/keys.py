"""The hub's key for files on removable media: derived from the log's, so that there is no further one to keep.

Whoever has the log's key sits at the hub and sees every header there anyway; nothing else is sealed for this key.
"""

from __future__ import annotations

import hashlib
from typing import Final

from schemas.keys import SEED_SIZE, SealingKey

_PERSON: Final = b"xb1-carrier"


def carrier_key(log_seed: bytes) -> SealingKey:
    """The X-Wing key whose seed is BLAKE2b-256(key=seed of the log's Ed25519 key, person=`xb1-carrier`)."""
    return SealingKey(hashlib.blake2b(digest_size=SEED_SIZE, key=log_seed, person=_PERSON).digest())
