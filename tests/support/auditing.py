"""Short forms for tests of the auditor."""

from __future__ import annotations

from pathlib import Path

from nodes.auditor.findings import Finding
from nodes.auditor.mirror import LogFolder
from nodes.auditor.report import Report
from nodes.auditor.verify import Question, verify
from tests.support.log_builder import LogBuilder


def quiet(_what: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


def audit(log: LogBuilder, folder: Path) -> Report:
    """Verify what is in `folder` with the trusted root and the key of `log`."""
    return verify(LogFolder.open(folder), Question(log.world.trusted_root, log.keys), quiet)


def audited(log: LogBuilder, folder: Path) -> Report:
    """Write the log as it stands to `folder` and verify it."""
    return audit(log, log.write(folder))


def found(report: Report) -> list[tuple[str, str, int | None]]:
    """Code, party and entry of each finding."""
    return [(finding.kind.code, finding.party, finding.entry) for finding in report.findings.kept]


def only(report: Report) -> Finding:
    """The one finding there is."""
    assert len(report.findings) == 1, [finding.as_dict() for finding in report.findings.kept]
    return report.findings.kept[0]


def flip(path: Path, offset: int, bits: int = 1) -> None:
    """Change bits of one byte of a file."""
    data = bytearray(path.read_bytes())
    data[offset] ^= bits
    path.write_bytes(data)
