from __future__ import annotations

import pytest

from nodes.config import HubSettings
from nodes.keys import renewal
from nodes.keys.certificate import Certificates
from nodes.keys.renewal import RenewingLink
from schemas.errors import NotPinned, StorageFailed, Unreachable
from tests.support.certificates import Hub, installed


async def test_without_a_successor_the_certificate_in_use_is_shown(link: RenewingLink, hub: Hub) -> None:
    await link.connect()
    assert hub.asked == ["tls.key"]


async def test_a_successor_that_is_not_listed_is_not_shown(link: RenewingLink, hub: Hub, files: Certificates) -> None:
    installed(files)
    assert not link.due
    await link.connect()
    assert hub.asked == ["tls.key"]


async def test_a_listed_successor_is_taken_up_when_the_hub_takes_it(
    link: RenewingLink, hub: Hub, files: Certificates, listed: set[bytes]
) -> None:
    told: list[bool] = []
    link.told = lambda: told.append(True)
    pin = installed(files)
    listed.add(pin)
    assert link.due
    await link.connect()
    assert (hub.asked, link.due, files.pins(), told) == (["next.key"], False, (pin,), [True])
    await link.connect()
    assert hub.asked == ["next.key", "tls.key"]


async def test_a_refused_successor_leaves_the_one_in_use(
    link: RenewingLink, hub: Hub, files: Certificates, listed: set[bytes]
) -> None:
    before = files.key.read_bytes()
    listed.add(installed(files))
    hub.refuses["next.key"] = NotPinned("the hub refuses this certificate")
    await link.connect()
    assert hub.asked == ["next.key", "tls.key"]
    problem, due = link.problem, link.due
    assert isinstance(problem, NotPinned)
    assert due
    assert files.key.read_bytes() == before
    hub.refuses.clear()
    await link.connect()
    assert link.problem is None
    assert not link.due


@pytest.mark.parametrize("mode", [0o600, 0o644])
async def test_a_next_key_that_cannot_be_read_keeps_nobody_from_the_hub(
    link: RenewingLink, hub: Hub, files: Certificates, listed: set[bytes], mode: int
) -> None:
    listed.add(installed(files))
    files.next_key.write_bytes(b"junk")
    files.next_key.chmod(mode)
    assert not link.due
    await link.connect()
    assert hub.asked == ["tls.key"]


async def test_a_hub_that_is_away_refuses_nothing(
    link: RenewingLink, hub: Hub, files: Certificates, listed: set[bytes]
) -> None:
    listed.add(installed(files))
    hub.refuses = dict.fromkeys(("next.key", "tls.key"), Unreachable("nobody answers"))
    with pytest.raises(Unreachable):
        await link.connect()
    assert link.problem is None


async def test_a_disk_that_fails_ends_the_connection_and_says_so(
    link: RenewingLink, hub: Hub, files: Certificates, listed: set[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed.add(installed(files))

    def fail(_: Certificates) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(renewal, "take_up", fail)
        with pytest.raises(StorageFailed, match="cannot be put in its place"):
            await link.connect()
    assert hub.opened[0].closed
    await link.connect()
    assert not link.due


async def test_a_taking_up_that_was_cut_is_finished_before_the_first_connection(
    hub: Hub, files: Certificates, listed: set[bytes]
) -> None:
    pin = installed(files)
    files.next_key.rename(files.key)
    settings = HubSettings("wss://127.0.0.1/session", "127.0.0.1", b"", files.key, files.certificate, files.key)
    link = RenewingLink(settings, lambda pin: pin in listed, make=hub.link)
    assert not link.files.next_certificate.exists()
    assert files.pins() == (pin,)
