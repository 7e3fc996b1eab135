"""All example cases through 31 real nodes: each arrives at exactly the resolved agencies, identical, once."""

from __future__ import annotations

from collections import Counter

import pytest

from deploy.demo.cases import example_cases, feed
from tests.scenarios.conftest import StartExchange
from tests.support.wait import until

pytestmark = [pytest.mark.scenario, pytest.mark.timeout(300)]


def test_every_case_arrives_where_it_should(start_exchange: StartExchange) -> None:
    from deploy.demo.exchange import example_agencies

    exchange = start_exchange(example_agencies())
    sent = list(feed(exchange, example_cases()))
    due = Counter(agency for alert in sent for agency in alert.recipients)
    clients = {agency: exchange.client(agency) for agency in exchange.agencies}

    def arrived() -> bool:
        return all(clients[agency].status()["inbox"]["total"] >= count for agency, count in due.items())

    until(arrived, seconds=120, what="every delivery")
    originals = {alert.id: clients[alert.case.sender].alert(alert.id) for alert in sent}
    expected = {agency: Counter(a.id for a in sent if agency in a.recipients) for agency in exchange.agencies}
    for agency, client in clients.items():
        seen = Counter(summary["id"] for summary in client.inbox(limit=500)["alerts"])
        assert seen == expected[agency], agency
        for alert in seen:
            copy = client.alert(alert)
            assert copy["alert"] == originals[alert]["alert"]
            assert copy["header"] == originals[alert]["header"]
