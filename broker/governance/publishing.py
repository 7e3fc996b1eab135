"""Brings a signed draft into force: checked against the repository, told to the hub, then written down.

Every step can be cut off and repeated: the signed files are fixed in the draft first, the hub answers the same to the
same bytes, and the repository changes as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from broker.durable import write_durably
from broker.evidence import keep_conflict
from broker.governance.drafting import Part, expected
from broker.governance.folder import SIGNED, OpenDraft
from broker.governance.lockout import check_lockout
from broker.governance.repository import (
    Files,
    RoleBundle,
    bundles,
    metadata_name,
    open_repository,
    read_files,
    roots,
    target_name,
    write_version,
)
from broker.governance.signing import assemble, check_met, demands
from schemas.directory.governed import governed_by
from schemas.directory.history import Directory, apply_bundle
from schemas.directory.metadata import ROOT, encode_bundle, read_root, read_targets
from schemas.errors import BadConfig, DirectoryConflict, DirectoryRefusal, DirectoryRollback

EVIDENCE = "evidence"
HandOver = Callable[[Sequence[RoleBundle]], object]


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published; `before` is what was in force until then."""

    before: Directory | None
    after: Directory
    roles: tuple[tuple[str, int], ...]


def publish(opened: OpenDraft, repository: Path, *, now: int, hand_over: HandOver | None = None) -> Publication:
    """Publish a draft that enough have signed.

    ``hand_over`` tells the hub of everything the repository is to hold, and is called before the repository changes.
    Raises `DirectoryThreshold` naming the missing signatures, `DirectoryRollback` if the repository has moved on,
    `DirectoryConflict` if it holds another file under the same version (both are then kept as evidence),
    `DirectoryLockout`, and what `apply_bundle` raises.
    """
    in_force = open_repository(repository)
    done = _holds(in_force, opened)
    if not done and dict(in_force) != dict(opened.in_force):
        _refuse_conflict(opened, in_force, repository)
        raise DirectoryRollback(
            "the repository has changed since the draft was made", hint="Draft again from the source file, and sign."
        )
    check_met(demands(opened.draft, opened.held, opened.signatures))
    files = _fixed(opened)
    after = opened.held
    for part in opened.draft.parts:
        bundle = encode_bundle(files[metadata_name(part.role)], part.target)
        trusted = (roots(in_force) or [files["root.json"]])[0] if after is None else b""
        after = apply_bundle(after, part.role, part.version, bundle, at=now, trusted_root=trusted)
    if after is None:
        raise BadConfig("the draft is empty")
    before = governed_by(opened.held) if opened.held is not None else None
    check_lockout(before, expected(opened.draft, opened.held), now)
    changed = _changes(opened.in_force, files)
    if hand_over is not None:
        hand_over(list(bundles({**opened.in_force, **changed})))
    if not done:
        write_version(repository, changed)
    return Publication(opened.held, after, tuple((part.role, part.version) for part in opened.draft.parts))


def _fixed(opened: OpenDraft) -> dict[str, bytes]:
    """The signed files, the same bytes at every call: what is put together first is kept in the draft."""
    kept = read_files(opened.folder / SIGNED)
    files: dict[str, bytes] = {}
    try:
        for part in opened.draft.parts:
            name = metadata_name(part.role)
            files[name] = kept.get(name) or assemble(part, opened.signatures.get(part.role, {}))
            if part.role != ROOT:
                files[target_name(part.role)] = part.target
            if name not in kept:
                path = opened.folder / SIGNED / name
                path.parent.mkdir(parents=True, exist_ok=True)
                write_durably(path, files[name])
    except OSError as error:
        raise BadConfig(f"{opened.folder} cannot be written: {error}") from error
    return files


def _changes(in_force: Files, files: Files) -> dict[str, bytes]:
    """The files to write; a root that is replaced stays under its number."""
    changed = dict(files)
    if "root.json" in files and "root.json" in in_force:
        held = in_force["root.json"]
        changed[f"{read_root(held).signed.version}.root.json"] = held
    return changed


def _holds(in_force: Files, opened: OpenDraft) -> bool:
    """Whether the repository holds exactly this draft already, as after a publication cut off at its end."""
    signed = read_files(opened.folder / SIGNED)
    return bool(signed) and {**opened.in_force, **_changes(opened.in_force, {**signed, **_targets(opened)})} == in_force


def _targets(opened: OpenDraft) -> dict[str, bytes]:
    return {target_name(part.role): part.target for part in opened.draft.parts if part.role != ROOT}


def _refuse_conflict(opened: OpenDraft, in_force: Files, repository: Path) -> None:
    """Two different signed files under one version convict their signers: keep both. Raises `DirectoryConflict`."""
    held = opened.held
    for part in opened.draft.parts:
        name = metadata_name(part.role)
        ours = assemble(part, opened.signatures.get(part.role, {}))
        bundle = encode_bundle(ours, part.target)
        try:
            held = apply_bundle(held, part.role, part.version, bundle, at=0, trusted_root=ours)
        except DirectoryRefusal:
            return  # not signed by enough, so it proves nothing
        if name in in_force and _differs(part, in_force[name]):
            target = in_force.get(target_name(part.role), b"") if part.role != ROOT else b""
            other = encode_bundle(in_force[name], target)
            where = keep_conflict(repository / EVIDENCE, part.role, part.version, other, bundle)
            raise DirectoryConflict(
                f"there are two different files signed as {part.role} version {part.version}; both are kept in {where}"
            )


def _differs(part: Part, held: bytes) -> bool:
    metadata = read_root(held) if part.role == ROOT else read_targets(held, part.role)
    same_version: bool = metadata.signed.version == part.version
    return same_version and metadata.signed_bytes != part.metadata.signed_bytes
