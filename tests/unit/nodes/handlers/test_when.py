from __future__ import annotations

from dataclasses import replace

import pytest

from nodes.handlers.delivery import Delivery
from nodes.handlers.when import When


def test_an_empty_filter_takes_everything(delivery: Delivery) -> None:
    assert When().matches(delivery)


@pytest.mark.parametrize(
    ("when", "matches"),
    [
        (When(topics=("watch",)), True),
        (When(topics=("seizure", "watch")), True),
        (When(topics=("seizure",)), False),
        (When(markings=("amber",)), True),
        (When(markings=("amber+strict",)), False),
        (When(precedences=("priority",)), True),
        (When(precedences=("flash", "immediate")), False),
        (When(statuses=("actual",)), True),
        (When(statuses=("exercise",)), False),
        (When(senders=("hk-customs",)), True),
        (When(senders=("sg-cnb",)), False),
        (When(operations=("marker",)), True),
        (When(operations=("other",)), False),
        (When(topics=("watch",), senders=("sg-cnb",)), False),
    ],
)
def test_every_list_given_must_hold(delivery: Delivery, when: When, matches: bool) -> None:
    assert when.matches(delivery) is matches


def test_an_alert_of_no_operation_is_in_no_list_of_operations(delivery: Delivery) -> None:
    assert not When(operations=("marker",)).matches(replace(delivery, operation=None))
