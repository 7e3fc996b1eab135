"""TLS 1.3 records, without a socket: what goes in at one end is encrypted, carried over in memory, and decrypted."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.floors.timing import Floor, processor

SIZES = {"small": 256, "frame": 4_096, "large": 16_384}
"""Bytes written at once: the largest fills a record (RFC 8446 section 5.1)."""


class Ends:
    """A client and a server after their handshake."""

    def __init__(self, certificate: Path, key: Path, authority: Path) -> None:
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority))
        server.load_cert_chain(certificate, key)
        server.verify_mode = ssl.CERT_REQUIRED
        client = ssl.create_default_context(cafile=str(authority))
        client.load_cert_chain(certificate, key)
        self.up, self.down = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(self.down, self.up, server_hostname="localhost")
        self.server = server.wrap_bio(self.up, self.down, server_side=True)
        waiting = [self.client, self.server]
        while waiting:
            for end in list(waiting):
                try:
                    end.do_handshake()
                    waiting.remove(end)
                except ssl.SSLWantReadError:
                    continue
        self.client.write(b"x")
        self.server.read(1)


def floors(certificate: Path, key: Path, authority: Path) -> Iterator[Floor]:
    """Each floor in turn."""
    for name, size in SIZES.items():
        ends, data = Ends(certificate, key, authority), os.urandom(size)
        both = processor(f"tls {name}", f"TLS 1.3, {size:,} bytes: encrypt and decrypt", partial(_carry, ends, data))
        one = processor(f"tls {name} out", f"TLS 1.3, {size:,} bytes: encrypt", partial(_encrypt, ends, data))
        yield one
        yield Floor(f"tls {name} in", f"TLS 1.3, {size:,} bytes: decrypt", max(0.0, both.cost - one.cost))


def _carry(ends: Ends, data: bytes) -> None:
    ends.server.write(data)
    left = len(data)
    while left:
        left -= len(ends.client.read(left))


def _encrypt(ends: Ends, data: bytes) -> None:
    ends.server.write(data)
    ends.down.read()
