"""The header's words are the alert's, in an order that means something."""

from __future__ import annotations

from schemas.envelope import words


def test_orders() -> None:
    assert words.PRECEDENCES == ("flash", "immediate", "priority", "routine")
    assert words.MARKINGS == ("clear", "green", "amber", "amber+strict", "red")
    assert sorted(words.PRECEDENCES, key=words.PRECEDENCE_RANK.__getitem__) == list(words.PRECEDENCES)
    assert words.MARKING_RANK["red"] == max(words.MARKING_RANK.values())


def test_every_kind_of_alert_is_a_topic() -> None:
    assert {"seizure", "watch", "recall", "correction", "sitrep"} <= set(words.TOPICS)
    assert len(words.TOPICS) == 11
