"""The repository folder: the newest signed files of every role, and every root there ever was.

    1.root.json … N.root.json, root.json, targets.json, directory.json, metadata/<agency>.json, agencies/<agency>.json

A new version replaces several files at once. They are first written beside the folder's own as ``.next``, whole, then
moved into place one by one; whoever opens the folder after a crash in between finishes the moving.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker.durable import sync_folder, write_durably
from schemas.directory.metadata import (
    DIRECTORY_PATH,
    ROOT,
    TARGETS,
    agency_path,
    delegated_agencies,
    encode_bundle,
    read_root,
    read_targets,
)
from schemas.directory.state import Directory, apply_bundle
from schemas.errors import BadConfig, DirectoryInvalid, DirectoryThreshold
from schemas.limits import MAX_METADATA

Files = Mapping[str, bytes]
"""Files by their path in the folder."""

_NAME: Final = re.compile(
    r"(root|targets|directory|[1-9][0-9]{0,8}\.root)\.json|(metadata|agencies)/[a-z]{2}-[a-z0-9-]{1,29}\.json"
)
_NEXT, _UNFINISHED = ".next", ".next.part"


@dataclass(frozen=True, slots=True)
class RoleBundle:
    """One role's files as the log takes them."""

    role: str
    version: int
    bundle: bytes


def metadata_name(role: str) -> str:
    """The file that holds the newest metadata of a role."""
    return f"{role}.json" if role in (ROOT, TARGETS) else f"metadata/{role}.json"


def target_name(role: str) -> str:
    """The file that the metadata of a role, other than root, vouches for."""
    return DIRECTORY_PATH if role == TARGETS else agency_path(role)


def read_files(folder: Path) -> dict[str, bytes]:
    """All files of a repository, or of a draft; none if there is no such folder. Other files are left alone.

    Raises `BadConfig` for a file that cannot be read.
    """
    found: dict[str, bytes] = {}
    try:
        for path in sorted((*folder.glob("*.json"), *folder.glob("metadata/*.json"), *folder.glob("agencies/*.json"))):
            name = path.relative_to(folder).as_posix()
            if not _NAME.fullmatch(name):
                continue
            if path.stat().st_size > MAX_METADATA:
                raise BadConfig(f"{path} has more than {MAX_METADATA} bytes")
            found[name] = path.read_bytes()
    except OSError as error:
        raise BadConfig(f"{folder} cannot be read: {error}") from error
    return found


def open_repository(folder: Path) -> dict[str, bytes]:
    """The files of a repository, after finishing what a crash interrupted. Raises `BadConfig`."""
    try:
        shutil.rmtree(folder / _UNFINISHED, ignore_errors=True)
        _move(folder)
    except OSError as error:
        raise BadConfig(f"{folder} cannot be written: {error}") from error
    return read_files(folder)


def write_version(folder: Path, changed: Files) -> None:
    """Bring changed files into a repository, all or none. Raises `BadConfig`."""
    part = folder / _UNFINISHED
    try:
        for name, data in changed.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            write_durably(part / name, data)
        sync_folder(part)
        part.rename(folder / _NEXT)
        sync_folder(folder)
        _move(folder)
    except OSError as error:
        raise BadConfig(f"{folder} cannot be written: {error}", hint="Make room, then publish again.") from error


def _move(folder: Path) -> None:
    """Move what is complete in ``.next`` to its place; what is there no more was moved before."""
    pending = folder / _NEXT
    if not pending.is_dir():
        return
    for path in sorted(pending.rglob("*.json")):
        target = folder / path.relative_to(pending)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
        sync_folder(target.parent)
    shutil.rmtree(pending)
    sync_folder(folder)


def bundles(files: Files) -> Iterator[RoleBundle]:
    """What a log takes of a repository, in order: every root, then targets, then the agencies.

    Raises `DirectoryInvalid` for files that are no metadata, and for a root whose predecessors are not there.
    """
    for data in roots(files):
        yield RoleBundle(ROOT, read_root(data).signed.version, encode_bundle(data))
    if "targets.json" not in files:
        return
    members = delegated_agencies(read_targets(files["targets.json"], TARGETS))
    for role in (TARGETS, *(agency for agency in members if metadata_name(agency) in files)):
        metadata, target = files[metadata_name(role)], files.get(target_name(role))
        if target is None:
            raise DirectoryInvalid(f"{target_name(role)} is missing")
        yield RoleBundle(role, read_targets(metadata, role).signed.version, encode_bundle(metadata, target))


def used_version(files: Files, role: str) -> int:
    """The newest version of a role in the repository, also of an agency removed since; 0 for none."""
    data = files.get(metadata_name(role))
    if data is None:
        return 0
    metadata = read_root(data) if role == ROOT else read_targets(data, role)
    number: int = metadata.signed.version
    return number


def roots(files: Files) -> list[bytes]:
    """Every root, the first one first. Raises `DirectoryInvalid` when one is missing."""
    if "root.json" not in files:
        return []
    newest = read_root(files["root.json"]).signed.version
    chain = []
    for version in range(1, newest):
        data = files.get(f"{version}.root.json")
        if data is None or read_root(data).signed.version != version:
            raise DirectoryInvalid(f"{version}.root.json is missing or holds another version")
        chain.append(data)
    return [*chain, files["root.json"]]


def replay(files: Files) -> Directory | None:
    """The directory that the files make, with every signature verified; None for no files.

    Nothing in force ends by expiring, so dates are not looked at. An agency whose administrators were replaced has no
    keys until the new ones sign. Raises what `apply_bundle` raises.
    """
    directory: Directory | None = None
    first = next(iter(roots(files)), b"")
    for found in bundles(files):
        try:
            directory = apply_bundle(directory, found.role, found.version, found.bundle, at=0, trusted_root=first)
        except DirectoryThreshold:
            if found.role in (ROOT, TARGETS):
                raise
    return directory
