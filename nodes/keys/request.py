"""A key document on its way to be signed: a directory bundle whose metadata is not, or not fully, signed yet.

The file that `bearing keys rotate` writes, that administrators carry and sign, and that is published at last is one and
the same form: the canonical bundle of docs/spec/directory.md. Signatures are added to it one at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # public, but no __all__ names it
from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]  # public, but the module names no __all__

from schemas.codec import Fields
from schemas.directory.agency_keys import AgencyKeys, encode_agency_keys, parse_agency_keys
from schemas.directory.authority import public_key_text, quorum_of
from schemas.directory.metadata import (
    Metadata,
    Targets,
    agency_path,
    check_target,
    decode_bundle,
    encode_bundle,
    expiry,
    read_targets,
    verify_delegate,
)
from schemas.directory.strict_json import load_json
from schemas.errors import BadId, DirectoryInvalid, DirectoryThreshold, Malformed
from schemas.ids import check_agency_id

SPEC_VERSION: Final = "1.0.31"
"""Of the TUF specification; named, so that a newer library does not change what is signed."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Request:
    """A key document with its metadata, read and consistent in itself; who signed it is not checked yet."""

    agency: str
    version: int
    expires: int
    """When the metadata ends, in ms."""
    keys: AgencyKeys
    bundle: bytes
    signed_by: tuple[str, ...]
    """Key ids whose signatures it carries."""


def draft_request(keys: AgencyKeys, *, version: int, expires: int) -> Request:
    """An unsigned request for a document, as metadata version `version` that ends at `expires` (ms)."""
    document, path = encode_agency_keys(keys), agency_path(keys.agency)
    signed = Targets(
        version=version,
        spec_version=SPEC_VERSION,
        expires=_EPOCH + timedelta(seconds=expires // 1_000),
        targets={path: TargetFile.from_data(path, document, ["sha256"])},
    )
    return read_request(encode_bundle(Metadata(signed).to_bytes(), document))


def read_request(bundle: bytes) -> Request:
    """Read a request, signed or not. Raises `DirectoryInvalid`."""
    metadata, keys = _read(bundle)
    return Request(
        agency=keys.agency,
        version=metadata.signed.version,
        expires=expiry(metadata),
        keys=keys,
        bundle=bundle,
        signed_by=tuple(keyid for keyid, signature in metadata.signatures.items() if signature.signature),
    )


def sign_request(bundle: bytes, seed: bytes) -> Request:
    """The request with the signature of the administrator's key `seed` added. Raises `DirectoryInvalid`."""
    metadata, keys = _read(bundle)
    metadata.sign(CryptoSigner(Ed25519PrivateKey.from_private_bytes(seed)), append=True)
    return read_request(encode_bundle(metadata.to_bytes(), encode_agency_keys(keys)))


def check_signatures(bundle: bytes, targets: Metadata[Targets]) -> None:
    """Check that enough of the administrators whom `targets` names signed.

    Raises `DirectoryThreshold`, whose hint names who could still sign; `DirectoryInvalid`.
    """
    metadata, keys = _read(bundle)
    try:
        verify_delegate(targets, keys.agency, metadata)
    except DirectoryThreshold as refusal:
        quorum = quorum_of(targets.signed, keys.agency)
        missing = [who.name for who in quorum.signatories if who.tuf_key().keyid not in metadata.signatures]
        asked = f"Have it signed with `bearing keys sign` by {' or '.join(missing)}." if missing else None
        raise DirectoryThreshold(refusal.message, hint=asked, **refusal.context) from None


def key_text(seed: bytes) -> str:
    """The public key of an administrator's seed as the governors enter it: ``ed25519:`` and hex."""
    return public_key_text(CryptoSigner(Ed25519PrivateKey.from_private_bytes(seed)).public_key)


def _read(bundle: bytes) -> tuple[Metadata[Targets], AgencyKeys]:
    parts = decode_bundle(bundle)
    document = load_json(parts.target, "the key document")
    try:
        agency = check_agency_id(Fields(document, "the key document").text("agency"))
    except (Malformed, BadId) as error:
        raise DirectoryInvalid("the key document names no agency") from error
    metadata = read_targets(parts.metadata, agency)
    check_target(metadata, parts.target)
    return metadata, parse_agency_keys(parts.target, agency)
