"""Who must sign a draft, who has, and how to sign. Whether it is enough in the end, the `tuf` library decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import Signature, Signer  # type: ignore[attr-defined]  # public, but no __all__ names them

from broker.governance.drafting import Draft, Part
from schemas.directory.authority import Quorum, public_key_text, quorum_of
from schemas.directory.history import Directory
from schemas.directory.metadata import ROOT, TARGETS
from schemas.errors import BadSignature, DirectoryInvalid, DirectoryThreshold, UnknownKey

Signatures = Mapping[str, Mapping[str, str]]
"""Signatures in hex, by role and then by key id."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one quorum still owes a part of the draft."""

    role: str
    who: str
    quorum: Quorum
    signed: tuple[str, ...] = field(default=())
    """Names of those whose signature is there."""

    @property
    def met(self) -> bool:
        """Whether enough have signed."""
        return len(self.signed) >= self.quorum.threshold

    def sentence(self) -> str:
        """How it stands, with names."""
        needed = self.quorum.threshold - len(self.signed)
        signed = f"signed by {', '.join(self.signed)}" if self.signed else "signed by nobody"
        if needed <= 0:
            return f"{self.role}: {self.who}, {self.quorum}: {signed}; enough"
        others = [m.name for m in self.quorum.signatories if m.name not in self.signed]
        return f"{self.role}: {self.who}, {self.quorum}: {signed}; {needed} more of {', '.join(others)}"


def demands(draft: Draft, held: Directory | None, signatures: Signatures) -> list[Demand]:
    """Everything that is to be signed, in order."""
    return [
        Demand(part.role, who, quorum, _signed(quorum, signatures.get(part.role, {})))
        for part in draft.parts
        for who, quorum in _quorums(part, draft, held)
    ]


def check_met(found: Iterable[Demand]) -> None:
    """Refuse while signatures are missing, naming them. Raises `DirectoryThreshold`."""
    missing = [demand.sentence() for demand in found if not demand.met]
    if missing:
        raise DirectoryThreshold("signatures are missing. " + ". ".join(missing))


def sign(draft: Draft, held: Directory | None, signer: Signer) -> dict[str, Signature]:
    """A signature for each part that the signer's key may sign, by role. Raises `UnknownKey` when there is none."""
    keyid = signer.public_key.keyid
    made = {
        part.role: signer.sign(part.metadata.signed_bytes)
        for part in draft.parts
        if keyid in _keyids(part, draft, held)
    }
    if not made:
        raise UnknownKey(
            f"the key {public_key_text(signer.public_key)} may sign nothing of this draft",
            hint="Use the key of a governor or administrator that the draft names, or ask to be made one.",
        )
    return made


def check_signature(draft: Draft, held: Directory | None, role: str, keyid: str, signature: str) -> None:
    """Check one signature that lies with a draft. Raises `UnknownKey` or `BadSignature`."""
    part = draft.part(role)
    if part is None:
        raise DirectoryInvalid(f"there is a signature for {role[:80]!a}, which this draft does not change")
    for _, quorum in _quorums(part, draft, held):
        for member in quorum.signatories:
            key = member.tuf_key()
            if key.keyid != keyid:
                continue
            try:
                key.verify_signature(Signature(keyid, signature), part.metadata.signed_bytes)
            except (UnverifiedSignatureError, VerificationError, ValueError) as error:
                raise BadSignature(f"the signature of {member.name} on {role} does not verify") from error
            return
    raise UnknownKey(f"the signature {keyid[:16]} on {role} is by nobody who may sign it")


def assemble(part: Part, signatures: Mapping[str, str]) -> bytes:
    """The signed metadata file of a part."""
    for keyid, signature in sorted(signatures.items()):
        part.metadata.signatures[keyid] = Signature(keyid, signature)
    metadata: bytes = part.metadata.to_bytes()
    return metadata


def _quorums(part: Part, draft: Draft, held: Directory | None) -> list[tuple[str, Quorum]]:
    root = draft.root or (held.root if held is not None else None)
    if root is None:
        raise DirectoryInvalid("a first directory begins with its root")
    if part.role == ROOT:
        new = quorum_of(root.signed, ROOT)
        if held is None:
            return [("governors", new)]
        old = quorum_of(held.root.signed, ROOT)
        same = (old.threshold, {m.key for m in old.signatories}) == (new.threshold, {m.key for m in new.signatories})
        return [("governors", new)] if same else [("governors so far", old), ("new governors", new)]
    if part.role == TARGETS:
        return [("governors", quorum_of(root.signed, TARGETS))]
    targets = draft.targets or (held.targets if held is not None else None)
    if targets is None:
        raise DirectoryInvalid("an agency's keys come before the governors' first document")
    return [("administrators", quorum_of(targets.signed, part.role))]


def _keyids(part: Part, draft: Draft, held: Directory | None) -> set[str]:
    return {m.tuf_key().keyid for _, quorum in _quorums(part, draft, held) for m in quorum.signatories}


def _signed(quorum: Quorum, signatures: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(m.name for m in quorum.signatories if m.tuf_key().keyid in signatures)
