"""Proof that governors, or an agency's administrators, signed two different files as one version: kept as it came."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from broker.durable import sync_folder, write_durably
from schemas.directory.metadata import decode_bundle
from schemas.errors import StorageFailed
from schemas.ids import sha256
from schemas.limits import MAX_CASES, MAX_CONFLICTING

if TYPE_CHECKING:
    from broker.draft import NewDirectory
    from broker.engines.port import Engine


def keep_conflict(folder: Path, role: str, version: int, *bundles: bytes) -> Path:
    """Write each bundle's metadata and target under `folder`, named by role, version and digest; returns the case.

    Anybody with the root's history can verify both files. Raises `StorageFailed`.
    """
    case = folder / f"{role}-{version}"
    try:
        case.mkdir(mode=0o700, parents=True, exist_ok=True)
        for bundle in bundles:
            parts, name = decode_bundle(bundle), sha256(bundle).hex()[:16]
            if sum(1 for _ in case.glob("*.metadata.json")) >= MAX_CONFLICTING:
                break  # they prove it already
            write_durably(case / f"{name}.metadata.json", parts.metadata, mode=0o600)
            if parts.target:
                write_durably(case / f"{name}.target.json", parts.target, mode=0o600)
        sync_folder(folder)
    except OSError as error:
        raise StorageFailed(f"the evidence of two files under one version cannot be kept in {case}: {error}") from error
    return case


def keep_contradiction(folder: Path, witness: str, when: int, files: Mapping[str, bytes]) -> Path:
    """Write what shows that a witness holds another history into a case of its own. Raises `StorageFailed`."""
    case = folder / f"witness-{witness}-{when}"
    if sum(1 for _ in folder.glob(f"witness-{witness}-*")) >= MAX_CASES:
        raise StorageFailed(
            f"{MAX_CASES} cases of evidence of {witness} are kept already", hint="Look at the first one."
        )
    try:
        case.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, data in files.items():
            write_durably(case / name, data, mode=0o600)
        sync_folder(folder)
    except OSError as error:
        raise StorageFailed(f"the evidence of {witness} cannot be kept in {case}: {error}") from error
    return case


def keep_heard(folder: Path, who: str, note: bytes) -> Path:
    """Keep a signed checkpoint of this log that goes beyond it, as `who` holds it. Raises `StorageFailed`."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        write_durably(folder / who, note, mode=0o600)
    except OSError as error:
        raise StorageFailed(f"the checkpoint of {who} cannot be kept in {folder}: {error}") from error
    return folder / who


def keep_against_log(engine: Engine, folder: Path, new: NewDirectory) -> Path | None:
    """Keep a bundle that conflicts with one in the log beside that one. Raises `StorageFailed`."""
    for activation in engine.activations(0):
        if (activation.role, activation.role_version) == (new.role, new.version):
            held = engine.blob(activation.digest)
            return keep_conflict(folder, new.role, new.version, *((held,) if held is not None else ()), new.bundle)
    return None
