from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certs.example.pki import leaf
from nodes.auditor.fetch import fetch
from nodes.auditor.hub import PATIENCE, Hub, HubAccess
from nodes.auditor.mirror import LogFolder
from schemas.errors import BadConfig, ExampleKeys, Missing, NotPinned, Overloaded, TooLarge, Unreachable
from tests.support.auditing import audit, quiet
from tests.support.log_builder import LogBuilder
from tests.support.log_server import Handler, put_keys, served


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def url(keys: Path, log: LogBuilder) -> Iterator[str]:
    with served(log, keys) as address:
        yield address


def access(keys: Path, url: str, *, who: str = "auditor-1", pin: str | None = None) -> HubAccess:
    return HubAccess(url, keys / f"{who}.crt", keys / f"{who}.key", keys / "ca.crt", pin)


def test_a_log_is_fetched_over_mutual_tls_with_the_hub_pinned(
    keys: Path, url: str, log: LogBuilder, tmp_path: Path
) -> None:
    pin = leaf("broker").pin
    with Hub(access(keys, url, pin=pin.upper())) as hub:
        fetch(hub, LogFolder(tmp_path), keys=log.keys, progress=quiet)
    assert audit(log, tmp_path).ok


def test_a_hub_with_another_key_than_the_pinned_is_refused(keys: Path, url: str) -> None:
    with Hub(access(keys, url, pin=leaf("auditor-1").pin)) as hub, pytest.raises(Unreachable, match="another key"):
        hub.get("checkpoint")


def test_a_hub_certified_by_another_authority_is_refused(keys: Path, url: str) -> None:
    strange = HubAccess(url, keys / "auditor-1.crt", keys / "auditor-1.key", keys / "auditor-1.crt")
    with Hub(strange) as hub, pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        hub.get("checkpoint")


def test_a_connection_that_was_dropped_is_opened_again_but_not_for_ever(keys: Path, url: str) -> None:
    with Hub(access(keys, url)) as hub:
        Handler.drops = 2
        assert hub.get("dropped") == b"at last"
        Handler.drops = 3
        with pytest.raises(Unreachable):
            hub.get("dropped")
        assert hub.get("checkpoint").startswith(b"log.crossbearing.test/1\n")


def test_a_hub_that_has_too_much_to_do_is_asked_again_when_it_says(keys: Path, url: str) -> None:
    slept: list[float] = []
    with Hub(access(keys, url), sleep=slept.append) as hub:
        Handler.busy = 2
        assert hub.get("busy") == b"at last"
        assert slept == [7.0, 7.0]
        Handler.busy = PATIENCE
        with pytest.raises(Overloaded):
            hub.get("busy")


def test_what_the_hub_answers_is_told_apart(keys: Path, url: str) -> None:
    with Hub(access(keys, url)) as hub:
        with pytest.raises(Missing):
            hub.get("tile/5/000")
        with pytest.raises(NotPinned, match="does not let this certificate"):
            hub.get("forbidden")
        with pytest.raises(Unreachable, match="answered 500"):
            hub.get("broken")
        with pytest.raises(TooLarge):
            hub.get("tile/0/999")
        assert hub.get("checkpoint")


def test_an_answer_that_was_cut_is_not_taken_for_whole(keys: Path, url: str) -> None:
    with Hub(access(keys, url)) as hub, pytest.raises(Unreachable, match="IncompleteRead"):
        hub.get("cut")


def test_a_hub_that_is_not_there_is_unreachable(keys: Path, url: str) -> None:
    with Hub(access(keys, "https://127.0.0.1:1")) as hub, pytest.raises(Unreachable, match="refused"):
        hub.get("checkpoint")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:7443",
        "127.0.0.1",
        "https://",
        "https://127.0.0.1:x",
        "https://[",
        "https://h/path",
        "https://h?q",
    ],
)
def test_an_address_that_is_none_is_a_wrong_setting(keys: Path, url: str) -> None:
    with pytest.raises(BadConfig):
        Hub(access(keys, url))


def test_the_port_has_a_default(keys: Path) -> None:
    with Hub(access(keys, "https://127.0.0.1")) as hub:
        assert hub.where == "https://127.0.0.1:7443"


def test_files_that_do_not_belong_together_are_a_wrong_setting(keys: Path, tmp_path: Path) -> None:
    mixed = HubAccess("https://127.0.0.1", keys / "auditor-1.crt", keys / "broker.key", keys / "ca.crt")
    missing = HubAccess("https://127.0.0.1", tmp_path / "none", keys / "broker.key", keys / "ca.crt")
    for wrong in (mixed, missing):
        with pytest.raises(BadConfig):
            Hub(wrong)


@pytest.mark.parametrize("host", ["192.0.2.1", "hub.example", "[2001:db8::1]"])
def test_the_example_keys_are_refused_off_loopback(keys: Path, host: str) -> None:
    with pytest.raises(ExampleKeys):
        Hub(access(keys, f"https://{host}:7443"))


def test_keys_that_are_no_example_are_not_held_for_one(keys: Path, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.key"
    garbage.write_bytes(b"garbage")
    with pytest.raises(BadConfig):
        Hub(HubAccess("https://192.0.2.1", keys / "auditor-1.crt", garbage, keys / "ca.crt"))
    key = ec.generate_private_key(ec.SECP256R1())
    other = tmp_path / "other.key"
    other.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(BadConfig):
        Hub(HubAccess("https://192.0.2.1", keys / "auditor-1.crt", other, keys / "ca.crt"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_the_example_keys_are_good_on_loopback(keys: Path, host: str) -> None:
    with Hub(access(keys, f"https://{host}:7443")):
        pass
