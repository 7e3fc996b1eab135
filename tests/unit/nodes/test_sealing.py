from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodes.identity import Identity
from nodes.sealing import openers_to_send, pair_key, seal_outgoing
from nodes.store.database import Database, Tables
from schemas.alert.document import Alert, encode_alert
from schemas.envelope.header import decode_header, verify_header
from schemas.envelope.opener import open_opener, opener_id
from schemas.envelope.seal import PairKey
from schemas.errors import AlertExpired, KeyNotValid, Nobody
from schemas.example import example_seed
from schemas.keys import SealingKey, SigningKey
from schemas.limits import PAIR_KEY_ALERTS, PAIR_KEY_LIFE_MS
from tests.support.directory import NOW, World, make_world, record
from tests.support.envelope import counting_random, make_alert
from tests.support.fake_hub import DATABASE_KEY, example_seeds

ME = "sg-cnb"


class Sealer:
    def __init__(self, tables: Tables, world: World) -> None:
        self.tables = tables
        self.world = world
        self.identity = Identity(example_seeds(ME))
        self.random = counting_random(ME)

    def pair(self, *, now: int = NOW, signing: SigningKey | None = None) -> PairKey:
        return pair_key(
            self.tables,
            "hk-customs",
            sender=ME,
            signing=signing or self.world.signing[ME],
            directory=self.world.directory,
            now=now,
            random=self.random,
        )

    def compose(self, **fields: Any) -> Alert:
        alert = make_alert(self.world, ME, **fields)
        self.tables.outbox.add(alert, encode_alert(alert), recipients=["hk-customs"], now=NOW)
        return alert

    def seal(self, *, now: int = NOW) -> None:
        (outgoing,) = self.tables.outbox.waiting(now=now, limit=5)
        seal_outgoing(
            self.tables,
            outgoing,
            identity=self.identity,
            directory=self.world.directory,
            now=now,
            random=self.random,
        )


@pytest.fixture
def sealer(tmp_path: Path) -> Iterator[Sealer]:
    database = Database(tmp_path / "node.db", DATABASE_KEY)
    yield Sealer(database.read(lambda tables: tables), make_world())
    database.close()


def test_a_pair_key_opens_for_its_recipient_alone(sealer: Sealer) -> None:
    pair = sealer.pair()
    signing = sealer.world.signing[ME].key_id
    secret = open_opener(
        pair.opener, sender=ME, recipient="hk-customs", sender_key_id=signing, keys=[sealer.world.sealing["hk-customs"]]
    )
    assert secret == pair.secret
    assert pair.opener_id == opener_id(pair.opener)


def test_a_pair_key_is_used_for_a_day(sealer: Sealer) -> None:
    first = sealer.pair()
    assert sealer.pair(now=NOW + PAIR_KEY_LIFE_MS - 1) == first
    assert sealer.pair(now=NOW + PAIR_KEY_LIFE_MS) != first


def test_a_clock_set_back_before_its_making_ends_a_pair_key(sealer: Sealer) -> None:
    first = sealer.pair()
    assert sealer.pair(now=NOW - 1) != first


def test_a_pair_key_is_used_for_so_many_alerts(sealer: Sealer) -> None:
    first = sealer.pair()
    sealer.tables.pairs.use([first.opener_id] * (PAIR_KEY_ALERTS - 1))
    assert sealer.pair() == first
    sealer.tables.pairs.use([first.opener_id])
    assert sealer.pair() != first


def test_a_new_sealing_key_of_the_recipient_ends_a_pair_key(sealer: Sealer) -> None:
    first = sealer.pair()
    world = sealer.world
    new = record(SealingKey(b"n" * 32).public, starts=NOW - 1_000)
    world.keys["hk-customs"] = replace(world.keys["hk-customs"], sealing=(*world.keys["hk-customs"].sealing, new))
    world.publish("hk-customs")
    assert sealer.pair() != first
    assert [row.sealing_key for row in sealer.tables.pairs.get([sealer.pair().opener_id])] == [new.key_id]


def test_a_new_signing_key_of_ours_ends_a_pair_key(sealer: Sealer) -> None:
    first = sealer.pair()
    assert sealer.pair(signing=SigningKey(b"n" * 32)) != first


def test_a_recipient_without_a_valid_key_gets_none(sealer: Sealer) -> None:
    with pytest.raises(KeyNotValid):
        sealer.pair(now=NOW + 10 * 365 * 86_400_000)


def test_a_sealed_alert_is_signed_for_whom_the_rules_give(sealer: Sealer) -> None:
    sealer.compose(to=["all"])
    sealer.seal()
    sealed = sealer.tables.outbox.get(1)
    assert sealed.header is not None
    assert sealed.signature is not None
    header = decode_header(sealed.header)
    verify_header(sealed.header, sealed.signature, sealer.world.signing[ME].public)
    assert [recipient.agency for recipient in header.recipients] == ["au-abf", "hk-customs"]
    assert (header.created, header.directory) == (NOW, sealer.world.directory.version)
    assert [d.agency for d in sealer.tables.alerts.deliveries(1)] == ["au-abf", "hk-customs"]
    assert sealer.tables.alerts.by_number(1).expires == header.expires


def test_openers_travel_until_the_hub_is_known_to_hold_them(sealer: Sealer) -> None:
    sealer.compose(to=["all"])
    sealer.seal()
    header = sealer.tables.outbox.get(1).header
    assert header is not None
    openers = openers_to_send(sealer.tables, header)
    assert len(openers) == 2
    sealer.tables.pairs.set_known([opener_id(openers[0])], known=True)
    assert openers_to_send(sealer.tables, header) == openers[1:]


def test_uses_are_counted(sealer: Sealer) -> None:
    sealer.compose(to=["hk-customs"])
    sealer.seal()
    newest = sealer.tables.pairs.newest("hk-customs")
    assert newest is not None
    assert newest.uses == 1


def opener_ids(sealer: Sealer, number: int, *, now: int = NOW) -> set[bytes]:
    """One more alert is composed and sealed; the pair keys that it was sealed with."""
    sealer.compose(number=number, to=["all"], title=f"alert {number}")
    sealer.seal(now=now)
    sealed = sealer.tables.outbox.get(number)
    assert sealed.header is not None
    sealer.tables.outbox.accept(sealed.id, number, now=now)
    return {recipient.opener_id for recipient in decode_header(sealed.header).recipients}


def test_one_alert_after_another_is_sealed_with_the_same_pair_keys_until_these_end(sealer: Sealer) -> None:
    first = opener_ids(sealer, 1)
    assert opener_ids(sealer, 2, now=NOW + PAIR_KEY_LIFE_MS - 1) == first
    second = opener_ids(sealer, 3, now=NOW + PAIR_KEY_LIFE_MS)
    assert second.isdisjoint(first)
    sealer.tables.pairs.use([*second] * (PAIR_KEY_ALERTS - 2))
    assert opener_ids(sealer, 4, now=NOW + PAIR_KEY_LIFE_MS) == second
    assert opener_ids(sealer, 5, now=NOW + PAIR_KEY_LIFE_MS).isdisjoint(second)


def test_a_sealing_key_that_begins_ends_the_pair_key_in_the_middle_of_a_flow(sealer: Sealer) -> None:
    world, later = sealer.world, NOW + 60_000
    new = record(SealingKey(b"n" * 32).public, starts=later)
    world.keys["hk-customs"] = replace(world.keys["hk-customs"], sealing=(*world.keys["hk-customs"].sealing, new))
    world.publish("hk-customs")
    first = opener_ids(sealer, 1)
    assert opener_ids(sealer, 2, now=new.not_before - 1) == first
    assert len(opener_ids(sealer, 3, now=new.not_before) & first) == 1


def test_a_new_signing_key_of_ours_ends_the_pair_keys_in_the_middle_of_a_flow(sealer: Sealer) -> None:
    world, seeds = sealer.world, example_seeds(ME)
    new = record(SigningKey(b"n" * 32).public, starts=NOW + 60_000)
    world.keys[ME] = replace(world.keys[ME], signing=(*world.keys[ME].signing, new))
    world.publish(ME)
    sealer.identity = Identity(replace(seeds, signing=(*seeds.signing, b"n" * 32)))
    first = opener_ids(sealer, 1)
    assert opener_ids(sealer, 2, now=new.not_before - 1) == first
    assert opener_ids(sealer, 3, now=new.not_before).isdisjoint(first)


def test_an_alert_for_nobody_is_refused(sealer: Sealer) -> None:
    sealer.world.change_agency("hk-customs", status="suspended")
    sealer.world.publish("targets")
    sealer.compose(to=["hk-customs"])
    with pytest.raises(Nobody):
        sealer.seal()


def test_an_expired_alert_is_not_sealed(sealer: Sealer) -> None:
    sealer.compose(to=["hk-customs"], expires_hours=1)
    with pytest.raises(AlertExpired):
        sealer.seal(now=NOW + 3_600_000)


def test_the_example_key_is_the_one_the_world_lists() -> None:
    assert SigningKey(example_seed(ME, "signing")).public == make_world().signing[ME].public
