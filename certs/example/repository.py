"""The example directory as TUF metadata: root and targets by 3 of 5 governors, one delegated role per agency.

Built and signed with the `tuf` and `securesystemslib` libraries; Ed25519 signatures are deterministic and signers are
added in one order, so the files are the same at every run. Timestamp and snapshot roles, which the format demands,
belong to the governors too and sign nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]  # public, but no __all__
from tuf.api.metadata import (  # type: ignore[attr-defined]  # public, but no __all__ names them
    DelegatedRole,
    Delegations,
    Metadata,
    Role,
    Root,
    TargetFile,
    Targets,
)
from tuf.api.serialization.json import JSONSerializer

from certs.example.pki import NOT_AFTER
from schemas.example import example_seed

GOVERNORS = tuple(f"governor-{n}" for n in range(1, 6))
GOVERNORS_NEEDED = 3
ADMINISTRATORS = ("administrator-1", "administrator-2")
ADMINISTRATORS_NEEDED = 1
TOP_LEVEL_ROLES = ("root", "targets", "timestamp", "snapshot")
SPEC_VERSION = "1.0.31"
"""Of the TUF specification; given, so that a newer library does not change the files."""

_Signed = TypeVar("_Signed", Root, Targets)


def build(directory: bytes, agency_documents: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the repository's files by path, from the directory document and each agency's key document."""
    files = {
        "root.json": _sign(_root(), _governors()[:GOVERNORS_NEEDED]),
        "targets.json": _sign(_targets(directory, sorted(agency_documents)), _governors()[:GOVERNORS_NEEDED]),
        "directory.json": directory,
    }
    for agency, document in sorted(agency_documents.items()):
        path = f"agencies/{agency}.json"
        vouched = {path: TargetFile.from_data(path, document, ["sha256"])}
        role = Targets(version=1, spec_version=SPEC_VERSION, expires=NOT_AFTER, targets=vouched)
        files[f"metadata/{agency}.json"] = _sign(role, _administrators(agency)[:ADMINISTRATORS_NEEDED])
        files[path] = document
    return files


def _root() -> Root:
    root = Root(
        version=1,
        spec_version=SPEC_VERSION,
        expires=NOT_AFTER,
        roles={name: Role([], GOVERNORS_NEEDED) for name in TOP_LEVEL_ROLES},
        consistent_snapshot=False,
    )
    for name in TOP_LEVEL_ROLES:
        for governor in _governors():
            root.add_key(governor.public_key, name)
    return root


def _targets(directory: bytes, agencies: Sequence[str]) -> Targets:
    path = "directory.json"
    roles = {
        agency: DelegatedRole(agency, [], ADMINISTRATORS_NEEDED, terminating=True, paths=[f"agencies/{agency}.json"])
        for agency in agencies
    }
    targets = Targets(
        version=1,
        spec_version=SPEC_VERSION,
        expires=NOT_AFTER,
        targets={path: TargetFile.from_data(path, directory, ["sha256"])},
        delegations=Delegations(keys={}, roles=roles),
    )
    for agency in agencies:
        for administrator in _administrators(agency):
            targets.add_key(administrator.public_key, agency)
    return targets


def _sign(signed: _Signed, signers: Sequence[CryptoSigner]) -> bytes:
    metadata = Metadata(signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes(JSONSerializer(compact=False)) + b"\n"


def _governors() -> list[CryptoSigner]:
    return [_signer(governor, "governance", owner=governor) for governor in GOVERNORS]


def _administrators(agency: str) -> list[CryptoSigner]:
    return [_signer(agency, purpose, owner=f"{agency} {purpose}") for purpose in ADMINISTRATORS]


def _signer(name: str, purpose: str, *, owner: str) -> CryptoSigner:
    key = Ed25519PrivateKey.from_private_bytes(example_seed(name, purpose))
    public = SSlibKey.from_crypto(key.public_key())
    public.unrecognized_fields["x-crossbearing-holder"] = f"EXAMPLE {owner}"
    return CryptoSigner(key, public)
