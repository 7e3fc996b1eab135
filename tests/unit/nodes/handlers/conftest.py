"""One delivery, as the queue would hand it to a handler."""

from __future__ import annotations

import pytest

from nodes.handlers.delivery import Delivery


@pytest.fixture
def delivery() -> Delivery:
    return Delivery(
        handler="case-system",
        alert_id="019b0a5e-7c00-7abc-8def-0123456789ab",
        sender="hk-customs",
        topic="watch",
        marking="amber",
        precedence="priority",
        status="actual",
        operation="marker",
        attempt=2,
        payload='{"title": "冰毒 in tea"}'.encode(),
    )
