"""The cryptography that a node cannot do without, from the floors of its primitives (`benchmarks.floors`): µs."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.limits import PAIR_KEY_ALERTS


def receiving(cost: Mapping[str, float], *, frame: int, receipt: int, head: bool = False) -> float:
    """Of an alert taken in, with so many in its frame, and so many that its receipt covers.

    A checkpoint to verify for the frame; the header's signature, the entry in the log, the key and the body for each
    alert; a signature for the receipt, and one for a tree head behind them.
    """
    opened = cost["verify"] + cost["leaf"] + cost["path"] + cost["digest"] + cost["wrap"] + cost["body open"]
    return opened + cost["opener open"] / PAIR_KEY_ALERTS + cost["verify"] / frame + (1 + head) * cost["sign"] / receipt


def witnessed(cost: Mapping[str, float], *, cosignatures: int) -> float:
    """Of a checkpoint with so many cosignatures: these, the log's own, and that it is of the history held."""
    return (1 + cosignatures) * cost["verify"] + cost["path"]


def sending(cost: Mapping[str, float], *, recipients: int) -> float:
    """Of an alert sealed for so many: its body, its key for each of them, its signature."""
    each = cost["wrap"] + cost["opener seal"] / PAIR_KEY_ALERTS
    return cost["sign"] + cost["body seal"] + cost["digest"] + recipients * each


def hearing(cost: Mapping[str, float], *, frame: int, alerts: int) -> float:
    """Of what one receipt says of one alert, with so many receipts in its frame, each for so many alerts.

    A checkpoint to verify for the frame; each receipt's signature and its entry in the log.
    """
    return (cost["verify"] / frame + cost["verify"] + cost["leaf"] + cost["path"]) / alerts
