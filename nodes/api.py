"""The local API: HTTP/1.1 with JSON over a Unix socket that only the node's own user can open.

This module only carries: it reads requests strictly, calls the service, and turns answers and errors into HTTP. What
each endpoint takes and gives is written in docs/spec/local-api.md.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, cast

import structlog
from aiohttp import web

from nodes.carrier.desk import PIECE
from nodes.client import SUMMARY, check_socket_path
from nodes.front import Bare, Front, without_name
from nodes.local_socket import listen_locally
from nodes.room import Room
from nodes.service.reading import DEFAULT_PAGE
from nodes.service.requests import Given, read_object
from nodes.service.service import NodeService
from schemas.errors import CrossbearingError, Fault, Internal, Malformed, NotFound, ShuttingDown, TooLarge, WrongState
from schemas.ids import parse_id
from schemas.limits import MAX_LARGE_REQUESTS, MAX_LOCAL_CONNECTIONS, MAX_LOCAL_REQUESTS, MAX_LOCAL_STREAMS

__all__ = ["LocalApi"]

MAX_REQUEST: Final = 100_663_296
"""Bytes of a request that may carry files (96 MiB): one of the largest allowed, which base64 makes a third longer."""

MAX_PLAIN_REQUEST: Final = 1_048_576
"""Bytes of any other request: four times a document's limit, for escapes and blanks."""

MAX_READ_AT_ONCE: Final = 65_536
"""Bytes of a request that is read in place: a millisecond at most. A larger one must not keep the others waiting."""

MAX_BUNDLE_REQUEST: Final = 3_145_728
"""Bytes of a request with a directory bundle (3 MiB): one of the largest allowed, which base64 makes a third longer."""

MAX_LOCAL_LINE: Final = 8_190
"""Bytes of a request's first line, which may hold the words of a search."""

KEEPALIVE: Final = 15.0
"""Seconds of silence on the event stream after which an empty line is sent, to find out that nobody listens."""

SHUTDOWN: Final = 5.0
"""Seconds that running requests get when the node stops."""

STATUS: Final[Mapping[type[CrossbearingError], int]] = {NotFound: 404, WrongState: 409, Internal: 500, Fault: 503}
"""HTTP status by class of error; the first that fits. What is not listed is a refused input: 400."""

LARGE: Final = web.RequestKey("large", partial[None])
"""Of a request: takes a place for a large one, until it is answered."""

log = structlog.get_logger(__name__)

Answer = Awaitable[web.StreamResponse]


class LocalApi:
    """Serves `service` on the socket at `path` from `start` to `close`."""

    def __init__(self, service: NodeService, path: Path) -> None:
        self._service = service
        self._path = check_socket_path(path)
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._stopping = asyncio.Event()
        self._requests = Room(MAX_LOCAL_REQUESTS, "requests")
        self._streams = Room(MAX_LOCAL_STREAMS, "event streams")
        self._large = Room(MAX_LARGE_REQUESTS, "large requests")

    async def start(self) -> None:
        """Listen. Raises `BadConfig` if the path is taken by something else than a socket, or cannot be made."""
        app = web.Application(middlewares=[_answer_errors, self._in_a_place])
        app.add_routes(self._routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN, handle_signals=False)
        app.on_response_prepare.append(without_name)
        await self._runner.setup()
        front = Front(MAX_LOCAL_CONNECTIONS, _not_understood, max_line=MAX_LOCAL_LINE)
        connection = partial(front.connection, self._runner)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(connection, sock=listen_locally(self._path))

    async def close(self) -> None:
        """End the event streams, let running requests finish, and remove the socket."""
        self._stopping.set()
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            self._path.unlink(missing_ok=True)

    @web.middleware
    async def _in_a_place(self, request: web.Request, handler: Callable[[web.Request], Answer]) -> web.StreamResponse:
        """Streams stay open, so they have places of their own: they must not keep commands out."""
        room = self._streams if request.match_info.handler == self._events else self._requests
        with ExitStack() as held:
            held.enter_context(room.place())
            request[LARGE] = partial(held.enter_context, self._large.place())
            return await handler(request)

    def _routes(self) -> list[web.RouteDef]:
        alert = "/v1/alerts/{id}"
        return [
            web.get("/v1/status", self._status),
            web.get("/v1/doctor", self._doctor),
            web.get("/v1/directory", self._directory),
            web.post("/v1/route/explain", self._explain),
            web.post("/v1/route/matrix", self._matrix),
            web.get("/v1/route/lint", self._lint),
            web.post("/v1/route/simulate", self._simulate),
            web.post("/v1/alerts", self._send),
            web.get("/v1/inbox", self._inbox),
            web.get("/v1/sent", self._sent),
            web.get("/v1/search", self._search),
            web.get("/v1/events", self._events),
            web.get(alert, self._alert),
            web.get(alert + "/attachments/{number:[1-9][0-9]?}", self._attachment),
            web.post(alert + "/reply", self._reply),
            web.post(alert + "/follow-up", self._follow_up),
            web.post(alert + "/correct", self._correct),
            web.post(alert + "/recall", self._recall),
            web.post(alert + "/ack", self._ack),
            web.post(alert + "/disclosure", self._disclosure),
            web.get("/v1/keys", self._keys),
            web.post("/v1/keys/reload", self._reload_keys),
            web.post("/v1/keys/publish", self._publish_keys),
            web.post("/v1/keys/certificate", self._renew_certificate),
            web.post("/v1/carrier/export", self._export),
            web.post("/v1/carrier/import", self._import),
            web.post("/v1/backup", self._backup),
            web.get("/v1/quarantine", self._quarantine),
            web.get("/v1/dead-letters", self._dead_letters),
            web.post("/v1/dead-letters/{number:[1-9][0-9]{0,17}}/retry", self._retry),
        ]

    # The node itself

    async def _status(self, request: web.Request) -> web.Response:
        _query(request).done()
        return _json(await self._service.health.status())

    async def _doctor(self, request: web.Request) -> web.Response:
        _query(request).done()
        return _json(await self._service.health.doctor())

    async def _directory(self, request: web.Request) -> web.Response:
        _query(request).done()
        return _json(await self._service.directory())

    async def _explain(self, request: web.Request) -> web.Response:
        _query(request).done()
        return _json(await self._service.routing.explain(read_object(await _body(request, MAX_PLAIN_REQUEST))))

    async def _matrix(self, request: web.Request) -> web.Response:
        _query(request).done()
        return _json(await self._service.routing.matrix(read_object(await _body(request, MAX_PLAIN_REQUEST))))

    async def _lint(self, request: web.Request) -> web.Response:
        _query(request).done()
        return _json(await self._service.routing.lint())

    async def _simulate(self, request: web.Request) -> web.Response:
        _query(request).done()
        given = Given(read_object(await _body(request, MAX_PLAIN_REQUEST)))
        document = given.object("document")
        given.done()
        return _json(await self._service.routing.simulate(document or {}))

    # Sending

    async def _send(self, request: web.Request) -> web.Response:
        dry_run, given = await _order(request)
        document, alert_id = given.object("document"), given.text("id")
        common = _common(given)
        answer = await self._service.sending.send(
            document or {}, alert_id=None if alert_id is None else parse_id(alert_id), dry_run=dry_run, **common
        )
        return _json(answer, status=200 if dry_run else 201)

    async def _reply(self, request: web.Request) -> web.Response:
        return await self._relate(request, self._service.sending.reply)

    async def _follow_up(self, request: web.Request) -> web.Response:
        return await self._relate(request, self._service.sending.follow_up)

    async def _correct(self, request: web.Request) -> web.Response:
        return await self._relate(request, self._service.sending.correct, "reason")

    async def _relate(
        self, request: web.Request, send: Callable[..., Awaitable[dict[str, Any]]], *texts: str
    ) -> web.Response:
        dry_run, given = await _order(request)
        words = {name: given.text(name) for name in ("narrative", *texts)}
        document = given.object("document")
        answer = await send(_id(request), document=document, dry_run=dry_run, **words, **_common(given))
        return _json(answer, status=200 if dry_run else 201)

    async def _recall(self, request: web.Request) -> web.Response:
        dry_run, given = await _order(request)
        reason, officer = given.text("reason"), given.text("officer")
        given.done()
        answer = await self._service.sending.recall(_id(request), reason=reason, officer=officer, dry_run=dry_run)
        return _json(answer, status=200 if dry_run else 201)

    async def _ack(self, request: web.Request) -> web.Response:
        _query(request).done()
        given = Given(read_object(await _body(request, MAX_PLAIN_REQUEST)))
        state = cast(Literal["read", "actioned"], given.word("state", ("read", "actioned")))
        officer = given.text("officer")
        given.done()
        return _json(await self._service.ack(_id(request), state, officer=officer))

    # Reading

    async def _inbox(self, request: web.Request) -> web.Response:
        query = _query(request)
        wanted = {name: query.text(name) for name in ("before", "kind", "sender", "operation")}
        state, limit = query.text("state") or "all", _limit(query)
        query.done()
        return _json(await self._service.reading.inbox(state=state, limit=limit, **wanted))

    async def _sent(self, request: web.Request) -> web.Response:
        query = _query(request)
        wanted = {name: query.text(name) for name in ("before", "kind", "operation", "state")}
        limit = _limit(query)
        query.done()
        return _json(await self._service.reading.sent(limit=limit, **wanted))

    async def _search(self, request: web.Request) -> web.Response:
        query = _query(request)
        words, limit = query.text("q") or "", _limit(query)
        query.done()
        return _json(await self._service.reading.search(words, limit=limit))

    async def _alert(self, request: web.Request) -> web.Response:
        _query(request).done()
        return _json(await self._service.reading.alert(_id(request)))

    async def _attachment(self, request: web.Request) -> web.Response:
        _query(request).done()
        content = await self._service.attachment(_id(request), int(request.match_info["number"]))
        # Never under the type its sender claims: nothing here is to be rendered.
        return web.Response(body=content, content_type="application/octet-stream")

    async def _disclosure(self, request: web.Request) -> web.Response:
        _query(request).done()
        file = await self._service.disclosing.disclose(_id(request))
        return web.Response(body=file, content_type="application/octet-stream")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        query = _query(request)
        after = query.number("after")
        query.done()
        if after is None:
            after = await self._service.reading.last_event()
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        await self._stream(response, after)
        return response

    async def _stream(self, response: web.StreamResponse, after: int) -> None:
        """Write events as they happen until the reader goes or the node stops."""
        batches = self._service.reading.events(after)
        stopping = asyncio.ensure_future(self._stopping.wait())
        coming = asyncio.ensure_future(anext(batches))
        try:
            while not stopping.done():
                waiting: set[asyncio.Future[Any]] = {coming, stopping}
                await asyncio.wait(waiting, timeout=KEEPALIVE, return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    await response.write(b"".join(_encode(event) + b"\n" for event in coming.result()))
                    coming = asyncio.ensure_future(anext(batches))
                else:
                    await response.write(b"\n")
        except (ConnectionError, ShuttingDown):
            pass  # the reader went away or the node stops, which is how streams end
        finally:
            stopping.cancel()
            coming.cancel()
            await asyncio.wait({coming})
            await batches.aclose()

    # The agency's keys

    async def _keys(self, request: web.Request) -> web.Response:
        _query(request).done()
        return _json(await self._service.keys.view())

    async def _reload_keys(self, request: web.Request) -> web.Response:
        return _json(await self._service.keys.reload(await _only_bytes(request, "passphrase", MAX_PLAIN_REQUEST)))

    async def _publish_keys(self, request: web.Request) -> web.Response:
        return _json(await self._service.keys.publish(await _only_bytes(request, "bundle", MAX_BUNDLE_REQUEST)))

    async def _renew_certificate(self, request: web.Request) -> web.Response:
        _query(request).done()
        Given(read_object(await _body(request, MAX_PLAIN_REQUEST))).done()
        return _json(await self._service.keys.renew())

    # Files on removable media

    async def _export(self, request: web.Request) -> web.StreamResponse:
        _query(request).done()
        Given(read_object(await _body(request, MAX_PLAIN_REQUEST))).done()
        summary, file = await self._service.carrier.export()
        with file:
            headers = {"Content-Type": "application/octet-stream", SUMMARY: json.dumps(summary)}
            response = web.StreamResponse(headers=headers)
            response.content_length = summary["bytes"]
            await response.prepare(request)
            while piece := await asyncio.to_thread(file.read, PIECE):
                await response.write(piece)
        return response

    async def _import(self, request: web.Request) -> web.Response:
        _query(request).done()
        return _json(await self._service.carrier.take(request.content.iter_chunked(PIECE)))

    # Care

    async def _backup(self, request: web.Request) -> web.Response:
        _query(request).done()
        given = Given(read_object(await _body(request, MAX_PLAIN_REQUEST)))
        target = given.text("target")
        given.done()
        if target is None:
            raise Malformed("target is missing", hint="Name the folder to make, as an absolute path.")
        return _json(await self._service.backup(Path(target)))

    async def _quarantine(self, request: web.Request) -> web.Response:
        _query(request).done()
        return _json(await self._service.reading.quarantine())

    async def _dead_letters(self, request: web.Request) -> web.Response:
        _query(request).done()
        return _json(await self._service.reading.dead_letters())

    async def _retry(self, request: web.Request) -> web.Response:
        _query(request).done()
        Given(read_object(await _body(request, MAX_PLAIN_REQUEST))).done()
        return _json(await self._service.retry_dead_letter(int(request.match_info["number"])))


@web.middleware
async def _answer_errors(request: web.Request, handler: Callable[[web.Request], Answer]) -> web.StreamResponse:
    """Every refusal as its JSON; what nobody foresaw as `internal`, with the details in the log only."""
    try:
        return await handler(request)
    except CrossbearingError as error:
        return _refusal(error)
    except web.HTTPNotFound:
        return _refusal(NotFound(f"there is no {request.path[:120]!a}", hint="See docs/spec/local-api.md."))
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return _refusal(
            NotFound(f"{request.path[:120]!a} does not take {request.method}", hint=f"Use {allowed}."), status=405
        )
    except Exception:
        log.exception("request failed", method=request.method, path=request.path)
        return _refusal(Internal("the node met a case it was not written for"))


def _not_understood(status: int) -> web.Response:
    wrong = Malformed("this is not a request of HTTP/1.1")
    error = wrong if status == 400 else Internal("the node met a case it was not written for")
    return Bare(status=status, body=_encode({"error": error.as_dict()}), content_type="application/json")


def _refusal(error: CrossbearingError, *, status: int | None = None) -> web.Response:
    if status is None:
        status = next((number for family, number in STATUS.items() if isinstance(error, family)), 400)
    return _json({"error": error.as_dict()}, status=status)


def _json(value: Mapping[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=_encode(value), content_type="application/json")


def _encode(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


async def _body(request: web.Request, limit: int) -> bytes:
    """The request's body.

    Raises `TooLarge` as soon as it exceeds `limit` bytes, `Malformed` if it is compressed, `Overloaded` if it is large
    and enough of those are being worked on.
    """
    if "Content-Encoding" in request.headers:
        raise Malformed("the request's body is encoded", hint="Send it as it is.")
    data, large = bytearray(), False
    async for chunk in request.content.iter_chunked(65_536):
        data += chunk
        if len(data) > limit:
            raise TooLarge(
                f"the request has more than {limit} bytes", hint="Send larger files one by one, in follow-ups."
            )
        if not large and len(data) > MAX_PLAIN_REQUEST:
            request[LARGE]()
            large = True
    return bytes(data)


async def _only_bytes(request: web.Request, name: str, limit: int) -> bytes:
    """The one field of a request that hands over bytes."""
    _query(request).done()
    given = Given(read_object(await _body(request, limit)))
    data = given.blob(name)
    given.done()
    return data


async def _order(request: web.Request) -> tuple[bool, Given]:
    """Whether it is a dry run, and the fields of a request that may carry files."""
    query = _query(request)
    dry_run = query.flag("dry_run")
    query.done()
    data = await _body(request, MAX_REQUEST)
    if len(data) <= MAX_READ_AT_ONCE:
        return dry_run, Given(read_object(data))
    return dry_run, Given(await asyncio.to_thread(read_object, data))


def _common(given: Given) -> dict[str, Any]:
    """What every alert may come with; the last fields to be taken."""
    common = {"attachments": given.list("attachments"), "officer": given.text("officer")}
    given.done()
    return common


def _query(request: web.Request) -> Given:
    if len(request.query) != len(set(request.query)):
        raise Malformed("a parameter is given twice", hint="Give each once.")
    return Given(request.query)


def _limit(query: Given) -> int:
    limit = query.number("limit")
    return DEFAULT_PAGE if limit is None else limit


def _id(request: web.Request) -> str:
    return request.match_info["id"]
