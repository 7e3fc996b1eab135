"""A real file system that is full: new work is refused with its code, what was accepted stays, and it recovers."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo import processes
from deploy.demo.exchange import Exchange
from nodes.client import Attachment
from schemas.errors import CrossbearingError
from tests.scenarios.conftest import FOUR, StartExchange
from tests.support.alerts import watch
from tests.support.wait import until

pytestmark = pytest.mark.scenario

MEBIBYTE = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An ext4 of 32 MiB in a file of its own; where loop devices are refused a tmpfs, which says ENOSPC just so."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("mounting a small file system needs root and mkfs.ext4")
    disk, image = tmp_path / "disk", tmp_path / "disk.img"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(32 * MEBIBYTE)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, disk], capture_output=True).returncode != 0:
        assert sys.__stderr__ is not None
        sys.__stderr__.write("no loop device here: the small disk is a tmpfs\n")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk: Path) -> Path:
    """Write until nothing fits any more; the file that takes the room."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65_536))
        except OSError:
            pass
    return ballast


def state(exchange: Exchange, alert: str) -> str:
    return str(exchange.client("hk-customs").alert(alert)["recipients"][0]["state"])


def send_until(exchange: Exchange, sign: str, daemon: str) -> list[str]:
    """Send alerts, each of some kilobytes, until `daemon` says `sign` in its log; the ids of those sent."""
    sent: list[str] = []

    def complained() -> bool:
        if len(sent) < 50:
            sent.append(exchange.client("hk-customs").send(watch(["sg-cnb"], narrative="x" * 8_000))["id"])
        return sign in exchange.daemons[daemon].tail(50)

    until(complained, what=f"{sign} in the log of {daemon}")
    return sent


def test_the_hub_keeps_a_reserve_and_goes_on_by_itself_when_there_is_room(
    small_disk: Path, start_exchange: StartExchange, tmp_path: Path
) -> None:
    exchange = on_small_disk(start_exchange, small_disk, reserve=8 * MEBIBYTE)
    ballast = fill(small_disk)
    waiting = send_until(exchange, "storage-full", "broker")
    assert {state(exchange, alert) for alert in waiting} <= {"waiting", "accepted", "stored"}
    assert exchange.broker_ready()
    audit(exchange, tmp_path / "copy")

    ballast.unlink()
    until(lambda: {state(exchange, alert) for alert in waiting} == {"stored"}, seconds=90)
    audit(exchange, tmp_path / "copy")


def test_the_hub_loses_nothing_when_the_very_last_byte_is_gone(
    small_disk: Path, start_exchange: StartExchange, tmp_path: Path
) -> None:
    exchange = on_small_disk(start_exchange, small_disk, reserve=0)
    ballast = fill(small_disk)
    waiting = send_until(exchange, "storage-", "broker")
    assert {state(exchange, alert) for alert in waiting} <= {"waiting", "accepted", "stored"}

    ballast.unlink()
    if "storage-in-doubt" in exchange.daemons["broker"].tail(50):  # the room ran out inside COMMIT, not before it
        assert processes.wait_end(exchange.daemons["broker"], seconds=20), "in doubt, the hub ends by itself"
        exchange.start_broker()
    until(lambda: {state(exchange, alert) for alert in waiting} == {"stored"}, seconds=90)
    audit(exchange, tmp_path / "copy")


def test_a_node_with_a_full_disk_acknowledges_nothing_it_cannot_keep(
    small_disk: Path, start_exchange: StartExchange
) -> None:
    exchange = start_exchange(FOUR[:2])
    exchange.kill("sg-cnb")
    home = small_disk / "sg-cnb"
    subprocess.run(["mv", exchange.home("sg-cnb"), home], check=True)
    exchange.home("sg-cnb").symlink_to(home)
    exchange.start_nodes(["sg-cnb"])
    ballast = fill(small_disk)
    sent = send_until(exchange, "storage-", "sg-cnb")
    assert state(exchange, sent[-1]) in {"waiting", "accepted"}

    ballast.unlink()
    if not exchange.daemons["sg-cnb"].alive:
        exchange.start_nodes(["sg-cnb"])
    until(lambda: {state(exchange, alert) for alert in sent} == {"stored"}, seconds=90)
    shown = [row["id"] for row in exchange.client("sg-cnb").inbox(limit=500)["alerts"]]
    assert sorted(shown) == sorted(sent)


def test_a_full_disk_under_the_anchor_is_refused_early_and_goes_on_by_itself(
    small_disk: Path, start_exchange: StartExchange, tmp_path: Path
) -> None:
    """The anchor lies apart from the log, as it should. A block whose head cannot be signed must not be begun."""
    exchange = start_exchange(FOUR[:2])
    exchange.stop()
    subprocess.run(["mv", exchange.broker_data / "anchor.db", small_disk], check=True)
    settings = exchange.broker_data / "broker.toml"
    text = settings.read_text().replace('anchor = "anchor.db"', f'anchor = "{small_disk}/anchor.db"')
    settings.write_text(f"{text}\n[limits]\nreserve_bytes = {4 * MEBIBYTE}\n")
    broker = exchange.start_broker()
    exchange.start_nodes()
    ballast = fill(small_disk)
    waiting = send_until(exchange, "storage-full", "broker")
    assert {state(exchange, alert) for alert in waiting} <= {"waiting", "accepted", "stored"}
    ballast.unlink()
    until(lambda: {state(exchange, alert) for alert in waiting} == {"stored"}, seconds=90)
    assert broker.alive, "nothing was in doubt, so nobody had to start it again"
    audit(exchange, tmp_path / "copy")


def test_attachments_and_the_watched_folder_wait_for_room_and_go_on_by_themselves(
    small_disk: Path, start_exchange: StartExchange
) -> None:
    exchange = start_exchange(FOUR[:2])
    exchange.kill("sg-cnb")
    home = small_disk / "sg-cnb"
    subprocess.run(["mv", exchange.home("sg-cnb"), home], check=True)
    exchange.home("sg-cnb").symlink_to(home)
    (node,) = exchange.start_nodes(["sg-cnb"])
    content = random.Random(1).randbytes(3 * MEBIBYTE)
    (home / "ready.json").write_text(json.dumps(watch(["hk-customs"], title="from the folder", marking="red")))
    ballast = fill(small_disk)
    file = Attachment("x-ray.bin", "application/octet-stream", content)
    sent = exchange.client("hk-customs").send(watch(["sg-cnb"], marking="red"), attachments=[file])["id"]
    (home / "ready.json").rename(home / "watch" / "in" / "alert.json")
    until(lambda: "storage-full" in node.tail(200), what="the node's complaint")
    assert attachment(exchange, "sg-cnb", sent) == b"", "there is no room for it"

    ballast.unlink()
    until(lambda: state(exchange, sent) == "stored", seconds=90, what="the alert with the attachment")
    until(lambda: attachment(exchange, "sg-cnb", sent) == content, seconds=90, what="the attachment")
    until((home / "watch" / "done" / "alert.json").exists, seconds=90, what="the watched folder")
    assert node.alive, "nobody had to start it again"
    titles = [row["title"] for row in exchange.client("hk-customs").inbox()["alerts"]]
    assert titles == ["from the folder"]
    assert not list((home / "watch" / "failed").iterdir())


def attachment(exchange: Exchange, agency: str, alert: str) -> bytes:
    try:
        return exchange.client(agency).attachment(alert, 1)
    except CrossbearingError:
        return b""


def on_small_disk(start_exchange: StartExchange, disk: Path, *, reserve: int) -> Exchange:
    """An exchange of two whose hub keeps its data on the small disk."""
    exchange = start_exchange(FOUR[:2])
    exchange.stop()
    data = disk / "broker"
    subprocess.run(["mv", exchange.broker_data, data], check=True)
    exchange.broker_data = data
    with (data / "broker.toml").open("a", encoding="utf-8") as settings:
        settings.write(f"\n[limits]\nreserve_bytes = {reserve}\n")
    exchange.start_broker()
    exchange.start_nodes()
    return exchange


def audit(exchange: Exchange, copy: Path) -> None:
    """Fetch the log as auditor and verify it; anything found fails the test."""
    exchange.audit_fetch(copy)
    exchange.audit_verify(copy)
