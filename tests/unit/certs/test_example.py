"""The committed example files are current, consistent with each other, and marked as what they are."""

from __future__ import annotations

import json
import re
import ssl
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509

from certs.example import generate
from certs.example.pki import authority, leaf, pin
from certs.example.source import AUDITORS, BROKER, HERE, load_source, log_mldsa_vkey, log_vkey
from schemas.codec import encode
from schemas.directory.history import Directory, apply_bundle
from schemas.example import is_example_seed
from schemas.routing.lint import lint
from schemas.routing.resolve import RoutingQuery, resolve

AT = 1_790_000_000_000  # 2026-09-21, within the operation
ACTUAL = {"precedence": "priority", "status": "actual", "operation": None, "at": AT}


@cache
def files() -> dict[str, bytes]:
    return generate.example_files()


@cache
def directory() -> Directory:
    """The directory after all genesis bundles, in the order of a new log."""
    repository = HERE / "repository"
    root = (repository / "root.json").read_bytes()
    steps = [("root", root, b""), ("targets", *_pair(repository / "targets.json", repository / "directory.json"))]
    steps += [
        (agency, *_pair(repository / f"metadata/{agency}.json", repository / f"agencies/{agency}.json"))
        for agency in sorted(load_source().agencies)
    ]
    state: Directory | None = None
    for role, metadata, target in steps:
        state = apply_bundle(state, role, 1, encode([metadata, target]), at=AT, trusted_root=root)
    assert state is not None
    return state


def _pair(metadata: Path, target: Path) -> tuple[bytes, bytes]:
    return metadata.read_bytes(), target.read_bytes()


def test_the_committed_files_are_current() -> None:
    assert generate.differences(files(), HERE) == []


def test_generating_twice_gives_the_same_bytes() -> None:
    assert generate.example_files() == files()


def test_a_changed_a_missing_and_a_foreign_file_are_named(tmp_path: Path) -> None:
    generate.write(files(), tmp_path)
    assert generate.differences(files(), tmp_path) == []
    (tmp_path / "ca.crt").write_bytes(b"other")
    (tmp_path / "keys/broker/tls.key").unlink()
    (tmp_path / "keys/stray").write_bytes(b"")
    assert generate.differences(files(), tmp_path) == [
        "ca.crt: differs",
        "keys/broker/tls.key: missing",
        "keys/stray: not generated",
    ]
    generate.write(files(), tmp_path)
    assert generate.differences(files(), tmp_path) == []


def test_check_says_whether_all_is_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "HERE", tmp_path)
    assert generate.main(["--check"]) == 1
    assert "ca.crt: missing" in capsys.readouterr().out
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    assert "all files are current" in capsys.readouterr().out


def test_the_directory_folds_from_its_bundles_with_31_agencies_and_their_keys() -> None:
    state = directory()
    assert state.version == 33
    assert state.document is not None
    assert sorted(state.document.agencies) == sorted(load_source().agencies) == sorted(state.keys)
    assert len(state.document.agencies) == 31
    assert len(state.document.regions) == 4
    assert {region for agency in state.document.agencies.values() for region in agency.regions} == set(
        state.document.regions
    )


def test_certificates_are_the_ones_the_directory_pins() -> None:
    state = directory()
    for agency in load_source().agencies:
        certificate = x509.load_pem_x509_certificate(files()[f"keys/{agency}/tls.crt"])
        public = certificate.public_key()
        spki = files()[f"keys/{agency}/tls.spki"].decode().strip()
        assert pin(public) == spki  # type: ignore[arg-type]  # the generator makes Ed25519 keys only
        assert state.agency_by_tls(bytes.fromhex(spki)) == agency
    for auditor in AUDITORS:
        assert state.auditor_by_tls(bytes.fromhex(leaf(auditor).pin)) == auditor
    assert state.document is not None
    assert state.document.brokers[0].tls == (bytes.fromhex(leaf(BROKER).pin),)


def test_the_log_key_is_the_one_in_the_directory_and_beside_it() -> None:
    state = directory()
    assert state.document is not None
    assert state.document.log.keys == (log_vkey(), log_mldsa_vkey())
    assert files()["log.vkey"].decode() == log_vkey() + "\n"
    assert is_example_seed("broker", "log", bytes.fromhex(files()["keys/broker/log.seed"].decode().strip()))


def test_every_certificate_says_example_and_is_valid_for_ten_years() -> None:
    for path, data in files().items():
        if path.endswith(".crt"):
            certificate = x509.load_pem_x509_certificate(data)
            assert "EXAMPLE" in certificate.subject.rfc4514_string()
            assert certificate.not_valid_before_utc == datetime(2026, 1, 1, tzinfo=UTC)
            assert certificate.not_valid_after_utc == datetime(2036, 1, 1, tzinfo=UTC)


def test_serial_numbers_are_all_different() -> None:
    serials = [
        x509.load_pem_x509_certificate(data).serial_number for path, data in files().items() if path[-4:] == ".crt"
    ]
    assert len(set(serials)) == len(serials) - 1  # the authority is there twice


def test_every_private_seed_is_a_published_worthless_one() -> None:
    for agency in load_source().agencies:
        seeds = json.loads(files()[f"keys/{agency}/keys.json"])
        assert sorted(seeds) == ["sealing", "signing", "witness", "witness_pq"]
        for name, seed in seeds.items():
            assert is_example_seed(agency, name.replace("_", "-"), bytes.fromhex(seed))


def test_tls_accepts_the_certificates_both_ways_under_the_strict_rules_of_rfc_5280(tmp_path: Path) -> None:
    generate.write(files(), tmp_path)
    server, client = (
        _context(tmp_path, name, purpose)
        for name, purpose in ((BROKER, ssl.Purpose.CLIENT_AUTH), ("hk-customs", ssl.Purpose.SERVER_AUTH))
    )
    server.verify_mode = ssl.CERT_REQUIRED
    assert _handshake(server, client, "127.0.0.1") == authority_issued("hk-customs")
    assert _handshake(server, client, "localhost") == authority_issued("hk-customs")
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(server, client, "192.0.2.1")


def authority_issued(name: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert(leaf(name).certificate.decode())


def _context(folder: Path, name: str, purpose: ssl.Purpose) -> ssl.SSLContext:
    context = ssl.create_default_context(purpose, cafile=folder / "ca.crt")
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(folder / f"keys/{name}/tls.crt", folder / f"keys/{name}/tls.key")
    return context


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> bytes | None:
    """Run a handshake through memory; returns the certificate the server saw."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=host)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [near, far]
    while waiting:
        for end in tuple(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                continue
    return far.getpeercert(binary_form=True)


def test_the_authority_is_an_authority_and_a_leaf_is_not() -> None:
    for identity, expected in ((authority(), True), (leaf(BROKER), False)):
        certificate = x509.load_pem_x509_certificate(identity.certificate)
        assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is expected


def test_root_and_targets_need_three_of_five_governors() -> None:
    root = json.loads((HERE / "repository/root.json").read_bytes())["signed"]
    for role in ("root", "targets"):
        assert (len(root["roles"][role]["keyids"]), root["roles"][role]["threshold"]) == (5, 3)


def _recipients(**query: object) -> set[str]:
    defaults: dict[str, object] = {**ACTUAL, "topic": "watch", "marking": "amber", "modes": ()}
    return set(resolve(directory(), RoutingQuery(**{**defaults, **query})).recipients)  # type: ignore[arg-type]


def test_seaborne_watches_of_one_region_are_copied_to_the_next() -> None:
    oceania = {a["id"] for a in load_source().lists["agencies"] if a["region"] == "oceania"}
    by_sea = _recipients(sender="sg-cnb", address=("my-customs",), modes=("sea",))
    assert by_sea == oceania | {"my-customs"}
    assert _recipients(sender="sg-cnb", address=("my-customs",), modes=("air",)) == {"my-customs"}


def test_the_host_is_copied_on_the_operations_alerts() -> None:
    assert _recipients(sender="sg-cnb", address=("my-customs",), operation="marker") == {"my-customs", "hk-customs"}


def test_the_linter_finds_nothing_to_say_about_the_rules() -> None:
    assert lint(directory().require_document()) == []


def test_each_rule_has_a_comment_that_says_why() -> None:
    text = (HERE / "rules.yaml").read_text(encoding="utf-8")
    blocks = re.split(r"^  # -- .*$", text, flags=re.MULTILINE)[1:]
    assert len(blocks) >= 7
    assert [block for block in blocks if not block.lstrip("\n").startswith("  #") and "ceiling" not in block] == []


def test_small_administrations_are_reached_through_their_hub_for_some_topics() -> None:
    assert _recipients(sender="hk-customs", address=("to-customs",), topic="method") == {"nz-customs"}
    assert _recipients(sender="hk-customs", address=("to-customs",), topic="seizure") == {"to-customs"}
    assert _recipients(sender="nz-customs", address=("to-customs",), topic="method") == {"to-customs"}
    assert _recipients(sender="hk-customs", address=("to-customs",), topic="request", marking="red") == {"to-customs"}


def test_agencies_are_copied_on_what_they_ask_for() -> None:
    craft = {"sender": "fj-customs", "address": ("pg-customs",), "modes": ("other",), "subjects": ("vessel",)}
    assert _recipients(**craft) == {"nz-customs", "pg-customs"}
    assert _recipients(**craft | {"subjects": ("person",)}) == {"pg-customs"}
    assert _recipients(**craft | {"marking": "amber+strict"}) == {"pg-customs"}
    assert _recipients(sender="in-dri", address=("lk-customs",), topic="detection") == {"kr-customs", "lk-customs"}


def test_nothing_red_to_a_region() -> None:
    regions = tuple(f"region:{region['id']}" for region in load_source().lists["regions"])
    red = {"sender": "hk-customs", "marking": "red"}
    assert _recipients(address=("sg-cnb", *regions, "all"), **red) == {"sg-cnb"}
    assert _recipients(address=("sg-cnb", "jp-customs"), topic="method", **red) == {"jp-customs"}


def test_the_example_operation_runs_as_long_as_the_keys() -> None:
    marker = directory().require_document().operations["marker"]
    assert datetime.fromtimestamp(marker.ends / 1000, UTC) == datetime(2036, 1, 1, tzinfo=UTC)


def test_exercise_traffic_stays_in_the_senders_region() -> None:
    assert _recipients(sender="sg-cnb", address=("my-customs", "au-abf"), status="exercise") == {"my-customs"}
