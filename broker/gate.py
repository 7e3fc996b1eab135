"""Who may hold how many connections: what keeps strangers and greedy peers from taking all of them.

Before its handshake a connection is nobody's, so it is counted by address. There the oldest gives way to the newest: an
honest handshake takes milliseconds, so what has been waiting longest is not one. Afterwards it belongs to the party
that the certificate is pinned for, or to nobody known; there the newest is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Network, ip_address
from itertools import count

from schemas.limits import (
    ANSWER_MS,
    HANDSHAKE_MS,
    MAX_HANDSHAKES,
    MAX_HANDSHAKES_PER_ADDRESS,
    MAX_PARTY_CONNECTIONS,
    MAX_STRANGER_CONNECTIONS,
    REQUEST_MS,
)


def neighbourhood(address: str) -> str:
    """What connections are counted by before they are known: an IPv4 address, or the 64 bits that one IPv6 line has."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Network((found, 64), strict=False))


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many connections there may be, and how long (in seconds) each may take over what."""

    handshakes: int = MAX_HANDSHAKES
    handshakes_per_address: int = MAX_HANDSHAKES_PER_ADDRESS
    party_connections: int = MAX_PARTY_CONNECTIONS
    stranger_connections: int = MAX_STRANGER_CONNECTIONS
    handshake_seconds: float = HANDSHAKE_MS / 1_000
    request_seconds: float = REQUEST_MS / 1_000
    answer_seconds: float = ANSWER_MS / 1_000


class Gate:
    """The counts of one listener."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._numbers = count()
        self._waiting: dict[int, tuple[str, Callable[[], object]]] = {}  # in order of arrival
        self._by_address: Counter[str] = Counter()
        self._by_party: Counter[str | None] = Counter()

    @property
    def handshakes(self) -> int:
        """Connections whose handshake is not complete."""
        return len(self._waiting)

    def connections(self, party: str | None) -> int:
        """Connections of a party; of all strangers together for None."""
        return self._by_party[party]

    def knock(self, address: str, drop: Callable[[], object]) -> int:
        """A connection from `address` begins its handshake; the number to give to `leave`.

        If there are too many, the oldest of those from this address, or from the address with the most, is dropped.
        """
        if self._by_address[address] >= self._bounds.handshakes_per_address:
            self._drop_oldest(address)
        elif len(self._waiting) >= self._bounds.handshakes:
            self._drop_oldest(self._by_address.most_common(1)[0][0])
        number = next(self._numbers)
        self._waiting[number] = (address, drop)
        self._by_address[address] += 1
        return number

    def leave(self, number: int) -> bool:
        """The handshake is over, however it ended; False if it was dropped before."""
        found = self._waiting.pop(number, None)
        if found is None:
            return False
        address, _ = found
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]  # an attacker has many addresses
        return True

    def admit(self, party: str | None) -> bool:
        """Count a connection of `party`, None for a stranger's; False if it has too many already."""
        bounds = self._bounds
        if self._by_party[party] >= (bounds.stranger_connections if party is None else bounds.party_connections):
            return False
        self._by_party[party] += 1
        return True

    def release(self, party: str | None) -> None:
        """A connection that was admitted is closed."""
        self._by_party[party] -= 1

    def _drop_oldest(self, address: str) -> None:
        number, (_, drop) = next((n, waiting) for n, waiting in self._waiting.items() if waiting[0] == address)
        self.leave(number)
        drop()
