"""Whole conversations between a node and the hub, read as scripts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.errors import CreditExceeded, ProtocolError
from schemas.limits import MAX_CREDIT
from schemas.session.frames import (
    Blob,
    Bye,
    Cosign,
    Credit,
    DirectoryUpdate,
    Fetch,
    Frame,
    Hello,
    Publish,
    Recover,
    Recovered,
    Result,
    ResultItem,
    SendReceipt,
    Side,
    Submit,
    TreeHead,
    Upload,
    Uploaded,
    WitnessedHead,
    encode_frame,
)
from schemas.session.machine import SessionMachine, SessionMisuse
from tests.support.session_playbook import HELLO, WELCOME, Playbook, block

DIGEST = bytes(32)


def test_a_quiet_session() -> None:
    Playbook.new().stands("start", 0).says("node", HELLO).stands("greeted", 3).says("hub", WELCOME).stands(
        "open", 3
    ).says("node", Bye("", "")).stands("closed", 3)


def test_a_node_catches_up_delivers_and_is_answered() -> None:
    (
        Playbook.opened()
        .says("hub", DirectoryUpdate(b"note", (), ()))
        .says("hub", block(2, receipts=1))
        .stands("open", 1)
        .says("node", SendReceipt(b"receipt", b"signature"), Credit(2))
        .stands("open", 3)
        .says("node", Submit(b"header", b"signature", b"body", ()))
        .says("hub", Result((ResultItem(bytes(16), True, 41, "", "", ""),)))
        .says("hub", Bye("shutting-down", "the hub is shutting down"))
        .stands("closed", 3)
    )


def test_attachments_come_and_go() -> None:
    (
        Playbook.opened()
        .says("node", Upload(DIGEST, 0, 5, b"piece"))
        .says("hub", Uploaded(DIGEST, 5))
        .says("node", Fetch(DIGEST, 0))
        .says("hub", Blob(DIGEST, 0, 5, b"piece"))
        .stands("open", 3)
    )


def test_a_node_witnesses_a_log_that_holds_nothing_for_it() -> None:
    (
        Playbook.opened()
        .says("hub", TreeHead(b"note", (DIGEST,), True))
        .says("node", Cosign(40, b"lines"))
        .says("hub", WitnessedHead(b"note and lines", ()))
        .says("hub", block(1), TreeHead(b"newer note", (DIGEST,), False))
        .stands("open", 2)
    )


def test_a_restored_node_asks_for_all_of_its_own_and_pays_no_credit_for_it() -> None:
    page = Recovered(b"note", (), block(5).items, 40)
    (
        Playbook.opened()
        .says("node", Recover(33, 0))
        .says("hub", page)
        .says("node", Recover(33, 40))
        .says("hub", block(1), Recovered(b"note", (), (), 0))
        .stands("open", 2)
    )


def test_receipts_and_directory_items_cost_no_credit() -> None:
    Playbook.opened().says("hub", block(0, receipts=50)).stands("open", 3).says("hub", block(3)).stands("open", 0).says(
        "hub", block(0, receipts=1), DirectoryUpdate(b"note", (), block(4).items)
    ).stands("open", 0)


def test_the_hub_cannot_send_beyond_the_credit() -> None:
    book = Playbook.opened().says("hub", block(2))
    with pytest.raises(SessionMisuse, match="a block of 2 alerts exceeds the credit of 1"):
        book.hub.send(block(2))
    book.stands("open", 1).says("hub", block(1)).stands("open", 0)


def test_a_node_refuses_what_goes_beyond_its_credit() -> None:
    book = Playbook.opened()
    with pytest.raises(CreditExceeded, match="a block of 4 alerts exceeds the credit of 3"):
        book.node.receive(encode_frame(block(4)))


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (Credit(0), "a grant of no credit means nothing"),
        (Credit(MAX_CREDIT - 2), f"a credit of {MAX_CREDIT + 1} exceeds the limit of {MAX_CREDIT}"),
    ],
    ids=["nothing", "too much"],
)
def test_a_grant_beyond_bounds_is_refused(frame: Credit, words: str) -> None:
    book = Playbook.opened()
    with pytest.raises(CreditExceeded, match=f"^{words}$"):
        book.hub.receive(encode_frame(frame))
    with pytest.raises(SessionMisuse, match=f"^{words}$"):
        book.node.send(frame)
    book.stands("open", 3)


def test_a_grant_up_to_the_limit_is_taken() -> None:
    Playbook.opened().says("node", Credit(MAX_CREDIT - 3)).stands("open", MAX_CREDIT)


def test_a_hello_with_too_much_credit_is_refused() -> None:
    greedy = Hello(1, "hk-customs", 0, 0, bytes(32), 0, MAX_CREDIT + 1)
    with pytest.raises(CreditExceeded):
        SessionMachine("hub").receive(encode_frame(greedy))


FRAMES: list[tuple[Side, Frame]] = [
    ("node", HELLO),
    ("node", Submit(b"h", b"s", b"b", ())),
    ("node", SendReceipt(b"r", b"s")),
    ("node", Publish("hk-customs", 2, b"bundle")),
    ("node", Upload(DIGEST, 0, 1, b"x")),
    ("node", Fetch(DIGEST, 0)),
    ("node", Credit(1)),
    ("node", Cosign(40, b"lines")),
    ("node", Recover(33, 0)),
    ("node", Bye("", "")),
    ("hub", WELCOME),
    ("hub", Result(())),
    ("hub", block(1)),
    ("hub", DirectoryUpdate(b"note", (), ())),
    ("hub", TreeHead(b"note", (), False)),
    ("hub", WitnessedHead(b"note", ())),
    ("hub", Uploaded(DIGEST, 0)),
    ("hub", Blob(DIGEST, 0, 0, b"")),
    ("hub", Recovered(b"note", (), (), 0)),
    ("hub", Bye("", "")),
]


@pytest.mark.parametrize("state", ["start", "greeted", "open", "closed"])
@pytest.mark.parametrize(("side", "frame"), FRAMES, ids=lambda value: type(value).__name__)
def test_each_frame_passes_in_the_states_of_the_table_and_no_other(state: str, side: Side, frame: Frame) -> None:
    beginnings: dict[str, Callable[[], Playbook]] = {
        "start": Playbook.new,
        "greeted": lambda: Playbook.new().says("node", HELLO),
        "open": Playbook.opened,
        "closed": lambda: Playbook.opened().says("hub", Bye("", "")),
    }
    book = beginnings[state]()
    sender, receiver = (book.node, book.hub) if side == "node" else (book.hub, book.node)
    allowed: dict[str, set[type]] = {
        "start": {Hello, Bye},
        "greeted": {type(WELCOME), Bye},
        "open": {type(frame) for _, frame in FRAMES} - {Hello, type(WELCOME)},
        "closed": set(),
    }
    if type(frame) in allowed[state]:
        assert receiver.receive(sender.send(frame)) == frame
        return
    name = type(frame).__name__
    with pytest.raises(SessionMisuse, match=f"^a {side} may not send {name} while the session is {state}$"):
        sender.send(frame)
    with pytest.raises(ProtocolError, match=f"^the {side} sent {name} while the session is {state}$"):
        receiver.receive(encode_frame(frame))
