"""The directories of a log, established from the entries that announce them and the files that those name.

The log's entries rest on the directory in force at their place, so this comes before they are judged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from nodes.auditor import findings as found
from nodes.auditor.findings import BROKER, COPY, Kind
from nodes.auditor.mirror import LogFolder, directory_path
from schemas.directory.history import DirectoryHistory
from schemas.errors import CrossbearingError, Missing, WrongDirectory
from schemas.ids import sha256
from schemas.log.entry import DirectoryEntry


@dataclass(frozen=True, slots=True)
class Setback:
    """Why a directory entry did not establish its version."""

    kind: Kind
    party: str
    message: str
    file: str | None


@dataclass(slots=True)
class Directories:
    """What the directory entries gave: the versions in force, and what went wrong at which entry."""

    history: DirectoryHistory = field(default_factory=DirectoryHistory)
    accepted: set[int] = field(default_factory=set)
    """Entries that brought a version into force."""
    setbacks: dict[int, Setback] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    """Every directory file that an entry names."""
    lost: int | None = None
    """The entry from which on nobody can say which directory was in force."""


def establish(
    folder: LogFolder,
    entries: Iterable[tuple[int, DirectoryEntry]],
    *,
    trusted_root: bytes,
    damaged: Collection[int] = (),
) -> Directories:
    """Apply the directory `entries` of a log, in their order, with the files that `folder` holds.

    After an entry that fails, or a gap that entries `damaged` in this copy explain, no version is established.
    """
    made = Directories()
    first_damaged = min(damaged, default=None)
    for index, entry in entries:
        path = directory_path(entry.digest)
        made.files.add(path)
        try:
            bundle = folder.read(path)
        except CrossbearingError as error:
            kind = found.MISSING_FILE if isinstance(error, Missing) else found.DIRECTORY_ALTERED
            _set_back(made, index, Setback(kind, COPY, error.message, path))
            continue
        if sha256(bundle) != entry.digest:
            message = "the file does not have the SHA-256 that is its name and stands in the log"
            _set_back(made, index, Setback(found.DIRECTORY_ALTERED, COPY, message, path))
            continue
        if made.lost is not None:
            continue
        if entry.directory - 1 > len(made.history) and first_damaged is not None and first_damaged < index:
            made.lost = index
            continue
        try:
            made.history.accept(index, entry, bundle, trusted_root=trusted_root)
        except CrossbearingError as refusal:
            kind = found.WRONG_DIRECTORY if isinstance(refusal, WrongDirectory) else found.DIRECTORY_REFUSED
            _set_back(made, index, Setback(kind, BROKER, refusal.message, None))
        else:
            made.accepted.add(index)
    return made


def _set_back(made: Directories, index: int, setback: Setback) -> None:
    made.setbacks[index] = setback
    if made.lost is None:
        made.lost = index
