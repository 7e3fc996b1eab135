"""The beginning of a log: the directory's first versions as its first entries, read from a TUF repository on disk.

root.json, targets.json, directory.json, metadata/<agency>.json, agencies/<agency>.json
"""

from __future__ import annotations

from pathlib import Path

from broker.committer import Committer, Head
from broker.draft import NewDirectory, Work
from schemas.directory.documents import DirectoryDocument, parse_directory
from schemas.directory.history import genesis_order
from schemas.directory.metadata import (
    MAX_BUNDLE,
    ROOT,
    TARGETS,
    decode_bundle,
    encode_bundle,
    read_root,
    read_targets,
)
from schemas.errors import BadConfig, CrossbearingError, NotFound
from schemas.limits import MAX_METADATA


def read_repository(repository: Path) -> tuple[bytes, DirectoryDocument]:
    """The trusted root metadata and the governors' document of a repository, not yet verified."""
    return _read(repository / "root.json"), parse_directory(_read(repository / "directory.json"))


def bundle_of(repository: Path, role: str) -> NewDirectory:
    """The bundle of one role as it lies in the repository. Raises `NotFound` or `DirectoryInvalid`."""
    if role == ROOT:
        metadata = _read(repository / "root.json")
        return NewDirectory(role, read_root(metadata).signed.version, encode_bundle(metadata))
    if role == TARGETS:
        metadata, target = _read(repository / "targets.json"), _read(repository / "directory.json")
    else:
        metadata, target = (
            _read(repository / "metadata" / f"{role}.json"),
            _read(repository / "agencies" / f"{role}.json"),
        )
    return NewDirectory(role, read_targets(metadata, role).signed.version, encode_bundle(metadata, target))


def bundle_in(path: Path, role: str) -> NewDirectory:
    """The bundle of an agency's role in a file of its own. Raises `NotFound`, `BadConfig` or `DirectoryInvalid`."""
    data = _read(path, MAX_BUNDLE)
    return NewDirectory(role, read_targets(decode_bundle(data).metadata, role).signed.version, data)


def begin(committer: Committer, repository: Path) -> Head:
    """Log the first version of every role as the first block. Raises the first refusal met."""
    _, document = read_repository(repository)
    bundles = [bundle_of(repository, role) for role in genesis_order(list(document.agencies))]
    committed = committer.commit([Work("", bundle) for bundle in bundles])
    for verdict in committed.verdicts:
        if isinstance(verdict, CrossbearingError):
            raise verdict
    if committed.head is None:
        raise BadConfig("the repository holds nothing to begin a log with")
    return committed.head


def _read(path: Path, limit: int = MAX_METADATA) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > limit:
        raise BadConfig(f"{path} has more than {limit} bytes")
    return data
