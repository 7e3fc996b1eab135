"""Bytes on the wire, as the kernel counts them for each connection of a server: all that TCP carries, so TLS records.

Read through sock_diag (sock_diag(7)), with the server's port and nothing in between, so that counting costs no time.
A connection that was closed meanwhile is not counted: keep them open until both readings are taken.
"""

from __future__ import annotations

import socket
import struct
from contextlib import closing
from dataclasses import dataclass

_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY
_REQUEST, _DUMP = 1, 0x300  # NLM_F_REQUEST, NLM_F_DUMP
_ERROR, _DONE = 2, 3  # NLMSG_ERROR, NLMSG_DONE
_INFO = 2  # INET_DIAG_INFO: a struct tcp_info
_ESTABLISHED = 1 << 1
_MESSAGE = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_DIAG = 72  # bytes of a struct inet_diag_msg
_ACKED = 120  # offset in tcp_info of tcpi_bytes_acked, which tcpi_bytes_received follows


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes that a server sent (as far as acknowledged) and received."""

    sent: int
    received: int

    def __sub__(self, before: Traffic) -> Traffic:
        return Traffic(self.sent - before.sent, self.received - before.received)


def traffic(port: int) -> Traffic:
    """What the server on loopback `port` exchanged over the connections that are open now. Raises OSError."""
    sent = received = 0
    asked = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 1 << (_INFO - 1), 0, _ESTABLISHED)
    asked += struct.pack("!HH", port, 0) + bytes(44)  # the rest of a struct inet_diag_sockid: any other end
    with closing(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG)) as netlink:
        netlink.send(_MESSAGE.pack(_MESSAGE.size + len(asked), _BY_FAMILY, _REQUEST | _DUMP, 1, 0) + asked)
        while True:
            data, at = netlink.recv(1 << 18), 0
            while at < len(data):
                length, kind, *_ = _MESSAGE.unpack_from(data, at)
                body = data[at + _MESSAGE.size : at + length]
                if kind == _DONE:
                    return Traffic(sent, received)
                if kind == _ERROR:
                    raise OSError(f"sock_diag answered {struct.unpack_from('=i', body)[0]}")
                acked, got = _counters(body)
                sent, received = sent + acked, received + got
                at += (length + 3) & ~3


def _counters(message: bytes) -> tuple[int, int]:
    at = _DIAG
    while at < len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        if kind == _INFO:
            acked, received = struct.unpack_from("=QQ", message, at + _ATTRIBUTE.size + _ACKED)
            return acked, received
        at += (length + 3) & ~3
    return 0, 0
