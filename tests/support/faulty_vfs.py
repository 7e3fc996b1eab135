"""A file layer under SQLite that fails where it is told: on one file, at one kind of operation, lost or kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import apsw


@dataclass
class Fault:
    """The next `operation` on files whose names end in `suffix` fails with `error`; with `kept` it is done first."""

    operation: str  # "write" or "sync"
    suffix: str
    error: type[apsw.Error]
    kept: bool
    after: int = 0  # so many succeed before
    met: int = 0  # how often it struck

    def strikes(self, operation: str, name: str) -> bool:
        """Whether this operation fails; from the first time on, all do, as on a broken disk."""
        if operation != self.operation or not name.endswith(self.suffix):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.met += 1
        return True


@dataclass(frozen=True)
class Broken:
    """A way for a disk to fail; see `Fault`."""

    operation: str
    error: type[apsw.Error]
    kept: bool

    def at(self, suffix: str, after: int = 0) -> Fault:
        """It, on the files whose names end in `suffix`, once so many operations succeeded."""
        return Fault(self.operation, suffix, self.error, self.kept, after)


BROKEN = {
    "write-lost": Broken("write", apsw.IOError, kept=False),
    "write-kept": Broken("write", apsw.IOError, kept=True),
    "full": Broken("write", apsw.FullError, kept=False),
    "sync-lost": Broken("sync", apsw.IOError, kept=False),
    "sync-kept": Broken("sync", apsw.IOError, kept=True),
}


class FaultyVfs(apsw.VFS):
    """The system's file layer with a `fault` to be set; with `everywhere`, under whatever this process opens."""

    def __init__(self, name: str, *, everywhere: bool = False) -> None:
        self.name = name
        self.fault: Fault | None = None
        self.beneath = apsw.vfs_names()[0]
        super().__init__(name, self.beneath, everywhere)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> FaultyFile:  # noqa: N802  # SQLite's name
        """See apsw.VFS."""
        return FaultyFile(self, name, flags)


class FaultyFile(apsw.VFSFile):
    """A file of a `FaultyVfs`."""

    def __init__(self, vfs: FaultyVfs, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._vfs = vfs
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__(vfs.beneath, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # SQLite's name
        """See apsw.VFSFile."""
        self._do("write", lambda: super(FaultyFile, self).xWrite(data, offset))

    def xSync(self, flags: int) -> None:  # noqa: N802  # SQLite's name
        """See apsw.VFSFile."""
        self._do("sync", lambda: super(FaultyFile, self).xSync(flags))

    def _do(self, operation: str, really: object) -> None:
        fault = self._vfs.fault
        assert callable(really)
        if fault is None or not fault.strikes(operation, self._name):
            really()
            return
        if fault.kept:
            really()
        raise fault.error


@contextmanager
def faulty_vfs(name: str, *, everywhere: bool = False) -> Iterator[FaultyVfs]:
    """Register the layer under `name` while it is needed; see `FaultyVfs`."""
    vfs = FaultyVfs(name, everywhere=everywhere)
    try:
        yield vfs
    finally:
        vfs.unregister()
