"""Who may sign a role: named public keys and how many of them it takes.

A public key is written on one line, to be read out and compared: ``ed25519:`` and 64 hex digits, or ``p256:`` or
``p384:`` and the compressed point (SEC 1, section 2.3.3) in hex. The holder's name stands beside the key in the
metadata, under `HOLDER`, where the governors sign it with all the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from securesystemslib.signer import Key, SSlibKey  # type: ignore[attr-defined]  # public, but no __all__ names them
from tuf.api.metadata import Root, Targets  # type: ignore[attr-defined]  # public, but no __all__ names them

from schemas.errors import DirectoryInvalid, Malformed
from schemas.keys import ED25519_PUBLIC_SIZE

HOLDER: Final = "x-crossbearing-holder"
"""The field of a TUF key that names its holder."""

KEY_FILE: Final = "crossbearing/governor-key/1"
"""The form of a file that holds a signatory's secret key under a passphrase (`schemas.sealed`)."""

_TEXT = re.compile(r"(ed25519|p256|p384):([0-9a-f]{64,98})")
_CURVES: Final[Mapping[str, ec.EllipticCurve]] = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1()}
_SCHEMES: Final = {"p256": "ecdsa-sha2-nistp256", "p384": "ecdsa-sha2-nistp384"}


@dataclass(frozen=True, slots=True)
class Signatory:
    """A person or office with a key."""

    name: str
    key: str
    """The key's text form, which is the same for the same key."""

    def tuf_key(self) -> SSlibKey:
        """The key as TUF metadata lists it, with its holder's name."""
        key = parse_public_key(self.key)
        key.unrecognized_fields[HOLDER] = self.name
        return key


@dataclass(frozen=True, slots=True)
class Quorum:
    """``threshold`` of the signatories sign together."""

    threshold: int
    signatories: tuple[Signatory, ...]

    def __str__(self) -> str:
        return f"{self.threshold} of {len(self.signatories)}"


def make_quorum(threshold: int, signatories: Iterable[Signatory]) -> Quorum:
    """A quorum that can be met, of different people with different keys. Raises `Malformed`."""
    members = tuple(signatories)
    for what, values in (("name", [m.name for m in members]), ("key", [m.key for m in members])):
        doubled = sorted({value for value in values if values.count(value) > 1})
        if doubled:
            raise Malformed(f"the {what} {doubled[0]} is there twice")
    if not 1 <= threshold <= len(members):
        raise Malformed(f"threshold {threshold} cannot be reached with {len(members)} keys")
    return Quorum(threshold, members)


def quorum_of(delegator: Root | Targets, role: str) -> Quorum:
    """Who signs `role`, according to root metadata or to the delegations of targets metadata.

    Raises `DirectoryInvalid` if the role is delegated to nobody.
    """
    try:
        delegated = delegator.get_delegated_role(role)
        members = [_signatory(delegator.get_key(keyid)) for keyid in delegated.keyids]
    except ValueError as error:
        raise DirectoryInvalid(f"nobody is named to sign {role[:80]!a}") from error
    return Quorum(delegated.threshold, tuple(members))


def parse_public_key(text: str) -> SSlibKey:
    """The TUF key that a text names. Raises `Malformed`."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise Malformed("a public key is written ed25519:, p256: or p384: and lower-case hex")
    kind, data = match[1], bytes.fromhex(match[2]) if len(match[2]) % 2 == 0 else b""
    try:
        if kind == "ed25519":
            if len(data) != ED25519_PUBLIC_SIZE:
                raise ValueError("32 bytes are needed")
            return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(data))
        if data[:1] not in (b"\x02", b"\x03"):
            raise ValueError("the point is not compressed")
        point = ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[kind], data)
        return SSlibKey.from_crypto(point, scheme=_SCHEMES[kind])
    except ValueError as error:
        raise Malformed(f"{text[:20]}… is no {kind} key: {error}") from error


def public_key_text(key: Key) -> str:
    """The text form of a TUF key. Raises `DirectoryInvalid` for a kind that has none."""
    public: str = key.keyval["public"]
    if key.keytype == "ed25519":
        return f"ed25519:{public}"
    for kind, scheme in _SCHEMES.items():
        if key.scheme == scheme:
            loaded = load_pem_public_key(public.encode())
            return f"{kind}:{loaded.public_bytes(Encoding.X962, PublicFormat.CompressedPoint).hex()}"
    raise DirectoryInvalid(f"a key of scheme {key.scheme[:40]!a} has no text form here")


def _signatory(key: Key) -> Signatory:
    name = key.unrecognized_fields.get(HOLDER)
    text = public_key_text(key)
    return Signatory(name if isinstance(name, str) and name else f"holder of {text[:20]}…", text)
