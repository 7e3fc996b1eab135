"""A change of the directory by three governors in three places, published to a running exchange."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.demo.exchange import EXAMPLE, Exchange, run
from deploy.demo.processes import DaemonFailed
from schemas.errors import CrossbearingError
from tests.support.alerts import watch
from tests.support.wait import until

pytestmark = pytest.mark.scenario

ACTIVE = "  regions: [oceania]\n  status: active"


class Ceremony:
    """A secretariat and three governors, each with a folder of their own; folders are carried by copying."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.passphrase = root / "passphrase"
        self.repository = root / "repository"
        shutil.copytree(EXAMPLE / "repository", self.repository)
        self.passphrase.touch(mode=0o600)
        self.passphrase.write_text("worthless, as everything in the example\n")
        for number in (1, 2, 3):
            place = root / f"governor-{number}"
            place.mkdir()
            seed = json.loads((EXAMPLE / "keys" / place.name / "keys.json").read_text())["governance"]
            (place / "seed").write_text(f"{seed}\n")
            passphrase = ("--passphrase-file", self.passphrase)
            run("bearing-broker", "directory", "key", "new", place / "key", "--seed", place / "seed", *passphrase)
            (place / "seed").unlink()

    def source(self) -> str:
        return run("bearing-broker", "directory", "export", self.repository)

    def draft(self, name: str, source: str) -> Path:
        (self.root / "directory.yaml").write_text(source)
        run(
            *("bearing-broker", "directory", "draft", self.root / "directory.yaml", self.root / name),
            *("--repository", self.repository),
        )
        return self.root / name

    def sign(self, draft: Path, *governors: int) -> None:
        """Each governor signs a copy of the draft, which then comes back."""
        copies = []
        for number in governors:
            place = self.root / f"governor-{number}"
            copies.append(place / draft.name)
            shutil.copytree(draft, copies[-1])
            run(
                *("bearing-broker", "directory", "sign", copies[-1], "--key", place / "key"),
                *("--passphrase-file", self.passphrase, "--yes"),
            )
        run("bearing-broker", "directory", "collect", draft, *copies)

    def publish(self, draft: Path, exchange: Exchange) -> None:
        run(
            *("bearing-broker", "directory", "publish", draft),
            *("--repository", self.repository, "--hub", exchange.broker_data),
        )


def version(exchange: Exchange, agency: str) -> int:
    try:
        return int(exchange.client(agency).status()["directory"]["version"])
    except CrossbearingError:
        return 0


def test_suspended_by_three_governors_while_traffic_flows(
    start_exchange: Callable[..., Exchange], tmp_path: Path
) -> None:
    exchange, ceremony = start_exchange(), Ceremony(tmp_path)
    before = version(exchange, "hk-customs")
    source = ceremony.source()
    fiji = source.index("- id: fj-customs")
    suspended = source[:fiji] + source[fiji:].replace(ACTIVE, ACTIVE.replace("active", "suspended"), 1)
    assert suspended != source

    draft = ceremony.draft("suspend", suspended)
    ceremony.sign(draft, 1, 2)
    with pytest.raises(DaemonFailed, match=r"signatures are missing.*1 more of EXAMPLE governor-3"):
        ceremony.publish(draft, exchange)
    assert version(exchange, "hk-customs") == before

    ceremony.sign(draft, 3)
    assert exchange.connected("fj-customs")
    waiting = exchange.client("hk-customs").send(watch(["fj-customs", "sg-cnb"]))
    exchange.kill("fj-customs")
    held = exchange.client("hk-customs").send(watch(["fj-customs", "sg-cnb"]))
    until(lambda: held["id"] in received(exchange, "sg-cnb"))
    exchange.start_nodes(["fj-customs"])
    until(lambda: waiting["id"] in received(exchange, "fj-customs"))
    exchange.kill("fj-customs")
    held = exchange.client("hk-customs").send(watch(["fj-customs", "sg-cnb"]))
    until(lambda: held["id"] in received(exchange, "sg-cnb"))

    ceremony.publish(draft, exchange)
    for agency in ("hk-customs", "sg-cnb", "au-abf"):
        until(lambda agency=agency: version(exchange, agency) == before + 1)  # type: ignore[misc]  # bound default
    exchange.spawn_node("fj-customs")
    until(lambda: version(exchange, "fj-customs") > 0)
    refused = exchange.client("hk-customs")
    with pytest.raises(CrossbearingError) as caught:
        refused.send(watch(["fj-customs"]))
    assert caught.value.code == "nobody"

    ceremony.publish(draft, exchange)  # again: nothing happens twice
    assert version(exchange, "hk-customs") == before + 1
    back = ceremony.draft("reinstate", source)
    ceremony.sign(back, 1, 2, 3)
    ceremony.publish(back, exchange)
    until(lambda: held["id"] in received(exchange, "fj-customs"), seconds=60, what="the mail held for fj-customs")
    assert received(exchange, "fj-customs").count(held["id"]) == 1


def test_a_connected_agency_is_cut_off(start_exchange: Callable[..., Exchange], tmp_path: Path) -> None:
    exchange, ceremony = start_exchange(["hk-customs", "fj-customs"]), Ceremony(tmp_path)
    source = ceremony.source()
    fiji = source.index("- id: fj-customs")
    draft = ceremony.draft(
        "suspend", source[:fiji] + source[fiji:].replace(ACTIVE, ACTIVE.replace("active", "suspended"), 1)
    )
    ceremony.sign(draft, 1, 2, 3)
    assert sessions(exchange) == ["fj-customs", "hk-customs"]
    ceremony.publish(draft, exchange)
    until(lambda: sessions(exchange) == ["hk-customs"])


def sessions(exchange: Exchange) -> list[str]:
    return list(json.loads(run("bearing-broker", "status", exchange.broker_data, "--json"))["sessions"])


def received(exchange: Exchange, agency: str) -> list[str]:
    return [summary["id"] for summary in exchange.client(agency).inbox(limit=500)["alerts"]]
