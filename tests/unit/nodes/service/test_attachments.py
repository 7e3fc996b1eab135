from __future__ import annotations

import asyncio
import base64
from hashlib import sha256
from typing import Any

import pytest

from nodes.service import attachments, service
from nodes.service.attachments import StoredFile, open_file, seal_files
from schemas.errors import AttachmentUnreadable, Malformed, NotFound, NotReady, TooLarge
from schemas.limits import CHUNK, MAX_ATTACHMENTS
from tests.support.edge import EdgeNode
from tests.support.envelope import counting_random


def given(content: bytes = b"content", **changes: Any) -> dict[str, Any]:
    return {"name": "a.png", "media_type": "image/png", "data": base64.b64encode(content).decode(), **changes}


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_a_file_opens_to_what_was_sealed(size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    (sealed,) = seal_files([given(data[:size])], counting_random())
    facts = sealed.facts
    assert facts["size"] == size
    assert facts["sealed_size"] == sum(map(len, sealed.parts))
    assert sealed.digest == sha256(b"".join(sealed.parts)).digest()
    stored = StoredFile("a.png", "image/png", sealed.digest, bytes.fromhex(facts["key"]), sealed.parts)
    assert open_file(stored) == data[:size]


def test_each_file_has_a_key_of_its_own() -> None:
    first, second = seal_files([given(), given()], counting_random())
    assert first.facts["key"] != second.facts["key"]
    assert first.digest != second.digest


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("a.png", "exactly the fields"),
        ({"name": "a.png", "data": ""}, "exactly the fields"),
        ({"name": "a.png", "media_type": "image/png", "path": "/etc/passwd"}, "exactly the fields"),
        (given(key="00"), "exactly the fields"),
        (given(name=7), "attachments[0].name must be a text"),
        (given(data=None), "attachments[0].data must be a text"),
        (given(data="!!!!"), "not base64"),
        (given(data="YQ"), "not base64"),
        (given(data="YQ==\n"), "not base64"),
        (given(data="é"), "not base64"),
    ],
)
def test_what_is_no_file_is_refused(item: object, says: str) -> None:
    with pytest.raises(Malformed) as refused:
        seal_files([item], counting_random())
    assert says in refused.value.message


def test_too_many_files() -> None:
    with pytest.raises(TooLarge, match="at most 16"):
        seal_files([given()] * (MAX_ATTACHMENTS + 1), counting_random())


def test_too_large_a_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> object:
        raise TooLarge("a sealed attachment may have so many bytes")

    monkeypatch.setattr(attachments, "seal_attachment", refuse)
    with pytest.raises(TooLarge, match=r"attachments\[0\] \('a.png'\) is larger"):
        seal_files([given()], counting_random())


async def test_a_received_file_is_opened_once_all_of_it_is_here(
    node: EdgeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PATIENCE", 0.01)
    (file,) = seal_files([given(b"x-ray")], counting_random("hk"))
    alert = await node.receive("hk-customs", sealed_files=[file])
    with pytest.raises(NotReady, match="0 of"):
        await node.service.attachment(alert, 1)
    whole = b"".join(file.parts)
    await node.store.write(lambda tables: tables.attachments.begin(file.digest, len(whole), now=node.now))
    await node.store.write(lambda tables: tables.attachments.append(file.digest, whole[:20]))
    with pytest.raises(NotReady, match=f"20 of {len(whole)} bytes"):
        await node.service.attachment(alert, 1)
    await node.store.write(lambda tables: tables.attachments.append(file.digest, whole[20:]))
    await node.store.write(lambda tables: tables.attachments.finish(file.digest))
    assert await node.service.attachment(alert, 1) == b"x-ray"


async def test_a_file_on_its_way_is_waited_for(node: EdgeNode) -> None:
    (file,) = seal_files([given(b"x-ray")], counting_random("hk"))
    alert = await node.receive("hk-customs", sealed_files=[file])
    asked = asyncio.create_task(node.service.attachment(alert, 1))
    whole = b"".join(file.parts)
    await node.store.write(lambda tables: tables.attachments.begin(file.digest, len(whole), now=node.now))
    await node.store.write(lambda tables: tables.attachments.append(file.digest, whole))
    assert not asked.done()
    await node.store.write(lambda tables: tables.attachments.finish(file.digest))
    assert await asked == b"x-ray"


async def test_a_file_altered_in_the_store_is_not_shown(node: EdgeNode) -> None:
    (file,) = seal_files([given(b"x-ray")], counting_random("hk"))
    alert = await node.receive("hk-customs", sealed_files=[file])
    altered = bytearray(b"".join(file.parts))
    altered[-1] ^= 1
    await node.store.write(lambda tables: tables.attachments.add(file.digest, [bytes(altered)], now=node.now))
    with pytest.raises(AttachmentUnreadable):
        await node.service.attachment(alert, 1)


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_files_that_are_not_there(node: EdgeNode, number: int) -> None:
    alert = await node.receive("hk-customs")
    with pytest.raises(NotFound, match="has 0 attachments"):
        await node.service.attachment(alert, number)
