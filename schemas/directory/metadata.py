"""The signed side of the directory: TUF metadata, read strictly and verified by the ``tuf`` library.

Three kinds of role sign here. ``root`` names the governors' keys and thresholds. ``targets``, signed by the governors,
vouches for ``directory.json`` and delegates one role to each agency. The delegated role of an agency, signed by its
own administrators, vouches for ``agencies/<id>.json`` and nothing else. Timestamp and snapshot roles stay unused: order
and freshness come from the log. Source: TUF specification 1.0.31; signatures and thresholds are counted by ``tuf``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from securesystemslib.signer import Key, SSlibKey  # type: ignore[attr-defined]  # public, but no __all__ names them
from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import (  # type: ignore[attr-defined]  # public, but the module names no __all__
    Metadata,
    Root,
    Targets,
    VerificationResult,
)
from tuf.api.serialization import DeserializationError

from schemas.codec import decode, encode
from schemas.directory.strict_json import load_json
from schemas.errors import DirectoryExpired, DirectoryInvalid, DirectoryThreshold, EncodingRefusal
from schemas.limits import MAX_METADATA

__all__ = [
    "DIRECTORY_PATH",
    "MAX_BUNDLE",
    "ROOT",
    "TARGETS",
    "Bundle",
    "Metadata",
    "Root",
    "Targets",
    "agency_path",
    "check_expiry",
    "check_target",
    "decode_bundle",
    "delegated_agencies",
    "encode_bundle",
    "expiry",
    "read_root",
    "read_targets",
    "verify_delegate",
    "verify_root",
]

ROOT: Final = "root"
TARGETS: Final = "targets"
DIRECTORY_PATH: Final = "directory.json"
MAX_BUNDLE: Final = 2 * MAX_METADATA + 16
"""A metadata file, a target file and the encoding around them."""
MAX_METADATA_VERSION: Final = (1 << 53) - 1
"""The largest whole number that every JSON reader keeps exactly."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Signed = TypeVar("_Signed", Root, Targets)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A metadata file with the one target it vouches for (empty for root): the blob a directory entry commits to."""

    metadata: bytes
    target: bytes


def agency_path(agency: str) -> str:
    """The only target path an agency's role may sign."""
    return f"agencies/{agency}.json"


def encode_bundle(metadata: bytes, target: bytes = b"") -> bytes:
    """The canonical bytes of a bundle."""
    return encode([metadata, target])


def decode_bundle(data: bytes) -> Bundle:
    """Read a bundle. Raises `DirectoryInvalid`."""
    try:
        value = decode(data, max_size=MAX_BUNDLE, max_depth=1)
    except EncodingRefusal as error:
        raise DirectoryInvalid(f"the bundle does not decode: {error.message}") from error
    match value:
        case [bytes(metadata), bytes(target)] if max(len(metadata), len(target)) <= MAX_METADATA:
            return Bundle(metadata, target)
    raise DirectoryInvalid("a bundle is a list of metadata and target bytes, each within its limit")


def read_root(data: bytes) -> Metadata[Root]:
    """Read root metadata, not yet verified. Raises `DirectoryInvalid`."""
    metadata = _read(data, Root, "root")
    keys = metadata.signed.keys
    _check_keys(keys, "root")
    for name, role in metadata.signed.roles.items():
        _check_role(role.keyids, role.threshold, keys, f"root: role {name}")
    return metadata


def read_targets(data: bytes, role: str) -> Metadata[Targets]:
    """Read targets metadata of ``targets`` or of an agency's role, not yet verified. Raises `DirectoryInvalid`."""
    metadata = _read(data, Targets, role)
    signed = metadata.signed
    path = DIRECTORY_PATH if role == TARGETS else agency_path(role)
    if list(signed.targets) != [path]:
        raise DirectoryInvalid(f"{role} vouches for {sorted(signed.targets)!a}, not for {path} alone")
    if role == TARGETS:
        _check_delegations(signed)
    elif signed.delegations is not None:
        raise DirectoryInvalid(f"{role} delegates, which only the governors may")
    return metadata


def verify_root(new: Metadata[Root], old: Metadata[Root] | None) -> None:
    """Check that the thresholds of both the old and the new root signed the new one. Raises `DirectoryThreshold`."""
    payload, signatures = new.signed_bytes, new.signatures
    if old is not None:
        _require(old.signed.get_verification_result(ROOT, payload, signatures), "root, by the old root's keys,")
    _require(new.signed.get_verification_result(ROOT, payload, signatures), "root")


def verify_delegate(
    delegator: Metadata[Root] | Metadata[Targets], role: str, metadata: Metadata[Root] | Metadata[Targets]
) -> None:
    """Check that enough keys of ``role``, as ``delegator`` names them, signed.

    Raises `DirectoryThreshold`, or `DirectoryInvalid` if nothing is delegated to the role.
    """
    try:
        result = delegator.signed.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    except ValueError as error:
        raise DirectoryInvalid(f"the governors delegate nothing to {role[:80]!a}") from error
    _require(result, role)


def check_target(metadata: Metadata[Targets], target: bytes) -> None:
    """Check the target's length and hashes against the metadata that vouches for it. Raises `DirectoryInvalid`."""
    for path, vouched in metadata.signed.targets.items():
        if "sha256" not in vouched.hashes:
            raise DirectoryInvalid(f"{path} is vouched for without a SHA-256")
        try:
            vouched.verify_length_and_hashes(target)
        except LengthOrHashMismatchError as error:
            raise DirectoryInvalid(f"{path} is not the file vouched for: {error}") from error


def check_expiry(metadata: Metadata[Root] | Metadata[Targets], role: str, at: int) -> None:
    """Refuse metadata that is expired at the time ``at`` (ms). Raises `DirectoryExpired`."""
    if at >= expiry(metadata):
        raise DirectoryExpired(
            f"{role} version {metadata.signed.version} expired on {metadata.signed.expires:%Y-%m-%d}"
        )


def expiry(metadata: Metadata[Root] | Metadata[Targets]) -> int:
    """When the metadata expires, in ms."""
    return (metadata.signed.expires - _EPOCH) // timedelta(milliseconds=1)


def delegated_agencies(targets: Metadata[Targets]) -> tuple[str, ...]:
    """The agencies that the governors delegated a role to, sorted."""
    delegations = targets.signed.delegations
    return tuple(sorted(delegations.roles or ())) if delegations is not None else ()


def _read(data: bytes, kind: type[_Signed], role: str) -> Metadata[_Signed]:
    """Metadata of one kind, provided that the library read all of it and would write the same fields."""
    value = load_json(data, f"the metadata of {role}")
    try:
        metadata: Metadata[_Signed] = Metadata.from_bytes(data)
        rewritten = metadata.to_dict()
    except (DeserializationError, ValueError, TypeError, AttributeError) as error:
        raise DirectoryInvalid(f"the metadata of {role} is not TUF metadata") from error
    signed = metadata.signed
    if not isinstance(signed, kind):
        raise DirectoryInvalid(f"the metadata of {role} is of type {signed.type}")
    if rewritten != value or metadata.unrecognized_fields or signed.unrecognized_fields:
        raise DirectoryInvalid(f"the metadata of {role} has fields unknown to TUF")
    if type(signed.version) is not int or not 1 <= signed.version <= MAX_METADATA_VERSION:
        raise DirectoryInvalid(f"the metadata of {role} has no usable version number")
    return metadata


def _check_keys(keys: Mapping[str, Key], what: str) -> None:
    """Refuse one key under two ids, which would count twice towards a threshold."""
    if len({_identity(key, what) for key in keys.values()}) != len(keys):
        raise DirectoryInvalid(f"{what} lists one key under two ids")


def _check_role(keyids: Iterable[str], threshold: int, keys: Mapping[str, Key], what: str) -> None:
    missing = [keyid for keyid in keyids if keyid not in keys]
    if missing:
        raise DirectoryInvalid(f"{what} names a key that is not listed")
    if type(threshold) is not int or threshold > len(list(keyids)):
        raise DirectoryInvalid(f"{what} asks for more signatures than it has keys")


def _check_delegations(signed: Targets) -> None:
    """One terminating delegation for each agency, over exactly its own path, and no key shared between agencies."""
    delegations = signed.delegations
    if delegations is None or delegations.roles is None:
        raise DirectoryInvalid("targets delegates to nobody")
    _check_keys(delegations.keys, "targets")
    owner: dict[str, str] = {}
    for name, role in delegations.roles.items():
        if role.paths != [agency_path(name)] or role.terminating is not True:
            raise DirectoryInvalid(
                f"targets delegates to {name[:80]!a} other than {agency_path(name)[:80]!a}, terminating"
            )
        _check_role(role.keyids, role.threshold, delegations.keys, f"targets: the delegation to {name}")
        for keyid in role.keyids:
            if owner.setdefault(keyid, name) != name:
                raise DirectoryInvalid(f"targets gives {name} an administrator's key of {owner[keyid]}")


def _identity(key: Key, what: str) -> bytes:
    """The key itself, however it is written; only of schemes that ``cryptography`` verifies, and no other program."""
    if not isinstance(key, SSlibKey):
        raise DirectoryInvalid(f"{what} lists a key of scheme {key.scheme[:40]!a}, which is not accepted")
    public: str = key.keyval["public"]
    try:
        if key.keytype == "ed25519":
            raw = bytes.fromhex(public)
            if len(raw) != 32 or raw.hex() != public:
                raise ValueError("not 32 bytes in lower-case hex")
            return raw
        return load_pem_public_key(public.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise DirectoryInvalid(f"{what} lists a key that cannot be read: {str(error)[:80]}") from error


def _require(result: VerificationResult, what: str) -> None:
    if not result.verified:
        raise DirectoryThreshold(
            f"{what} is signed by {len(result.signed)} of the {result.threshold} keys it needs",
            signed=len(result.signed),
            needed=result.threshold,
        )
