"""A disk under SQLite that forgets what was not synchronised, fails where it is told, and stops with its process.

Files lie in a folder in memory and hold what the running process sees. Beside each file stands what is durable: writes
become so only when the file is synchronised. After a power cut the next process finds the durable bytes, and of the
writes since then none, all, a part, or a part whose last write is torn, as the seed draws. A `Fault` strikes at one
operation: the process dies there, before or after it took effect, or the operation fails, lost or kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

import apsw

SECTOR = 512
BELOW = "unix"  # not the default layer, which encrypts beneath this one
Strike = Literal["die-lost", "die-kept", "error-lost", "error-kept", "full"]
STRIKES: tuple[Strike, ...] = ("die-lost", "die-kept", "error-lost", "error-kept", "full")
_WRITE, _TRUNCATE = "write", "truncate"


@dataclass
class Fault:
    """Strikes at the operation after `after` others of those that match; `lasting` then fails all that follow."""

    strike: Strike
    after: int
    operation: Literal["write", "sync", "any"] = "any"
    suffix: str = ""
    lasting: bool = False
    struck: int = 0

    def strikes(self, operation: str, name: str) -> bool:
        """Whether this operation is the one."""
        if self.struck and not self.lasting:
            return False
        if self.operation not in ("any", operation) or not name.endswith((self.suffix, f"{self.suffix}-wal")):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.struck += 1
        return True


@dataclass
class _File:
    """What is durable of a file, and the operations since then: kind, offset, data."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[str, int, bytes]] = field(default_factory=list)

    def settle(self) -> None:
        for operation in self.pending:
            _apply(self.durable, *operation)
        self.pending.clear()


def _apply(image: bytearray, kind: str, offset: int, data: bytes) -> None:
    if kind == _TRUNCATE:
        del image[offset:]
        return
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(data)] = data


class Disk:
    """The disk of one machine. `die` is called when a fault kills the process that writes."""

    def __init__(self, root: Path, random: Random, die: Callable[[], None]) -> None:
        self.root = root
        self.faults: list[Fault] = []
        self.full = False
        self.frozen = False
        self.operations = 0
        self.struck: list[str] = []
        self._random = random
        self._die = die
        self._files: dict[str, _File] = {}
        self._generation = 0
        self.folder = root / "0"  # where the running process has its files; another one after every restart

    def install(self, images: dict[str, bytes]) -> None:
        """Put durable files in place, as for a machine that is set up."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._files = {}
        for name, data in images.items():
            self._files[name] = _File(bytearray(data))
            (self.folder / name).write_bytes(data)
        self.frozen = False

    def images(self) -> dict[str, bytes]:
        """The files as the running process sees them."""
        return {name: (self.folder / name).read_bytes() for name in self._files if (self.folder / name).exists()}

    def restart(self, *, power_cut: bool) -> str:
        """Make the files as the next process finds them; says what became of the writes that were not synchronised."""
        images: dict[str, bytes] = {}
        files: dict[str, _File] = {}
        said = []
        for name, file in self._files.items():
            kept = file.pending
            if power_cut and file.pending:
                kept = self._survivors(file.pending)
                said.append(f"{name} {len(kept)}/{len(file.pending)}")
            image = bytearray(file.durable)
            for operation in kept:
                _apply(image, *operation)
            images[name] = bytes(image)
            files[name] = _File(bytearray(image)) if power_cut else file
        self._generation += 1
        self.folder = self.root / str(self._generation)
        self.install(images)
        self._files = files
        self.faults = [fault for fault in self.faults if not fault.struck]
        return ", ".join(said)

    def _survivors(self, pending: list[tuple[str, int, bytes]]) -> list[tuple[str, int, bytes]]:
        random = self._random
        match random.choice(("none", "all", "prefix", "torn", "any")):
            case "none":
                return []
            case "all":
                return pending
            case "prefix":
                return pending[: random.randint(0, len(pending))]
            case "any":
                return [operation for operation in pending if random.random() < 0.5]
        kept = pending[: random.randint(1, len(pending))]
        kind, offset, data = kept[-1]
        return [*kept[:-1], (kind, offset, data[: SECTOR * random.randint(0, len(data) // SECTOR)])]

    # -- what the file layer asks --------------------------------------------------------------------------------------

    def file(self, name: str) -> _File:
        """What is known of the file."""
        return self._files.setdefault(name, _File())

    def forget(self, name: str) -> None:
        """The file was deleted."""
        self._files.pop(name, None)

    def do(
        self, operation: Literal["write", "sync"], name: str, really: Callable[[], None], lost: Callable[[], None]
    ) -> None:
        """Perform an operation, unless a fault strikes: `really` does it, `lost` is what a failed one leaves behind."""
        if self.frozen:
            raise apsw.IOError("the process is dead")
        self.operations += 1
        fault = next((fault for fault in self.faults if fault.strikes(operation, name)), None)
        if fault is None:
            if operation == "write" and self.full:
                raise apsw.FullError("the disk is full")
            really()
            return
        self.struck.append(f"{fault.strike} {operation} {name}")
        if fault.strike == "full":
            if operation == "write":
                raise apsw.FullError("the disk is full")
            really()
            return
        (really if fault.strike.endswith("kept") else lost)()
        if fault.strike.startswith("die"):
            self.frozen = True
            self._die()
        raise apsw.IOError(f"{operation} failed")


class SimVfs(apsw.VFS):
    """The file layer of all machines of one simulation, registered with SQLite under `name`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.disks: list[Disk] = []
        super().__init__(name, BELOW)

    def locate(self, path: str) -> tuple[Disk, str] | None:
        """Whose file it is. None for one of a process that is no more."""
        where = Path(path)
        for disk in self.disks:
            if where.parent == disk.folder:
                return disk, where.name
        return None

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> SimFile:  # noqa: N802  # SQLite's name
        """See apsw.VFS."""
        return SimFile(self, name, flags)

    def xDelete(self, name: str, syncdir: bool) -> None:  # noqa: N802  # SQLite's name
        """See apsw.VFS."""
        found = self.locate(name)
        if found is None or found[0].frozen:
            raise apsw.IOError("the process is dead")
        super().xDelete(name, syncdir)
        found[0].forget(found[1])


class SimFile(apsw.VFSFile):
    """An open file."""

    def __init__(self, vfs: SimVfs, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        found = vfs.locate(path)
        if found is None:
            raise apsw.CantOpenError(path)
        self._disk, self._file_name = found
        self._folder = self._disk.folder
        self._file = self._disk.file(self._file_name)
        super().__init__(BELOW, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # SQLite's name
        """See apsw.VFSFile."""
        data = bytes(data)

        def really() -> None:
            super(SimFile, self).xWrite(data, offset)
            self._file.pending.append((_WRITE, offset, data))

        self._do("write", really, lambda: None)

    def xTruncate(self, size: int) -> None:  # noqa: N802  # SQLite's name
        """See apsw.VFSFile."""

        def really() -> None:
            super(SimFile, self).xTruncate(size)
            self._file.pending.append((_TRUNCATE, size, b""))

        self._do("write", really, lambda: None)

    def xSync(self, flags: int) -> None:  # noqa: N802  # SQLite's name; the file is in memory
        """See apsw.VFSFile."""
        self._do("sync", self._file.settle, self._file.pending.clear)

    def _do(self, operation: Literal["write", "sync"], really: Callable[[], None], lost: Callable[[], None]) -> None:
        if self._disk.folder is not self._folder:
            raise apsw.IOError("the process is dead")
        self._disk.do(operation, self._file_name, really, lost)
