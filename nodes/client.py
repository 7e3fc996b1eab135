"""The Python client of a node's local API: synchronous, standard library only, quick to import.

    from nodes.client import NodeClient

    node = NodeClient(Path.home() / ".bearing" / "node.sock")
    sent = node.send({"kind": "watch", "title": "…", "to": ["sg-cnb"], "subjects": […]})
    print(sent["id"], sent["recipients"])

Every method is one endpoint of docs/spec/local-api.md and returns its JSON object. What the node refuses is raised as
the `CrossbearingError` it answered with; a node that does not answer raises `Unreachable`.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import select
import socket
import time
import weakref
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

from schemas.errors import BadConfig, BadDocument, CrossbearingError, Unreachable, refusal_from_code

__all__ = ["Attachment", "Json", "NodeClient", "ReportedProblem", "check_socket_path"]

Json = dict[str, Any]

MAX_SOCKET_PATH = 107
"""Bytes of a Unix socket's path on Linux: `sun_path` holds 108 with the terminating zero (unix(7))."""

CARRIER_TIMEOUT: Final = 900.0
"""Seconds for a file on removable media: some thousand alerts are sealed for it, or opened out of it."""
SUMMARY: Final = "Crossbearing-Summary"
"""Header of an answer that is a file: what is in it, as JSON."""
KEPT_SECONDS: Final = 2.0
"""For so long a connection is kept for the next call: well below the ten seconds after which the node closes it."""
_PIECE = 1_048_576
_TIMEOUT = 30.0
"""Seconds to wait for one answer: sealing for 30 recipients takes milliseconds, a slow disk may take seconds."""


def check_socket_path(path: Path) -> Path:
    """The path itself, if the kernel can hold it as a socket's address; else raise `BadConfig`."""
    if len(bytes(path)) > MAX_SOCKET_PATH:
        raise BadConfig(
            f"the socket path {path} is longer than {MAX_SOCKET_PATH} bytes",
            hint="Use a shorter home directory, such as /var/lib/bearing.",
        )
    return path


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to send with an alert: its name as the recipient sees it, media type (RFC 6838) and content."""

    name: str
    media_type: str
    data: bytes

    def as_json(self) -> Json:
        """The form the local API takes."""
        return {
            "name": self.name,
            "media_type": self.media_type,
            "data": _base64(self.data),
        }


@dataclass(frozen=True, slots=True)
class ReportedProblem:
    """One problem of a document, as the node reported it (`schemas.errors.ProblemLike`)."""

    path: str
    code: str
    message: str
    hint: str
    severity: str


class _UnixConnection(http.client.HTTPConnection):
    """HTTP/1.1 over a Unix socket."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path
        self._process = os.getpid()

    def connect(self) -> None:
        """Connect to the socket file instead of a host and port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(bytes(self._path))

    def is_open(self) -> bool:
        """Whether it is this process's own, and the node has neither closed it nor said anything unasked."""
        if self.sock is None or self._process != os.getpid():  # after a fork two would talk on it at a time
            return False
        said = select.poll()
        said.register(self.sock, select.POLLIN)
        return not said.poll(0)


class NodeClient:
    """Calls the local API of the node whose socket is `socket_path`. Safe to share: calls at a time have a connection
    each, which serves the calls that follow at once.

    `timeout` is in seconds and bounds each wait for the node. All methods raise `Unreachable` when the node is not
    running, and otherwise the error the node answered with.
    """

    def __init__(self, socket_path: Path, *, timeout: float = _TIMEOUT) -> None:
        self.socket_path = check_socket_path(socket_path)
        self.timeout = timeout
        self._idle: deque[tuple[float, _UnixConnection]] = deque()
        weakref.finalize(self, _close_all, self._idle)

    # The node itself

    def status(self) -> Json:
        """`GET /v1/status`: agency, connection, directory, log position, counts, alarms."""
        return self._json("GET", "/v1/status")

    def doctor(self) -> Json:
        """`GET /v1/doctor`: `checks`, each with what it found and what to do about it."""
        return self._json("GET", "/v1/doctor")

    def directory(self) -> Json:
        """`GET /v1/directory`: the agencies, regions, operations and rules in force."""
        return self._json("GET", "/v1/directory")

    # Sending

    def send(
        self,
        document: Mapping[str, object],
        *,
        attachments: Sequence[Attachment] = (),
        officer: str | None = None,
        dry_run: bool = False,
        alert_id: str | None = None,
    ) -> Json:
        """`POST /v1/alerts`: compose and queue an alert; durable when this returns. A dry run only resolves it.

        With an `alert_id` of the caller's own making (a UUIDv7), calling again after a failure never sends it twice.
        """
        body = _content(None, document, attachments, officer)
        if alert_id is not None:
            body["id"] = alert_id
        return self._json("POST", "/v1/alerts", body, dry_run=dry_run or None)

    def reply(
        self,
        alert: str,
        *,
        narrative: str | None = None,
        document: Mapping[str, object] | None = None,
        attachments: Sequence[Attachment] = (),
        officer: str | None = None,
        dry_run: bool = False,
    ) -> Json:
        """`POST /v1/alerts/{id}/reply`: answer the sender of a received alert."""
        body = _content(narrative, document, attachments, officer)
        return self._json("POST", f"{_alert(alert)}/reply", body, dry_run=dry_run or None)

    def follow_up(
        self,
        alert: str,
        *,
        narrative: str | None = None,
        document: Mapping[str, object] | None = None,
        attachments: Sequence[Attachment] = (),
        officer: str | None = None,
        dry_run: bool = False,
    ) -> Json:
        """`POST /v1/alerts/{id}/follow-up`: add news to an alert, addressed as that one was."""
        body = _content(narrative, document, attachments, officer)
        return self._json("POST", f"{_alert(alert)}/follow-up", body, dry_run=dry_run or None)

    def correct(
        self,
        alert: str,
        *,
        narrative: str | None = None,
        document: Mapping[str, object] | None = None,
        attachments: Sequence[Attachment] = (),
        officer: str | None = None,
        dry_run: bool = False,
    ) -> Json:
        """`POST /v1/alerts/{id}/correct`: replace what an alert of this agency said."""
        body = _content(narrative, document, attachments, officer)
        return self._json("POST", f"{_alert(alert)}/correct", body, dry_run=dry_run or None)

    def recall(self, alert: str, *, reason: str, officer: str | None = None, dry_run: bool = False) -> Json:
        """`POST /v1/alerts/{id}/recall`: withdraw an alert of this agency, at every recipient."""
        path = f"{_alert(alert)}/recall"
        return self._json("POST", path, _officer({"reason": reason}, officer), dry_run=dry_run or None)

    def ack(self, alert: str, state: Literal["read", "actioned"], *, officer: str | None = None) -> Json:
        """`POST /v1/alerts/{id}/ack`: tell the sender that the alert was read or acted on."""
        return self._json("POST", f"{_alert(alert)}/ack", _officer({"state": state}, officer))

    # Reading

    def inbox(
        self,
        *,
        state: Literal["unread", "read", "actioned", "all"] = "all",
        limit: int | None = None,
        before: str | None = None,
        kind: str | None = None,
        sender: str | None = None,
        operation: str | None = None,
    ) -> Json:
        """`GET /v1/inbox`: summaries of received alerts, newest first; `before` continues after an alert's id."""
        return self._json(
            "GET", "/v1/inbox", state=state, limit=limit, before=before, kind=kind, sender=sender, operation=operation
        )

    def sent(
        self,
        *,
        limit: int | None = None,
        before: str | None = None,
        kind: str | None = None,
        operation: str | None = None,
    ) -> Json:
        """`GET /v1/sent`: summaries of sent alerts, newest first, with the number of recipients in each state."""
        return self._json("GET", "/v1/sent", limit=limit, before=before, kind=kind, operation=operation)

    def alert(self, alert: str) -> Json:
        """`GET /v1/alerts/{id}`: everything about one alert. `alert` is its id or a unique end of it (4 digits up)."""
        return self._json("GET", _alert(alert))

    def attachment(self, alert: str, number: int) -> bytes:
        """`GET /v1/alerts/{id}/attachments/{n}`: the opened content of attachment `number`, counted from 1."""
        return self._bytes("GET", f"{_alert(alert)}/attachments/{number}", None, {})

    def disclosure(self, alert: str) -> bytes:
        """`POST /v1/alerts/{id}/disclosure`: the file that proves this one alert, opened, to anybody."""
        return self._bytes("POST", f"{_alert(alert)}/disclosure", {}, {})

    def search(self, query: str, *, limit: int | None = None) -> Json:
        """`GET /v1/search`: summaries of alerts, sent and received, whose text matches all words of `query`."""
        return self._json("GET", "/v1/search", q=query, limit=limit)

    def explain(self, query: Mapping[str, object]) -> Json:
        """`POST /v1/route/explain`: who would receive an alert so addressed, and which rule decided."""
        return self._json("POST", "/v1/route/explain", dict(query))

    def matrix(self, query: Mapping[str, object]) -> Json:
        """`POST /v1/route/matrix`: who can reach whom by name with an alert of these facts, and which rule decides."""
        return self._json("POST", "/v1/route/matrix", dict(query))

    def lint(self) -> Json:
        """`GET /v1/route/lint`: what is wrong with the rules in force."""
        return self._json("GET", "/v1/route/lint")

    def simulate(self, document: Mapping[str, object]) -> Json:
        """`POST /v1/route/simulate`: which alerts of this node would have gone elsewhere under a `directory.json`."""
        return self._json("POST", "/v1/route/simulate", {"document": dict(document)})

    def events(self, *, after: int | None = None) -> Generator[Json]:
        """`GET /v1/events`: what happens at the node, as it happens, from the event behind number `after` on.

        Without `after` only what is new. Ends when the node stops; remember the last `seq` to go on from there.
        """
        connection = _UnixConnection(self.socket_path, self.timeout)
        try:
            response = self._exchange(connection, "GET", _target("/v1/events", {"after": after}), None)
            if connection.sock is not None:
                connection.sock.settimeout(None)  # silence on the stream is not a fault: nothing has happened
            while line := self._readline(response):
                if line.strip():  # empty lines only keep the stream alive
                    yield self._decode(line)
        finally:
            connection.close()

    # The agency's keys

    def keys(self) -> Json:
        """`GET /v1/keys`: every key listed or held, and who may sign the next document."""
        return self._json("GET", "/v1/keys")

    def reload_keys(self, passphrase: bytes) -> Json:
        """`POST /v1/keys/reload`: take in the keys that were added to the keystore; answers as `keys` does."""
        return self._json("POST", "/v1/keys/reload", {"passphrase": _base64(passphrase)})

    def publish_keys(self, bundle: bytes) -> Json:
        """`POST /v1/keys/publish`: bring a signed key document into force."""
        return self._json("POST", "/v1/keys/publish", {"bundle": _base64(bundle)})

    def renew_certificate(self) -> Json:
        """`POST /v1/keys/certificate`: take up the certificate that lies beside the next key."""
        return self._json("POST", "/v1/keys/certificate", {})

    # Files on removable media

    def export_file(self) -> tuple[Json, Iterator[bytes]]:
        """`POST /v1/carrier/export`: what is in the file for the hub, and its bytes, to be read to their end."""
        connection = _UnixConnection(self.socket_path, CARRIER_TIMEOUT)
        try:
            response = self._exchange(connection, "POST", "/v1/carrier/export", {})
            summary = self._decode((response.getheader(SUMMARY) or "").encode())
        except BaseException:
            connection.close()
            raise
        return summary, self._pieces(connection, response)

    def import_file(self, pieces: Iterable[bytes]) -> Json:
        """`POST /v1/carrier/import`: what a file from the hub brought."""
        connection = _UnixConnection(self.socket_path, CARRIER_TIMEOUT)
        try:
            headers = {"Accept": "application/json", "Transfer-Encoding": "chunked"}
            with suppress(BrokenPipeError):  # refused before its end: the answer says why
                connection.request("POST", "/v1/carrier/import", body=pieces, headers=headers, encode_chunked=True)
            response = connection.getresponse()
            if response.status >= http.client.BAD_REQUEST:
                raise self._refusal(response.status, response.read())
            return self._decode(response.read())
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def _pieces(self, connection: _UnixConnection, response: http.client.HTTPResponse) -> Iterator[bytes]:
        try:
            while piece := response.read(_PIECE):
                yield piece
            if response.length:
                raise Unreachable("the node ended the connection", hint="See its log; then do the same again.")
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    # Care

    def backup(self, target: str) -> Json:
        """`POST /v1/backup`: back the node up into the new folder `target`."""
        return self._json("POST", "/v1/backup", {"target": target})

    def quarantine(self) -> Json:
        """`GET /v1/quarantine`: what arrived and failed a check; never shown as an alert."""
        return self._json("GET", "/v1/quarantine")

    def dead_letters(self) -> Json:
        """`GET /v1/dead-letters`: deliveries to handlers that were given up."""
        return self._json("GET", "/v1/dead-letters")

    def retry_dead_letter(self, number: int) -> Json:
        """`POST /v1/dead-letters/{n}/retry`: try one of them again."""
        return self._json("POST", f"/v1/dead-letters/{number}/retry", {})

    # How a call is made

    def _json(self, method: str, path: str, body: Json | None = None, **query: str | int | bool | None) -> Json:
        return self._decode(self._bytes(method, path, body, query))

    def _bytes(self, method: str, path: str, body: Json | None, query: Mapping[str, str | int | bool | None]) -> bytes:
        connection, done = self._connection(), False
        try:
            response = self._exchange(connection, method, _target(path, query), body)
            data = response.read()
            done = not response.will_close
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            if done:
                self._idle.append((time.monotonic(), connection))
            else:
                connection.close()
        return data

    def _connection(self) -> _UnixConnection:
        """A connection that nobody uses: one that served a call a moment ago, or a new one."""
        while self._idle:
            try:
                since, connection = self._idle.pop()
            except IndexError:  # another thread was quicker
                break
            if time.monotonic() - since < KEPT_SECONDS and connection.is_open():
                return connection
            connection.close()
        return _UnixConnection(self.socket_path, self.timeout)

    def _exchange(
        self, connection: _UnixConnection, method: str, target: str, body: Json | None
    ) -> http.client.HTTPResponse:
        headers = {"Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body, ensure_ascii=False, default=_decimal_text).encode()
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, target, body=data, headers=headers)
            response = connection.getresponse()
            if response.status >= http.client.BAD_REQUEST:
                raise self._refusal(response.status, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        return response

    def _readline(self, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.readline()
        except (ConnectionError, http.client.IncompleteRead):
            return b""  # the node stopped: the end of the stream, as for an orderly close

    def _decode(self, data: bytes) -> Json:
        try:
            answer = json.loads(data)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Unreachable(
                f"what listens on {self.socket_path} does not answer as a node does",
                hint="Check that the socket belongs to `bearing node run` and that both are the same version.",
            )
        return answer

    def _refusal(self, status: int, data: bytes) -> CrossbearingError:
        error = self._decode(data).get("error")
        if not isinstance(error, dict) or not isinstance(error.get("code"), str):
            return Unreachable(f"the node answered with status {status} and no error code")
        refusal = refusal_from_code(error["code"], str(error.get("message", "")), str(error.get("hint", "")))
        if isinstance(refusal, BadDocument):
            refusal.problems = _problems(error.get("problems"))
        context = error.get("context")
        if isinstance(context, dict):
            refusal.context = {str(key): value for key, value in context.items() if isinstance(value, (str, int))}
        return refusal

    def _unreachable(self, error: Exception) -> Unreachable:
        if isinstance(error, FileNotFoundError | ConnectionRefusedError):
            home = self.socket_path.parent
            return Unreachable(
                f"no node is running at {home}",
                hint=f"Start it with `bearing node run {home}`, or name another with --home or BEARING_HOME.",
            )
        if isinstance(error, PermissionError):
            return Unreachable(
                f"the socket {self.socket_path} may not be used by this user",
                hint="Run the command as the user the node runs as.",
            )
        if isinstance(error, TimeoutError):
            return Unreachable(
                f"the node did not answer within {self.timeout:g} seconds",
                hint="See what the node's log says; a full or slow disk is the usual cause.",
            )
        return Unreachable(f"the node closed the connection: {error}", hint="See what the node's log says.")


def _close_all(idle: deque[tuple[float, _UnixConnection]]) -> None:
    while idle:
        idle.pop()[1].close()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decimal_text(value: object) -> str:
    """Documents read by `load_document` hold decimals; as text they keep every digit."""
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"a document cannot hold a {type(value).__name__}")


def _problems(listed: object) -> tuple[ReportedProblem, ...]:
    if not isinstance(listed, list):
        return ()
    names = [field.name for field in fields(ReportedProblem)]
    return tuple(
        ReportedProblem(**{name: str(item.get(name, "")) for name in names})
        for item in listed
        if isinstance(item, dict)
    )


def _alert(alert: str) -> str:
    return f"/v1/alerts/{quote(alert, safe='')}"


def _content(
    narrative: str | None,
    document: Mapping[str, object] | None,
    attachments: Sequence[Attachment],
    officer: str | None,
) -> Json:
    body: Json = {}
    if narrative is not None:
        body["narrative"] = narrative
    if document is not None:
        body["document"] = dict(document)
    if attachments:
        body["attachments"] = [attachment.as_json() for attachment in attachments]
    return _officer(body, officer)


def _officer(body: Json, officer: str | None) -> Json:
    return body if officer is None else {**body, "officer": officer}


def _target(path: str, query: Mapping[str, str | int | bool | None]) -> str:
    given = {name: int(value) if isinstance(value, bool) else value for name, value in query.items()}
    text = urlencode({name: value for name, value in given.items() if value is not None})
    return f"{path}?{text}" if text else path
