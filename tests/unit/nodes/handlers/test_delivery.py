from __future__ import annotations

from dataclasses import replace

from nodes.handlers.delivery import Delivery, idempotency_key


def test_the_key_names_alert_and_handler(delivery: Delivery) -> None:
    assert delivery.key == "019b0a5e-7c00-7abc-8def-0123456789ab/case-system"
    assert idempotency_key("a", "b") == "a/b"


def test_the_key_is_the_same_at_every_attempt(delivery: Delivery) -> None:
    assert replace(delivery, attempt=9).key == delivery.key


def test_two_handlers_have_keys_of_their_own(delivery: Delivery) -> None:
    assert replace(delivery, handler="archive").key != delivery.key
