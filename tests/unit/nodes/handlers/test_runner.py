from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nodes.handlers.command import CommandHandler
from nodes.handlers.delivery import Handler
from nodes.handlers.folder import FolderHandler
from nodes.handlers.runner import Handlers, make_handler
from nodes.handlers.settings import CommandSettings, FolderSettings, HandlerSettings, WebhookSettings
from nodes.handlers.webhook import WebhookHandler
from nodes.handlers.when import When
from nodes.store.database import Tables
from schemas.errors import BadConfig
from tests.support.edge import EdgeNode, edge_node
from tests.support.envelope import counting_random


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[EdgeNode]:
    async with edge_node(tmp_path) as made:
        yield made


def run_all(node: EdgeNode, *settings: HandlerSettings) -> Handlers:
    return Handlers(settings, node.store, environment={}, now=node.clock, random=counting_random())


def test_each_kind_of_settings_makes_its_handler(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.touch(mode=0o600)
    secret.write_text("0123456789abcdef")
    kinds: dict[type[Handler], HandlerSettings] = {
        CommandHandler: CommandSettings("a", When(), ("/bin/true",)),
        WebhookHandler: WebhookSettings("b", When(), "http://127.0.0.1:1/", secret),
        FolderHandler: FolderSettings("c", When(), tmp_path),
    }
    for kind, settings in kinds.items():
        assert type(make_handler(settings, environment={}, now=lambda: 0)) is kind


async def test_a_handler_that_cannot_work_is_refused_at_once(node: EdgeNode) -> None:
    with pytest.raises(BadConfig):
        run_all(node, WebhookSettings("hook", When(), "http://127.0.0.1:1/", node.home / "missing"))


async def test_a_stuck_handler_holds_up_no_other(node: EdgeNode) -> None:
    """One program never ends; the folder beside it gets every alert."""
    out = node.home / "out"
    out.mkdir()
    handlers = run_all(
        node,
        CommandSettings("stuck", When(), ("/bin/sh", "-c", "exec sleep 600"), timeout=600),
        FolderSettings("files", When(), out),
    )
    for queue in handlers.queues:
        await queue.plan()
    alerts = [await node.receive("hk-customs") for _ in range(3)]

    def files_due(tables: Tables) -> bool:
        return bool(tables.jobs.due("files", now=node.now))

    running = asyncio.create_task(handlers.run())
    while len(await asyncio.to_thread(os.listdir, out)) < 3 or await node.store.read(files_due):
        continue
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert sorted(path.stem for path in out.glob("*.json")) == sorted(alerts)
    assert len(await node.store.read(lambda tables: tables.jobs.due("stuck", now=node.now))) == 3
