"""The delivery queue: order, bounded memory, and nothing lost or sent twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker.delivery import START, DeliveryQueue, Key
from schemas.limits import MAX_CREDIT


def filled(*keys: Key, capacity: int = 100) -> DeliveryQueue:
    queue = DeliveryQueue(capacity)
    queue.begin_refill()
    queue.refill(sorted(keys), more=False)
    return queue


def test_a_new_queue_wants_to_be_filled() -> None:
    queue = DeliveryQueue()
    assert queue.needs_refill
    assert queue.begin_refill() == START
    queue.refill([], more=False)
    assert not queue.needs_refill


def test_precedence_first_then_age() -> None:
    queue = filled((3, 1), (3, 5), (1, 4))
    queue.push((0, 9))
    queue.push((3, 2))
    assert queue.take(3) == [(0, 9), (1, 4)], "what is urgent goes without company"
    assert queue.take(1) == [(3, 1)]
    assert queue.take(9) == [(3, 2), (3, 5)]
    assert queue.take(9) == []


def test_what_was_taken_is_not_taken_again() -> None:
    queue = filled((3, 1))
    queue.take(1)
    queue.push((3, 1))
    assert len(queue) == 0
    assert queue.sent == 1
    queue.settle(1)
    assert queue.sent == 0


def test_what_did_not_fit_comes_next() -> None:
    queue = filled((3, 1), (3, 2))
    queue.put_back(queue.take(2)[1:])
    assert queue.sent == 1
    assert queue.take(9) == [(3, 2)]


def test_what_was_settled_meanwhile_does_not_come_back() -> None:
    queue = filled((3, 1), (3, 2))
    taken = queue.take(2)
    queue.settle(2)
    queue.put_back(taken)
    assert queue.take(9) == [(3, 1)]


def test_the_rest_of_the_credit_is_kept_for_what_is_urgent() -> None:
    queue = filled((3, 1), (3, 2), (2, 3))
    assert queue.take(4, slow=1) == [(2, 3)]
    assert queue.take(3, slow=0) == []
    queue.push((1, 9))
    queue.push((0, 10))
    assert queue.take(3, slow=0) == [(0, 10), (1, 9)]


def test_what_is_settled_while_it_waits_leaves_nothing_behind() -> None:
    queue = filled(capacity=10)
    for index in range(1_000):
        queue.push((3, index))
        queue.settle(index)
    assert len(queue) == 0
    assert len(queue._heap) <= 2 * 10 + 1


def test_a_settled_alert_is_not_sent() -> None:
    queue = filled((3, 1), (3, 2))
    queue.settle(1)
    assert queue.take(9) == [(3, 2)]


def test_a_full_queue_leaves_the_later_half_to_the_engine() -> None:
    queue = filled(capacity=10)
    for index in range(11):
        queue.push((3, index))
    assert len(queue) == 5
    assert queue.horizon == (3, 4)
    queue.push((3, 20))
    assert len(queue) == 5, "beyond the horizon"
    queue.push((0, 21))
    assert queue.take(9) == [(0, 21)]
    assert queue.take(9) == [(3, n) for n in range(5)]
    assert queue.needs_refill
    assert queue.begin_refill() == (3, 4)


def test_an_answer_of_nothing_moves_no_horizon() -> None:
    queue = filled(capacity=10)
    for index in range(11):
        queue.push((3, index))
    assert not queue.needs_refill, "there is enough in front"
    assert queue.begin_refill() == (3, 4)
    queue.refill([], more=True)
    assert queue.horizon == (3, 4)


def test_a_queue_that_holds_all_can_be_filled_from_the_start_again() -> None:
    queue = filled((3, 1))
    assert queue.begin_refill() == START
    queue.refill([], more=True)
    assert queue.horizon == START


def test_pushes_during_a_refill_are_kept() -> None:
    queue = DeliveryQueue()
    queue.begin_refill()
    queue.push((3, 50))
    queue.refill([(3, 1), (3, 2)], more=True)
    queue.push((3, 51))
    assert queue.take(9) == [(3, 1), (3, 2), (3, 50)]
    assert queue.begin_refill() == (3, 2)
    queue.refill([(3, 50), (3, 51)], more=False)
    assert queue.take(9) == [(3, 51)]


def test_a_flood_during_a_refill_loses_nothing() -> None:
    queue = DeliveryQueue(4)
    queue.begin_refill()
    for index in range(10, 20):
        queue.push((3, index))
    queue.refill([(3, 1)], more=False)
    assert queue.take(9) == [(3, 1), (3, 10)]
    assert queue.begin_refill() == (3, 10)
    queue.refill([(3, n) for n in range(11, 15)], more=True)
    assert queue.take(9) == [(3, n) for n in range(11, 15)]


def test_a_node_that_never_receipts_is_not_sent_more_and_more() -> None:
    queue = filled(*[(3, n) for n in range(MAX_CREDIT + 10)], capacity=MAX_CREDIT * 2)
    assert len(queue.take(MAX_CREDIT * 2)) == MAX_CREDIT
    assert queue.take(1) == []
    queue.settle(0)
    assert queue.take(9) == [(3, MAX_CREDIT)]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60),
    st.integers(2, 8),
    st.integers(1, 5),
)
def test_every_alert_is_taken_once_however_small_the_memory(
    steps: list[tuple[int, int]], capacity: int, batch: int
) -> None:
    """`log` stands for the engine: what waits, in order. Pushes and takes interleave at random."""
    queue, waiting, taken = DeliveryQueue(capacity), set[Key](), list[Key]()

    def take() -> None:
        if queue.needs_refill:
            after = queue.begin_refill()
            found = sorted(key for key in waiting if key > after)[:batch]
            queue.refill(found, more=len(found) == batch)
        for key in queue.take(batch):
            taken.append(key)
            waiting.discard(key)
            queue.settle(key[1])

    for index, (rank, takes) in enumerate(steps):
        waiting.add((rank, index))
        queue.push((rank, index))
        for _ in range(takes):
            take()
    for _ in range(2 * len(steps) + 2):
        take()
    assert sorted(taken) == sorted((rank, index) for index, (rank, _) in enumerate(steps))
    assert len(queue) <= capacity + batch
