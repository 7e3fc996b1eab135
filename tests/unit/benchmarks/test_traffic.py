"""The kernel's counters of a server's connections, summed over those that are open."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from benchmarks.brokers.traffic import Traffic, traffic
from tests.support.wait import until


def test_what_a_server_sent_and_received_is_counted_by_the_kernel() -> None:
    with ExitStack() as ends:
        server = ends.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = server.getsockname()[1]
        try:
            assert traffic(port) == Traffic(0, 0)
        except OSError as error:
            pytest.skip(f"no sock_diag here: {error}")
        for count in (1_000, 500):
            client = ends.enter_context(socket.create_connection(("127.0.0.1", port)))
            accepted = ends.enter_context(server.accept()[0])
            client.sendall(bytes(count))
            accepted.recv(count, socket.MSG_WAITALL)
            accepted.sendall(bytes(77))
            client.recv(77, socket.MSG_WAITALL)
        until(lambda: traffic(port).sent >= 154, what="the acknowledgement of what was received")
        assert traffic(port) == Traffic(154, 1_500)
