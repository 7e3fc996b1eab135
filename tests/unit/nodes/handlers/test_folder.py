from __future__ import annotations

import stat
from pathlib import Path

import pytest

from nodes.handlers.delivery import Delivery
from nodes.handlers.folder import FolderHandler
from nodes.handlers.settings import FolderSettings
from nodes.handlers.when import When
from schemas.errors import HandlerFailed


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_one_file_per_alert_readable_by_the_group(delivery: Delivery, tmp_path: Path) -> None:
    handler = FolderHandler(FolderSettings("files", When(), tmp_path))
    await handler.deliver(delivery)
    await handler.close()
    assert names(tmp_path) == [f"{delivery.alert_id}.json"]
    written = tmp_path / f"{delivery.alert_id}.json"
    assert written.read_bytes() == delivery.payload
    assert stat.S_IMODE(written.stat().st_mode) & ~0o640 == 0


async def test_delivering_again_leaves_one_file(delivery: Delivery, tmp_path: Path) -> None:
    handler = FolderHandler(FolderSettings("files", When(), tmp_path))
    await handler.deliver(delivery)
    await handler.deliver(delivery)
    assert names(tmp_path) == [f"{delivery.alert_id}.json"]


async def test_a_missing_folder_is_a_failure(delivery: Delivery, tmp_path: Path) -> None:
    handler = FolderHandler(FolderSettings("files", When(), tmp_path / "gone"))
    with pytest.raises(HandlerFailed, match="could not be written: No such file"):
        await handler.deliver(delivery)
