"""The hub's listener against everything but a client: odd requests, floods, and peers that never finish anything."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from broker.gate import Bounds, Gate
from broker.hub import Hub, make_exchange, open_storage
from certs.example.pki import authority, tls_key
from tests.support.directory import World, make_world
from tests.support.hub import TestClock, new_hub
from tests.support.hub_client import HubClient, client_tls, connect
from tests.support.raw_http import Connection, asked, connected
from tests.support.wait import until_async

MEMBER, AUDITOR, STRANGER = "hk-customs", "auditor-1", "nz-customs"
GOOD = b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\n\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


@dataclass
class Site:
    world: World
    hub: Hub
    folder: Path

    def tls(self, who: str) -> ssl.SSLContext:
        return client_tls(self.folder, who)

    @property
    def gate(self) -> Gate:
        assert self.hub.server.front is not None
        return self.hub.server.front.gate

    async def connection(self, who: str = AUDITOR) -> Connection:
        return await connected(self.hub.server.address, self.tls(who))


@asynccontextmanager
async def hub_at(folder: Path, **bounds: float) -> AsyncIterator[Site]:
    """A hub whose listener has other bounds than usual."""
    world = make_world(suspended=("au-abf",))
    config = new_hub(world, folder)
    with open_storage(config) as storage:
        hub = Hub(make_exchange(storage, config, TestClock()), config)
        hub.server.bounds = replace(Bounds(), **bounds)  # type: ignore[arg-type]  # replace checks the names
        try:
            await hub.start()
            yield Site(world, hub, folder)
        finally:
            await hub.stop()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with hub_at(tmp_path) as made:
        yield made


# -- requests ----------------------------------------------------------------------------------------------------------

ODD: dict[str, tuple[bytes, int, str]] = {
    "HTTP/1.0": (b"GET /checkpoint HTTP/1.0\r\nHost: hub\r\n\r\n", 400, "not-served"),
    "HTTP/2 by prior knowledge": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "malformed"),
    "no host": (b"GET /checkpoint HTTP/1.1\r\n\r\n", 400, ""),
    "two hosts": (b"GET /checkpoint HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, ""),
    "HEAD": (b"HEAD /checkpoint HTTP/1.1\r\nHost: hub\r\n\r\n", 405, ""),
    "POST": (b"POST /checkpoint HTTP/1.1\r\nHost: hub\r\nContent-Length: 0\r\n\r\n", 405, "not-served"),
    "PUT": (b"PUT /checkpoint HTTP/1.1\r\nHost: hub\r\n\r\n", 405, "not-served"),
    "DELETE": (b"DELETE /tile/0/000 HTTP/1.1\r\nHost: hub\r\n\r\n", 405, "not-served"),
    "OPTIONS": (b"OPTIONS /checkpoint HTTP/1.1\r\nHost: hub\r\n\r\n", 405, "not-served"),
    "OPTIONS of everything": (b"OPTIONS * HTTP/1.1\r\nHost: hub\r\n\r\n", 400, ""),
    "TRACE": (b"TRACE /checkpoint HTTP/1.1\r\nHost: hub\r\n\r\n", 405, "not-served"),
    "CONNECT": (b"CONNECT hub:443 HTTP/1.1\r\nHost: hub\r\n\r\n", 400, ""),
    "no method known": (b"BREW /checkpoint HTTP/1.1\r\nHost: hub\r\n\r\n", 400, ""),
    "an unknown path": (b"GET /admin HTTP/1.1\r\nHost: hub\r\n\r\n", 404, "not-served"),
    "the root": (b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n", 404, "not-served"),
    "a longer path": (b"GET /checkpoint/x HTTP/1.1\r\nHost: hub\r\n\r\n", 404, "not-served"),
    "a final slash": (b"GET /checkpoint/ HTTP/1.1\r\nHost: hub\r\n\r\n", 400, "not-served"),
    "an absolute target": (b"GET http://hub/checkpoint HTTP/1.1\r\nHost: hub\r\n\r\n", 400, "not-served"),
    "another host's target": (b"GET http://inside.example/x HTTP/1.1\r\nHost: hub\r\n\r\n", 400, "not-served"),
    "dots": (b"GET /tile/../checkpoint HTTP/1.1\r\nHost: hub\r\n\r\n", 400, "not-served"),
    "dots at the start": (b"GET /../../etc/passwd HTTP/1.1\r\nHost: hub\r\n\r\n", 400, "not-served"),
    "encoded dots": (b"GET /tile/%2e%2e/checkpoint HTTP/1.1\r\nHost: hub\r\n\r\n", 400, "not-served"),
    "an encoded letter": (b"GET /%63heckpoint HTTP/1.1\r\nHost: hub\r\n\r\n", 400, "not-served"),
    "an encoded zero": (b"GET /checkpoint%00 HTTP/1.1\r\nHost: hub\r\n\r\n", 400, "not-served"),
    "an encoded slash": (b"GET /tile%2f0/000 HTTP/1.1\r\nHost: hub\r\n\r\n", 400, "not-served"),
    "two slashes": (b"GET //checkpoint HTTP/1.1\r\nHost: hub\r\n\r\n", 400, "not-served"),
    "a backslash": (b"GET /tile\\..\\checkpoint HTTP/1.1\r\nHost: hub\r\n\r\n", 400, ""),
    "a query": (b"GET /checkpoint?x=1 HTTP/1.1\r\nHost: hub\r\n\r\n", 400, "not-served"),
    "a fragment": (b"GET /checkpoint#x HTTP/1.1\r\nHost: hub\r\n\r\n", 400, ""),
    "a space in the target": (b"GET /check point HTTP/1.1\r\nHost: hub\r\n\r\n", 400, ""),
    "a body": (b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\nContent-Length: 3\r\n\r\nabc", 400, "not-served"),
    "a body that never comes": (
        b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\nContent-Length: 9\r\n\r\n",
        400,
        "not-served",
    ),
    "a body of terabytes": (
        b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\nContent-Length: 999999999999999\r\n\r\n",
        400,
        "not-served",
    ),
    "a compressed body": (
        b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08",
        400,
        "not-served",
    ),
    "a chunked body": (
        b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        400,
        "not-served",
    ),
    "length and chunks": (
        b"POST /checkpoint HTTP/1.1\r\nHost: hub\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        400,
        "malformed",
    ),
    "two lengths": (
        b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        400,
        "malformed",
    ),
    "a negative length": (b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\nContent-Length: -1\r\n\r\n", 400, "malformed"),
    "an obscured coding": (
        b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: xchunked\r\n\r\n",
        400,
        "",
    ),
    "a space before the colon": (b"GET /checkpoint HTTP/1.1\r\nHost : hub\r\n\r\n", 400, "malformed"),
    "a folded header": (b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\n folded\r\n\r\n", 400, "malformed"),
    "a zero in a header": (b"GET /checkpoint HTTP/1.1\r\nHost: h\x00b\r\n\r\n", 400, "malformed"),
    "a header without a name": (b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\n: x\r\n\r\n", 400, "malformed"),
    "expecting to go on": (b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\nExpect: 100-continue\r\n\r\n", 400, "not-served"),
    "expecting something else": (b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\nExpect: tea\r\n\r\n", 400, "not-served"),
    "from a web page": (
        b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\nOrigin: https://evil.example\r\n\r\n",
        400,
        "not-served",
    ),
    "a long line": (b"GET /" + b"a" * 600 + b" HTTP/1.1\r\nHost: hub\r\n\r\n", 400, "malformed"),
    "a long header": (b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\nX: " + b"a" * 3_000 + b"\r\n\r\n", 400, "malformed"),
    "many headers": (
        b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\n" + b"".join(b"X%d: 1\r\n" % n for n in range(100)) + b"\r\n",
        400,
        "malformed",
    ),
    "TLS in TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "malformed"),
    "an upgrade to HTTP/2": (
        b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
        400,
        "not-served",
    ),
    "a WebSocket elsewhere": (
        b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\n" + UPGRADE + b"Sec-WebSocket-Version: 13\r\n\r\n",
        400,
        "not-served",
    ),
}


def told_nothing(answer: bytes) -> None:
    """No program is named, and nothing of the inside."""
    assert not re.search(rb"aiohttp|python|server:|traceback|File \"|\.py", answer, re.IGNORECASE)


async def test_odd_requests_are_refused_as_json_with_a_code(site: Site) -> None:
    wrong = {}
    for name, (data, status, code) in ODD.items():
        answer = await asked(site.hub.server.address, site.tls(AUDITOR), data)
        assert answer is not None, name
        told_nothing(repr(answer.headers).encode() + answer.body)
        codes = {"not-served", "malformed"} if not code else {code}
        if answer.status != status or (name != "HEAD" and answer.code not in codes):
            wrong[name] = answer
    assert not wrong
    assert (await asked(site.hub.server.address, site.tls(AUDITOR), GOOD)).status == 200  # type: ignore[union-attr]  # it is served


async def test_what_is_served_names_no_program_either(site: Site) -> None:
    answer = await asked(site.hub.server.address, site.tls(AUDITOR), GOOD)
    assert answer is not None
    assert answer.status == 200
    told_nothing(repr(answer.headers).encode())


WEBSOCKETS: dict[str, bytes] = {
    "an old version": UPGRADE + b"Sec-WebSocket-Version: 8\r\n",
    "no version": UPGRADE,
    "a subprotocol": UPGRADE + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n",
    "from a web page": UPGRADE + b"Sec-WebSocket-Version: 13\r\nOrigin: https://evil.example\r\n",
    "no key": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "a short key": (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AA==\r\n"
    ),
    "no upgrade": b"",
    "an upgrade to something else": b"Connection: Upgrade\r\nUpgrade: mqtt\r\n",
}


async def test_a_websocket_of_another_kind_is_refused(site: Site) -> None:
    for name, fields in WEBSOCKETS.items():
        data = b"GET /session HTTP/1.1\r\nHost: hub\r\n" + fields + b"\r\n"
        answer = await asked(site.hub.server.address, site.tls(MEMBER), data)
        assert answer is not None, name
        assert (answer.status, answer.code) == (400, "not-served"), name
        told_nothing(repr(answer.headers).encode() + answer.body)


async def test_pipelined_requests_are_answered_in_order_and_a_refused_one_ends_the_connection(site: Site) -> None:
    connection = await site.connection()
    connection.say(GOOD + GOOD + b"GET /admin HTTP/1.1\r\nHost: hub\r\n\r\n" + GOOD)
    statuses = []
    while (answer := await connection.answer()) is not None:
        statuses.append(answer.status)
    connection.cut()
    assert statuses == [200, 200, 404]


# -- TLS ---------------------------------------------------------------------------------------------------------------


async def test_plain_http_is_no_handshake(site: Site) -> None:
    connection = await connected(site.hub.server.address)
    connection.say(GOOD)
    assert b"HTTP" not in await connection.rest()
    connection.cut()


async def refused_handshake(site: Site, context: ssl.SSLContext) -> bool:
    """Whether nothing is answered; with TLS 1.3 a client learns so only when it reads."""
    try:
        return await asked(site.hub.server.address, context, GOOD) is None
    except (ssl.SSLError, ConnectionError):
        return True


def self_signed(folder: Path, *, issued: bool, ends: int = 1) -> tuple[Path, Path]:
    """A certificate for the member's own key: by itself or by the authority, ending in so many days."""
    key, signer = tls_key(MEMBER), tls_key("ca") if issued else tls_key(MEMBER)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, MEMBER)])
    issuer = x509.load_pem_x509_certificate(authority().certificate).subject if issued else name
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=ends))
        .sign(signer, None)
    )
    return written(folder, made.public_bytes(Encoding.PEM), key)


def written(folder: Path, certificate: bytes, key: Ed25519PrivateKey) -> tuple[Path, Path]:
    paths = folder / "odd.crt", folder / "odd.key"
    paths[0].write_bytes(certificate)
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def showing(site: Site, certificate: Path | None, key: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(site.folder / "broker" / "ca.crt"))
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


async def test_no_certificate(site: Site) -> None:
    assert await refused_handshake(site, showing(site, None))


async def test_a_certificate_by_nobody_we_trust_even_with_the_pinned_key(site: Site) -> None:
    assert await refused_handshake(site, showing(site, *self_signed(site.folder, issued=False)))


async def test_an_expired_certificate_even_with_the_pinned_key(site: Site) -> None:
    assert not await refused_handshake(site, showing(site, *self_signed(site.folder, issued=True)))
    assert await refused_handshake(site, showing(site, *self_signed(site.folder, issued=True, ends=-1)))


async def test_an_older_tls(site: Site) -> None:
    context = site.tls(AUDITOR)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await refused_handshake(site, context)


@pytest.mark.parametrize(("who", "code"), [(STRANGER, "not-pinned"), ("au-abf", "suspended"), ("broker", "not-pinned")])
async def test_a_certificate_that_is_not_enough(site: Site, who: str, code: str) -> None:
    answer = await asked(site.hub.server.address, site.tls(who), GOOD)
    assert answer is not None
    assert (answer.status, answer.code) == (403, code)


def odd_certificate(folder: Path) -> tuple[Path, Path]:
    """One by the authority, of a version that OpenSSL takes and nothing else here can read."""
    key = tls_key(MEMBER)
    paths = self_signed(folder, issued=True)
    made = x509.load_pem_x509_certificate(paths[0].read_bytes())
    inside = made.tbs_certificate_bytes.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1)
    whole = made.public_bytes(Encoding.DER).replace(made.tbs_certificate_bytes, inside)
    whole = whole[: -len(made.signature)] + tls_key("ca").sign(inside)
    return written(folder, ssl.DER_cert_to_PEM_cert(whole).encode(), key)


async def test_a_certificate_that_only_openssl_can_read_is_nobodys(site: Site) -> None:
    answer = await asked(site.hub.server.address, showing(site, *odd_certificate(site.folder)), GOOD)
    assert answer is None or (answer.status, answer.code) == (403, "not-pinned")
    assert (await asked(site.hub.server.address, site.tls(AUDITOR), GOOD)).status == 200  # type: ignore[union-attr]  # it is served


async def test_a_chain_of_very_many_certificates_is_refused(site: Site) -> None:
    certificate, key = self_signed(site.folder, issued=True)
    certificate.write_bytes(certificate.read_bytes() + authority().certificate * 400)
    assert await refused_handshake(site, showing(site, certificate, key))
    assert (await asked(site.hub.server.address, site.tls(AUDITOR), GOOD)).status == 200  # type: ignore[union-attr]  # it is served


# -- floods and peers that never finish --------------------------------------------------------------------------------


async def still_served(site: Site, node: HubClient) -> None:
    """A node that is connected, and one that comes now, are served as ever."""
    await node.socket.ping()
    async with connect(site.world, "sg-cnb", site.hub.server.address, site.folder) as newcomer:
        await newcomer.hello()
    assert node.agency in site.hub.exchange.connected


async def gone(connection: Connection) -> None:
    assert b"HTTP/1.1 2" not in await connection.rest()
    connection.cut()


async def test_a_handshake_that_never_ends_is_cut(tmp_path: Path) -> None:
    async with hub_at(tmp_path, handshake_seconds=0.2) as site:
        silent = await connected(site.hub.server.address)
        half = await connected(site.hub.server.address)
        half.say(b"\x16\x03\x01\x02\x00")
        await gone(silent)
        await gone(half)
        assert (await asked(site.hub.server.address, site.tls(AUDITOR), GOOD)).status == 200  # type: ignore[union-attr]  # it is served


async def test_under_a_flood_of_handshakes_the_oldest_give_way_and_nodes_are_served(tmp_path: Path) -> None:
    async with hub_at(tmp_path, handshakes=16, handshakes_per_address=8, handshake_seconds=600) as site:
        node_context = connect(site.world, MEMBER, site.hub.server.address, site.folder)
        async with node_context as node:
            await node.hello()
            flood = [await connected(site.hub.server.address) for _ in range(40)]
            await asyncio.gather(*(gone(connection) for connection in flood[:32]))
            await still_served(site, node)
            assert site.gate.handshakes <= 8
            for connection in flood:
                connection.cut()


async def test_a_request_that_is_never_finished_is_cut(tmp_path: Path) -> None:
    async with hub_at(tmp_path, request_seconds=0.3) as site:
        silent = await site.connection()
        dribble = await site.connection()
        task = asyncio.create_task(_dribbled(dribble))
        await gone(silent)
        await task


async def _dribbled(connection: Connection) -> None:
    """Send a byte a hundredth of a second, until the other end has had enough."""
    never = asyncio.Event()
    for byte in b"GET /checkpoint HTTP/1.1\r\nHost: hub\r\nX: " + b"a" * 1_000:
        if connection.writer.transport.is_closing():
            break
        connection.say(bytes((byte,)))
        with suppress(TimeoutError):
            await asyncio.wait_for(never.wait(), 0.01)
    await gone(connection)


async def test_an_idle_connection_is_closed(tmp_path: Path) -> None:
    async with hub_at(tmp_path, request_seconds=0.3) as site:
        connection = await site.connection()
        connection.say(GOOD)
        answer = await connection.answer()
        assert answer is not None
        assert answer.status == 200
        assert await connection.rest() == b""
        connection.cut()


async def test_one_certificate_holds_so_many_connections_and_others_keep_theirs(tmp_path: Path) -> None:
    async with hub_at(tmp_path, party_connections=3, stranger_connections=2) as site:
        held = [await site.connection() for _ in range(3)]
        for connection in held:
            connection.say(GOOD)
            assert (await connection.answer()).status == 200  # type: ignore[union-attr]  # it is served
        refused = await asked(site.hub.server.address, site.tls(AUDITOR), b"")
        assert refused is not None
        assert (refused.status, refused.code) == (503, "too-many-connections")
        assert int(refused.headers["retry-after"]) > 0
        assert (await asked(site.hub.server.address, site.tls(MEMBER), GOOD)).status == 200  # type: ignore[union-attr]  # it is served
        strangers = [await site.connection(STRANGER) for _ in range(2)]
        for connection in strangers:
            connection.say(GOOD)
            assert (await connection.answer()).code == "not-pinned"  # type: ignore[union-attr]  # it is answered
        for connection in strangers:
            connection.cut()
        held[0].cut()
        await until_async(lambda: site.gate.connections(AUDITOR) == 2)
        assert (await asked(site.hub.server.address, site.tls(AUDITOR), GOOD)).status == 200  # type: ignore[union-attr]  # it is served
        for connection in held:
            connection.cut()


async def test_an_answer_that_is_not_taken_is_given_up(tmp_path: Path) -> None:
    async with hub_at(tmp_path, answer_seconds=0.3, party_connections=1) as site:
        connection = await site.connection()
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a transport that reads
        connection.say(GOOD * 60_000)
        await until_async(lambda: site.gate.connections(AUDITOR) == 0)
        connection.cut()


async def test_many_connections_opened_and_dropped_leave_nothing_behind(site: Site) -> None:
    for _ in range(5):
        some = [await site.connection() for _ in range(6)]
        for number, connection in enumerate(some):
            if number % 2:
                connection.say(GOOD[: 10 * number])
            connection.cut()
        await until_async(lambda: site.gate.connections(AUDITOR) == 0)
    assert site.gate.handshakes == 0
