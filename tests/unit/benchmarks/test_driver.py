"""The program that sends: it hands in every alert, waits where the node has no room, and stops where it is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from benchmarks.brokers import driver
from benchmarks.brokers.driver import hand_over
from benchmarks.brokers.scenario import Scenario


@asynccontextmanager
async def node(socket: Path, answers: list[str]) -> AsyncIterator[list[str]]:
    """A node that answers with these refusals first; yields the titles that it took."""
    taken: list[str] = []

    async def alerts(request: web.Request) -> web.Response:
        document = (await request.json())["document"]
        if answers:
            return web.json_response({"error": {"code": answers.pop(0)}}, status=503)
        taken.append(document["title"])
        return web.json_response({"id": f"id of {document['title']}"})

    app = web.Application()
    app.router.add_post("/v1/alerts", alerts)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    try:
        yield taken
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("rate", [0.0, 1_000.0])
async def test_each_alert_is_handed_in_once_and_has_a_time_when_it_was_due(tmp_path: Path, rate: float) -> None:
    async with node(tmp_path / "s", []) as taken:
        answer = await hand_over(str(tmp_path / "s"), ["sg-cnb"], Scenario(5, rate=rate, first=7))
    assert set(taken) == {f"alert {number}" for number in range(7, 12)}
    assert len(taken) == 5
    assert set(answer["due"]) == {f"id of {title}" for title in taken}
    if rate:
        assert [due - answer["started"] for due in sorted(answer["due"].values())] == pytest.approx(
            [number / rate for number in range(5)], abs=1e-6
        )


async def test_a_full_outbox_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "PAUSE", 0.0)
    async with node(tmp_path / "s", ["outbox-full"] * 3) as taken:
        await hand_over(str(tmp_path / "s"), ["sg-cnb"], Scenario(2))
    assert len(taken) == 2


async def test_any_other_refusal_ends_it(tmp_path: Path) -> None:
    async with node(tmp_path / "s", ["not-allowed"]):
        with pytest.raises(ExceptionGroup) as found:
            await hand_over(str(tmp_path / "s"), ["sg-cnb"], Scenario(1))
    assert found.group_contains(RuntimeError, match="not-allowed")
