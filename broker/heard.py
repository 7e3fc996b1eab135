"""Signed checkpoints that lie in DATA/heard: of an anchor that survived, of nodes heard before, of auditors."""

from __future__ import annotations

from pathlib import Path

import structlog

from broker.exchange import Exchange
from broker.restored import Report
from schemas.errors import CrossbearingError
from schemas.limits import MAX_NOTE
from schemas.log.checkpoint import verify_checkpoint

log = structlog.get_logger()


def read_heard(exchange: Exchange, folder: Path) -> list[tuple[Report, bytes]]:
    """What the files there prove, each under its path, so that none passes for its holder.

    What the log did not sign is said and left out.
    """
    reports = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            note = path.read_bytes()[: MAX_NOTE + 1]
            held = verify_checkpoint(note, exchange.head.checkpoint.origin, exchange.history.latest.log_keys())
        except (OSError, CrossbearingError) as error:
            log.warning("not a checkpoint of this log", file=str(path), reason=str(error))
            continue
        within = held.size <= exchange.head.size
        agrees = not within or exchange.shipping.root_at(held.size) == held.root
        reports.append((Report(f"{folder.name}/{path.name}", held.size, proven=True, agrees=agrees), note))
    return reports
