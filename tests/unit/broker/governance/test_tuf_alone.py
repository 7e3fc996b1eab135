"""A directory made by another hand: with python-tuf's own objects, step by step as its repository tutorial does.

Nothing of `broker.governance` builds or signs here. Source: examples/manual_repo of python-tuf.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # public, but no __all__ names it
from tuf.api.metadata import (  # type: ignore[attr-defined]  # public, but no __all__ names them
    DelegatedRole,
    Delegations,
    Metadata,
    Root,
    TargetFile,
    Targets,
)
from tuf.api.serialization.json import JSONSerializer

from broker.governance.repository import bundles, open_repository, replay
from schemas.directory.documents import encode_agency_keys, encode_directory
from schemas.directory.governed import governed_by
from schemas.directory.history import Directory, apply_bundle
from schemas.directory.metadata import encode_bundle
from schemas.errors import DirectoryThreshold
from tests.support.directory import NOW, make_world

EXPIRY = datetime(2027, 6, 1, tzinfo=UTC)
PRETTY = JSONSerializer(compact=False)


class AnotherHand:
    """Two Ed25519 governors and one on P-256; two of them sign. Each agency has one administrator on P-256."""

    def __init__(self, folder: Path) -> None:
        self.world = make_world(publish=False)
        self.folder = folder
        self.governors = [
            CryptoSigner.generate_ed25519(),
            CryptoSigner.generate_ed25519(),
            CryptoSigner.generate_ecdsa(),
        ]
        self.administrators = {name: CryptoSigner.generate_ecdsa() for name in self.world.document.agencies}
        self.roles: dict[str, Metadata[Any]] = {}

    def targets(self) -> None:
        data = encode_directory(self.world.document)
        targets = Metadata(Targets(expires=EXPIRY))
        targets.signed.targets["directory.json"] = TargetFile.from_data("directory.json", data)
        roles: dict[str, DelegatedRole] = {}
        for name in self.administrators:
            roles[name] = DelegatedRole(name, [], 1, terminating=True, paths=[f"agencies/{name}.json"])
        targets.signed.delegations = Delegations(keys={}, roles=roles)
        for name, administrator in self.administrators.items():
            targets.signed.add_key(administrator.public_key, name)
        self.roles["targets"] = targets
        (self.folder / "directory.json").write_bytes(data)

    def agencies(self) -> None:
        for name in self.administrators:
            path, data = f"agencies/{name}.json", encode_agency_keys(self.world.keys[name])
            metadata = Metadata(Targets(expires=EXPIRY))
            metadata.signed.targets[path] = TargetFile.from_data(path, data)
            self.roles[name] = metadata
            for folder in ("agencies", "metadata"):
                (self.folder / folder).mkdir(exist_ok=True)
            (self.folder / path).write_bytes(data)

    def root(self) -> None:
        root = Metadata(Root(expires=EXPIRY, consistent_snapshot=False))
        for role in ("root", "timestamp", "snapshot", "targets"):
            for governor in self.governors:
                root.signed.add_key(governor.public_key, role)
            root.signed.roles[role].threshold = 2
        self.roles["root"] = root

    def sign_and_persist(self) -> None:
        for name, metadata in self.roles.items():
            signers = [self.administrators[name]] if name in self.administrators else self.governors[1:]
            for signer in signers:
                metadata.sign(signer, append=True)
            where = f"metadata/{name}.json" if name in self.administrators else f"{name}.json"
            metadata.to_file(str(self.folder / where), PRETTY)

    def rotate_root(self) -> None:
        """The tutorial's root rotation: a key goes, a key comes, and old and new keys sign."""
        root, gone, new = self.roles["root"], self.governors[1], CryptoSigner.generate_ed25519()
        (self.folder / "1.root.json").write_bytes((self.folder / "root.json").read_bytes())
        for role in ("root", "timestamp", "snapshot", "targets"):
            root.signed.revoke_key(gone.public_key.keyid, role)
            root.signed.add_key(new.public_key, role)
        root.signed.version += 1
        root.signatures.clear()
        for signer in (self.governors[0], self.governors[2], gone, new):
            root.sign(signer, append=True)
        root.to_file(str(self.folder / "root.json"), PRETTY)


@pytest.fixture
def other(tmp_path: Path) -> AnotherHand:
    hand = AnotherHand(tmp_path)
    hand.targets()
    hand.agencies()
    hand.root()
    hand.sign_and_persist()
    return hand


def test_it_is_accepted(other: AnotherHand) -> None:
    directory = replay(open_repository(other.folder))
    assert directory is not None
    assert directory.document == other.world.document
    assert dict(directory.keys) == other.world.keys
    assert str(governed_by(directory).governors) == "2 of 3"


def test_it_is_accepted_entry_by_entry_as_a_log_would(other: AnotherHand) -> None:
    directory: Directory | None = None
    trusted = (other.folder / "root.json").read_bytes()
    for found in bundles(open_repository(other.folder)):
        directory = apply_bundle(directory, found.role, found.version, found.bundle, at=NOW, trusted_root=trusted)
    assert directory is not None
    assert directory.version == 5


def test_its_next_root_is_accepted(other: AnotherHand) -> None:
    other.rotate_root()
    # The targets were signed by a governor who has left; the remaining two sign them again.
    targets = other.roles["targets"]
    targets.signatures.clear()
    for signer in (other.governors[0], other.governors[2]):
        targets.sign(signer, append=True)
    targets.to_file(str(other.folder / "targets.json"), PRETTY)
    directory = replay(open_repository(other.folder))
    assert directory is not None
    assert directory.versions()["root"] == 2


def test_one_signature_less_is_too_few(other: AnotherHand) -> None:
    targets = other.roles["targets"]
    del targets.signatures[other.governors[1].public_key.keyid]
    data = targets.to_bytes(PRETTY)
    directory = replay({"root.json": (other.folder / "root.json").read_bytes()})
    bundle = encode_bundle(data, (other.folder / "directory.json").read_bytes())
    with pytest.raises(DirectoryThreshold, match="1 of the 2"):
        apply_bundle(directory, "targets", 1, bundle, at=NOW, trusted_root=b"")
