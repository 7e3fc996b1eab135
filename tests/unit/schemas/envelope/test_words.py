"""The header's words are the alert's, in an order that means something."""

from __future__ import annotations

from typing import get_args

from schemas.alert.subjects import AnySubject
from schemas.envelope import words


def test_orders() -> None:
    assert words.PRECEDENCES == ("flash", "immediate", "priority", "routine")
    assert words.MARKINGS == ("clear", "green", "amber", "amber+strict", "red")
    assert sorted(words.PRECEDENCES, key=words.PRECEDENCE_RANK.__getitem__) == list(words.PRECEDENCES)
    assert words.MARKING_RANK["red"] == max(words.MARKING_RANK.values())


def test_every_type_of_subject_has_its_word() -> None:
    types = {get_args(part.model_fields["type"].annotation)[0] for part in get_args(get_args(AnySubject)[0])}
    assert tuple(sorted(types)) == words.SUBJECTS


def test_every_kind_of_alert_is_a_topic() -> None:
    assert {"seizure", "watch", "recall", "correction", "sitrep"} <= set(words.TOPICS)
    assert len(words.TOPICS) == 11
