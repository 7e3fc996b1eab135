from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from schemas.directory.authority import Quorum, Signatory
from schemas.directory.differences import differences
from schemas.directory.documents import (
    Auditor,
    Broker,
    ByPrecedence,
    DirectoryDocument,
    LogIdentity,
    Operation,
    PurgeOrder,
    Region,
)
from schemas.directory.governed import Governed, governed_by
from schemas.directory.witnesses import OutsideWitness, Witnesses
from schemas.ids import key_id
from schemas.routing.rules import Condition, Rule, Target
from tests.support.directory import DAY_MS, NOW, PLENTY, make_world, record

RULE = Rule("no-red", "deny", Condition(markings=("red",)), Target(regions=("asia",)), None, "Nothing red to Asia")
DIRECTORY = make_world(rules=[RULE]).directory
BEFORE = governed_by(DIRECTORY)
DOCUMENT = DIRECTORY.require_document()


def changed(**changes: object) -> Governed:
    return replace(BEFORE, document=replace(DOCUMENT, **changes))  # type: ignore[arg-type]  # replace checks the names


def agency(**changes: object) -> Governed:
    agencies = dict(DOCUMENT.agencies)
    agencies["sg-cnb"] = replace(agencies["sg-cnb"], **changes)  # type: ignore[arg-type]  # replace checks the names
    return changed(agencies=agencies)


def operation(**changes: object) -> Governed:
    marker = replace(DOCUMENT.operations["marker"], **changes)  # type: ignore[arg-type]  # replace checks the names
    return changed(operations={"marker": marker})


def keys(**changes: object) -> Governed:
    held = replace(BEFORE.keys["sg-cnb"], **changes)  # type: ignore[arg-type]  # replace checks the names
    return replace(BEFORE, keys={**BEFORE.keys, "sg-cnb": held})


FIRST = BEFORE.root.signatories[0]
NEW_KEY = "ed25519:" + "0" * 64
SIGNING = BEFORE.keys["sg-cnb"].signing[0]

CASES: dict[str, tuple[Callable[[], Governed], list[str]]] = {
    "nothing": (lambda: BEFORE, []),
    "name": (lambda: changed(name="Another"), ["The directory name is Another instead of Test directory."]),
    "suspended": (
        lambda: agency(status="suspended"),
        ["Agency sg-cnb is suspended: its connection closes and its mail is held."],
    ),
    "contact": (
        lambda: agency(contact="+65 1800"),
        ["Agency sg-cnb: contact is +65 1800 instead of nothing."],
    ),
    "regions": (lambda: agency(regions=()), ["Agency sg-cnb leaves region asia."]),
    "region": (
        lambda: changed(regions={**DOCUMENT.regions, "sea": Region("sea", "The sea")}),
        ["Region sea is new: The sea."],
    ),
    "operation ends": (
        lambda: operation(ends=DOCUMENT.operations["marker"].ends + DAY_MS),
        ["Operation marker ends on 2027-09-21 instead of 2027-09-20."],
    ),
    "operation begins": (
        lambda: operation(starts=DOCUMENT.operations["marker"].starts + DAY_MS),
        ["Operation marker begins on 2026-09-22 instead of 2026-09-21."],
    ),
    "participants": (
        lambda: operation(participants=("au-abf", "sg-cnb")),
        ["Operation marker is now for au-abf, sg-cnb."],
    ),
    "host": (lambda: operation(host="sg-cnb"), ["Operation marker: host is sg-cnb instead of au-abf."]),
    "operation closed": (
        lambda: changed(operations={}),
        ["Operation marker is closed: nothing can be sent under it any more."],
    ),
    "rule gone": (lambda: changed(rules=()), ["Rule no-red (deny) is dropped."]),
    "rule new": (
        lambda: changed(rules=(RULE, replace(RULE, id="again"))),
        ["Rule again is new (deny): Nothing red to Asia."],
    ),
    "rule changed": (
        lambda: changed(rules=(replace(RULE, to=Target(agencies=("sg-cnb",), everyone=True)),)),
        ["Rule no-red: to is agencies sg-cnb; everyone yes instead of regions asia."],
    ),
    "limits": (
        lambda: changed(limits=replace(PLENTY, alerts_per_minute=ByPrecedence(10, 20, 30, 40))),
        [
            "Limits: alerts per minute is flash 10, immediate 20, priority 30, routine 40 instead of flash 60000, "
            "immediate 60000, priority 60000, routine 60000."
        ],
    ),
    "auditor": (
        lambda: changed(auditors={**DOCUMENT.auditors, "eye": Auditor("eye", "An eye", (bytes(32),))}),
        ["Auditor eye may read the whole log: An eye."],
    ),
    "auditor gone": (lambda: changed(auditors={}), ["Auditor auditor-1 may read the log no more."]),
    "hub": (
        lambda: changed(brokers=(*DOCUMENT.brokers, Broker("second", (bytes(32),)))),
        ["Hub second is new."],
    ),
    "hub sealing key": (
        lambda: changed(brokers=(replace(DOCUMENT.brokers[0], sealing=bytes(1_216)),)),
        [f"Hub broker: files on removable media are sealed for the key {key_id(bytes(1_216)).hex()}."],
    ),
    "second hub with a sealing key": (
        lambda: changed(brokers=(*DOCUMENT.brokers, Broker("second", (bytes(32),), bytes(1_216)))),
        [f"Hub second is new, with the sealing key {key_id(bytes(1_216)).hex()}."],
    ),
    "hub certificate": (
        lambda: changed(brokers=(replace(DOCUMENT.brokers[0], tls=(*DOCUMENT.brokers[0].tls, bytes(32))),)),
        [f"broker may use the certificate {'00' * 32}."],
    ),
    "log key": (
        lambda: changed(log=LogIdentity(DOCUMENT.log.origin, (*DOCUMENT.log.keys, "log+key"))),
        ["The log's key log+key is new."],
    ),
    "purge": (
        lambda: changed(purges={"x": PurgeOrder("x", "Court order 7")}),
        ["What the hub holds of alert x is deleted: Court order 7."],
    ),
    "witness": (
        lambda: changed(witnesses=Witnesses(2, (OutsideWitness("w", "w+1+2", "https://w.example"),))),
        [
            "2 witnesses must cosign a checkpoint, instead of 3.",
            "Witness w is new, at https://w.example with the key w+1+2.",
        ],
    ),
    "governor's key": (
        lambda: governors(lambda found: (Signatory(FIRST.name, NEW_KEY), *found[1:])),
        [f"Governor {FIRST.name} has a new key, {NEW_KEY}, instead of {FIRST.key}."],
    ),
    "governor renamed": (
        lambda: governors(lambda found: (Signatory("Chair", FIRST.key), *found[1:])),
        [f"Governor {FIRST.name} is now called Chair, with the same key."],
    ),
    "governor joins": (
        lambda: governors(lambda found: (*found, Signatory("Sixth", NEW_KEY))),
        [
            f"Governor Sixth joins with the key {NEW_KEY}.",
            "3 of 6 governors must sign the root instead of 3 of 5.",
        ],
    ),
    "threshold": (
        lambda: replace(
            BEFORE, root=replace(BEFORE.root, threshold=4), governors=replace(BEFORE.governors, threshold=4)
        ),
        ["4 of 5 governors must sign the root instead of 3 of 5."],
    ),
    "expiry": (
        lambda: replace(BEFORE, root_expires=NOW),
        ["The root is valid until 2026-09-21 instead of 2036-01-01."],
    ),
    "signing key": (
        lambda: keys(signing=(SIGNING, record(bytes(32)))),
        ["Agency sg-cnb: signing key 66687aadf862bd77 is new, from 2026-08-22 to 2028-09-20."],
    ),
    "signing key retired": (
        lambda: keys(signing=(replace(SIGNING, status="retired"),)),
        [f"Agency sg-cnb: signing key {SIGNING.key_id.hex()} is now retired, from 2026-08-22 to 2028-09-20."],
    ),
    "certificate": (
        lambda: keys(tls=(*BEFORE.keys["sg-cnb"].tls, bytes(32))),
        [f"Agency sg-cnb: certificate {'00' * 32} is new."],
    ),
    "cut off": (
        lambda: replace(BEFORE, keys={a: k for a, k in BEFORE.keys.items() if a != "sg-cnb"}),
        ["The keys of sg-cnb stop counting until its administrators sign them anew: it is cut off."],
    ),
}


def governors(change: Callable[[tuple[Signatory, ...]], tuple[Signatory, ...]]) -> Governed:
    quorum = Quorum(BEFORE.root.threshold, change(BEFORE.root.signatories))
    return replace(BEFORE, root=quorum, governors=quorum)


@pytest.mark.parametrize("name", CASES)
def test_a_change_in_words(name: str) -> None:
    after, said = CASES[name]
    assert differences(BEFORE, after()) == said


def test_the_first_directory_says_what_it_begins_with() -> None:
    said = differences(None, BEFORE)
    assert said[0].startswith("3 of 5 governors sign: ")
    for part in ("Agency sg-cnb joins", "Operation marker opens", "Rule no-red is new", "Auditor auditor-1 may read"):
        assert any(sentence.startswith(part) for sentence in said), part


def test_every_field_of_the_document_that_changes_is_told() -> None:
    """A field added to a document one day must not change in silence."""
    told = {"name", "agencies", "regions", "operations", "rules", "limits", "auditors", "log", "brokers"}
    told |= {"purges", "witnesses"}
    assert set(DirectoryDocument.__dataclass_fields__) == told
    assert set(Operation.__dataclass_fields__) == {"id", "name", "host", "starts", "ends", "participants"}
