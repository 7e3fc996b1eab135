"""The local API over its real socket, called by the real client."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from nodes import api as module
from nodes.api import LocalApi
from nodes.client import Attachment, NodeClient
from nodes.local_socket import listen_locally
from nodes.service.health import Health
from nodes.service.ports import LinkState
from schemas.errors import (
    BadConfig,
    BadDocument,
    BadId,
    DirectoryInvalid,
    Internal,
    Malformed,
    Nobody,
    NotFound,
    NotReady,
    Overloaded,
    StorageFull,
    TooDeep,
    TooLarge,
    UnknownAgency,
    Unreachable,
    WrongState,
)
from tests.support.alerts import watch
from tests.support.edge import EdgeNode, edge_node

T = TypeVar("T")


class Served:
    """A node's local side with its API up."""

    def __init__(self, node: EdgeNode) -> None:
        self.node = node
        self.api = LocalApi(node.service, node.config.socket)
        self.client = NodeClient(node.config.socket)

    async def call(self, work: Callable[[NodeClient], T]) -> T:
        """Use the synchronous client without stopping the server."""
        return await asyncio.to_thread(work, self.client)

    async def raw(self, request: bytes) -> tuple[int, dict[str, Any]]:
        """Send bytes as they are; status and JSON of the answer."""
        reader, writer = await asyncio.open_unix_connection(self.node.config.socket)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        head, _, body = answer.partition(b"\r\n\r\n")
        value: dict[str, Any] = json.loads(body)
        return int(head.split()[1]), value

    async def http(self, method: str, target: str, body: bytes = b"") -> tuple[int, dict[str, Any]]:
        """One request; status and JSON of the answer."""
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        return await self.raw(head.encode() + body)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with edge_node(tmp_path) as node:
        served = Served(node)
        await served.api.start()
        yield served
        await served.api.close()


@pytest.fixture
async def tight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """With one place of each sort."""
    for name in ("MAX_LOCAL_REQUESTS", "MAX_LOCAL_STREAMS", "MAX_LARGE_REQUESTS"):
        monkeypatch.setattr(module, name, 1)
    monkeypatch.setattr(module, "MAX_LOCAL_CONNECTIONS", 3)
    async with edge_node(tmp_path) as node:
        served = Served(node)
        await served.api.start()
        yield served
        await served.api.close()


async def begin(served: Served, target: str, size: int, body: bytes) -> asyncio.StreamWriter:
    """A request whose body of `size` bytes does not come to its end."""
    _, writer = await asyncio.open_unix_connection(served.node.config.socket)
    writer.write(f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode() + body)
    await writer.drain()
    return writer


async def until_status(served: Served, wanted: int, method: str, target: str, body: bytes = b"") -> dict[str, Any]:
    """Ask again until that is the status; the answer."""
    async with asyncio.timeout(20):
        while True:
            status, answer = await served.http(method, target, body)
            if status == wanted:
                return answer


async def test_more_requests_than_are_served_are_told_to_come_again(tight: Served) -> None:
    begun = await begin(tight, "/v1/route/explain", 10, b"{")
    answer = await until_status(tight, 503, "GET", "/v1/status")
    assert (answer["error"]["code"], answer["error"]["context"]) == ("overloaded", {"retry_after": 1_000})
    assert answer["error"]["message"] == "the node serves 1 requests already"
    with pytest.raises(Overloaded):
        await tight.call(lambda node: node.send(watch(["asia"])))
    begun.close()
    await until_status(tight, 200, "GET", "/v1/status")
    assert (await tight.call(lambda node: node.send(watch(["asia"]))))["state"] == "waiting"


async def test_streams_have_places_of_their_own(tight: Served) -> None:
    reader, writer = await asyncio.open_unix_connection(tight.node.config.socket)
    writer.write(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"200"
    status, answer = await tight.http("GET", "/v1/events")
    assert (status, answer["error"]["message"]) == (503, "the node serves 1 event streams already")
    assert (await tight.http("GET", "/v1/status"))[0] == 200
    writer.close()


async def test_large_requests_have_few_places_and_keep_no_small_ones_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LARGE_REQUESTS", 1)
    large = b" " * (module.MAX_PLAIN_REQUEST + 1)
    async with edge_node(tmp_path) as node:
        served = Served(node)
        await served.api.start()
        begun = await begin(served, "/v1/alerts", len(large) + 1, large)
        answer = await until_status(served, 503, "POST", "/v1/alerts", large)
        assert (answer["error"]["code"], answer["error"]["message"]) == (
            "overloaded",
            "the node serves 1 large requests already",
        )
        assert (await served.call(lambda client: client.send(watch(["asia"]))))["state"] == "waiting"
        begun.close()
        assert (await until_status(served, 400, "POST", "/v1/alerts", large))["error"]["code"] == "malformed"
        await served.api.close()


async def test_connections_are_bounded(tight: Served) -> None:
    opened = [await asyncio.open_unix_connection(tight.node.config.socket) for _ in range(3)]
    for reader, writer in opened:
        writer.write(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"200"
    reader, writer = await asyncio.open_unix_connection(tight.node.config.socket)
    assert await reader.read() == b""
    writer.close()
    for _, other in opened:
        other.close()


async def test_the_socket_is_the_nodes_own(served: Served) -> None:
    mode = served.node.config.socket.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


async def test_a_sent_alert_through_every_view(served: Served) -> None:
    sent = await served.call(lambda node: node.send(watch(["asia"]), officer="Tan"))
    assert sent["recipients"] == ["au-abf", "hk-customs"]
    shown = await served.call(lambda node: node.alert(sent["id"][-8:]))
    assert shown["alert"]["officer"] == "Tan"
    listed = await served.call(lambda node: node.sent(limit=1, kind="watch"))
    assert [alert["id"] for alert in listed["alerts"]] == [sent["id"]]
    found = await served.call(lambda node: node.search("lantern oil", limit=3))
    assert [alert["id"] for alert in found["alerts"]] == [sent["id"]]
    await served.node.accept(sent["id"])
    corrected = await served.call(lambda node: node.correct(sent["id"], narrative="Blue."))
    await served.node.accept(corrected["id"], index=901)
    followed = await served.call(lambda node: node.follow_up(sent["id"], narrative="Moved."))
    recalled = await served.call(lambda node: node.recall(sent["id"], reason="Wrong ship."))
    shown = await served.call(lambda node: node.alert(sent["id"]))
    assert (shown["corrected_by"], shown["recalled_by"]) == (corrected["id"], recalled["id"])
    assert shown["thread"][:4] == [sent["id"], corrected["id"], followed["id"], recalled["id"]]


async def test_a_dry_run(served: Served) -> None:
    answer = await served.call(lambda node: node.send(watch(["asia"]), dry_run=True))
    assert set(answer) == {"recipients", "trace", "warnings", "header_preview"}
    status, _ = await served.http("POST", "/v1/alerts?dry_run=1", json.dumps({"document": watch(["asia"])}).encode())
    assert status == 200
    status, _ = await served.http("POST", "/v1/alerts?dry_run=0", json.dumps({"document": watch(["asia"])}).encode())
    assert status == 201


async def test_an_id_of_the_callers_own(served: Served) -> None:
    own = "019b0a5e-7c00-7abc-8def-0123456789ab"
    for _ in range(2):
        assert (await served.call(lambda node: node.send(watch(["asia"]), alert_id=own)))["id"] == own
    assert len((await served.call(lambda node: node.sent()))["alerts"]) == 1
    with pytest.raises(BadId):
        await served.call(lambda node: node.send(watch(["asia"]), alert_id="mine"))


async def test_a_received_alert_read_answered_and_acknowledged(served: Served) -> None:
    alert = await served.node.receive("hk-customs", operation="marker")
    query = {"state": "unread", "kind": "watch", "sender": "hk-customs", "operation": "marker"}
    listed = await served.call(lambda node: node.inbox(**query))  # type: ignore[arg-type]  # the words are right
    assert [entry["id"] for entry in listed["alerts"]] == [alert]
    assert await served.call(lambda node: node.ack(alert, "read", officer="Tan")) == {"state": "read"}
    answer = await served.call(lambda node: node.reply(alert, narrative="Seen.", officer="Tan"))
    assert answer["recipients"] == ["hk-customs"]


async def test_files_there_and_back(served: Served) -> None:
    data = bytes(range(256)) * 5_000
    files = [Attachment("x-ray.png", "image/png", data), Attachment("empty.txt", "text/plain", b"")]
    sent = await served.call(lambda node: node.send(watch(["asia"]), attachments=files))
    assert await served.call(lambda node: node.attachment(sent["id"], 1)) == data
    assert await served.call(lambda node: node.attachment(sent["id"], 2)) == b""
    with pytest.raises(NotFound):
        await served.call(lambda node: node.attachment(sent["id"], 3))


async def test_the_node_itself(served: Served) -> None:
    served.node.link = LinkState(connected=True, since=1)
    assert (await served.call(lambda node: node.status()))["connected"] is True
    assert {check["name"] for check in (await served.call(lambda node: node.doctor()))["checks"]} >= {"hub", "clock"}
    assert len((await served.call(lambda node: node.directory()))["agencies"]) == 3
    assert (await served.call(lambda node: node.explain({"to": ["asia"]})))["recipients"] == ["au-abf", "hk-customs"]
    assert (await served.call(lambda node: node.quarantine())) == {"quarantine": []}
    assert (await served.call(lambda node: node.dead_letters())) == {"dead_letters": []}
    with pytest.raises(NotFound):
        await served.call(lambda node: node.retry_dead_letter(7))


async def test_all_problems_of_a_document_reach_the_caller(served: Served) -> None:
    document = watch(["asia", "xx-nobody"], marking="purple")
    with pytest.raises(BadDocument) as refused:
        await served.call(lambda node: node.send(document))
    assert {problem.path for problem in refused.value.problems} >= {"to[1]", "marking"}
    status, answer = await served.http("POST", "/v1/alerts", json.dumps({"document": document}).encode())
    assert status == 400
    assert answer["error"]["code"] == "bad-document"
    assert answer["error"]["problems"][0]["path"] == "to[1]"


async def test_refusals_keep_their_class(served: Served) -> None:
    with pytest.raises(UnknownAgency):
        await served.call(lambda node: node.send(watch(["xx-nobody"])))
    with pytest.raises(Nobody):
        await served.call(lambda node: node.send(watch(["sg-cnb"])))
    assert (await served.call(lambda node: node.explain({"to": ["sg-cnb"]})))["recipients"] == []
    received = await served.node.receive("hk-customs")
    with pytest.raises(WrongState):
        await served.call(lambda node: node.recall(received, reason="x"))
    with pytest.raises(BadId):
        await served.call(lambda node: node.alert("../status"))
    with pytest.raises(NotFound):
        await served.call(lambda node: node.alert("ffffffff"))
    with pytest.raises(Malformed):
        await served.call(lambda node: node.ack(received, "seen"))  # type: ignore[arg-type]  # refused by the node


async def test_before_a_directory_is_held(tmp_path: Path) -> None:
    async with edge_node(tmp_path, directory=False) as node:
        served = Served(node)
        await served.api.start()
        with pytest.raises(NotReady) as refused:
            await served.call(lambda client: client.send(watch(["hk-customs"])))
        assert "bearing status" in refused.value.hint
        status, _ = await served.http("GET", "/v1/directory")
        assert status == 503
        await served.api.close()


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "code"),
    [
        ("GET", "/", b"", 404, "not-found"),
        ("GET", "/v2/status", b"", 404, "not-found"),
        ("POST", "/v1/status", b"", 405, "not-found"),
        ("GET", "/v1/alerts/ffffffff", b"", 404, "not-found"),
        ("GET", "/v1/alerts/zz", b"", 400, "bad-id"),
        ("GET", "/v1/alerts/ffffffff/attachments/0", b"", 404, "not-found"),
        ("GET", "/v1/status?verbose=1", b"", 400, "malformed"),
        ("GET", "/v1/inbox?limit=1&limit=2", b"", 400, "malformed"),
        ("GET", "/v1/inbox?limit=many", b"", 400, "malformed"),
        ("GET", "/v1/inbox?limit=0", b"", 400, "malformed"),
        ("GET", "/v1/inbox?state=new", b"", 400, "malformed"),
        ("GET", "/v1/events?after=-1", b"", 400, "malformed"),
        ("POST", "/v1/alerts?dry_run=yes", b"{}", 400, "malformed"),
        ("POST", "/v1/alerts", b"{", 400, "malformed"),
        ("POST", "/v1/alerts", b"[]", 400, "malformed"),
        ("POST", "/v1/alerts", b'{"document": {}, "document": {}}', 400, "malformed"),
        ("POST", "/v1/alerts", b'{"document": []}', 400, "malformed"),
        ("POST", "/v1/alerts", b'{"document": {}, "attachments": {}}', 400, "malformed"),
        ("POST", "/v1/alerts", b'{"document": {}, "attachments": [{"path": "/etc/passwd"}]}', 400, "malformed"),
        ("POST", "/v1/alerts", b'{"document": {}, "to": "all"}', 400, "malformed"),
        ("POST", "/v1/alerts", b"", 400, "bad-document"),
        ("POST", "/v1/route/explain", b"{}", 400, "malformed"),
        ("POST", "/v1/alerts/ffffffff/recall", b'{"narrative": "x"}', 400, "malformed"),
        ("POST", "/v1/alerts/ffffffff/recall", b'{"reason": "x"}', 404, "not-found"),
        ("POST", "/v1/dead-letters/x/retry", b"{}", 404, "not-found"),
        ("POST", "/v1/dead-letters/1/retry", b'{"now": 1}', 400, "malformed"),
    ],
)
async def test_what_is_no_request_is_refused(
    served: Served, method: str, target: str, body: bytes, status: int, code: str
) -> None:
    answered, answer = await served.http(method, target, body)
    assert (answered, answer["error"]["code"]) == (status, code)
    assert answer["error"]["message"]
    assert answer["error"]["hint"]


async def test_a_request_nested_without_end(served: Served) -> None:
    body = b'{"document": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    _, answer = await served.http("POST", "/v1/alerts", body)
    assert answer["error"]["code"] == TooDeep.code


async def test_requests_have_a_limit(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REQUEST", 2_000)
    monkeypatch.setattr(module, "MAX_PLAIN_REQUEST", 100)
    with pytest.raises(TooLarge, match="more than 2000 bytes"):
        await served.call(lambda node: node.send(watch(["asia"], narrative="x" * 2_000)))
    with pytest.raises(TooLarge, match="more than 100 bytes"):
        await served.call(lambda node: node.explain({"to": ["hk-customs"] * 20}))


async def test_a_fault_is_told_as_one(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(_: Health) -> dict[str, Any]:
        raise StorageFull("no room")

    monkeypatch.setattr(Health, "status", full)
    status, answer = await served.http("GET", "/v1/status")
    assert (status, answer["error"]["code"]) == (503, "storage-full")


async def test_a_defect_says_nothing_of_its_inside(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def defect(_: Health) -> dict[str, Any]:
        raise ZeroDivisionError("secret of the inside")

    monkeypatch.setattr(Health, "status", defect)
    status, answer = await served.http("GET", "/v1/status")
    assert (status, answer["error"]["code"]) == (500, Internal.code)
    assert "secret" not in json.dumps(answer)


async def test_events_are_live_and_resume(served: Served) -> None:
    first = await served.node.receive("hk-customs")
    stream = served.client.events(after=0)
    event = await asyncio.to_thread(next, stream)
    assert (event["type"], event["alert"]) == ("alert", first)
    waiting = asyncio.create_task(asyncio.to_thread(next, stream))
    second = await served.node.receive("hk-customs")
    event = await waiting
    assert event["alert"] == second
    await asyncio.to_thread(stream.close)
    resumed = served.client.events(after=event["seq"] - 1)
    assert (await asyncio.to_thread(next, resumed))["alert"] == second
    await asyncio.to_thread(resumed.close)


async def test_silence_is_broken_now_and_then(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEEPALIVE", 0.01)
    reader, writer = await asyncio.open_unix_connection(served.node.config.socket)
    writer.write(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"application/x-ndjson" in head
    assert await reader.readexactly(6) == b"1\r\n\n\r\n"
    assert await reader.readexactly(6) == b"1\r\n\n\r\n"
    alert = await served.node.receive("hk-customs")
    assert alert.encode() in await reader.readuntil(b"}\n")
    writer.close()
    await writer.wait_closed()


async def test_streams_end_when_the_node_stops(served: Served) -> None:
    stream = served.client.events(after=0)
    await served.node.receive("hk-customs")
    await asyncio.to_thread(next, stream)
    rest = asyncio.create_task(asyncio.to_thread(list, stream))
    await served.api.close()
    assert await rest == []
    assert not served.node.config.socket.exists()
    with pytest.raises(Unreachable):
        await served.call(lambda node: node.status())


async def test_a_socket_left_by_a_killed_node_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "node.sock"
    listen_locally(path).close()
    assert path.exists()
    listener = listen_locally(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    listener.close()


async def test_a_file_in_place_of_the_socket_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "node.sock"
    path.write_text("mine")
    with pytest.raises(BadConfig, match="cannot be made: Address already in use"):
        listen_locally(path)
    assert path.read_text() == "mine"
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadConfig):
        listen_locally(path)


async def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    async with edge_node(tmp_path) as node:
        with pytest.raises(BadConfig, match="longer than 107 bytes"):
            LocalApi(node.service, tmp_path / ("x" * 100))


async def test_garbage_on_the_socket_does_no_harm(served: Served) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, str(served.node.config.socket))
        await asyncio.get_running_loop().sock_sendall(raw, b"\x16\x03\x01\x00\xff" * 10)
    assert (await served.call(lambda node: node.status()))["agency"] == "sg-cnb"


async def test_keys_are_shown_and_documents_and_passphrases_handed_over(served: Served) -> None:
    view = await served.call(lambda node: node.keys())
    assert (view["agency"], view["version"]) == ("sg-cnb", 1)
    with pytest.raises(DirectoryInvalid):
        await served.call(lambda node: node.publish_keys(b"no bundle"))
    with pytest.raises(NotFound, match="keystore"):
        await served.call(lambda node: node.reload_keys(b"open sesame"))
    with pytest.raises(WrongState, match="no certificate of its own"):
        await served.call(lambda node: node.renew_certificate())
    status, answer = await served.http("POST", "/v1/keys/publish", b'{"bundle": "AA==", "more": 1}')
    assert (status, answer["error"]["code"]) == (400, "malformed")


async def test_what_is_no_request_is_told_so_in_json_and_nothing_of_the_program(served: Served) -> None:
    for data in (
        b"\x16\x03\x01\x02\x00\x01",
        b"BREW /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 3_000 + b"\r\n\r\n",
        b"POST /v1/alerts HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ):
        status, value = await served.raw(data)
        assert (status, value["error"]["code"]) == (400, "malformed")


async def test_a_compressed_body_is_refused_unread(served: Served) -> None:
    body = gzip.compress(b" " * 1_000_000)
    head = f"POST /v1/alerts HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    status, value = await served.raw(head.encode() + b"Content-Encoding: gzip\r\n\r\n" + body)
    assert (status, value["error"]["code"]) == (400, "malformed")
