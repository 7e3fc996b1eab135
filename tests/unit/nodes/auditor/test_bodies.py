"""Asking for bodies: held, deleted by right, missing, and replaced are told apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nodes.auditor.bodies import Bodies, ask_for_bodies
from nodes.auditor.mirror import LogFolder, body_path, path_limit
from schemas.errors import CheckpointUntrusted, Missing, Purged, Unreachable
from schemas.limits import MAX_BODY
from schemas.log.entry import AlertEntry
from schemas.log.note import note_key
from tests.support.auditing import quiet
from tests.support.directory import make_world
from tests.support.log_builder import LogBuilder


@dataclass
class Hub:
    """Shows the bodies it has been given, and fails as it is told."""

    bodies: dict[str, bytes | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def get(self, path: str) -> bytes:
        self.asked.append(path)
        found = self.bodies.get(path, Missing("not there"))
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def hub(log: LogBuilder) -> Hub:
    """A hub with the bodies of two more alerts of the log, at entries 11 and 12."""
    hub = Hub()
    for _ in range(2):
        sealed = log.seal("hk-customs", ["sg-cnb"])
        entry = AlertEntry(log.now, log.world.directory.version, sealed.header, sealed.signature)
        hub.bodies[body_path(log.append(entry))] = sealed.body
    log.now += log.world.document.limits.retention
    for index in (5, 7, 9):
        log.purge(index)
    return hub


def ask(log: LogBuilder, hub: Hub, folder: Path) -> Bodies:
    return ask_for_bodies(hub, LogFolder(log.write(folder)), keys=log.keys, progress=quiet)


def test_bodies_that_are_there_and_those_deleted_as_the_log_says(log: LogBuilder, hub: Hub, tmp_path: Path) -> None:
    bodies = ask(log, hub, tmp_path)
    assert (bodies.held, bodies.deleted, len(bodies.findings)) == (2, 3, 0)
    assert hub.asked == ["body/11", "body/12"]
    assert bodies.as_dict() == {"ok": True, "held": 2, "deleted": 3, "findings": []}


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (Missing("gone"), "body-missing", "does not have"),
        (Purged("gone"), "body-missing", "no entry in this copy says so"),
        (b"other bytes", "body-altered", "other bytes"),
        (b"", "body-altered", "other bytes"),
    ],
)
def test_a_body_that_is_not_shown_is_held_against_the_hub(
    log: LogBuilder, hub: Hub, tmp_path: Path, answer: bytes | Exception, code: str, words: str
) -> None:
    hub.bodies["body/12"] = answer
    bodies = ask(log, hub, tmp_path)
    (finding,) = bodies.findings.kept
    assert (finding.kind.code, finding.party, finding.entry, bodies.held) == (code, "broker", 12, 1)
    assert words in finding.message
    assert log.alert_id(12) in finding.message


def test_a_hub_that_is_not_there_is_no_finding(log: LogBuilder, hub: Hub, tmp_path: Path) -> None:
    hub.bodies["body/11"] = Unreachable("no route")
    with pytest.raises(Unreachable):
        ask(log, hub, tmp_path)


def test_the_copy_must_be_of_the_log_whose_key_is_given(log: LogBuilder, hub: Hub, tmp_path: Path) -> None:
    other = [note_key("other.example/log", make_world().log_key.public)]
    with pytest.raises(CheckpointUntrusted):
        ask_for_bodies(hub, LogFolder(log.write(tmp_path)), keys=other, progress=quiet)


def test_a_body_is_read_up_to_the_largest_there_is() -> None:
    assert path_limit(body_path(7)) == MAX_BODY
