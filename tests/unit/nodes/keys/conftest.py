"""A node's certificate files, and a link over them to a hub in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes.config import HubSettings
from nodes.keys.certificate import Certificates
from nodes.keys.renewal import RenewingLink
from tests.support.certificates import ME, Hub
from tests.support.hub import write_identity


@pytest.fixture
def files(tmp_path: Path) -> Certificates:
    write_identity(tmp_path, ME)
    (tmp_path / "tls.key").chmod(0o600)
    return Certificates(tmp_path / "tls.crt", tmp_path / "tls.key")


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def listed() -> set[bytes]:
    return set()


@pytest.fixture
def link(files: Certificates, hub: Hub, listed: set[bytes]) -> RenewingLink:
    settings = HubSettings("wss://127.0.0.1/session", "127.0.0.1", b"", files.key, files.certificate, files.key)
    return RenewingLink(settings, lambda pin: pin in listed, make=hub.link)
