"""The program at the sender's agency that hands alerts to its node, over the local API, as fast or as often as asked.

    python -m benchmarks.brokers.driver SOCKET AGENCY…

It answers with a line at once, and then with one for each scenario that it reads from its standard input: when it
started, and when each alert was due, by its id (s since 1970). The agencies are the recipients.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp
import uvloop

from benchmarks.brokers.scenario import Scenario
from benchmarks.documents import alert_document

CONNECTIONS = 64
"""To the node, kept open: more calls wait, which counts as latency."""
FULL, PAUSE = "outbox-full", 0.1  # seconds: the node takes alerts in faster than the hub, and holds some thousand


async def hand_over(socket: str, to: list[str], scenario: Scenario) -> dict[str, Any]:
    """Hand in all alerts of the scenario."""
    due: dict[str, float] = {}
    in_flight = scenario.in_flight if not scenario.rate else CONNECTIONS
    window = asyncio.Semaphore(in_flight if not scenario.rate else scenario.alerts)
    connector = aiohttp.UnixConnector(socket, limit=in_flight)
    async with aiohttp.ClientSession("http://localhost", connector=connector) as session:

        async def one(number: int, asked: float) -> None:
            try:
                due[await _take(session, alert_document(scenario.first + number, to, scenario.body))] = asked
            finally:
                window.release()

        started = time.time()
        async with asyncio.TaskGroup() as tasks:
            for number in range(scenario.alerts):
                await window.acquire()
                asked = time.time()
                if scenario.rate:
                    asked = started + number / scenario.rate
                    await asyncio.sleep(max(0.0, asked - time.time()))
                tasks.create_task(one(number, asked))
        return {"started": started, "due": due}


async def _take(session: aiohttp.ClientSession, alert: dict[str, Any]) -> str:
    """Hand in one alert, and again as long as the node has no room for it; its id. Raises RuntimeError when refused."""
    while True:
        async with session.post("/v1/alerts", json={"document": alert}) as answer:
            value = await answer.json()
        if "id" in value:
            return str(value["id"])
        if value["error"]["code"] != FULL:
            raise RuntimeError(f"the node refused an alert: {value}")
        await asyncio.sleep(PAUSE)


async def run(socket: str, to: list[str]) -> None:
    """Work until the standard input ends."""
    print(json.dumps({"connected": True}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        answer = await hand_over(socket, to, Scenario(**json.loads(line)))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    uvloop.run(run(sys.argv[1], sys.argv[2:]))
