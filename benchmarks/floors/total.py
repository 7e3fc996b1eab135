"""The cryptography that one delivery must do, whoever writes the program: the least that all parties together need.

What is done once for an alert is shared by its recipients, what is done once for a receipt by the alerts that it
covers, and what is done once for a block by its deliveries. How many those are comes from the measured run; with ever
more of them, what is left is the floor. An opener lasts for `PAIR_KEY_ALERTS` alerts. Bytes on the wire are encrypted
at one end and decrypted at the other. Encryption of stores is left out, and so are cosignatures, which are made by the
clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from benchmarks.floors.tls import SIZES
from schemas.limits import PAIR_KEY_ALERTS

FORMULA = """\
n: recipients of an alert; r: alerts that one receipt covers; d: deliveries of one block of the log

hub       = (verify + digest + leaf) / n + (verify + leaf) / r + sign / d + TLS
sender    = (sign + body seal + digest) / n + wrap + opener seal / 10,000 + (verify + leaf + path) / r + verify / d
            + TLS
recipient = verify + leaf + path + digest + body open + wrap + opener open / 10,000 + sign / r + verify · n / d + TLS
"""


@dataclass(frozen=True, slots=True)
class Sharing:
    """By how many deliveries a cost is shared, and the bytes of one on the wire, as the hub sends and receives them."""

    recipients: int
    receipt_alerts: float
    block_deliveries: float
    sent: float
    received: float

    def unbatched(self) -> Sharing:
        """The same with batches so large that what is done once for each costs nothing: the least there is."""
        return replace(self, receipt_alerts=math.inf, block_deliveries=math.inf)


def floor_of(cost: Mapping[str, float], sharing: Sharing) -> dict[str, float]:
    """µs of one delivery by party, from the floors by name. Raises KeyError for one that was not measured."""
    alert, receipt = sharing.recipients, sharing.receipt_alerts
    block = sharing.block_deliveries
    out, back = cost["tls large out"] / SIZES["large"], cost["tls large in"] / SIZES["large"]  # of a byte
    verified, read = cost["verify"], cost["verify"] + cost["leaf"]
    return {
        "hub": (read + cost["digest"]) / alert
        + read / receipt
        + cost["sign"] / block
        + sharing.sent * out
        + sharing.received * back,
        "sender": (cost["sign"] + cost["body seal"] + cost["digest"]) / alert
        + cost["wrap"]
        + cost["opener seal"] / PAIR_KEY_ALERTS
        + (read + cost["path"]) / receipt
        + verified / block
        + sharing.received * out,
        "recipient": read
        + cost["path"]
        + cost["digest"]
        + cost["body open"]
        + cost["wrap"]
        + cost["opener open"] / PAIR_KEY_ALERTS
        + cost["sign"] / receipt
        + verified * alert / block
        + sharing.sent * back,
    }
