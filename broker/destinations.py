"""Which addresses the hub may call for agencies: what they publish must not make it reach into its own network.

An agency names its contacts itself. So an address counts, not a name: it is looked at when the connection is made, and
whatever a name resolves to is either public or in a network that the operator listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: an IPv4 address in its last 32 bits, which a gateway would reach."""


@dataclass(frozen=True, slots=True)
class Destinations:
    """`public`: every address that the whole internet can reach; `networks`: these too."""

    public: bool = True
    networks: tuple[Network, ...] = ()

    def allow(self, address: str) -> bool:
        """Whether an IP address may be called; an IPv4 address inside an IPv6 one counts as itself."""
        try:
            found = _plain(ip_address(address))
        except ValueError:
            return False
        if any(found in network for network in self.networks):
            return True
        return self.public and found.is_global and not found.is_multicast


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address
