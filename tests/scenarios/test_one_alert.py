"""One alert, end to end, through real processes, as officer, recipient, operator and auditor see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.demo.exchange import Exchange
from schemas.errors import BadDocument, CrossbearingError
from tests.support.alerts import SECRET_WORDS, watch
from tests.support.wait import until

pytestmark = pytest.mark.scenario


def states(exchange: Exchange, sender: str, alert: str) -> dict[str, str]:
    shown = exchange.client(sender).alert(alert)
    return {recipient["agency"]: recipient["state"] for recipient in shown["recipients"]}


def received(exchange: Exchange, agency: str) -> list[str]:
    return [summary["id"] for summary in exchange.client(agency).inbox(limit=500)["alerts"]]


def test_an_alert_reaches_whom_it_names_and_nobody_else(four: Exchange) -> None:
    sent = four.client("hk-customs").send(watch(["sg-cnb", "au-abf"]))
    assert sent["recipients"] == ["au-abf", "sg-cnb"]
    until(lambda: set(states(four, "hk-customs", sent["id"]).values()) == {"stored"})
    assert received(four, "sg-cnb").count(sent["id"]) == 1
    assert received(four, "au-abf").count(sent["id"]) == 1
    assert sent["id"] not in received(four, "fj-customs")


def test_the_sender_sees_read_and_actioned(four: Exchange) -> None:
    sent = four.client("hk-customs").send(watch(["sg-cnb"]))
    until(lambda: sent["id"] in received(four, "sg-cnb"))
    four.client("sg-cnb").ack(sent["id"], "read", officer="desk 4")
    until(lambda: states(four, "hk-customs", sent["id"]) == {"sg-cnb": "read"})
    four.client("sg-cnb").ack(sent["id"], "actioned")
    until(lambda: states(four, "hk-customs", sent["id"]) == {"sg-cnb": "actioned"})


def test_reply_recall_and_correction(four: Exchange) -> None:
    sent = four.client("hk-customs").send(watch(["sg-cnb", "au-abf"]))
    until(lambda: sent["id"] in received(four, "sg-cnb"))
    reply = four.client("sg-cnb").reply(sent["id"], narrative="Held at the gate; X-ray at noon.")
    assert reply["recipients"] == ["hk-customs"]
    until(lambda: reply["id"] in received(four, "hk-customs"))

    corrected = four.client("hk-customs").correct(sent["id"], narrative="The box is blue, not red.")
    assert corrected["recipients"] == ["au-abf", "sg-cnb"]
    until(lambda: four.client("sg-cnb").alert(sent["id"]).get("corrected_by") == corrected["id"])

    recall = four.client("hk-customs").recall(sent["id"], reason="Wrong container.")
    until(lambda: four.client("au-abf").alert(sent["id"]).get("recalled_by") == recall["id"])


def test_a_document_with_problems_is_refused_whole(four: Exchange) -> None:
    bad = watch(["sg-cnb"], marking="purple")
    bad["subjects"][0]["number"] = "CSQU3054384"
    with pytest.raises(BadDocument) as refused:
        four.client("hk-customs").send(bad)
    paths = {problem.path for problem in refused.value.problems}
    assert "marking" in paths
    assert any("number" in path for path in paths)


@pytest.mark.parametrize(
    ("to", "code"),
    [
        (["zz-customs"], "unknown-agency"),
        (["th-nobody"], "unknown-agency"),
        (["region:atlantis"], "unknown-region"),
        (["operation:nothing"], "unknown-operation"),
        (["hk-customs"], "nobody"),
    ],
)
def test_addresses_that_lead_nowhere_are_refused(four: Exchange, to: list[str], code: str) -> None:
    with pytest.raises(CrossbearingError) as refused:
        four.client("hk-customs").send(watch(to))
    assert refused.value.code == code


def test_nothing_readable_rests_at_the_broker_or_on_the_nodes_disks(four: Exchange) -> None:
    sent = four.client("hk-customs").send(watch(["sg-cnb"]))
    until(lambda: sent["id"] in received(four, "sg-cnb"))
    leaks = []
    for path in four.root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            leaks += [path for word in (SECRET_WORDS, "Container to look out for") if word.encode() in content]
    assert leaks == []


def test_attachment_arrives_whole(four: Exchange) -> None:
    from nodes.client import Attachment

    image = bytes(range(256)) * 4096
    sent = four.client("hk-customs").send(watch(["sg-cnb"]), attachments=[Attachment("x-ray.png", "image/png", image)])
    until(lambda: sent["id"] in received(four, "sg-cnb"))
    assert until(lambda: four.client("sg-cnb").attachment(sent["id"], 1)) == image
    assert not any(image[:4096] in path.read_bytes() for path in four.broker_data.rglob("*") if path.is_file())


def test_a_watched_folder_sends_and_says_why_not(four: Exchange) -> None:
    inbox = four.home("fj-customs") / "watch"
    (inbox / "good.part").write_text(
        "kind: watch\ntitle: From a file\nto: [sg-cnb]\nsubjects: [{type: container, number: CSQU3054383}]\n"
    )
    (inbox / "good.part").rename(inbox / "in" / "good.yaml")
    (inbox / "bad.part").write_text("kind: watch\nto: [sg-cnb]\nsubjects: [{type: container, number: CSQU3054384}]\n")
    (inbox / "bad.part").rename(inbox / "in" / "bad.yaml")

    def titles() -> set[str]:
        return {summary["title"] for summary in four.client("sg-cnb").inbox(limit=500)["alerts"]}

    until(lambda: "From a file" in titles())
    until((inbox / "done" / "good.yaml").exists)
    problems: Path = until(lambda: next(iter((inbox / "failed").glob("bad*.txt")), None))  # type: ignore[assignment]
    text = problems.read_text()
    assert "title" in text
    assert "check digit" in text
