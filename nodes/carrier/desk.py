"""Where files on removable media are handed in and out at a node; the caller reads and writes the medium itself."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, Final

from nodes.carrier.reading import Reading
from nodes.carrier.writing import Writing
from nodes.identity import Identity
from nodes.ports import Clock, Random
from nodes.standing import Standing
from nodes.store.store import Store
from schemas.errors import StorageFailed, StorageFull, TooLarge
from schemas.limits import MAX_CARRIER

PIECE: Final = 1_048_576

Aside = Callable[[], AbstractAsyncContextManager[None]]
"""Set the session with the hub aside for as long as the context lasts."""


class CarrierDesk:
    """One file at a time. A file is kept in `home`, without a name and sealed as it is, while it is worked on."""

    def __init__(
        self,
        *,
        store: Store,
        standing: Standing,
        identity: Identity,
        aside: Aside,
        clock: Clock,
        random: Random,
        evidence: Path,
        home: Path,
    ) -> None:
        self._store = store
        self._standing = standing
        self._identity = identity
        self._aside = aside
        self._clock = clock
        self._random = random
        self._evidence = evidence
        self._home = home
        self._turn = asyncio.Lock()

    async def export(self) -> tuple[dict[str, Any], BinaryIO]:
        """A file for the hub, and what is in it; the caller closes it. Raises as `Writing.write` does."""
        async with self._turn:
            file = await asyncio.to_thread(self._spool)
            try:
                writing = Writing(self._store, self._standing, self._identity, self._clock, self._random)
                written = await writing.write(file)
                file.seek(0)
            except BaseException:
                file.close()
                raise
        return {"agency": self._standing.agency, **asdict(written)}, file

    async def take(self, pieces: AsyncIterator[bytes]) -> dict[str, Any]:
        """Take in a file from the hub; what it brought. Raises as `Reading.read` does, and `TooLarge`."""
        async with self._turn:
            with await asyncio.to_thread(self._spool) as file:
                size = 0
                async for piece in pieces:
                    size += len(piece)
                    if size > MAX_CARRIER:
                        raise TooLarge(f"a file may have {MAX_CARRIER} bytes")
                    await asyncio.to_thread(_keep, file, piece)
                file.seek(0)
                reading = Reading(self._store, self._standing, self._identity, self._clock, self._evidence)
                async with self._aside():
                    brought = await reading.read(file)
        return brought.as_dict()

    def _spool(self) -> BinaryIO:
        try:
            return tempfile.TemporaryFile(dir=self._home)
        except OSError as error:
            raise StorageFailed(f"no file can be made in {self._home}: {error.strerror}") from error


def _keep(file: BinaryIO, piece: bytes) -> None:
    try:
        file.write(piece)
    except OSError as error:
        raise StorageFull(f"the file cannot be kept here while it is looked at: {error.strerror}") from error
