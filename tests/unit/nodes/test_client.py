from __future__ import annotations

import base64
import http.server
import json
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nodes.client import MAX_SOCKET_PATH, Attachment, NodeClient, _UnixConnection, check_socket_path
from schemas.errors import BadConfig, BadDocument, CrossbearingError, NotFound, UnknownRefusal, Unreachable

ALERT = "019b0a5e-7c00-7abc-8def-0123456789ab"


@dataclass
class FakeNode:
    """Answers every request with what the test put there, and keeps what it was asked."""

    path: Path
    status: int = 200
    answer: bytes = b'{"ok": true}'
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    silent: threading.Event | None = None

    def handle(self, request: http.server.BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("Content-Length", 0))
        body = json.loads(request.rfile.read(length)) if length else None
        self.asked.append((request.command, request.path, body))
        if self.silent is not None:
            self.silent.wait()
            return
        request.send_response(self.status)
        if "Transfer-Encoding" not in self.headers:
            request.send_header("Content-Length", str(len(self.answer)))
        for name, value in self.headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(self.answer)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what some tests are about."""


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeNode]:
    node = FakeNode(tmp_path / "node.sock")

    class Request(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            node.handle(self)

        def do_POST(self) -> None:
            node.handle(self)

        def address_string(self) -> str:
            return "unix"

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing: the test looks at `asked`."""

    with Server(str(node.path), Request) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield node
        server.shutdown()
        thread.join()


Call = Callable[[NodeClient], object]


@pytest.mark.parametrize(
    ("call", "asked"),
    [
        (lambda n: n.status(), ("GET", "/v1/status", None)),
        (lambda n: n.doctor(), ("GET", "/v1/doctor", None)),
        (lambda n: n.directory(), ("GET", "/v1/directory", None)),
        (lambda n: n.send({"kind": "watch"}), ("POST", "/v1/alerts", {"document": {"kind": "watch"}})),
        (
            lambda n: n.send({}, dry_run=True, officer="chan"),
            ("POST", "/v1/alerts?dry_run=1", {"document": {}, "officer": "chan"}),
        ),
        (
            lambda n: n.send({}, attachments=[Attachment("x.png", "image/png", b"\x89PNG")]),
            (
                "POST",
                "/v1/alerts",
                {
                    "document": {},
                    "attachments": [
                        {"name": "x.png", "media_type": "image/png", "data": base64.b64encode(b"\x89PNG").decode()}
                    ],
                },
            ),
        ),
        (lambda n: n.reply(ALERT, narrative="谢谢"), ("POST", f"/v1/alerts/{ALERT}/reply", {"narrative": "谢谢"})),
        (
            lambda n: n.follow_up(ALERT, document={"title": "t"}, officer="chan"),
            ("POST", f"/v1/alerts/{ALERT}/follow-up", {"document": {"title": "t"}, "officer": "chan"}),
        ),
        (
            lambda n: n.correct(ALERT, narrative="5 kg", dry_run=True),
            ("POST", f"/v1/alerts/{ALERT}/correct?dry_run=1", {"narrative": "5 kg"}),
        ),
        (
            lambda n: n.recall(ALERT, reason="wrong ship"),
            ("POST", f"/v1/alerts/{ALERT}/recall", {"reason": "wrong ship"}),
        ),
        (
            lambda n: n.ack(ALERT, "read", officer="chan"),
            ("POST", f"/v1/alerts/{ALERT}/ack", {"state": "read", "officer": "chan"}),
        ),
        (lambda n: n.inbox(), ("GET", "/v1/inbox?state=all", None)),
        (
            lambda n: n.inbox(state="unread", limit=5, before=ALERT, kind="watch", sender="sg-cnb", operation="marker"),
            (
                "GET",
                f"/v1/inbox?state=unread&limit=5&before={ALERT}&kind=watch&sender=sg-cnb&operation=marker",
                None,
            ),
        ),
        (
            lambda n: n.sent(limit=1, before=ALERT, kind="watch", operation="marker"),
            ("GET", f"/v1/sent?limit=1&before={ALERT}&kind=watch&operation=marker", None),
        ),
        (lambda n: n.alert("89ab"), ("GET", "/v1/alerts/89ab", None)),
        (lambda n: n.alert("../status?x"), ("GET", "/v1/alerts/..%2Fstatus%3Fx", None)),
        (lambda n: n.search("green tea & 冰毒"), ("GET", "/v1/search?q=green+tea+%26+%E5%86%B0%E6%AF%92", None)),
        (lambda n: n.explain({"to": ["all"]}), ("POST", "/v1/route/explain", {"to": ["all"]})),
        (lambda n: n.matrix({"marking": "red"}), ("POST", "/v1/route/matrix", {"marking": "red"})),
        (lambda n: n.lint(), ("GET", "/v1/route/lint", None)),
        (lambda n: n.simulate({"format": 1}), ("POST", "/v1/route/simulate", {"document": {"format": 1}})),
        (lambda n: n.quarantine(), ("GET", "/v1/quarantine", None)),
        (lambda n: n.dead_letters(), ("GET", "/v1/dead-letters", None)),
        (lambda n: n.retry_dead_letter(7), ("POST", "/v1/dead-letters/7/retry", {})),
    ],
)
def test_each_method_is_one_endpoint(fake: FakeNode, call: Call, asked: tuple[str, str, Any]) -> None:
    assert call(NodeClient(fake.path)) == {"ok": True}
    assert fake.asked == [asked]


def test_an_attachment_is_its_bytes(fake: FakeNode) -> None:
    fake.answer = b"\x00\xff{"
    assert NodeClient(fake.path).attachment(ALERT, 2) == b"\x00\xff{"
    assert fake.asked == [("GET", f"/v1/alerts/{ALERT}/attachments/2", None)]


def test_events_come_one_by_one(fake: FakeNode) -> None:
    fake.answer = b'{"seq": 8}\n\n{"seq": 9}\n'
    assert list(NodeClient(fake.path).events(after=7)) == [{"seq": 8}, {"seq": 9}]
    assert fake.asked == [("GET", "/v1/events?after=7", None)]


def test_events_without_a_start_are_only_the_new_ones(fake: FakeNode) -> None:
    fake.answer = b""
    assert list(NodeClient(fake.path).events()) == []
    assert fake.asked == [("GET", "/v1/events", None)]


def refuse(fake: FakeNode, status: int, **error: object) -> CrossbearingError:
    fake.status, fake.answer = status, json.dumps({"error": error}).encode()
    with pytest.raises(CrossbearingError) as raised:
        NodeClient(fake.path).status()
    return raised.value


def test_a_refusal_is_rebuilt(fake: FakeNode) -> None:
    error = refuse(
        fake, 404, code="not-found", message="no such alert", hint="list them", context={"id": "89ab", "n": 1}
    )
    assert type(error) is NotFound
    assert (error.message, error.hint, error.context) == ("no such alert", "list them", {"id": "89ab", "n": 1})


def test_a_refusal_of_a_newer_node_keeps_its_code(fake: FakeNode) -> None:
    error = refuse(fake, 400, code="brand-new", message="no", hint="so")
    assert type(error) is UnknownRefusal
    assert (error.code, error.hint) == ("brand-new", "so")


def test_all_problems_of_a_document_come_with_it(fake: FakeNode) -> None:
    problem = {"path": "to", "code": "missing", "message": "who?", "hint": "say", "severity": "error"}
    error = refuse(fake, 400, code="bad-document", message="1 problem", hint="", problems=[problem])
    assert isinstance(error, BadDocument)
    assert error.as_dict()["problems"] == [problem]


@pytest.mark.parametrize("problems", [None, "x", ["x"], [{}]])
def test_problems_in_a_strange_form_do_not_hide_the_refusal(fake: FakeNode, problems: object) -> None:
    error = refuse(fake, 400, code="bad-document", message="no", hint="", problems=problems)
    assert error.message == "no"


def test_a_status_without_a_code(fake: FakeNode) -> None:
    assert isinstance(refuse(fake, 500), Unreachable)


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"\xff", b""])
def test_what_is_no_node_is_unreachable(fake: FakeNode, answer: bytes) -> None:
    fake.answer = answer
    with pytest.raises(Unreachable, match="does not answer as a node does"):
        NodeClient(fake.path).status()


def test_no_node_is_running(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="no node is running at") as raised:
        NodeClient(tmp_path / "node.sock").status()
    assert f"bearing node run {tmp_path}" in raised.value.hint
    with pytest.raises(Unreachable, match="no node is running at"):
        next(NodeClient(tmp_path / "node.sock").events())


def test_a_socket_left_by_a_dead_node(tmp_path: Path) -> None:
    with Server(str(tmp_path / "node.sock"), http.server.BaseHTTPRequestHandler):
        pass
    with pytest.raises(Unreachable, match="no node is running at"):
        NodeClient(tmp_path / "node.sock").status()


def test_a_socket_of_another_user(fake: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(_: _UnixConnection) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(_UnixConnection, "connect", deny)  # rights alone would not stop root
    with pytest.raises(Unreachable, match="may not be used by this user"):
        NodeClient(fake.path).status()


def test_a_node_that_hangs(fake: FakeNode) -> None:
    fake.silent = threading.Event()
    with pytest.raises(Unreachable, match=r"did not answer within 0\.05 seconds"):
        NodeClient(fake.path, timeout=0.05).status()
    fake.silent.set()


def test_a_node_that_dies_before_its_answer(fake: FakeNode) -> None:
    fake.silent = threading.Event()
    fake.silent.set()
    with pytest.raises(Unreachable, match="closed the connection"):
        NodeClient(fake.path).status()


def test_a_node_that_dies_in_the_middle_of_an_answer(fake: FakeNode) -> None:
    fake.headers = {"Transfer-Encoding": "chunked"}
    fake.answer = b"9\r\n{"
    with pytest.raises(Unreachable, match="closed the connection"):
        NodeClient(fake.path).status()


def test_a_stream_that_breaks_off_ends(fake: FakeNode) -> None:
    fake.headers = {"Transfer-Encoding": "chunked"}
    fake.answer = b'b\r\n{"seq": 8}\n\r\n'
    assert list(NodeClient(fake.path).events(after=7)) == [{"seq": 8}]


def test_decimals_keep_every_digit(fake: FakeNode) -> None:
    document = {"value": Decimal("26.50"), "large": Decimal("1E+3")}
    NodeClient(fake.path).send(document)
    assert fake.asked[0][2] == {"document": {"value": "26.50", "large": "1000"}}
    with pytest.raises(TypeError, match="cannot hold a date"):
        NodeClient(fake.path).send({"day": date(2026, 9, 1)})


def test_a_path_too_long_for_a_socket() -> None:
    fits = Path("/" + "x" * (MAX_SOCKET_PATH - 1))
    assert check_socket_path(fits) == fits
    with pytest.raises(BadConfig, match="longer than 107 bytes"):
        NodeClient(Path("/" + "x" * MAX_SOCKET_PATH))


def test_importing_the_client_stays_cheap() -> None:
    script = "import sys, nodes.client; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"aiohttp", "apsw", "asyncio", "click", "cryptography", "msgpack", "nacl", "pydantic", "rich", "structlog"}
    assert heavy.isdisjoint(loaded)


class Lasting(socketserver.BaseRequestHandler):
    """Answers on one connection until it is told to hang up."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, LastingServer)
        server.connections += 1
        with self.request.makefile("rb") as reader:
            while reader.readline():
                while reader.readline().strip():
                    pass
                said = b"Connection: close\r\n" if server.says_so else b""
                self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + said + b"\r\n{}")
                if server.hangs_up or server.says_so:
                    return


class LastingServer(Server):
    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Lasting)
        self.path = path
        self.connections = 0
        self.hangs_up = False
        self.says_so = False
        self.gone = threading.Event()

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.gone.set()


@pytest.fixture
def lasting(tmp_path: Path) -> Iterator[LastingServer]:
    with LastingServer(tmp_path / "node.sock") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_calls_one_after_the_other_share_a_connection(lasting: LastingServer) -> None:
    client = NodeClient(lasting.path)
    for _ in range(5):
        client.status()
    assert lasting.connections == 1


@pytest.mark.parametrize("how", ["hangs_up", "says_so"])
def test_a_connection_that_the_node_closed_is_not_used_again(lasting: LastingServer, how: str) -> None:
    client = NodeClient(lasting.path)
    setattr(lasting, how, True)
    for calls in range(1, 4):
        client.status()
        assert lasting.gone.wait(10)
        lasting.gone.clear()
        assert lasting.connections == calls


def test_a_connection_that_was_idle_is_not_used_again(lasting: LastingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    client = NodeClient(lasting.path)
    client.status()
    monkeypatch.setattr("nodes.client.KEPT_SECONDS", 0.0)
    client.status()
    assert lasting.connections == 2


def test_a_process_that_forked_does_not_share_its_connections(
    lasting: LastingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = NodeClient(lasting.path)
    client.status()
    monkeypatch.setattr("nodes.client.os.getpid", lambda: -1)
    client.status()
    assert lasting.connections == 2


def test_calls_at_a_time_have_a_connection_each_and_share_them_later(lasting: LastingServer) -> None:
    client = NodeClient(lasting.path)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: client.status(), range(40))) == [{}] * 40
    assert lasting.connections <= 4
