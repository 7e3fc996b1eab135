"""A node's local API without the node: HTTP on a Unix socket, answers from memory, the real check of documents."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nodes.client import SUMMARY
from schemas.alert.document import check_document
from schemas.errors import BadDocument, BadId, CrossbearingError, Nobody, NotFound, Refusal, UnknownAgency, Unreachable

NOW = 1_795_400_000_000  # a moment in November 2026, in ms
MINUTE = 60_000
AGENCIES = {
    "hk-customs": ("Hong Kong Customs and Excise Department", "far-east"),
    "sg-cnb": ("Central Narcotics Bureau of Singapore", "south-east-asia"),
    "my-customs": ("Royal Malaysian Customs Department", "south-east-asia"),
    "nz-customs": ("New Zealand Customs Service", "oceania"),
    "au-abf": ("Australian Border Force", "oceania"),
}
SELF = "hk-customs"


def identity(number: int) -> str:
    """A readable UUIDv7; its end is `number` in eight digits."""
    return f"019ab000-0000-7000-8000-0000{number:08d}"


def received(number: int, **fields: Any) -> dict[str, Any]:
    """What the node answers about an alert that arrived."""
    answer_fields = {
        "state": "unread",
        "received": NOW - 3 * MINUTE,
        "recalled_by": None,
        "corrected_by": None,
        "refusal": None,
    }
    answer = {key: fields.pop(key, value) for key, value in answer_fields.items()}
    alert = {
        "version": 1,
        "id": identity(number),
        "sender": "sg-cnb",
        "kind": "watch",
        "title": f"Look out for container number {number}",
        "to": ["hk-customs"],
        "language": "en",
        "marking": "amber",
        "status": "actual",
        "precedence": "priority",
        "composed": NOW - 4 * MINUTE,
        "subjects": [{"type": "container", "number": "CSQU3054383"}],
        **fields,
    }
    proof = {"index": 40 + number, "size": 97, "leaf": "ab" * 32}
    return {
        "direction": "in",
        "alert": alert,
        "header": {},
        "index": 40 + number,
        "proof": proof,
        "thread": [],
        **answer,
    }


def sent(number: int, recipients: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """What the node answers about an alert it sent."""
    answer = received(number, **{"sender": SELF, "state": "accepted", **fields})
    return {**answer, "direction": "out", "recipients": recipients}


def summary(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The line of an alert in a list."""
    alert = answer["alert"]
    recipients = answer.get("recipients", [])
    states = [entry["state"] for entry in recipients]
    taken = {key: alert.get(key) for key in ("id", "sender", "to", "kind", "title", "marking", "status", "precedence")}
    return {
        **taken,
        "short": alert["id"][-8:],
        "direction": answer["direction"],
        "operation": alert.get("operation"),
        "composed": alert["composed"],
        "received": answer["received"],
        "state": answer["state"],
        "index": answer["index"],
        "recalled": answer["recalled_by"] is not None,
        "corrected": answer["corrected_by"] is not None,
        "recipients_total": len(recipients),
        "counts": {state: states.count(state) for state in states},
    }


class FakeNode:
    """The memory behind the API. `calls` holds each request: method, path, query, body.

    `verdict` is what the hub makes of an alert sent, by the time anybody looks.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, dict[str, str], dict[str, Any]]] = []
        self.alerts: dict[str, dict[str, Any]] = {}
        self.files: dict[tuple[str, int], bytes] = {}
        self.disclosures: dict[str, bytes] = {}
        self.streams: list[list[dict[str, Any]]] = []
        self.quarantined: list[dict[str, Any]] = []
        self.dead: list[dict[str, Any]] = []
        self.checks: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.findings: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []
        self.failure: CrossbearingError | None = None
        self.verdict: dict[str, Any] = {"state": "accepted"}
        self.exported: tuple[dict[str, Any], bytes] = ({}, b"")
        self.brought: dict[str, Any] = {}
        self.handed_in = b""
        self.state: dict[str, Any] = {
            "agency": SELF,
            "name": AGENCIES[SELF][0],
            "connected": True,
            "since": NOW - 60 * MINUTE,
            "hub": "wss://127.0.0.1:7443/session",
            "origin": "log.example/crossbearing",
            "directory": {"version": 33, "name": "Example exchange"},
            "log": {"size": 97, "root": "cd" * 32, "checkpoint_time": NOW - MINUTE},
            "clock_offset_ms": 12,
            "outbox": {"waiting": 0, "refused": 0},
            "inbox": {"unread": 1, "total": 2},
            "quarantine": 0,
            "dead_letters": 0,
            "alarms": [],
            "version": "0.1.0",
        }

    def add(self, *answers: dict[str, Any]) -> None:
        """Put alerts into the node."""
        for answer in answers:
            self.alerts[answer["alert"]["id"]] = answer

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> Any:
        """The JSON answer of one endpoint; bytes for an attachment, a list for a stream, a pair for an export."""
        self.calls.append((method, path, query, body))
        if self.failure is not None:
            raise self.failure
        match method, *path.removeprefix("/v1/").split("/"):
            case "GET", "status":
                return self.state
            case "GET", "doctor":
                return {"checks": self.checks}
            case "GET", "directory":
                return self._directory()
            case "POST", "alerts":
                return self._send(body["document"], query)
            case "GET", "inbox" | "sent" | "search" as box:
                return {"alerts": self._listed(box, query)}
            case "GET", "alerts", short:
                return self._find(short)
            case "POST", "alerts", short, "disclosure":
                return self._disclosed(self._find(short)["alert"]["id"])
            case "GET", "alerts", short, "attachments", number:
                return self.files[self._find(short)["alert"]["id"], int(number)]
            case "POST", "alerts", short, "ack":
                self._find(short)["state"] = body["state"]
                return {"state": body["state"]}
            case "POST", "alerts", short, "reply" | "follow-up" | "correct" | "recall":
                found = self._find(short)
                others = [entry["agency"] for entry in found.get("recipients", ())]
                return self._accept(others or [found["alert"]["sender"]], query)
            case "POST", "route", "explain":
                return self._resolve(body.get("to") or body.get("document", {}).get("to") or ["region:oceania"])
            case "POST", "route", "matrix":
                return {"agencies": sorted(AGENCIES), "reach": self._reach()}
            case "GET", "route", "lint":
                return {"findings": self.findings}
            case "POST", "route", "simulate":
                return {"alerts": 3, "changes": self.changes}
            case "GET", "events":
                if not self.streams:
                    raise NotFound("the script of this test has no more events")
                return self.streams.pop(0)
            case "GET", "quarantine":
                return {"quarantine": self.quarantined}
            case "POST", "carrier", "export":
                return self.exported
            case "POST", "carrier", "import":
                return self.brought
            case "GET", "dead-letters":
                return {"dead_letters": self.dead}
            case "POST", "dead-letters", number, "retry":
                return {"number": int(number)}
        raise NotFound(f"no endpoint {method} {path}")

    def _listed(self, box: str, query: dict[str, str]) -> list[dict[str, Any]]:
        wanted = {"inbox": ("in",), "sent": ("out",), "search": ("in", "out")}[box]
        found = [
            summary(answer)
            for answer in self.alerts.values()
            if answer["direction"] in wanted
            and query.get("state", "all") in ("all", answer["state"])
            and query.get("q", "").lower() in answer["alert"]["title"].lower()
        ]
        return found[: int(query.get("limit", len(found)))]

    def _disclosed(self, alert: str) -> bytes:
        if alert not in self.disclosures:
            raise Unreachable("the hub cannot be reached now")
        return self.disclosures[alert]

    def _find(self, short: str) -> dict[str, Any]:
        found = [answer for key, answer in self.alerts.items() if key.endswith(short)]
        if len(short) < 4 or len(found) > 1:
            raise BadId(f"{short} does not name one alert")
        if not found:
            raise NotFound(f"there is no alert {short}")
        return found[0]

    def _send(self, document: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        problems = check_document(document)
        if any(problem.severity == "error" for problem in problems):
            raise BadDocument("the document has problems", problems=tuple(problems))
        return self._accept(document["to"], query)

    def _accept(self, to: list[str], query: dict[str, str]) -> dict[str, Any]:
        resolution = self._resolve(to)
        if query.get("dry_run") == "1":
            return {**resolution, "warnings": [], "header_preview": {}}
        waiting = [{"agency": agency, "state": "waiting", "time": NOW} for agency in resolution["recipients"]]
        self.add(sent(77, waiting, **self.verdict))
        return {"id": identity(77), "state": "waiting", "recipients": resolution["recipients"], "warnings": []}

    def _resolve(self, to: list[str]) -> dict[str, Any]:
        wanted = set()
        for address in to:
            region = address.removeprefix("region:")
            matching = {
                a for a, (_, r) in AGENCIES.items() if address in ("all", a) or (region != address and r == region)
            }
            if not matching:
                raise UnknownAgency(f"there is no agency {address!r}", hint="Did you mean 'sg-cnb'?")
            wanted |= matching
        recipients = sorted(wanted - {SELF})
        if not recipients:
            raise Nobody("this address reaches nobody but the sender")
        trace = [
            {
                "agency": a,
                "included": a in recipients,
                "rule": "address" if a in recipients else "built-in:not-addressed",
                "reason": "addressed" if a in recipients else "not addressed",
            }
            for a in AGENCIES
        ]
        return {"recipients": recipients, "trace": trace}

    @staticmethod
    def _reach() -> dict[str, dict[str, dict[str, str]]]:
        """Nobody reaches my-customs, and nz-customs is reached through au-abf by all others."""
        named = {"state": "yes", "rule": "built-in:addressed", "reason": "addressed by name"}
        cells: dict[str, dict[str, dict[str, str]]] = {
            sender: {recipient: named for recipient in sorted(AGENCIES) if recipient != sender}
            for sender in sorted(AGENCIES)
        }
        for sender, row in cells.items():
            if sender != "my-customs":
                row["my-customs"] = {"state": "no", "rule": "never", "reason": "no agreement"}
            if sender not in {"nz-customs", "au-abf"}:
                row["nz-customs"] = {"state": "hub", "rule": "islands", "reason": "is reached through au-abf: small"}
        return cells

    def _directory(self) -> dict[str, Any]:
        agencies = [
            {"id": key, "name": name, "country": key[:2].upper(), "regions": [region], "status": "active"}
            for key, (name, region) in AGENCIES.items()
        ]
        regions = [{"id": "oceania", "name": "Oceania"}, {"id": "far-east", "name": "Far East"}]
        operations = [{"id": "marker", "name": "Operation Marker", "host": SELF}]
        return {
            "version": 33,
            "agencies": agencies,
            "regions": regions,
            "operations": operations,
            "rules": [],
            "requests": self.requests,
        }


@contextmanager
def serving(node: FakeNode, socket: Path) -> Iterator[FakeNode]:
    """Answer on `socket` while the block runs."""
    with _Server(str(socket), _handler(node)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield node
        finally:
            server.shutdown()
            thread.join()


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def _handler(node: FakeNode) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._do({})

        def do_POST(self) -> None:
            if self.path == "/v1/carrier/import":
                try:
                    node.handed_in = b"".join(iter(self._chunk, b""))
                except ValueError:
                    return  # whoever asked hung up
                self._do({})
                return
            self._do(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _chunk(self) -> bytes:
            data = self.rfile.read(int(self.rfile.readline(), 16))
            self.rfile.readline()
            return data

        def _do(self, body: dict[str, Any]) -> None:
            target = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(target.query).items()}
            try:
                answer = node.answer(self.command, target.path, query, body)
            except CrossbearingError as error:
                status = 404 if isinstance(error, NotFound) else 400 if isinstance(error, Refusal) else 503
                self._reply(status, json.dumps({"error": error.as_dict()}).encode())
                return
            if isinstance(answer, tuple):
                self._reply(200, answer[1], {SUMMARY: json.dumps(answer[0])})
            elif isinstance(answer, list):
                self._reply(200, b"".join(json.dumps(event).encode() + b"\n" for event in answer))
            else:
                self._reply(200, answer if isinstance(answer, bytes) else json.dumps(answer).encode())

        def _reply(self, status: int, data: bytes, headers: Mapping[str, str] = MappingProxyType({})) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name the base class gave it
            """Stay quiet: standard error is part of what the tests look at."""

    return Handler
