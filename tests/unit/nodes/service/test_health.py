from __future__ import annotations

import datetime as dt
import json
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from nodes.service import health
from nodes.service.ports import LinkState
from schemas.example import example_seed
from schemas.keys import SealingKey
from tests.support.alerts import watch
from tests.support.directory import NOW, make_world, record
from tests.support.edge import EdgeNode, edge_node

DAY_MS = 86_400_000

UNWITNESSED = {"cosigned_by": 0, "quorum": 0, "quorum_size": 0}


async def checks(node: EdgeNode) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in (await node.service.health.doctor())["checks"]}


async def test_the_status_of_a_working_node(node: EdgeNode) -> None:
    node.link = LinkState(connected=True, since=NOW - 9, clock_offset=-3, checkpoint_time=NOW - 1)
    await node.receive("hk-customs")
    read = await node.receive("hk-customs")
    await node.service.ack(read, "read")
    await node.service.sending.send(watch(["hk-customs"]))
    refused = await node.service.sending.send(watch(["hk-customs"]))
    await node.refuse(refused["id"])
    await node.store.write(lambda tables: tables.alarms.raise_("clock-off", "off", "Set it.", now=NOW))
    status = await node.service.health.status()
    assert status == {
        "agency": "sg-cnb",
        "name": "Agency sg-cnb",
        "connected": True,
        "since": NOW - 9,
        "hub": "wss://127.0.0.1:7443/session",
        "origin": "log.crossbearing.test/1",
        "directory": {"version": 5, "name": "Test directory"},
        "log": {"size": 0, "root": node.standing.checkpoint.root.hex(), "checkpoint_time": NOW - 1, **UNWITNESSED},
        "clock_offset_ms": -3,
        "outbox": {"waiting": 1, "exported": 0, "refused": 1},
        "position": "0/0",
        "inbox": {"unread": 1, "total": 2},
        "quarantine": 0,
        "dead_letters": 0,
        "alarms": [{"code": "clock-off", "message": "off", "hint": "Set it.", "time": NOW}],
        "version": health.program_version(),
    }
    assert json.loads(json.dumps(status)) == status


async def test_the_status_of_a_node_that_never_reached_the_hub(new_node: EdgeNode) -> None:
    status = await new_node.service.health.status()
    assert status["name"] == "sg-cnb"
    assert status["directory"] == {"version": 0, "name": None}
    assert (status["connected"], status["since"], status["clock_offset_ms"]) == (False, None, None)


async def test_a_node_that_never_reached_the_hub_is_told_so(new_node: EdgeNode) -> None:
    found = await checks(new_node)
    assert found["hub"]["state"] == found["directory"]["state"] == "failed"
    assert found["clock"]["state"] == "warning"
    assert found["keys"]["state"] == "ok"


async def test_a_healthy_node_passes(node: EdgeNode) -> None:
    node.link = LinkState(connected=True, since=NOW, clock_offset=0)
    assert {check["state"] for check in (await checks(node)).values()} == {"ok"}


async def test_a_suspended_agency(tmp_path: Path) -> None:
    async with edge_node(tmp_path, world=make_world(suspended=["sg-cnb"])) as node:
        assert "suspended" in (await checks(node))["directory"]["detail"]


async def test_an_agency_the_directory_does_not_know(tmp_path: Path) -> None:
    async with edge_node(tmp_path, me="nz-customs") as node:
        found = await checks(node)
        assert "no agency of directory version 5" in found["directory"]["detail"]
        assert found["keys"]["state"] == "failed"


async def test_keys_that_others_do_not_know(tmp_path: Path) -> None:
    world = make_world()
    other = SealingKey(example_seed("hk-customs", "witness"))
    world.keys["sg-cnb"] = type(world.keys["sg-cnb"])(
        "sg-cnb", world.keys["sg-cnb"].signing, (record(other.public),), world.keys["sg-cnb"].tls
    )
    world.publish("sg-cnb")
    async with edge_node(tmp_path, world=world) as node:
        found = (await checks(node))["keys"]
        assert found["state"] == "failed"
        assert f"others seal for the key {other.key_id.hex()}" in found["detail"]


async def test_a_signing_key_that_ran_out(node: EdgeNode) -> None:
    node.now = NOW + 800 * DAY_MS
    found = await checks(node)
    assert "no signing key held here is valid" in found["keys"]["detail"]


async def test_what_expires_soon(node: EdgeNode) -> None:
    node.now = NOW + 710 * DAY_MS
    found = (await checks(node))["expiry"]
    assert found["state"] == "warning"
    said = "the sealing key ends within 30 days (2028-09-20); the signing key ends within 30 days (2028-09-20)"
    assert found["detail"] == said
    assert found["hint"] == "Renew it: bearing keys rotate sealing. Renew it: bearing keys rotate signing."


async def test_a_certificate_that_expires_soon(node: EdgeNode) -> None:
    _write_certificate(node.config.hub.certificate, NOW + 3 * DAY_MS)
    assert (await checks(node))["expiry"]["detail"] == "the TLS certificate ends within 7 days (2026-09-24)"


def _write_certificate(path: Path, ends: int) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sg-cnb")])
    moment = dt.datetime.fromtimestamp(ends / 1_000, tz=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(moment - dt.timedelta(days=90))
        .not_valid_after(moment)
        .sign(key, None)
    )
    path.write_bytes(certificate.public_bytes(Encoding.PEM))


async def test_what_waits_for_long(node: EdgeNode) -> None:
    await node.service.sending.send(watch(["hk-customs"]))
    node.now += 600_001
    found = (await checks(node))["outbox"]
    assert found["detail"] == "1 alert waiting, some for over 10 minutes"


async def test_secrets_open_to_others(node: EdgeNode) -> None:
    node.config.keystore.touch(mode=0o600)
    node.config.keystore.chmod(0o640)
    found = (await checks(node))["file rights"]
    assert "keystore" in found["detail"]


async def test_documents_refused_by_the_watched_folder(node: EdgeNode) -> None:
    failed = node.config.watch.folder / "failed"
    failed.mkdir(parents=True)
    (failed / "a.yaml").touch()
    (failed / "a.yaml.problems.txt").touch()
    assert (await checks(node))["watched folder"]["detail"] == "refused documents: 1"


async def test_a_full_disk(node: EdgeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")  # as shutil gives it
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 0))
    assert (await checks(node))["disk"]["state"] == "failed"
