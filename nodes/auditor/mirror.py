"""A copy of the log as plain files, laid out as C2SP tlog-tiles names them, so that other tools read it too.

checkpoint                    the newest signed checkpoint
checkpoints/<size>            every checkpoint ever fetched, to compare histories
forks/<size>-<root>/          a checkpoint that contradicts those, with the tiles that show it: evidence
tile/<level>/<n>[.p/<width>]  hash tiles
tile/entries/<n>[.p/<width>]  entry bundles
directory/<sha256>            the directory files that entries name

An agency's own copy has every hash tile, and of the entries only those that concern it:

party/<agency>/tile/entries/<n>[.p/<width>]   bundles in which all other entries are left empty
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import BadConfig, Missing, StorageFailed, StorageFull, TooLarge
from schemas.ids import check_agency_id
from schemas.limits import MAX_BODY, MAX_ENTRY, MAX_METADATA, MAX_NOTE
from schemas.log.tiles import TILE_WIDTH, entries_path, tile_path

CHECKPOINT = "checkpoint"
WITNESSED = "witnessed"
"""Where the hub shows the newest checkpoint that has its quorum; it is kept as one of the others."""
KEPT = "checkpoints"
FORKS = "forks"
DIRECTORY = "directory"
BODY = "body"
PARTY = "party"
PART = ".part"
MAX_TILE = TILE_WIDTH * 32
MAX_BUNDLE = TILE_WIDTH * (2 + MAX_ENTRY)
MAX_DIRECTORY_FILE = 2 * MAX_METADATA + 64
"""Metadata, its target, and the few bytes of encoding around the two."""

_DISK_FULL = {28, 122}  # ENOSPC, EDQUOT
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


def kept_path(size: int) -> str:
    """Return where the checkpoint of a log of `size` entries is kept."""
    return f"{KEPT}/{size}"


def fork_path(size: int, root: bytes) -> str:
    """Return the folder for a checkpoint that contradicts the kept ones, and its tiles."""
    return f"{FORKS}/{size}-{root.hex()[:16]}"


def directory_path(digest: bytes) -> str:
    """Return where the directory file with this SHA-256 is kept."""
    return f"{DIRECTORY}/{digest.hex()}"


def party_path(agency: str, index: int, width: int) -> str:
    """Return where the bundle with only the entries that concern `agency` is kept, and served by the hub."""
    return f"{PARTY}/{agency}/{entries_path(index, width)}"


def body_path(index: int) -> str:
    """Return where the hub shows the sealed body of the alert at `index`; it is kept in no copy."""
    return f"{BODY}/{index}"


def path_limit(path: str) -> int:
    """Return the most bytes the file at `path` can have."""
    if "tile/entries/" in path:
        return MAX_BUNDLE
    if "tile/" in path:
        return MAX_TILE
    if path.startswith(f"{BODY}/"):
        return MAX_BODY
    return MAX_DIRECTORY_FILE if path.startswith(f"{DIRECTORY}/") else MAX_NOTE


@dataclass(frozen=True, slots=True)
class LogFolder:
    """A folder with a copy of the log. Paths are relative, with forward slashes."""

    root: Path
    party: str | None = None
    """Of an agency's own copy: the agency. Entries that do not concern it are empty."""

    @classmethod
    def open(cls, root: Path) -> LogFolder:
        """Return the folder as what it is: a whole copy or, where there are only party bundles, an agency's own.

        Raises `BadConfig` if it is the own copy of several agencies.
        """
        own = root / PARTY
        if (root / "tile" / "entries").is_dir() or not own.is_dir():
            return cls(root)
        agencies = sorted(entry.name for entry in own.iterdir() if entry.is_dir())
        if len(agencies) != 1:
            raise BadConfig(f"{root} holds the own copies of {len(agencies)} agencies", hint="Use one folder for each.")
        return cls(root, agencies[0])

    def bundle_path(self, index: int, width: int = TILE_WIDTH) -> str:
        """Return where a bundle of entries is in this folder."""
        return entries_path(index, width) if self.party is None else party_path(self.party, index, width)

    def read(self, path: str) -> bytes:
        """Return the bytes of one file. Raises `Missing`, `TooLarge`, `StorageFailed`."""
        limit = path_limit(path)
        try:
            with (self.root / path).open("rb") as file:
                data = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise Missing(f"{path} is not in the folder", path=path) from error
        except OSError as error:
            raise StorageFailed(f"{path} cannot be read: {error.strerror}", path=path) from error
        if len(data) > limit:
            raise TooLarge(f"{path} is larger than such a file can be", path=path)
        return data

    def has(self, path: str) -> bool:
        """Tell whether the file is there."""
        return (self.root / path).is_file()

    def write(self, path: str, data: bytes) -> None:
        """Put a file in place, whole and durable, or not at all. Raises `StorageFull` or `StorageFailed`."""
        target = self.root / path
        part = target.with_name(target.name + PART)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
            _sync_directory(target.parent)
        except OSError as error:
            part.unlink(missing_ok=True)
            failure = StorageFull if error.errno in _DISK_FULL else StorageFailed
            raise failure(f"{path} cannot be written: {error.strerror}", path=path) from error

    def remove(self, path: str) -> None:
        """Remove a file that the copy no longer needs. Raises `StorageFailed`."""
        try:
            (self.root / path).unlink(missing_ok=True)
        except OSError as error:
            raise StorageFailed(f"{path} cannot be removed: {error.strerror}", path=path) from error

    def read_tile(self, level: int, index: int, width: int) -> bytes:
        """Return a hash tile. Raises as `read`."""
        return self.read(tile_path(level, index, width))

    def read_bundle(self, index: int, width: int) -> bytes:
        """Return an entry bundle. Raises as `read`."""
        return self.read(self.bundle_path(index, width))

    def kept_sizes(self) -> list[int]:
        """Return the sizes of the kept checkpoints, smallest first."""
        folder = self.root / KEPT
        names = (entry.name for entry in folder.iterdir()) if folder.is_dir() else ()
        return sorted(int(name) for name in names if _SIZE.fullmatch(name))

    def fork_names(self) -> list[str]:
        """Return the names of the folders with evidence of a fork."""
        folder = self.root / FORKS
        return sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []

    def files(self) -> Iterator[str]:
        """Yield the path of every file in the folder, in a stable order, following no links."""
        for parent, folders, names in os.walk(self.root):
            folders.sort()
            base = Path(parent).relative_to(self.root)
            for name in sorted(names):
                yield (base / name).as_posix()


def own_folder(root: Path, party: str | None) -> LogFolder:
    """Return the folder to fetch into: for `party` its own copy, or else the whole log.

    Raises `BadId` for what is no agency, and `BadConfig` if there is a copy of another kind already.
    """
    there = LogFolder.open(root)
    if party is not None:
        check_agency_id(party)
    if (root / CHECKPOINT).is_file() and there.party != party:
        held = "the whole log" if there.party is None else f"the own copy of {there.party}"
        raise BadConfig(f"{root} holds {held}", hint="Use one folder for each.")
    return LogFolder(root, party)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
