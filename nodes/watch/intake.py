"""The watched folder at work: scan, take, send, settle.

Recovery is not a special case: every pass settles all claims there are, whether this pass took them or a run that
was killed. A document the node refuses goes to `failed`; one that the node cannot send now (no directory yet, a full
disk, a full outbox) stays claimed and is tried again with the next pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import structlog

from nodes.watch.arrivals import SUFFIXES, Arrivals
from nodes.watch.claims import Claim, Claims
from nodes.watch.problems import describe_problems
from schemas.alert.document import load_document
from schemas.envelope.words import PRECEDENCES, URGENT
from schemas.errors import CrossbearingError, Fault, Internal, OutboxFull, Overloaded, Quota, Refusal, StorageFailed
from schemas.ids import format_id, uuid7

__all__ = ["Submit", "WatchedFolder"]

Submit = Callable[[dict[str, Any], bytes], Awaitable[object]]
"""Compose a document as the alert with this id and make it durable; do nothing if that alert exists already."""

INTERVAL = 0.5
"""Seconds between scans: a document is taken at the second scan that finds it unchanged."""

FULL: Final = (OutboxFull, Overloaded, Quota)
"""What says that there is no room now for this document, and perhaps for a more urgent one."""

FULL_INTERVALS: Final = 10
"""For so many intervals nothing is tried after such an answer: each try composes a document."""

log = structlog.get_logger(__name__)


class WatchedFolder:
    """Turns documents under `folder` (the node's `watch`) into alerts, each exactly once.

    `now` gives milliseconds since the epoch; `random` gives that many random bytes.
    """

    def __init__(
        self,
        folder: Path,
        submit: Submit,
        *,
        now: Callable[[], int],
        random: Callable[[int], bytes],
        interval: float = INTERVAL,
    ) -> None:
        self._claims = Claims(folder)
        self._arrivals = Arrivals(self._claims.inward)
        self._submit = submit
        self._now = now
        self._random = random
        self._interval = interval
        self._trouble: str | None = None

    async def run(self) -> None:
        """Watch until cancelled. A fault of the disk or the node is logged once and does not end the watch."""
        while True:
            try:
                await self.step()
            except FULL as full:
                self._log_trouble(full)
                await asyncio.sleep(self._interval * FULL_INTERVALS)
            except Fault as fault:
                self._log_trouble(fault)
            except OSError as error:
                self._log_trouble(StorageFailed(f"the watched folder cannot be used: {error}"))
            else:
                self._trouble = None
            await asyncio.sleep(self._interval)

    async def step(self) -> int:
        """One pass: take what is complete, settle all claims. Returns how many were sent.

        Raises a `Fault` if the node cannot send now, `OSError` if the folders cannot be read or written. Where there
        is no room, what is urgent is tried nevertheless, and one of `FULL` is raised after the pass.
        """
        claims = await asyncio.to_thread(self._take)
        sent, full = 0, None
        for claim in claims:
            try:
                sent += await self._settle(claim, all_of_them=full is None)
            except FULL as error:
                full = full or error
        if full is not None:
            raise full
        return sent

    def _take(self) -> list[Claim]:
        found = self._arrivals.scan()
        for name, reason in found.strangers:
            log.warning("file left in the watched folder", file=name, reason=reason)
        for path in found.complete:
            self._claims.take(path, uuid7(self._now(), self._random))
        return self._claims.open()

    async def _settle(self, claim: Claim, *, all_of_them: bool) -> bool:
        try:
            document = await asyncio.to_thread(_load, claim)
            if not all_of_them and document.get("precedence") not in PRECEDENCES[:URGENT]:
                return False
            await self._submit(document, claim.alert_id)
        except FULL:
            raise
        except Refusal as refusal:
            await self._fail(claim, refusal)
            return False
        except (Fault, OSError):
            raise
        except Exception:  # a document that trips the program must not stop all those behind it
            log.exception("document failed unforeseen", file=claim.name)
            await self._fail(claim, Internal("the node met a case it was not written for"))
            return False
        await asyncio.to_thread(self._claims.settle_done, claim)
        log.info("document sent", file=claim.name, alert=format_id(claim.alert_id))
        return True

    async def _fail(self, claim: Claim, error: CrossbearingError) -> None:
        text = describe_problems(claim.name, error)
        target = await asyncio.to_thread(self._claims.settle_failed, claim, text)
        log.warning("document refused", file=claim.name, code=error.code, moved_to=str(target))

    def _log_trouble(self, fault: CrossbearingError) -> None:
        if self._trouble != fault.message:  # once per trouble, not once per scan
            self._trouble = fault.message
            log.warning("watched folder waits", code=fault.code, message=fault.message, hint=fault.hint)


def _load(claim: Claim) -> dict[str, object]:
    return load_document(claim.read(), format=SUFFIXES[Path(claim.name).suffix.lower()])
