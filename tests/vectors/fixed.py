"""What libraries draw at random and the vectors must nevertheless keep: openers, a sealed attachment, ML-DSA-44."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import shake_256
from typing import Any

from schemas.envelope.attachment import open_attachment, seal_attachment
from schemas.envelope.opener import make_opener, open_opener, opener_id
from schemas.envelope.seal import PairKey
from schemas.errors import AttachmentUnreadable, BadSignature, OpenerUnknown
from schemas.ids import sha256
from schemas.keys import MlDsaKey, SealingKey, verify_ml_dsa

ATTACHMENT_KEY = sha256(b"the key of the attachment in the vectors")
ATTACHMENT_TEXT = b"A photograph would stand here.\n"


@dataclass
class Fixed:
    """What is kept, by what it binds; `dump` keeps only what this run used."""

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

    def ml_dsa(self, seed: bytes) -> MlDsaKey:
        """A key whose signatures are the kept ones."""
        return KeptKey(seed, self)


class KeptKey(MlDsaKey):
    """Signs a message it has signed before as it did then: ML-DSA-44 draws anew for every signature."""

    def __init__(self, seed: bytes, fixed: Fixed) -> None:
        super().__init__(seed)
        self._fixed = fixed

    def sign(self, message: bytes) -> bytes:
        """As every `MlDsaKey`, and kept."""
        name = f"ml-dsa-44 {self.key_id.hex()} {sha256(message).hex()}"
        signature = self._fixed.held.get(name, b"")
        try:
            verify_ml_dsa(self.public, message, signature)
        except BadSignature:
            signature = super().sign(message)
        self._fixed.held[name] = self._fixed.used[name] = signature
        return signature
