"""What to do when the hub refuses an alert or a receipt: a table from its code to the next step.

Most refusals are final, and the officer is told. Some mean that the facts the alert was sealed under have changed:
then it is sealed again. Some say nothing about the alert at all: then the same bytes are sent again later.
"""

from __future__ import annotations

from typing import Final, Literal

from schemas.errors import REGISTRY, Fault
from schemas.limits import LONGEST_WAIT_MS

Verdict = Literal["seal-again", "send-openers", "upload-again", "later", "expired", "final"]

_VERDICTS: Final[dict[str, Verdict]] = {
    "directory-stale": "seal-again",  # the hub has a newer directory than the alert was sealed under
    "directory-unknown": "seal-again",  # the hub does not hold that version: it came back from a backup
    "routing-mismatch": "seal-again",  # a rule or a membership changed on the way
    "clock-off": "seal-again",  # sealed too long ago: the link was down
    "key-not-valid": "seal-again",  # a signing or sealing key ran out on the way
    "key-retired": "seal-again",
    "unknown-key": "seal-again",
    "opener-missing": "send-openers",
    "attachment-missing": "upload-again",
    "alert-expired": "expired",
    "quota": "later",
    "shutting-down": "later",
}

MAX_ATTEMPTS: Final = 8
"""Sealings under one directory version that the hub may refuse before that is final: with the back-off a minute."""
_PATIENT: Final = frozenset({"clock-off", "directory-stale"})
"""Never final: a clock that is wrong, here or at the hub, is put right and says nothing of the alert; and of a newer
directory the hub says that it is on its way, however many come after one another."""
_FIRST_DELAY: Final = 250
_LONGEST_DELAY: Final = 30_000


def verdict(code: str, attempts: int) -> Verdict:
    """The next step after a refusal with `code`; `attempts` is how often it was refused under this directory before.

    A fault on the hub's side is never the alert's fault: it is sent again later, as often as need be.
    """
    step = _VERDICTS.get(code)
    if step is None:
        return "later" if _is_fault(code) else "final"
    if code not in _PATIENT and step not in ("later", "expired") and attempts + 1 >= MAX_ATTEMPTS:
        return "final"
    return step


def retry_delay(attempts: int) -> int:
    """Milliseconds to wait before the next attempt: doubling from 250 ms to 30 s."""
    return min(_LONGEST_DELAY, _FIRST_DELAY << min(attempts, 10))


def retry_after(told: int) -> int:
    """Milliseconds to wait when the hub said so many; 0 when it said nothing. Never longer than an hour."""
    return min(told, LONGEST_WAIT_MS)


ReceiptVerdict = Literal["sign-again", "later", "final"]

_RECEIPT_VERDICTS: Final[dict[str, ReceiptVerdict]] = {
    "key-not-valid": "sign-again",
    "key-retired": "sign-again",
    "unknown-key": "sign-again",
    "clock-off": "later",  # ours was ahead when it was signed; time mends that
    "suspended": "later",
    "quota": "later",
    "shutting-down": "later",
}


def receipt_verdict(code: str) -> ReceiptVerdict:
    """The next step after a receipt was refused with `code`."""
    step = _RECEIPT_VERDICTS.get(code)
    return step or ("later" if _is_fault(code) else "final")


def _is_fault(code: str) -> bool:
    found = REGISTRY.get(code)
    return found is not None and issubclass(found, Fault)
