"""Counting connections: the oldest handshake gives way, a party's newest connection is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.gate import Bounds, Gate, neighbourhood


def gate(**bounds: int) -> Gate:
    return Gate(Bounds(**bounds))


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_addresses_are_counted_by_what_one_line_has(address: str, counted: str) -> None:
    assert neighbourhood(address) == counted


def test_the_oldest_of_the_same_address_gives_way() -> None:
    made, dropped = gate(handshakes_per_address=2), list[str]()
    made.knock("a", lambda: dropped.append("first of a"))
    made.knock("b", lambda: dropped.append("b"))
    made.knock("a", lambda: dropped.append("second of a"))
    made.knock("a", lambda: dropped.append("third of a"))
    assert dropped == ["first of a"]
    assert made.handshakes == 3


def test_when_all_are_taken_the_address_with_the_most_gives_way() -> None:
    made, dropped = gate(handshakes=4), list[str]()
    made.knock("honest", lambda: dropped.append("honest"))
    for number in range(3):
        made.knock("greedy", lambda number=number: dropped.append(f"greedy {number}"))  # type: ignore[misc]  # bound here
    made.knock("newcomer", lambda: dropped.append("newcomer"))
    assert dropped == ["greedy 0"]


def test_leaving_twice_or_after_being_dropped_counts_once() -> None:
    made = gate(handshakes_per_address=1)
    first = made.knock("a", lambda: None)
    second = made.knock("a", lambda: None)
    assert not made.leave(first)
    assert made.leave(second)
    assert not made.leave(second)
    assert made.handshakes == 0


def test_parties_and_strangers_have_their_own_room() -> None:
    made = gate(party_connections=2, stranger_connections=1)
    assert [made.admit("hk-customs") for _ in range(3)] == [True, True, False]
    assert [made.admit(None) for _ in range(2)] == [True, False]
    assert made.admit("sg-cnb")
    made.release("hk-customs")
    assert made.admit("hk-customs")
    assert made.connections("hk-customs") == 2


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), max_size=60))
def test_there_are_never_more_than_allowed(steps: list[tuple[str, bool]]) -> None:
    made, open_now = gate(handshakes=5, handshakes_per_address=3), dict[int, str]()

    def dropping(numbers: list[int]) -> Callable[[], object]:
        return lambda: open_now.pop(numbers[0])

    for address, leaves in steps:
        if leaves and open_now:
            number = next(iter(open_now))
            open_now.pop(number)
            assert made.leave(number)
        else:
            mine: list[int] = []
            mine.append(made.knock(address, dropping(mine)))
            open_now[mine[0]] = address
        assert made.handshakes == len(open_now) <= 5
        assert max([*map(list(open_now.values()).count, "abcdefgh")]) <= 3
