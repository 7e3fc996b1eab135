"""A log served over HTTPS with mutual TLS, as an auditor meets it; a few paths answer as a troubled hub would."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from certs.example.pki import LOOPBACK_NAMES, Identity, authority, leaf
from schemas.errors import Missing
from tests.support.log_builder import LogBuilder

TROUBLE: dict[str, tuple[int, bytes]] = {
    "dropped": (200, b"at last"),
    "forbidden": (403, b""),
    "broken": (500, b""),
    "busy": (503, b""),
    "cut": (200, b"half"),
    "tile/0/999": (200, bytes(9000)),
}
"""Answers of paths that no log has: `dropped` breaks the connection first, `cut` promises more than it sends."""


class Handler(BaseHTTPRequestHandler):
    """Answers GET from a log."""

    protocol_version = "HTTP/1.1"
    log: ClassVar[LogBuilder]
    drops: ClassVar[int] = 0
    busy: ClassVar[int] = 0

    def do_GET(self) -> None:
        path = self.path.removeprefix("/")
        if path == "dropped" and type(self).drops > 0:
            type(self).drops -= 1
            self.close_connection = True
            return
        try:
            status, body = TROUBLE.get(path) or (200, type(self).log.get(path))
        except Missing:
            status, body = 404, b""
        if path == "busy":
            type(self).busy -= 1
            status, body = (503, b"") if type(self).busy >= 0 else (200, b"at last")
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", "7")
        self.send_header("Content-Length", str(len(body) + (9 if path == "cut" else 0)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = path == "cut"

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


def put_keys(folder: Path) -> Path:
    """Write certificates and keys of the authority, the hub and an auditor into `folder`; returns it."""
    identities: dict[str, Identity] = {
        "ca": authority(),
        "broker": leaf("broker", hosts=LOOPBACK_NAMES),
        "auditor-1": leaf("auditor-1"),
    }
    for name, identity in identities.items():
        (folder / f"{name}.crt").write_bytes(identity.certificate)
        (folder / f"{name}.key").write_bytes(identity.private_key)
    return folder


@contextlib.contextmanager
def served(log: LogBuilder, keys: Path) -> Iterator[str]:
    """Serve `log` on loopback with the certificates that `put_keys` wrote; gives the address."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=keys / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(keys / "broker.crt", keys / "broker.key")
    Handler.log, Handler.drops = log, 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
