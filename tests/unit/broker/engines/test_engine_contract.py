"""What every engine promises, asked of the real one and of the one that tests use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from broker.engines.port import Engine
from broker.engines.sqlite import SqliteEngine, create_log
from broker.state import Activation, Changes, Delivery, Escalated, KnownAlert, KnownOpener, Purge, Standing
from schemas.errors import BodyMismatch, NotAParty, Purged, StorageInDoubt
from schemas.ids import sha256
from tests.support.memory_engine import MemoryEngine

NOW, LATER = 1_000, 2_000
FROM_START = (-1, -1)


@pytest.fixture(params=["sqlite", "memory"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "memory":
        yield MemoryEngine()
        return
    create_log(tmp_path / "log.db")
    opened = SqliteEngine(tmp_path / "log.db")
    yield opened
    opened.close()


def alert(index: int, *recipients: str, sender: str = "hk-customs", rank: int = 3, expires: int = LATER) -> Changes:
    known = KnownAlert(index, bytes([index]) * 16, sender, bytes(32), bytes([index]) * 32, expires)
    deliveries = [Delivery(name, index, rank, expires, Standing.WAITING, 0) for name in recipients]
    return Changes(alert=known, deliveries=tuple(deliveries))


def log_one(engine: Engine, entry: bytes, changes: Changes | None = None) -> int:
    with engine.block(engine.size()) as block:
        return block.append(entry, changes or Changes())


def keys(found: list[Delivery]) -> list[tuple[int, int]]:
    return [(delivery.rank, delivery.index) for delivery in found]


def test_an_empty_log(engine: Engine) -> None:
    assert (engine.size(), engine.last_block(), engine.entries(0, 10)) == (0, 0, [])
    assert engine.tile(0, 0) is None
    assert engine.alert(bytes(16)) is None


def test_blocks_follow_each_other(engine: Engine) -> None:
    with engine.block(0) as block:
        assert [block.append(entry, Changes()) for entry in (b"a", b"b")] == [0, 1]
    with engine.block(2) as block:
        assert block.append(b"c", Changes()) == 2
    assert (engine.size(), engine.last_block()) == (3, 2)
    assert engine.entries(0, 3) == [b"a", b"b", b"c"]
    assert engine.entries(1, 2) == [b"b"]
    assert engine.entries(2, 9) == [b"c"]


@pytest.mark.parametrize("position", [0, 2])
def test_a_block_at_another_position_is_doubt(engine: Engine, position: int) -> None:
    log_one(engine, b"a")
    with pytest.raises(StorageInDoubt), engine.block(position):
        pass
    assert engine.size() == 1


def test_an_abandoned_block_leaves_nothing(engine: Engine) -> None:
    log_one(engine, b"a")

    def fail() -> None:
        with engine.block(1) as block:
            block.append(b"b", alert(1, "sg-cnb"))
            block.put_blob(b"d" * 32, b"data")
            block.put_body(1, b"body")
            block.put_tile(0, 0, b"t")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (engine.size(), engine.last_block()) == (1, 0)
    assert engine.blob(b"d" * 32) is None
    assert engine.body(1) is None
    assert engine.tile(0, 0) is None
    assert engine.outstanding("sg-cnb", FROM_START, 9, NOW, 9) == []


def test_a_block_sees_what_it_wrote_and_others_do_not(engine: Engine) -> None:
    with engine.block(0) as block:
        block.append(b"a", alert(0, "sg-cnb"))
        assert block.alert_at(0) is not None
        assert engine.alert_at(0) is None
    assert engine.alert_at(0) == engine.alert(bytes(16))


def test_blobs_and_tiles(engine: Engine) -> None:
    with engine.block(0) as block:
        block.append(b"a", Changes())
        block.put_blob(b"d" * 32, b"data")
        block.put_blob(b"d" * 32, b"other")
        block.put_tile(2, 5, b"hashes")
    assert engine.blob(b"d" * 32) == b"data"
    assert engine.tile(2, 5) == b"hashes"
    assert engine.tile(1, 5) is None
    assert (engine.holds(b"d" * 32), engine.holds(b"e" * 32)) == (True, False)
    assert (engine.entry(0), engine.entry(1)) == (b"a", None)


def test_deliveries_wait_by_precedence_then_age(engine: Engine) -> None:
    for index, rank in enumerate((3, 0, 3, 1)):
        log_one(engine, b"e", alert(index, "sg-cnb", "au-abf", rank=rank))
    assert keys(engine.outstanding("sg-cnb", FROM_START, 9, NOW, 9)) == [(0, 1), (1, 3), (3, 0), (3, 2)]
    assert keys(engine.outstanding("sg-cnb", (1, 3), 9, NOW, 9)) == [(3, 0), (3, 2)]
    assert keys(engine.outstanding("sg-cnb", FROM_START, 2, NOW, 9)) == [(0, 1), (3, 0)]
    assert keys(engine.outstanding("sg-cnb", FROM_START, 9, NOW, 1)) == [(0, 1)]
    assert engine.outstanding("sg-cnb", FROM_START, 9, LATER, 9) == []
    assert engine.outstanding("hk-customs", FROM_START, 9, NOW, 9) == []
    assert engine.waiting_by_rank(NOW) == {0: 2, 1: 2, 3: 4}
    assert engine.waiting_by_rank(LATER) == {}


def test_a_delivery_that_moves_on_waits_no_more(engine: Engine) -> None:
    log_one(engine, b"e", alert(0, "sg-cnb", "au-abf"))
    assert {d.agency for d in engine.waiting(0)} == {"sg-cnb", "au-abf"}
    stored = Delivery("sg-cnb", 0, 3, LATER, Standing.STORED, 1)
    log_one(engine, b"r", Changes(deliveries=(stored,), notice="hk-customs"))
    assert engine.delivery("sg-cnb", 0) == stored
    assert engine.delivery("nz-customs", 0) is None
    assert [d.agency for d in engine.waiting(0)] == ["au-abf"]
    assert engine.outstanding("sg-cnb", FROM_START, 9, NOW, 9) == []
    assert engine.notices("hk-customs", 0, 9, 9) == [1]
    assert engine.notices("hk-customs", 2, 9, 9) == []
    assert engine.notices("hk-customs", 0, 1, 9) == []
    assert engine.notices("sg-cnb", 0, 9, 9) == []


def escalating(index: int, due: int | None, **changes: object) -> Changes:
    made = Delivery("sg-cnb", index, 0, LATER, Standing.WAITING, 0, due)
    return Changes(deliveries=(replace(made, **changes),))  # type: ignore[arg-type]  # replace checks the names


def test_escalations_are_due_by_their_time_and_end_with_the_wait(engine: Engine) -> None:
    for index, due in enumerate((NOW + 2, NOW + 1, None, NOW + 3)):
        log_one(engine, b"e", escalating(index, due))
    found = partial(engine.escalations, "sg-cnb", limit=9)
    assert keys(found(now=NOW, logged=False)) == []
    assert keys(found(now=NOW + 2, logged=False)) == [(0, 1), (0, 0)]
    assert keys(engine.escalations("sg-cnb", NOW + 9, 1, logged=False)) == [(0, 1)]
    assert found(now=LATER, logged=False) == []
    assert engine.escalations("au-abf", NOW + 9, 9, logged=False) == []
    log_one(engine, b"x", escalating(1, NOW + 1, escalated=Escalated.DUE, escalation=4))
    log_one(engine, b"x", escalating(0, NOW + 2, escalated=Escalated.UNREACHABLE, escalation=5))
    assert keys(found(now=NOW + 9, logged=False)) == [(0, 3)]
    assert [(d.index, d.escalated, d.escalation) for d in found(now=NOW + 9, logged=True)] == [
        (1, Escalated.DUE, 4),
        (0, Escalated.UNREACHABLE, 5),
    ]
    log_one(engine, b"x", escalating(1, NOW + 1, escalated=Escalated.REACHED, escalation=6))
    log_one(engine, b"r", escalating(0, NOW + 2, escalated=Escalated.UNREACHABLE, standing=Standing.STORED))
    assert found(now=NOW + 9, logged=True) == []


def test_openers_and_activations(engine: Engine) -> None:
    opener = KnownOpener(b"o" * 16, "hk-customs", "sg-cnb", LATER)
    first, second = (Activation(version, version - 1, "root", version, bytes([version]) * 32) for version in (1, 2))
    log_one(engine, b"a", Changes(activation=first))
    log_one(engine, b"b", Changes(activation=second, openers=(opener,)))
    assert engine.opener(opener.id) == opener
    assert engine.opener(b"x" * 16) is None
    assert engine.activations(0) == [first, second]
    assert engine.activations(1) == [second]
    assert engine.activation_of(second.digest) == second
    assert engine.activation_of(bytes(32)) is None


def test_an_attachment_comes_in_pieces_and_goes_out_to_parties(engine: Engine) -> None:
    data = bytes(range(256)) * 10
    digest = sha256(data)
    assert engine.upload("hk-customs", digest, 0, len(data), b"").have == 0
    assert engine.upload("hk-customs", digest, 0, len(data), data[:1000]).have == 1000
    assert engine.attachment(digest) is None
    assert engine.upload("hk-customs", digest, 500, len(data), data[500:]).have == 1000, (
        "a gap or an overlap adds nothing"
    )
    assert engine.pending_uploads("hk-customs") == (1, 1000)
    with pytest.raises(NotAParty):
        engine.upload("sg-cnb", digest, 1000, len(data), data[1000:])
    assert engine.upload("hk-customs", digest, 1000, len(data), data[1000:]).have == len(data)
    assert engine.attachment(digest) == len(data)
    assert engine.upload("sg-cnb", digest, 0, len(data), data[:10]).have == len(data)
    assert not engine.party("hk-customs", digest)
    changes = alert(0, "sg-cnb")
    log_one(engine, b"e", Changes(alert=changes.alert, deliveries=changes.deliveries, attachments=(digest,)))
    assert engine.pending_uploads("hk-customs") == (0, 0)
    assert [engine.party(name, digest) for name in ("hk-customs", "sg-cnb", "au-abf")] == [True, True, False]
    assert engine.piece(digest, 0) == (data[:1000], len(data))
    assert engine.piece(digest, 1200) == (data[1200:], len(data))
    assert engine.piece(digest, len(data)) == (b"", 0)
    assert engine.piece(bytes(32), 0) == (b"", 0)


def test_an_attachment_with_a_wrong_digest_is_forgotten(engine: Engine) -> None:
    engine.upload("hk-customs", bytes(32), 0, 8, b"half")
    with pytest.raises(BodyMismatch):
        engine.upload("hk-customs", bytes(32), 4, 9, b"halfs")
    with pytest.raises(BodyMismatch):
        engine.upload("hk-customs", bytes(32), 4, 8, b"halves")
    with pytest.raises(BodyMismatch):
        engine.upload("hk-customs", bytes(32), 4, 8, b"half")
    assert engine.attachment(bytes(32)) is None
    assert engine.upload("hk-customs", bytes(32), 0, 8, b"").have == 0


def idle(engine: Engine, index: int) -> int | None:
    known = engine.alert_at(index)
    assert known is not None
    return known.idle_since


def test_alerts_are_due_by_when_they_became_idle(engine: Engine) -> None:
    for index, expires in enumerate((900, 700, 800)):
        log_one(engine, b"e", alert(index, "sg-cnb", "au-abf", expires=expires))
    assert engine.due(899, 9) == [1, 2]
    assert engine.due(999, 2) == [1, 2]
    log_one(engine, b"r", Changes(idle=((0, 600),)))
    assert idle(engine, 0) == 600
    assert engine.due(999, 9) == [0, 1, 2]
    log_one(engine, b"p", Changes(purge=Purge(1, ())))
    assert idle(engine, 1) is None
    assert engine.due(999, 9) == [0, 2]


def test_an_alert_waits_for_others_besides_one(engine: Engine) -> None:
    log_one(engine, b"e", alert(0, "sg-cnb", "au-abf"))
    assert engine.waits(0, besides="sg-cnb")
    log_one(engine, b"r", Changes(deliveries=(Delivery("au-abf", 0, 3, LATER, Standing.STORED, 1),)))
    assert not engine.waits(0, besides="sg-cnb")
    assert engine.waits(0, besides="au-abf")


def log_with_body(engine: Engine, body: bytes, *attachments: bytes) -> int:
    with engine.block(engine.size()) as block:
        block.put_body(engine.size(), body)
        changes = alert(engine.size(), "sg-cnb")
        known = Changes(alert=changes.alert, deliveries=changes.deliveries, attachments=attachments)
        return block.append(b"e", known)


def upload(engine: Engine, data: bytes) -> bytes:
    digest = sha256(data)
    engine.upload("hk-customs", digest, 0, len(data), data[:10])
    engine.upload("hk-customs", digest, 10, len(data), data[10:])
    return digest


def test_a_purge_deletes_the_body_and_takes_the_attachments_away(engine: Engine) -> None:
    own, shared = upload(engine, b"an attachment of one alert"), upload(engine, b"an attachment of two alerts")
    first, second = log_with_body(engine, b"body", own, shared), log_with_body(engine, b"other", shared)
    assert (engine.needed(own, besides=first), engine.needed(shared, besides=first)) == (False, True)
    log_one(engine, b"p", Changes(purge=Purge(first, (own,))))
    assert (engine.body(first), engine.body(second)) == (None, b"other")
    assert (engine.has_body(first), engine.has_body(second)) == (False, True)
    assert (engine.attachment(own), engine.attachment(shared)) == (None, 27)
    assert (engine.purged(own), engine.purged(shared), engine.purged(bytes(32))) == (True, False, False)
    assert engine.piece(own, 0) == (b"", 0)
    assert not engine.needed(shared, besides=second), "an alert without a body needs no attachment"
    with pytest.raises(Purged):
        engine.upload("hk-customs", own, 0, 26, b"an attachm")
    assert [engine.sweep(0, 1) for _ in range(4)] == [1, 1, 0, 0]
    assert engine.piece(shared, 0) == (b"an attachm", 27)
    with pytest.raises(Purged):
        engine.upload("hk-customs", own, 0, 26, b"an attachm")


def test_a_purge_leaves_the_same_bytes_where_they_are_the_body_of_another_alert_or_a_bundle(engine: Engine) -> None:
    with engine.block(0) as block:
        block.put_blob(sha256(b"bundle"), b"bundle")
        block.append(b"d", Changes(activation=Activation(1, 0, "root", 1, sha256(b"bundle"))))
    first, second = log_with_body(engine, b"bundle"), log_with_body(engine, b"bundle")
    log_one(engine, b"p", Changes(purge=Purge(first, ())))
    assert (engine.body(first), engine.body(second)) == (None, b"bundle")
    assert engine.blob(sha256(b"bundle")) == b"bundle"


def test_openers_are_swept_up_when_the_last_alert_that_names_them_has_expired(engine: Engine) -> None:
    first, second = (KnownOpener(bytes([n]) * 16, "hk-customs", "sg-cnb", 500 + n) for n in (1, 2))
    with engine.block(0) as block:
        for opener in (first, second):
            block.put_blob(opener.id, b"sealed")
        block.append(b"e", Changes(openers=(first, second)))
    log_one(engine, b"e", Changes(openers=(KnownOpener(first.id, "hk-customs", "sg-cnb", 900),)))
    assert engine.sweep(501, 9) == 0
    assert engine.sweep(502, 9) == 1
    assert (engine.opener(second.id), engine.blob(second.id)) == (None, None)
    assert engine.blob(first.id) == b"sealed"
    assert engine.sweep(900, 9) == 1


def test_there_is_room(engine: Engine) -> None:
    assert engine.free_bytes() > 0


def test_what_no_alert_names_is_cut_off_from_its_end_and_can_be_gone_on_with(engine: Engine) -> None:
    data = bytes(range(100))
    for offset in range(0, 100, 10):
        engine.upload("hk-customs", sha256(data), offset, 100, data[offset : offset + 10], at=1_000 + offset)
    assert engine.abandon(1_089, 4) == 0, "a piece came since"
    assert engine.abandon(1_090, 4) == 4
    assert engine.attachment(sha256(data)) is None, "no longer whole"
    assert engine.pending_uploads("hk-customs") == (1, 60)
    assert engine.upload("hk-customs", sha256(data), 60, 100, data[60:], at=2_000).have == 100
    assert engine.attachment(sha256(data)) == 100
    done = 0
    while step := engine.abandon(2_000, 4):
        done += step
    assert done == 7
    assert engine.pending_uploads("hk-customs") == (0, 0)


def test_what_an_alert_names_is_never_abandoned(engine: Engine) -> None:
    data = b"an attachment"
    engine.upload("hk-customs", sha256(data), 0, len(data), data)
    with engine.block(engine.size()) as block:
        block.append(b"entry", Changes(attachments=(sha256(data),)))
    assert engine.abandon(1 << 50, 100) == 0
    assert engine.attachment(sha256(data)) == len(data)


def test_whoever_only_asks_how_far_an_upload_came_leaves_no_trace(engine: Engine) -> None:
    for number in range(3):
        assert engine.upload("hk-customs", sha256(bytes([number])), 0, 9, b"").have == 0
        assert engine.upload("hk-customs", sha256(bytes([number])), 5, 9, b"late").have == 0
    assert engine.pending_uploads("hk-customs") == (0, 0)
