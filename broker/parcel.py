"""What it takes to deliver one alert, kept for a while so that thirty recipients cost one read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock

from schemas.envelope.header import Header


@dataclass(frozen=True, slots=True)
class Parcel:
    """An alert in the log: its entry, its sealed body, and each recipient's opener id. `expires` in ms."""

    index: int
    entry: bytes
    body: bytes
    openers: Mapping[str, bytes]
    expires: int


def make_parcel(index: int, entry: bytes, body: bytes, header: Header) -> Parcel:
    """The parcel of the alert at `index`."""
    openers = {recipient.agency: recipient.opener_id for recipient in header.recipients}
    return Parcel(index, entry, body, openers, header.expires)


class ParcelCache:
    """The most recently used parcels, within `capacity` bytes. Safe to use from several threads."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._size = 0
        self._parcels: OrderedDict[int, Parcel] = OrderedDict()
        self._lock = Lock()

    def get(self, index: int) -> Parcel | None:
        """The parcel of the alert at `index`, if it is still here."""
        with self._lock:
            parcel = self._parcels.get(index)
            if parcel is not None:
                self._parcels.move_to_end(index)
            return parcel

    def put(self, parcel: Parcel) -> None:
        """Keep a parcel, at the cost of those not used for longest."""
        with self._lock:
            if parcel.index in self._parcels:
                return
            self._parcels[parcel.index] = parcel
            self._size += _weight(parcel)
            while self._size > self._capacity and len(self._parcels) > 1:
                self._size -= _weight(self._parcels.popitem(last=False)[1])

    def drop(self, index: int) -> None:
        """Forget the parcel of the alert at `index`."""
        with self._lock:
            parcel = self._parcels.pop(index, None)
            if parcel is not None:
                self._size -= _weight(parcel)


def _weight(parcel: Parcel) -> int:
    return len(parcel.entry) + len(parcel.body) + 150 * len(parcel.openers)
