"""Any order of rotations, sendings and deliveries: what a sender's node seals and the hub takes, the recipient opens.

The real parts decide: the sender's sealing, the hub's admission, the recipient's opening. Only the wires are missing.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.draft import NewDirectory
from nodes.identity import Identity
from nodes.keys.request import draft_request, sign_request
from nodes.keys.rotation import Held, Kind, held_keys, replaced, retired, rotated
from nodes.keystore import Seeds, with_fresh
from nodes.openers import Keyring
from nodes.sealing import openers_to_send, seal_outgoing
from nodes.store.database import Database, Tables
from nodes.verdicts import verdict
from schemas.alert.document import encode_alert
from schemas.directory.state import Directory
from schemas.envelope.opener import opener_id
from schemas.envelope.opening import open_alert, trust_checkpoint
from schemas.errors import CrossbearingError, NotFound
from schemas.example import example_seed
from schemas.log.checkpoint import Checkpoint
from schemas.log.merkle import EMPTY_ROOT, prove_inclusion
from schemas.session.frames import Submit
from tests.support.directory import DAY_MS, make_world
from tests.support.envelope import counting_random, make_alert
from tests.support.fake_hub import example_seeds
from tests.support.hub_core import HubCore

SENDER, RECIPIENT = "hk-customs", "sg-cnb"
Act = Literal["rotate", "retire", "replace", "send", "send behind", "deliver", "wait"]


async def nothing(_: bytes) -> bytes:
    raise NotFound("everything came along")


class Party:
    """One agency: its keystore, and the node's view of its keys."""

    def __init__(self, core: HubCore, agency: str) -> None:
        self.core = core
        self.agency = agency
        self.seeds: Seeds = example_seeds(agency)
        self.identity = Identity(self.seeds)
        self.random = counting_random(f"keys of {agency}")

    def change(self, act: Act, kinds: list[Kind]) -> None:
        """Rotate, retire or replace keys, and publish."""
        core, now = self.core, self.core.clock.now
        if act != "retire":
            self.seeds = with_fresh(self.seeds, kinds, self.random)
            self.identity.adopt(self.seeds)
        held: Held = held_keys(self.seeds, core.world.keys[self.agency].tls)
        published = core.history.latest.published[self.agency]
        listed = published.keys
        if act == "rotate":
            document = rotated(listed, kinds, held, now=now)
        elif act == "retire":
            document = retired(listed, kinds, held, now=now)
        else:
            document = replaced(listed, kinds, held, now=now)
        version = published.metadata.signed.version + 1
        draft = draft_request(document, version=version, expires=now + 100 * DAY_MS)
        signed = sign_request(draft.bundle, example_seed(self.agency, "administrator-1"))
        core.accepted(self.agency, NewDirectory(self.agency, version, signed.bundle))


class Exchange:
    """A hub's core with a sender and a recipient."""

    def __init__(self, database: Database) -> None:
        self.core = HubCore(make_world())
        self.sender, self.recipient = Party(self.core, SENDER), Party(self.core, RECIPIENT)
        self.keyring = Keyring(self.recipient.identity, nothing)
        self.tables: Tables = database.read(lambda tables: tables)
        self.random = counting_random("sealing")
        self.waiting: list[int] = []
        self.sent = 0
        self.opened: list[str] = []
        self.openers: dict[bytes, bytes] = {}

    def send(self, *, behind: int) -> None:
        """Seal under a directory `behind` versions behind, submit, and seal again as the node does when refused."""
        self.sent += 1
        history = self.core.history
        alert = make_alert(self.core.world, SENDER, number=self.sent, to=[RECIPIENT])
        number = self.tables.outbox.add(alert, encode_alert(alert), recipients=[RECIPIENT], now=self.core.clock.now)
        directory = history.version(max(5, len(history) - behind))
        outcome = self._submit(number, directory)
        for attempt in range(3):
            if isinstance(outcome, int):
                break
            assert verdict(outcome.code, attempt) == "seal-again", outcome
            outcome = self._submit(number, history.latest)
        assert isinstance(outcome, int)
        self.waiting.append(outcome)

    def _submit(self, number: int, directory: Directory) -> int | CrossbearingError:
        core, tables = self.core, self.tables
        seal_outgoing(
            tables,
            tables.outbox.get(number),
            identity=self.sender.identity,
            directory=directory,
            now=core.clock.now,
            random=self.random,
        )
        sealed = tables.outbox.get(number)
        assert sealed.header is not None
        assert sealed.signature is not None
        assert sealed.body is not None
        openers = openers_to_send(tables, sealed.header)
        self.openers |= {opener_id(opener): opener for opener in openers}
        return core.verdict(SENDER, Submit(sealed.header, sealed.signature, sealed.body, openers))

    def deliver(self) -> None:
        """The recipient opens all that waits, with the keys it holds now."""
        core, engine = self.core, self.core.engine
        note = core.anchor.read()
        assert note is not None
        world = core.world
        held = Checkpoint(world.origin, 0, EMPTY_ROOT)
        trusted = trust_checkpoint(note, origin=world.origin, keys=world.directory.log_keys(), held=held, proof=[])
        rows = []
        for index in self.waiting:
            entry = engine.contents.log[index]
            body = engine.body(index)
            assert body is not None

            def secret_for(wanted: bytes, sender: str, key: bytes) -> bytes:
                secret, row = self.keyring.secret(wanted, sender, key, openers=self.openers)
                rows.extend([row] if row is not None else [])
                return secret

            opened = open_alert(
                index,
                entry,
                prove_inclusion(index, engine.size(), core.tree.read),
                trusted,
                history=core.history,
                me=RECIPIENT,
                body=body,
                secret_for=secret_for,
            )
            self.opened.append(opened.alert.id)
        self.keyring.remember(rows)
        self.waiting.clear()


KINDS: list[Kind] = ["signing", "sealing"]
CHANGES = st.tuples(
    st.sampled_from(["rotate", "retire", "replace"]),
    st.sampled_from([SENDER, RECIPIENT]),
    st.lists(st.sampled_from(KINDS), min_size=1, unique=True),
)
OTHERS = st.tuples(st.sampled_from(["send", "send behind", "deliver", "wait"]), st.integers(1, 4), st.just(KINDS))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CHANGES | OTHERS | OTHERS, max_size=14))
def test_no_alert_is_lost_in_any_order(acts: list[tuple[Act, str | int, list[Kind]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "node.db", bytes(32))
        try:
            exchange = Exchange(database)
            for act, who, kinds in acts:
                match act:
                    case "send":
                        exchange.send(behind=0)
                    case "send behind":
                        exchange.send(behind=int(who))
                    case "deliver":
                        exchange.deliver()
                    case "wait":
                        exchange.core.clock.now += int(who) * 3 * DAY_MS
                    case _:
                        party = exchange.sender if who == SENDER else exchange.recipient
                        party.change(act, kinds)
                exchange.core.clock.now += 10_000
            exchange.deliver()
            assert len(set(exchange.opened)) == exchange.sent
        finally:
            database.close()
