from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nodes.receipts import Acknowledgements, Word, sign_again, sign_words
from nodes.session import Parts
from schemas.errors import KeyNotValid, NotFound, NotReady
from schemas.ids import uuid7
from schemas.keys import SigningKey
from schemas.limits import MAX_RECEIPT_ITEMS
from schemas.log.receipt import Receipt, ReceiptItem, decode_receipt, verify_receipt
from tests.support.directory import NOW
from tests.support.envelope import counting_random, make_alert
from tests.support.fake_hub import FakeHub, node_parts
from tests.unit.nodes.store.conftest import Desk

ME = "sg-cnb"
KEY = SigningKey(b"k" * 32)


def word(index: int, sender: str = "hk-customs", state: str = "stored") -> Word:
    refused = state == "refused"
    alert_id = uuid7(NOW, counting_random(f"{index}"))
    item = ReceiptItem(index, alert_id, bytes(32), "bad-signature" if refused else None, 5 if refused else None)
    return Word(sender, state, item)  # type: ignore[arg-type]  # a test's own word


def said(receipts: list[tuple[bytes, bytes]]) -> list[tuple[str, str, list[int]]]:
    decoded = [decode_receipt(data) for data, _ in receipts]
    return [(receipt.sender, receipt.state, [item.index for item in receipt.items]) for receipt in decoded]


def test_one_receipt_per_sender_and_state() -> None:
    words = [word(4), word(2), word(3, "au-abf"), word(9, state="refused")]
    assert said(sign_words(words, ME, KEY, now=NOW)) == [
        ("au-abf", "stored", [3]),
        ("hk-customs", "refused", [9]),
        ("hk-customs", "stored", [2, 4]),
    ]


def test_receipts_are_signed_over_their_exact_bytes() -> None:
    ((data, signature),) = sign_words([word(1)], ME, KEY, now=NOW, officer="Tan")
    verify_receipt(data, signature, KEY.public)
    receipt = decode_receipt(data)
    assert (receipt.agency, receipt.key, receipt.time, receipt.officer) == (ME, KEY.key_id, NOW, "Tan")


def test_no_receipt_has_too_many_items() -> None:
    receipts = said(sign_words([word(n) for n in range(MAX_RECEIPT_ITEMS + 1)], ME, KEY, now=NOW))
    assert [len(indexes) for _, _, indexes in receipts] == [MAX_RECEIPT_ITEMS, 1]


def test_the_same_alert_is_named_once() -> None:
    assert said(sign_words([word(1), word(1)], ME, KEY, now=NOW)) == [("hk-customs", "stored", [1])]


def test_nothing_to_say_is_no_receipt() -> None:
    assert sign_words([], ME, KEY, now=NOW) == []


def test_signing_again_changes_key_and_time_only() -> None:
    ((data, _),) = sign_words([word(1), word(2)], ME, KEY, now=NOW, officer="Tan")
    new = SigningKey(b"n" * 32)
    again, signature = sign_again(data, new, now=NOW + 5)
    verify_receipt(again, signature, new.public)
    before, after = decode_receipt(data), decode_receipt(again)
    assert after == Receipt(ME, new.key_id, before.sender, before.state, NOW + 5, before.officer, before.items)


# An officer's word ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    hub = FakeHub()
    async with node_parts(tmp_path, hub, ME) as made:
        made.standing.history = hub.world.history
        await made.store.write(
            lambda tables: Desk(tables, hub.world).take(make_alert(hub.world, "hk-customs"), index=40)
        )
        yield made


def acknowledgements(parts: Parts) -> Acknowledgements:
    return Acknowledgements(parts.store, parts.identity, parts.standing, parts.clock)


async def alert_id(parts: Parts) -> bytes:
    return (await parts.store.read(lambda tables: tables.alerts.by_number(1))).id


async def test_an_officers_word_sets_the_state_and_keeps_a_receipt(parts: Parts) -> None:
    wanted = await alert_id(parts)
    assert await acknowledgements(parts).acknowledge(wanted, "read", officer="Tan") is True
    row = await parts.store.read(lambda tables: tables.alerts.get("in", wanted))
    assert row is not None
    assert row.state == "read"
    (kept,) = await parts.store.read(lambda tables: tables.receipts.all())
    receipt = decode_receipt(kept.receipt)
    assert (receipt.state, receipt.officer, receipt.sender) == ("read", "Tan", "hk-customs")
    assert [(item.index, item.alert_id, item.leaf) for item in receipt.items] == [(40, wanted, row.leaf)]


async def test_saying_it_twice_makes_one_receipt(parts: Parts) -> None:
    wanted = await alert_id(parts)
    words = [await acknowledgements(parts).acknowledge(wanted, "actioned", officer=None) for _ in range(2)]
    assert words == [True, False]
    assert await parts.store.read(lambda tables: tables.receipts.count()) == 1


async def test_an_alert_that_is_not_here_is_not_acknowledged(parts: Parts) -> None:
    with pytest.raises(NotFound):
        await acknowledgements(parts).acknowledge(bytes(16), "read", officer=None)


async def test_without_a_directory_nothing_can_be_signed(tmp_path: Path) -> None:
    async with node_parts(tmp_path, FakeHub(), ME) as parts:
        with pytest.raises(NotReady):
            await acknowledgements(parts).acknowledge(bytes(16), "read", officer=None)


async def test_without_a_valid_key_the_state_stays(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> SigningKey:
        raise KeyNotValid("none")

    monkeypatch.setattr(parts.identity, "signing_key", none)
    wanted = await alert_id(parts)
    with pytest.raises(KeyNotValid):
        await acknowledgements(parts).acknowledge(wanted, "read", officer=None)
    assert (await parts.store.read(lambda tables: tables.alerts.by_number(1))).state == "unread"
