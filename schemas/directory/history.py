"""The directories of a log by index. An entry counts under the directory in force at its index."""

from __future__ import annotations

from bisect import bisect_right

from schemas.directory.metadata import ROOT, TARGETS
from schemas.directory.state import Directory, apply_bundle
from schemas.errors import DirectoryInvalid, DirectoryUnknown, WrongDirectory
from schemas.ids import sha256
from schemas.log.entry import DirectoryEntry, Entry

__all__ = ["Directory", "DirectoryHistory", "apply_bundle", "genesis_order"]


def genesis_order(agencies: list[str]) -> list[str]:
    """The roles in the order in which a new log takes their first bundles."""
    return [ROOT, TARGETS, *sorted(agencies)]


class DirectoryHistory:
    """Every directory version held, with the log index from which it is in force.

    The entry that creates version n is itself at the index from which n is in force, and names n.
    """

    def __init__(self) -> None:
        self._indexes: list[int] = []
        self._directories: list[Directory] = []

    def copy(self) -> DirectoryHistory:
        """The same versions, to be added to without changing this one."""
        other = DirectoryHistory()
        other._indexes, other._directories = list(self._indexes), list(self._directories)
        return other

    @property
    def latest(self) -> Directory:
        """The newest directory held. Raises `DirectoryUnknown` before the first."""
        if not self._directories:
            raise DirectoryUnknown("no directory is held yet")
        return self._directories[-1]

    def __len__(self) -> int:
        return len(self._directories)

    def add(self, index: int, directory: Directory) -> None:
        """Hold the next version, in force from ``index``. Raises `DirectoryInvalid` for a gap or an earlier index."""
        if directory.version != len(self._directories) + 1 or (self._indexes and index <= self._indexes[-1]):
            raise DirectoryInvalid(f"directory version {directory.version} cannot come into force at index {index}")
        self._indexes.append(index)
        self._directories.append(directory)

    def accept(self, index: int, entry: DirectoryEntry, bundle: bytes, *, trusted_root: bytes) -> Directory:
        """Apply the bundle that the log entry at ``index`` commits to, and hold the result.

        Raises what `apply_bundle` raises, `DirectoryInvalid` if the bundle is not the one committed to, and
        `WrongDirectory` if the entry does not name the version it creates. On any error nothing changes.
        """
        if len(bundle) != entry.size or sha256(bundle) != entry.digest:
            raise DirectoryInvalid(f"the bundle for index {index} is not the one its entry commits to", role=entry.role)
        held = self._directories[-1] if self._directories else None
        if entry.directory != len(self._directories) + 1:
            raise WrongDirectory(f"the entry at index {index} skips to directory version {entry.directory}")
        directory = apply_bundle(held, entry.role, entry.version, bundle, at=entry.time, trusted_root=trusted_root)
        self.add(index, directory)
        return directory

    def at(self, index: int) -> Directory:
        """The directory in force at a log index. Raises `DirectoryUnknown` before the first."""
        position = bisect_right(self._indexes, index)
        if position == 0:
            raise DirectoryUnknown(f"no directory is in force at index {index}", index=index)
        return self._directories[position - 1]

    def version(self, number: int) -> Directory:
        """One version. Raises `DirectoryUnknown` if it is not held."""
        if not 1 <= number <= len(self._directories):
            raise DirectoryUnknown(f"directory version {number} is not held here", version=number)
        return self._directories[number - 1]

    def check_entry(self, index: int, entry: Entry) -> Directory:
        """The directory under which the entry at ``index`` counts.

        Raises `DirectoryUnknown` if it names a version not held, `WrongDirectory` if it names another than the one in
        force at its index.
        """
        named = self.version(entry.directory)
        if self.at(index) is not named:
            raise WrongDirectory(
                f"the entry at index {index} names directory version {entry.directory}, "
                f"where version {self.at(index).version} is in force",
                index=index,
            )
        return named
