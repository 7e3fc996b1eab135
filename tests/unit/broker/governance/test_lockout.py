from __future__ import annotations

from dataclasses import replace

import pytest

from broker.governance.lockout import cautions, check_lockout
from schemas.directory.documents import LogIdentity
from schemas.directory.governed import Governed, governed_by
from schemas.errors import DirectoryLockout
from schemas.routing.rules import Condition, Rule, Target
from tests.support.directory import DAY_MS, EXPIRES, NOW, make_world

DIRECTORY = make_world().directory
HELD, DOCUMENT = governed_by(DIRECTORY), DIRECTORY.require_document()
OTHER_LOG = LogIdentity("other.example/log", DOCUMENT.log.keys)

LOCKED: dict[str, tuple[Governed, str]] = {
    "no document": (replace(HELD, document=None), "no document"),
    "no keys": (replace(HELD, keys={}), "no active agency would have keys"),
    "no certificates": (
        replace(HELD, keys={a: replace(k, tls=()) for a, k in HELD.keys.items()}),
        "no active agency would have keys",
    ),
    "no auditor": (replace(HELD, document=replace(DOCUMENT, auditors={})), "no auditor"),
    "no hub": (replace(HELD, document=replace(DOCUMENT, brokers=())), "no hub would be left"),
    "another log": (replace(HELD, document=replace(DOCUMENT, log=OTHER_LOG)), "would lose its name"),
    "another log key": (
        replace(HELD, document=replace(DOCUMENT, log=replace(DOCUMENT.log, keys=("x",)))),
        "every key of the log",
    ),
}


@pytest.mark.parametrize("name", LOCKED)
def test_what_locks_everybody_out_is_refused(name: str) -> None:
    after, reason = LOCKED[name]
    with pytest.raises(DirectoryLockout, match=reason):
        check_lockout(HELD, after, NOW)


def test_what_does_not_is_let_through() -> None:
    check_lockout(HELD, HELD, NOW)
    check_lockout(None, HELD, NOW)


def test_second_thoughts() -> None:
    assert cautions(HELD, NOW) == []
    thin = replace(HELD, governors=replace(HELD.governors, threshold=5))
    assert cautions(thin, NOW) == [
        "If one key of the governors is lost, they can sign nothing any more (5 of 5 are needed)."
    ]
    alone = replace(HELD, governors=replace(HELD.governors, threshold=1))
    assert cautions(alone, NOW) == ["One governor alone can change everything."]
    soon = int(EXPIRES.timestamp()) * 1_000 - 20 * DAY_MS
    assert cautions(HELD, soon) == ["The root expires in 20 days.", "The document expires in 20 days."]


def test_what_the_rules_lack_is_said() -> None:
    idle = Rule("idle", "deny", Condition(senders=("au-abf",)), Target(agencies=("au-abf",)), None, "Nobody")
    said = cautions(replace(HELD, document=replace(DOCUMENT, rules=(idle,))), NOW)
    assert len(said) == 1
    assert said[0].startswith("Rules: idle changes nothing")
