"""When an alert that a recipient has not taken is escalated: the one rule, for hub, auditor and sender's node.

It follows from the log alone: the time at which the alert was entered, and the directory in force at that place. A
later change of the rule is for later alerts.
"""

from __future__ import annotations

from typing import Final

from schemas.directory.documents import DirectoryDocument

ESCALATED: Final = "flash"
"""The precedence that is escalated."""


def escalation_due(document: DirectoryDocument, precedence: str, entered: int, expires: int) -> int | None:
    """From when on (ms) the alert is escalated for a recipient that has given no receipt; None: never.

    ``document`` is the directory's in force where the alert was entered at the time ``entered``. An alert that expires
    before that, or at that moment, is not escalated: its sender hears that it expired.
    """
    due = entered + document.limits.flash_seconds * 1_000
    return due if precedence == ESCALATED and due < expires else None
