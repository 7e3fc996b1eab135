"""The log over HTTP, as C2SP tlog-tiles: checkpoint and hash tiles for members, entries for auditors and parties."""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from aiohttp import web

from broker.exchange import Exchange
from broker.identity import Party
from broker.lane import Turn
from broker.parties import party_bundle
from broker.publication import Publication
from broker.tree import TILE_WIDTH
from schemas.errors import CrossbearingError, LogRestored, Missing, NotAParty, NotFound, Purged
from schemas.log.entry import AlertEntry, decode_entry
from schemas.log.tiles import entry_bundle, parse_tile_path

BRIEFLY: Final = {"Cache-Control": "no-cache"}
FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
OWN: Final = {"Cache-Control": "private, max-age=31536000, immutable"}
NEVER: Final = {"Cache-Control": "no-store"}
_DIGEST = re.compile(r"[0-9a-f]{64}")
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")


class LogHttp:
    """Answers requests for the log's resources."""

    def __init__(self, exchange: Exchange, publication: Publication, party: web.RequestKey[Party]) -> None:
        self._exchange = exchange
        self._publication = publication
        self._party = party

    async def checkpoint(self, request: web.Request) -> web.Response:
        """`GET /checkpoint`: the newest signed tree head."""
        del request
        self._settled_only()
        return _note(await self._publication.checkpoint())

    async def witnessed(self, request: web.Request) -> web.Response:
        """`GET /witnessed`: the newest that enough witnesses cosigned, which may be an older one."""
        del request
        self._settled_only()
        note = self._publication.witnessed()
        if note is None:
            raise Missing("no checkpoint has the cosignatures of a quorum yet")
        return _note(note)

    async def tile(self, request: web.Request) -> web.Response:
        """`GET /tile/…`: a hash tile or, for auditors, an entry bundle, of the size asked for."""
        try:
            level, index, width = parse_tile_path(request.path.removeprefix("/"))
        except CrossbearingError as error:
            raise NotFound(error.message) from error
        if level is None:
            self._auditors_only(request)
            data = await self._exchange.read(partial(self._bundle, index, width), Turn.OUTSIDE)
        else:
            data = await self._exchange.read(partial(self._exchange.shipping.tile, level, index, width), Turn.OUTSIDE)
        return web.Response(body=data, content_type="application/octet-stream", headers=FOREVER)

    async def party(self, request: web.Request) -> web.Response:
        """`GET /party/<agency>/tile/entries/…`: a bundle with only the entries that concern the agency that asks."""
        asking, agency = request[self._party], request.match_info["agency"]
        if asking.kind != "auditor" and asking.id != agency:
            raise NotAParty(f"{asking.id} is not {agency}", hint="Ask for your own agency's entries.")
        try:
            level, index, width = parse_tile_path(request.match_info["path"])
        except CrossbearingError as error:
            raise NotFound(error.message) from error
        if level is not None:
            raise NotFound("only entries differ from party to party")
        data = await self._exchange.read(partial(self._party_bundle, agency, index, width), Turn.OUTSIDE)
        return web.Response(body=data, content_type="application/octet-stream", headers=OWN)

    async def directory(self, request: web.Request) -> web.Response:
        """`GET /directory/<sha256>`: the bundle of a directory entry; every member is sent each of them anyway."""
        text = request.match_info["digest"]
        if not _DIGEST.fullmatch(text):
            raise NotFound("a bundle is named by the SHA-256 of its bytes, in lower-case hex")
        data = await self._exchange.read(partial(self._directory_bundle, bytes.fromhex(text)), Turn.OUTSIDE)
        return web.Response(body=data, content_type="application/octet-stream", headers=FOREVER)

    async def body(self, request: web.Request) -> web.Response:
        """`GET /body/<index>`: the sealed body of the alert at that log index, for auditors to see that it is there."""
        self._auditors_only(request)
        data = await self._exchange.read(partial(self._body, _index(request)), Turn.OUTSIDE)
        return web.Response(body=data, content_type="application/octet-stream", headers=NEVER)

    def _body(self, index: int) -> bytes:
        engine = self._exchange.engine
        known, stored = engine.alert_at(index), engine.entry(index)
        entry = decode_entry(stored) if stored is not None else None
        if known is None or not isinstance(entry, AlertEntry):
            raise NotFound(f"there is no alert at index {index}")
        if known.idle_since is None:
            raise Purged(f"the body of the alert at index {index} was deleted")
        data = engine.body(index)
        if data is None:
            raise Missing(f"the body of the alert at index {index} is not held", index=index)
        return data

    def _bundle(self, index: int, width: int) -> bytes:
        start = index * TILE_WIDTH
        if start + width > self._exchange.head.size:
            raise Missing(f"the log has {self._exchange.head.size} entries")
        return entry_bundle(self._exchange.engine.entries(start, start + width))

    def _party_bundle(self, agency: str, index: int, width: int) -> bytes:
        start = index * TILE_WIDTH
        if start + width > self._exchange.head.size:
            raise Missing(f"the log has {self._exchange.head.size} entries")
        engine = self._exchange.engine
        return party_bundle(agency, engine.entries(start, start + width), engine.entry)

    def _directory_bundle(self, digest: bytes) -> bytes:
        engine = self._exchange.engine
        data = engine.blob(digest) if engine.activation_of(digest) is not None else None
        if data is None:
            raise NotFound("no directory entry names that bundle")
        return data

    def _settled_only(self) -> None:
        """A restored log may lack what was signed; showing how far it goes would look as if that were all."""
        if self._exchange.listening is not None:
            raise LogRestored(f"the log was restored from a backup of {self._exchange.head.size} entries, not settled")

    def _auditors_only(self, request: web.Request) -> None:
        party = request[self._party]
        if party.kind != "auditor":
            raise NotAParty(f"{party.id} is no auditor", hint="An agency reads its own entries under /party/.")


def _note(note: bytes) -> web.Response:
    return web.Response(body=note, content_type="text/plain", charset="utf-8", headers=BRIEFLY)


def _index(request: web.Request) -> int:
    text = request.match_info["index"]
    if not _INDEX.fullmatch(text):
        raise NotFound("a body is named by its alert's log index, in plain decimal")
    return int(text)


def log_routes(exchange: Exchange, publication: Publication, party: web.RequestKey[Party]) -> list[web.RouteDef]:
    """The routes of the log."""
    handlers = LogHttp(exchange, publication, party)
    served = {
        "/checkpoint": handlers.checkpoint,
        "/witnessed": handlers.witnessed,
        "/tile/{path:.+}": handlers.tile,
        "/party/{agency}/{path:tile/.+}": handlers.party,
        "/directory/{digest}": handlers.directory,
        "/body/{index}": handlers.body,
    }
    return [web.get(path, handler, allow_head=False) for path, handler in served.items()]
