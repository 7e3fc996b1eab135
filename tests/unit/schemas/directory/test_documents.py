"""``directory.json``: what is read is complete and consistent in itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas.directory.documents import Operation, PurgeOrder, encode_directory, parse_directory
from schemas.errors import DirectoryInvalid
from schemas.limits import CARRIED_DAYS
from schemas.routing.rules import Condition, Rule, Target
from tests.support.directory import DAY_MS, NOW, make_world

RULES = (
    Rule(
        "copy-sea", "add", Condition(modes=("sea",), sender_regions=("asia",)), Target(regions=("asia",)), None, "sea"
    ),
    Rule("host", "add", Condition(operations=("marker",)), Target(operation_host=True), None, "host knows all"),
    Rule("cap", "ceiling", Condition(senders=("sg-cnb",)), Target(agencies=("au-abf",)), "green", "agreement of 2024"),
)


ORDER = {"alert": "01a2f7e4-0000-7000-8000-000000000001", "basis": "Order 12/2026 of the district court"}


def document() -> dict[str, Any]:
    loaded = json.loads(encode_directory(make_world(rules=RULES, publish=False).document))
    assert isinstance(loaded, dict)
    return loaded


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    value = document()
    change(value)
    return json.dumps(value).encode()


def test_round_trip() -> None:
    world = make_world(rules=RULES, publish=False)
    world.change_agency("sg-cnb", contact="Duty officer +65 0000 0000")
    made = world.document
    assert parse_directory(encode_directory(made)) == made


def test_days_of_an_operation_are_both_included() -> None:
    day = NOW - NOW % DAY_MS
    operation = Operation("blink", "One day", "au-abf", day, day + DAY_MS, ("au-abf", "sg-cnb"))
    made = make_world(operations=[operation], publish=False).document
    written = json.loads(encode_directory(made))["operations"][0]
    assert written["starts"] == written["ends"] == "2026-09-21"
    assert parse_directory(encode_directory(made)).operations["blink"] == operation


def test_retention_is_a_month_unless_the_governors_say_otherwise() -> None:
    assert parse_directory(changed(lambda _: None)).limits.retention == 30 * DAY_MS
    shorter = parse_directory(changed(lambda d: d["limits"].update(retention_days=7)))
    assert shorter.limits.retention_days == 7
    assert parse_directory(encode_directory(shorter)) == shorter


def test_a_flash_may_wait_two_minutes_unless_the_governors_say_otherwise() -> None:
    assert parse_directory(changed(lambda _: None)).limits.flash_seconds == 120
    hasty = parse_directory(changed(lambda d: d["limits"].update(flash_seconds=30)))
    assert hasty.limits.flash_seconds == 30
    assert parse_directory(encode_directory(hasty)) == hasty


def test_deletions_are_ordered_with_their_basis() -> None:
    ordering = parse_directory(changed(lambda d: d.update(purges=[ORDER])))
    assert ordering.purges == {ORDER["alert"]: PurgeOrder(ORDER["alert"], ORDER["basis"])}
    assert parse_directory(encode_directory(ordering)) == ordering


DEFECTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "unknown field": (lambda d: d.update(surprise=1), "surprise"),
    "missing field": (lambda d: d.pop("limits"), "limits is missing"),
    "unknown field in an agency": (lambda d: d["agencies"][0].update(surprise=1), "surprise"),
    "other format": (lambda d: d.update(format=2), "format 2"),
    "format as a flag": (lambda d: d.update(format=True), "format"),
    "agency twice": (lambda d: d["agencies"].append(d["agencies"][0]), "twice"),
    "agency is no object": (lambda d: d["agencies"].append("au-abf"), "not an object"),
    "agency id": (lambda d: d["agencies"][0].update(id="AU-ABF"), "not an agency id"),
    "agency country": (lambda d: d["agencies"][0].update(country="XX"), "ISO 3166"),
    "agency status": (lambda d: d["agencies"][0].update(status="asleep"), "neither active nor suspended"),
    "agency timezone": (lambda d: d["agencies"][0].update(timezone="+08:00"), "IANA"),
    "agency region unknown": (lambda d: d["agencies"][0].update(regions=["atlantis"]), "atlantis"),
    "agency region twice": (lambda d: d["agencies"][0].update(regions=["asia", "asia"]), "twice"),
    "agency name empty": (lambda d: d["agencies"][0].update(name=""), "printable"),
    "agency name with control": (lambda d: d["agencies"][0].update(name="a\x1b[0m"), "printable"),
    "agency contact": (lambda d: d["agencies"][0].update(contact=" "), "contact"),
    "nobody active": (lambda d: [a.update(status="suspended") for a in d["agencies"]], "no active agency"),
    "region called all": (lambda d: d["regions"].append({"id": "all", "name": "All"}), "all"),
    "operation called all": (lambda d: d["operations"][0].update(id="all"), "all"),
    "operation host unknown": (lambda d: d["operations"][0].update(host="jp-customs"), "jp-customs"),
    "operation host no participant": (lambda d: d["operations"][0].update(participants=["sg-cnb"]), "no participant"),
    "operation participant unknown": (
        lambda d: d["operations"][0].update(participants=["au-abf", "jp-customs"]),
        "jp-customs",
    ),
    "operation participant twice": (lambda d: d["operations"][0].update(participants=["au-abf", "au-abf"]), "twice"),
    "operation ends early": (lambda d: d["operations"][0].update(ends="2020-01-01"), "before it starts"),
    "operation day": (lambda d: d["operations"][0].update(starts="2026-02-30"), "calendar"),
    "operation day form": (lambda d: d["operations"][0].update(starts="20260901"), "date"),
    "rule twice": (lambda d: d["rules"].append(d["rules"][0]), "twice"),
    "rule region unknown": (lambda d: d["rules"][0]["to"].update(regions=["atlantis"]), "atlantis"),
    "rule sender region unknown": (lambda d: d["rules"][0]["when"].update(sender_regions=["atlantis"]), "atlantis"),
    "rule operation unknown": (lambda d: d["rules"][1]["when"].update(operations=["mystery"]), "mystery"),
    "rule sender unknown": (lambda d: d["rules"][2]["when"].update(senders=["jp-customs"]), "jp-customs"),
    "limit zero": (lambda d: d["limits"]["alerts_per_minute"].update(flash=0), "flash"),
    "a precedence without its limit": (lambda d: d["limits"]["bytes_per_day"].pop("flash"), "flash"),
    "a limit for what is no precedence": (lambda d: d["limits"]["alerts_per_minute"].update(slow=1), "slow"),
    "one limit for all": (lambda d: d["limits"].update(alerts_per_minute=600), "alerts_per_minute"),
    "less a day than one body": (lambda d: d["limits"]["bytes_per_day"].update(routine=1_000_000), "routine"),
    "limit above the format's": (lambda d: d["limits"].update(body_bytes=1 << 30), "body_bytes"),
    "retention of no day": (lambda d: d["limits"].update(retention_days=0), "retention_days"),
    "retention of a century": (lambda d: d["limits"].update(retention_days=36_525), "retention_days"),
    "flash that nobody can store": (lambda d: d["limits"].update(flash_seconds=9), "flash_seconds"),
    "flash that can wait": (lambda d: d["limits"].update(flash_seconds=86_401), "flash_seconds"),
    "retention as text": (lambda d: d["limits"].update(retention_days="30"), "retention_days"),
    "carried for two months": (lambda d: d["limits"].update(carried_days=62), "carried_days"),
    "broker as text": (lambda d: d.update(brokers=["hub"]), "broker"),
    "broker sealing key short": (lambda d: d["brokers"][0].update(sealing="00" * 1_215), "sealing"),
    "broker sealing key empty": (lambda d: d["brokers"][0].update(sealing=""), "sealing"),
    "broker sealing key in capitals": (lambda d: d["brokers"][0].update(sealing="AB" * 1_216), "sealing"),
    "limits as a list": (lambda d: d.update(limits=[600]), "limits"),
    "purge of no alert": (lambda d: d.update(purges=[{"alert": "9f3c", "basis": "order"}]), "alert id"),
    "purge twice": (lambda d: d.update(purges=[ORDER, ORDER]), "twice"),
    "purge without basis": (lambda d: d.update(purges=[{"alert": ORDER["alert"]}]), "basis"),
    "purge with a control character": (lambda d: d.update(purges=[{**ORDER, "basis": "a\nb"}]), "printable"),
    "purge on many words": (lambda d: d.update(purges=[{**ORDER, "basis": "x" * 1001}]), "printable"),
    "too many purges": (lambda d: d.update(purges=[ORDER] * 257), "256"),
    "purge with more": (lambda d: d.update(purges=[{**ORDER, "more": 1}]), "more"),
    "auditor pin": (lambda d: d["auditors"][0].update(tls=["zz"]), "hex"),
    "broker pin twice": (lambda d: d["brokers"][0].update(tls=d["brokers"][0]["tls"] * 2), "twice"),
    "log without keys": (lambda d: d["log"].update(keys=[]), "at least one"),
    "log key of another origin": (lambda d: d["log"].update(origin="other.example/log"), "origin"),
    "log key damaged": (lambda d: d["log"].update(keys=[d["log"]["keys"][0][:-4]]), "directory.json"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_defects_are_named(defect: str) -> None:
    change, words = DEFECTS[defect]
    with pytest.raises(DirectoryInvalid, match=words):
        parse_directory(changed(change))


def test_the_base_of_the_defects_is_good() -> None:
    assert parse_directory(changed(lambda _: None)).name == "Test directory"


def test_what_carries_files_on_removable_media_is_kept() -> None:
    def change(document: dict[str, Any]) -> None:
        document["limits"].update(carried_days=0)
        document["brokers"][0].update(sealing="ab" * 1_216)

    told = parse_directory(changed(change))
    assert told.limits.carried_days == 0
    assert told.brokers[0].sealing == b"\xab" * 1_216
    assert parse_directory(encode_directory(told)) == told
    assert parse_directory(changed(lambda _: None)).limits.carried_days == CARRIED_DAYS
