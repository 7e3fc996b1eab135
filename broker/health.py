"""The operator's listener on loopback, without TLS: is the hub alive, is it ready, how is it doing."""

from __future__ import annotations

from aiohttp import web

from broker.config import Address
from broker.exchange import Exchange
from broker.front import Front
from broker.gate import Bounds
from broker.lane import Turn
from broker.metrics import CONTENT_TYPE, PRECEDENCES
from schemas.errors import LogRestored


class Health:
    """Serves `/healthz`, `/readyz` and `/metrics` at `address`. `ready` is set once nodes are accepted."""

    def __init__(self, exchange: Exchange, address: Address) -> None:
        self._exchange = exchange
        self.address = address
        self._front: Front | None = None
        self.ready = False

    async def start(self) -> None:
        """Listen. Raises `BadConfig` when the address cannot be had."""
        app = web.Application()
        served = {"/healthz": self._alive, "/readyz": self._readiness, "/metrics": self._metrics}
        app.add_routes([web.get(path, handler, allow_head=False) for path, handler in served.items()])
        self._front = Front(app, metrics=self._exchange.metrics, bounds=Bounds(), shutdown_seconds=1.0)
        self.address = await self._front.start(self.address)

    async def stop(self) -> None:
        """Stop listening."""
        if self._front is not None:
            await self._front.stop()

    async def _alive(self, _request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def _readiness(self, _request: web.Request) -> web.Response:
        exchange = self._exchange
        if exchange.fault is not None:
            return web.json_response({"ready": False, "reason": exchange.fault.as_dict()}, status=503)
        if exchange.listening is not None:
            message = "; ".join(exchange.listening.obstacles()) or "not resumed yet"
            reason = {"code": LogRestored.code, "message": message}
            return web.json_response({"ready": False, "reason": reason}, status=503)
        if not self.ready or not exchange.ready:
            what = "stopping" if exchange.stopping else "starting"
            return web.json_response({"ready": False, "reason": {"code": "not-ready", "message": what}}, status=503)
        return web.json_response({"ready": True, "size": exchange.head.size, "directory": exchange.head.directory})

    async def _metrics(self, _request: web.Request) -> web.Response:
        exchange = self._exchange
        waiting = await exchange.read(lambda: exchange.engine.waiting_by_rank(exchange.clock()), Turn.PIECES)
        for rank, precedence in enumerate(PRECEDENCES):
            exchange.metrics.outstanding.labels(precedence).set(waiting.get(rank, 0))
        exchange.metrics.pending.set(exchange.pending)
        exchange.metrics.disk_free.set(exchange.engine.free_bytes())
        return web.Response(body=exchange.metrics.expose(), headers={"Content-Type": CONTENT_TYPE})
