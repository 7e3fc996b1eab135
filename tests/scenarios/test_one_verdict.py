"""Sender, recipient, hub and auditor on the same alerts under random directories: one verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings

from broker.admission import AdmittedAlert, admit_alert
from nodes.auditor import findings
from nodes.auditor.alert_check import alert_problems
from nodes.identity import Identity
from nodes.sealing import openers_to_send, seal_outgoing
from nodes.store.database import Database, Tables
from schemas.alert.document import Alert, encode_alert
from schemas.directory.history import DirectoryHistory
from schemas.directory.state import Directory
from schemas.envelope.header import Header, Recipient, decode_header, encode_header, sign_header
from schemas.errors import CrossbearingError, Nobody
from schemas.log.entry import AlertEntry
from schemas.routing.query import RoutingQuery
from schemas.session.frames import Submit
from tests.support.directory import NOW
from tests.support.envelope import counting_random, make_alert
from tests.support.fake_hub import DATABASE_KEY, example_seeds
from tests.support.memory_engine import MemoryEngine
from tests.support.routing import AGENCIES, QUERIES, SETTINGS, Setting, base_world, plainly

SUBJECTS = {
    "container": {"type": "container", "number": "CSQU3054383"},
    "person": {"type": "person", "role": "courier"},
    "vessel": {"type": "vessel", "name": "Ocean Star"},
}
NOBODY_ASKED = {"type": "organisation", "role": "carrier", "name": "Pacific Lines"}
ROUTING_STEP = 9
NUMBERS = count()


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    folder: Path = tmp_path_factory.mktemp("node")
    database = Database(folder / "node.db", DATABASE_KEY)
    yield database.read(lambda tables: tables)
    database.close()


def writable(asked: RoutingQuery) -> RoutingQuery:
    """The question without the addresses that no document so marked may have."""
    if asked.marking not in {"red", "amber+strict"}:
        return asked
    return replace(asked, address=tuple(address for address in asked.address if address in AGENCIES))


def composed(asked: RoutingQuery) -> Alert:
    """An alert that asks this question."""
    return make_alert(
        base_world(),
        asked.sender,
        number=next(NUMBERS),
        kind=asked.topic,
        to=list(asked.address),
        marking=asked.marking,
        precedence=asked.precedence,
        status=asked.status,
        operation=asked.operation,
        modes=list(asked.modes),
        subjects=[NOBODY_ASKED, *(SUBJECTS[kind] for kind in asked.subjects)],
    )


def sealed(tables: Tables, directory: Directory, asked: RoutingQuery) -> Submit:
    """What the sender's node submits. Raises what keeps it from being sent."""
    alert = composed(asked)
    number = tables.outbox.add(alert, encode_alert(alert), recipients=[], now=NOW)
    identity = Identity(example_seeds(asked.sender))
    seal_outgoing(
        tables,
        tables.outbox.get(number),
        identity=identity,
        directory=directory,
        now=NOW,
        random=counting_random(f"seal {number}"),
    )
    made, content = tables.outbox.get(number), tables.alerts.content(number)
    if content.header is None or content.signature is None or made.body is None:
        raise AssertionError("a sealed alert has all three")
    return Submit(content.header, content.signature, made.body, openers_to_send(tables, content.header))


def admitted(submission: Submit, directory: Directory, sender: str) -> bool:
    try:
        verdict = admit_alert(
            submission,
            agency=sender,
            view=MemoryEngine(),
            directories=lambda _: directory,
            newest=directory,
            now=NOW,
            afford=lambda _: (),
        )
    except CrossbearingError as refusal:
        if refusal.context["step"] != ROUTING_STEP:
            raise
        return False
    return isinstance(verdict, AdmittedAlert)


def blamed(submission: Submit, directory: Directory) -> bool:
    """Whether the auditor finds the recipients to be others than the rules give."""
    history = DirectoryHistory()
    history.add(0, directory)
    entry = AlertEntry(NOW, directory.version, submission.header, submission.signature)
    problems = alert_problems(entry, decode_header(submission.header), directory, history)
    return findings.ROUTING_DIFFERS in {kind for kind, _ in problems}


def with_recipients(header: Header, recipients: tuple[Recipient, ...], asked: RoutingQuery) -> Submit:
    """The same alert signed for other recipients, as a faulty node would."""
    data = encode_header(replace(header, recipients=recipients))
    return Submit(data, sign_header(data, base_world().signing[asked.sender]), b"", ())


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SETTINGS, QUERIES)
def test_node_hub_and_auditor_agree_on_every_alert(tables: Tables, setting: Setting, asked: RoutingQuery) -> None:
    directory = replace(setting.directory(), version=1)
    asked = writable(asked)
    assume(asked.address and asked.sender not in setting.suspended)
    assume(asked.operation != "marker" or asked.sender in setting.participants)
    try:
        submission = sealed(tables, directory, asked)
    except Nobody:
        assume(plainly(setting, asked))  # else there is nothing to send, as all agree
        raise
    header = decode_header(submission.header)
    assert {recipient.agency for recipient in header.recipients} == plainly(setting, asked)
    assert admitted(submission, directory, asked.sender)
    assert not blamed(submission, directory)
    others = [agency for agency in AGENCIES if agency not in {r.agency for r in header.recipients} | {asked.sender}]
    if others:
        stray = Recipient(others[0], bytes(16), bytes(48))
        more = with_recipients(
            header, tuple(sorted((*header.recipients, stray), key=lambda recipient: recipient.agency)), asked
        )
        assert not admitted(more, directory, asked.sender)
        assert blamed(more, directory)
    if len(header.recipients) > 1:
        fewer = with_recipients(header, header.recipients[1:], asked)
        assert not admitted(fewer, directory, asked.sender)
        assert blamed(fewer, directory)
