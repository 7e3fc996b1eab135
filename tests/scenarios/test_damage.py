"""Pages damaged on the disk of a real hub and a real node: each is named, and nothing wrong is signed or shown."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from broker.engines.sqlite_files import open_connection
from deploy.demo.exchange import Exchange, script
from schemas.log.entry import AlertEntry, decode_entry
from tests.scenarios.conftest import FOUR, StartExchange
from tests.support.alerts import watch
from tests.support.wait import until

pytestmark = pytest.mark.scenario

PAGE = 4096
HUB = ("bearing-broker", "run")


def send(exchange: Exchange, recipient: str, *, filler: int = 20_000) -> str:
    """An alert whose body takes pages of its own, in the log when this returns."""
    client = exchange.client("hk-customs")
    document = watch([recipient], marking="red", narrative="x" * filler)
    alert: str = client.send(document)["id"]
    until(lambda: client.alert(alert)["index"] is not None, what="the index")
    return alert


def state(exchange: Exchange, alert: str) -> str:
    return str(exchange.client("hk-customs").alert(alert)["recipients"][0]["state"])


def flip(file: Path, offset: int) -> None:
    """Change one bit there."""
    with file.open("r+b") as data:
        data.seek(offset)
        (byte,) = data.read(1)
        data.seek(offset)
        data.write(bytes([byte ^ 1]))


def fold(file: Path) -> None:
    """Bring the write-ahead log into the file, as a restart would."""
    db = open_connection(file)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def refused(*command: str | Path) -> str:
    """What a daemon says that refuses to start; fails the test if it starts."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0, done.stderr
    return done.stderr


def body_pages(file: Path, index: int) -> list[int]:
    """The overflow pages that hold a body, found by what they are for: the only ones that change with it."""
    copy = file.with_name("copy.db")
    shutil.copyfile(file, copy)
    db = open_connection(copy)
    db.execute("UPDATE body SET data = randomblob(length(data)) WHERE idx = ?", (index,))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    before, after = file.read_bytes(), copy.read_bytes()
    copy.unlink()
    changed = [at for at in range(0, len(before), PAGE) if before[at : at + PAGE] != after[at : at + PAGE]]
    return [at for at in changed if at > 0]


def test_a_damaged_body_waits_alone_and_everything_else_goes_on(start_exchange: StartExchange, tmp_path: Path) -> None:
    exchange = start_exchange(FOUR[:3])
    exchange.kill("sg-cnb")
    lost, kept = send(exchange, "sg-cnb"), send(exchange, "sg-cnb")
    index = exchange.client("hk-customs").alert(lost)["index"]
    exchange.kill("broker")
    log = exchange.broker_data / "log.db"
    fold(log)
    pages = body_pages(log, index)
    assert pages
    flip(log, pages[-1] + 100)

    exchange.start_broker()
    exchange.start_nodes(["sg-cnb"])
    until(lambda: exchange.connected("hk-customs"), seconds=60, what="the sender's connection")
    later = send(exchange, "au-abf")
    until(lambda: state(exchange, kept) == "stored", what="the alert behind the damaged one")
    until(lambda: state(exchange, later) == "stored", what="another agency's")
    assert state(exchange, lost) == "accepted", "neither refused over the recipient's signature nor taken for deleted"
    shown = [row["id"] for row in exchange.client("sg-cnb").inbox()["alerts"]]
    assert shown == [kept]
    assert exchange.client("sg-cnb").quarantine()["quarantine"] == []
    assert exchange.metric("crossbearing_damage_total") > 0
    said = [json.loads(line) for line in exchange.daemons["broker"].log.read_text().splitlines()]
    (named,) = [line for line in said if line["event"] == "an alert cannot be delivered"]
    assert named["agency"] == "sg-cnb"
    assert named["index"] == index
    exchange.audit_fetch(tmp_path / "copy")
    assert exchange.audit_verify(tmp_path / "copy")["ok"], "the log itself is whole"


def test_a_hub_or_node_whose_files_are_damaged_does_not_start(start_exchange: StartExchange) -> None:
    exchange = start_exchange(FOUR[:2])
    alert = send(exchange, "sg-cnb")
    until(lambda: state(exchange, alert) == "stored")
    exchange.stop()
    hub, node = exchange.broker_data, exchange.home("sg-cnb")
    for file in (hub / "log.db", hub / "anchor.db"):
        fold(file)
        whole = file.read_bytes()
        where = PAGE + 50 if file.name == "anchor.db" else newest_entry(file)
        flip(file, where)
        said = refused(script(HUB[0]), HUB[1], hub)
        assert "storage-tampered" in said, (file.name, said)
        assert "hint" in said
        file.write_bytes(whole)
    database = node / "node.db"
    whole = database.read_bytes()
    for page in (0, len(whole) // PAGE // 2, len(whole) // PAGE - 1):
        flip(database, page * PAGE + 2_000)
    start = (script("bearing"), "node", "run", node, "--passphrase-file", exchange.passphrase)
    assert "storage-tampered" in refused(*start)
    database.write_bytes(whole)
    exchange.start_broker()
    exchange.start_nodes()
    again = send(exchange, "sg-cnb")
    until(lambda: state(exchange, again) == "stored", what="delivery after the files were put back")


def newest_entry(log: Path) -> int:
    """A place in the page of the newest alert's entry, which every start reads."""
    copy = log.with_name("copy.db")
    shutil.copyfile(log, copy)
    db = open_connection(copy)
    index, data = next(
        (index, data)
        for index, data in db.execute("SELECT idx, data FROM entry ORDER BY idx DESC")
        if isinstance(decode_entry(data), AlertEntry)
    )
    db.execute("UPDATE entry SET data = randomblob(length(data)) WHERE idx = ?", (index,))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    before, after = log.read_bytes(), copy.read_bytes()
    copy.unlink()
    changed = [at for at in range(PAGE, len(before), PAGE) if before[at : at + PAGE] != after[at : at + PAGE]]
    assert len(data) < PAGE
    return changed[0] + 100
