"""What libraries draw at random and the vectors must nevertheless keep: openers and one sealed attachment."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import shake_256
from typing import Any

from schemas.envelope.attachment import open_attachment, seal_attachment
from schemas.envelope.opener import make_opener, open_opener, opener_id
from schemas.envelope.seal import PairKey
from schemas.errors import AttachmentUnreadable, OpenerUnknown
from schemas.ids import sha256
from schemas.keys import SealingKey

ATTACHMENT_KEY = sha256(b"the key of the attachment in the vectors")
ATTACHMENT_TEXT = b"A photograph would stand here.\n"


@dataclass
class Fixed:
    """The openers by what they bind, and the ciphertext; `dump` keeps only what this run used."""

    held: dict[str, bytes] = field(default_factory=dict)
    used: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def load(cls, value: dict[str, str]) -> Fixed:
        """From the committed file."""
        return cls({name: bytes.fromhex(text) for name, text in value.items()})

    def dump(self) -> dict[str, str]:
        """For the committed file."""
        return {name: self.used[name].hex() for name in sorted(self.used)}

    def pair(self, sender: str, recipient: str, sender_key_id: bytes, key: SealingKey) -> PairKey:
        """The pair key of two parties under these keys."""
        name = f"opener {sender} {sender_key_id.hex()} {recipient} {key.key_id.hex()}"
        bound: dict[str, Any] = {"sender": sender, "recipient": recipient, "sender_key_id": sender_key_id}
        secret = shake_256(name.encode()).digest(32)
        opener = self.held.get(name, b"")
        try:
            fits = open_opener(opener, **bound, keys=[key]) == secret
        except OpenerUnknown:
            fits = False
        if not fits:
            opener = make_opener(secret, **bound, recipient_public=key.public)
        self.held[name] = self.used[name] = opener
        return PairKey(recipient, secret, opener_id(opener), opener)

    def attachment(self) -> bytes:
        """`ATTACHMENT_TEXT` sealed under `ATTACHMENT_KEY`."""
        sealed = self.held.get("attachment", b"")
        try:
            fits = b"".join(open_attachment([sealed], ATTACHMENT_KEY, digest=sha256(sealed))) == ATTACHMENT_TEXT
        except AttachmentUnreadable:
            fits = False
        if not fits:
            sealed = b"".join(seal_attachment([ATTACHMENT_TEXT], ATTACHMENT_KEY))
        self.held["attachment"] = self.used["attachment"] = sealed
        return sealed
