"""The line of one agency is cut, and a courier goes between it and the hub; then the line comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.demo.exchange import Exchange, run
from schemas.errors import CrossbearingError
from tests.scenarios.conftest import StartExchange
from tests.support.alerts import watch
from tests.support.wait import until

pytestmark = pytest.mark.scenario

CUT, NEAR = "hk-customs", "sg-cnb"


class Courier:
    """An exchange whose agency `CUT` has no line, and a stick."""

    def __init__(self, exchange: Exchange, stick: Path) -> None:
        self.exchange = exchange
        self.stick = stick
        self.settings = exchange.home(CUT) / "node.toml"
        self.right = self.settings.read_text()

    def restart(self, settings: str) -> None:
        """Stop the node of `CUT` and start it with other settings."""
        self.exchange.kill(CUT)
        self.settings.write_text(settings)
        self.exchange.spawn_node(CUT)
        until(self.answers, what="the node's answer")

    def answers(self) -> bool:
        try:
            self.exchange.client(CUT).status()
        except CrossbearingError:
            return False
        return True

    def cut(self) -> None:
        """The hub is not where the node looks for it."""
        self.restart(self.right.replace(f":{self.exchange.port}/", ":9/"))

    def bearing(self, *words: str | Path) -> dict[str, object]:
        """A command of an officer of `CUT`, in JSON."""
        value: dict[str, object] = json.loads(
            run("bearing", words[0], "--json", "--home", self.exchange.home(CUT), *words[1:])
        )
        return value

    def hub(self, command: str, *words: str | Path) -> dict[str, object]:
        """A command of the hub's operator, in JSON."""
        value: dict[str, object] = json.loads(
            run("bearing-broker", command, self.exchange.broker_data, *words, "--json")
        )
        return value

    def round(self, name: str) -> tuple[Path, Path]:
        """Export, import, and back: the two files."""
        out, back = self.stick / f"{name}.out", self.stick / f"{name}.back"
        self.bearing("export", out)
        self.hub("import", out, "--answer", back)
        self.bearing("import", back)
        return out, back


def view(exchange: Exchange, agency: str, alert: str) -> dict[str, str]:
    return {each["agency"]: each["state"] for each in exchange.client(agency).alert(alert)["recipients"]}


def everything(exchange: Exchange) -> list[object]:
    """What officers see, at both agencies."""
    seen: list[object] = []
    for agency in (CUT, NEAR):
        node = exchange.client(agency)
        sent = [[each["id"], each["state"], view(exchange, agency, each["id"])] for each in node.sent()["alerts"]]
        received = [[each["id"], each["state"]] for each in node.inbox()["alerts"]]
        seen.append([sorted(sent, key=str), sorted(received), node.quarantine()["quarantine"]])
    return seen


def test_two_days_without_a_line(start_exchange: StartExchange, tmp_path: Path) -> None:
    exchange = start_exchange([CUT, NEAR])
    stick = tmp_path / "stick"
    stick.mkdir()
    courier = Courier(exchange, stick)
    courier.cut()
    outward = exchange.client(CUT).send(watch([NEAR]))["id"]
    inward = exchange.client(NEAR).send(watch([CUT]))["id"]
    until(lambda: exchange.client(NEAR).alert(inward)["state"] == "accepted")

    made = courier.bearing("export", stick)
    assert made["alerts"] == 1
    assert exchange.client(CUT).status()["outbox"] == {"waiting": 1, "exported": 1, "refused": 0}
    out = Path(str(made["file"]))
    taken = courier.hub("import", out, "--answer", stick)
    assert (taken["alerts_accepted"], taken["alerts_refused"]) == (1, 0)
    answer = taken["answer"]
    assert isinstance(answer, dict)
    back = Path(answer["file"])
    brought = courier.bearing("import", back)
    assert (brought["alerts"], brought["accepted"]) == (1, 1)
    assert [each["id"] for each in exchange.client(CUT).inbox()["alerts"]] == [inward]
    assert view(exchange, NEAR, inward) == {CUT: "accepted"}, "the receipt is still with the node"

    until(lambda: received(exchange, outward))
    second = courier.round("second")
    until(lambda: view(exchange, NEAR, inward) == {CUT: "stored"}, what="the receipt at the sender")
    if view(exchange, CUT, outward) != {NEAR: "stored"}:  # that receipt reached the hub after the courier
        second = courier.round("third")
    assert view(exchange, CUT, outward) == {NEAR: "stored"}

    seen = everything(exchange)
    for file in (out, second[0], out):
        courier.hub("import", file, "--answer", stick / "again", "--force")
        courier.bearing("import", stick / "again")
    for file in (back, second[1], back):
        courier.bearing("import", file)
    assert everything(exchange) == seen

    late = exchange.client(CUT).send(watch([NEAR]))["id"]
    forgotten = stick / "forgotten"
    courier.bearing("export", forgotten)
    courier.restart(courier.right)
    until(lambda: view(exchange, CUT, late) == {NEAR: "stored"}, what="the alert, by the line")
    courier.hub("import", forgotten, "--answer", stick / "too-late")
    courier.bearing("import", stick / "too-late")
    until(lambda: exchange.connected(CUT), what="the line, after the file")
    assert received(exchange, late)
    assert exchange.client(CUT).status()["outbox"] == {"waiting": 0, "exported": 0, "refused": 0}
    assert len(exchange.client(NEAR).inbox()["alerts"]) == 2
    exchange.audit_fetch(tmp_path / "copy")
    report = exchange.audit_verify(tmp_path / "copy")
    assert report["ok"], report


def received(exchange: Exchange, alert: str) -> bool:
    return [each["id"] for each in exchange.client(NEAR).inbox()["alerts"]].count(alert) == 1
