"""The example keys: derived from public names, so worthless, and refused anywhere but on loopback."""

from __future__ import annotations

import hmac
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

from schemas.ids import sha256

_LABEL = b"crossbearing example key, worthless\0"
_LOOPBACK4 = IPv4Network("127.0.0.0/8")
_LOOPBACK6 = IPv6Address("::1")


def example_seed(name: str, purpose: str) -> bytes:
    """The 32-byte seed of an example key: anybody can compute it from the holder's ``name`` and its ``purpose``.

    An agency's purposes are ``signing``, ``sealing``, ``tls``, ``witness``, ``witness-pq``, ``administrator-1`` and
    ``administrator-2``; ``broker`` has ``tls`` and ``log``, ``ca`` and ``auditor-1`` have ``tls``, and
    ``governor-1`` to ``governor-5`` have ``governance``.
    """
    return sha256(_LABEL + name.encode() + b"\0" + purpose.encode())


def is_example_seed(name: str, purpose: str, seed: bytes) -> bool:
    """Whether ``seed`` is the worthless one of that name and purpose."""
    return hmac.compare_digest(example_seed(name, purpose), seed)


def is_loopback(host: str) -> bool:
    """Whether ``host`` is surely this machine: a literal address in 127.0.0.0/8, ``::1``, or the name ``localhost``."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return address in _LOOPBACK4
    return address == _LOOPBACK6
