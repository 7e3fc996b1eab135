"""Sessions against the real hub: delivery, receipts, resume, credit, and every way a session ends."""

from __future__ import annotations

from pathlib import Path

from tests.support.directory import make_world
from tests.support.envelope import make_alert, seal_alert
from tests.support.hub import new_hub, running_hub
from tests.support.hub_client import connect


async def test_an_alert_reaches_its_recipients_and_the_receipt_its_sender(tmp_path: Path) -> None:
    world = make_world()
    async with running_hub(new_hub(world, tmp_path)) as hub:
        address = hub.server.address
        async with (
            connect(world, "hk-customs", address, tmp_path) as sender,
            connect(world, "sg-cnb", address, tmp_path) as recipient,
        ):
            await sender.hello()
            await recipient.hello()
            sealed, pairs = seal_alert(world, make_alert(world, "hk-customs"))
            accepted = await sender.submit(sealed, pairs)
            assert accepted.accepted
            assert accepted.index == len(world.entries)
            await recipient.until(lambda: recipient.inbox)
            opened = recipient.inbox[0]
            assert (opened.header.id, opened.index) == (sealed.id, accepted.index)
            assert (await recipient.acknowledge(opened)).accepted
            await sender.until(lambda: sender.notices)
