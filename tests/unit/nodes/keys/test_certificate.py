from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from nodes.keys import certificate
from nodes.keys.certificate import Certificates, expires, install, make_next, settle, take_up
from schemas.errors import BadConfig, NotFound, OpenPermissions
from schemas.pins import spki_pin
from tests.support.certificates import ME, installed, issue
from tests.support.directory import DAY_MS, NOW, spki_digest


def test_the_next_key_is_made_once_and_closed_to_others(files: Certificates) -> None:
    assert files.pins() == (spki_digest(ME),)
    assert make_next(files, ME)
    key = files.next_key.read_bytes()
    assert files.next_key.stat().st_mode & 0o777 == 0o600
    assert not make_next(files, ME)
    assert files.next_key.read_bytes() == key
    assert len(set(files.pins())) == 2


def test_the_request_asks_for_the_names_of_the_certificate_in_use(files: Certificates) -> None:
    make_next(files, ME)
    request = x509.load_pem_x509_csr(files.next_request.read_bytes())
    current = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    assert request.subject == current.subject
    kind = x509.SubjectAlternativeName
    assert (
        request.extensions.get_extension_for_class(kind).value == current.extensions.get_extension_for_class(kind).value
    )
    assert spki_pin(request.public_key()) == files.pins()[1]


def test_a_request_that_was_not_written_is_written_again_for_the_same_key(files: Certificates) -> None:
    make_next(files, ME)
    pin = files.pins()[1]
    files.next_request.unlink()
    make_next(files, ME)
    assert spki_pin(x509.load_pem_x509_csr(files.next_request.read_bytes()).public_key()) == pin


def test_without_a_certificate_in_use_the_agency_is_the_name(files: Certificates) -> None:
    files.certificate.unlink()
    make_next(files, ME)
    subject = x509.load_pem_x509_csr(files.next_request.read_bytes()).subject
    assert subject.rfc4514_string() == f"CN={ME}"


def test_a_successor_is_taken_up(files: Certificates) -> None:
    pin = installed(files)
    complete = files.installed
    take_up(files)
    assert complete
    assert files.pins() == (pin,)
    assert not files.installed
    assert not files.next_request.exists()
    assert expires(files.certificate) == NOW // 1000 * 1000 + 90 * DAY_MS


def test_a_taking_up_cut_in_the_middle_is_finished_at_the_next_start(
    files: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = installed(files)

    def crash(_: Certificates) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(certificate, "settle", crash)
        with pytest.raises(KeyboardInterrupt):
            take_up(files)
    assert files.pins() == (pin,)
    assert settle(files)
    assert spki_pin(x509.load_pem_x509_certificate(files.certificate.read_bytes()).public_key()) == pin
    assert not settle(files)


def test_nothing_is_finished_that_was_not_begun(files: Certificates) -> None:
    assert not settle(files)
    installed(files)
    assert not settle(files)
    files.next_key.unlink()  # an operator who gave up: the certificate fits no key
    assert not settle(files)
    files.next_certificate.write_bytes(b"junk")
    assert not settle(files)
    assert files.pins() == (spki_digest(ME),)


def test_a_certificate_for_another_key_is_refused(files: Certificates) -> None:
    make_next(files, ME)
    with pytest.raises(BadConfig, match="not for the key"):
        install(files, files.certificate.read_bytes(), now=NOW)
    with pytest.raises(BadConfig, match="not a certificate"):
        install(files, b"junk", now=NOW)


@pytest.mark.parametrize(("starts", "ends"), [(NOW + DAY_MS, NOW + 2 * DAY_MS), (NOW - 2 * DAY_MS, NOW - DAY_MS)])
def test_a_certificate_out_of_its_time_is_refused(files: Certificates, starts: int, ends: int) -> None:
    make_next(files, ME)
    with pytest.raises(BadConfig, match="not valid now"):
        install(files, issue(files.next_request.read_bytes(), starts=starts, ends=ends), now=NOW)
    assert not files.installed


def test_a_certificate_nobody_asked_for_is_refused(files: Certificates) -> None:
    with pytest.raises(NotFound, match="no certificate is expected"):
        install(files, files.certificate.read_bytes(), now=NOW)


def test_keys_that_are_open_or_no_keys_are_refused(files: Certificates) -> None:
    files.key.chmod(0o644)
    with pytest.raises(OpenPermissions):
        files.pins()
    files.key.chmod(0o600)
    files.key.write_bytes(b"junk")
    with pytest.raises(BadConfig, match="not an unencrypted private key"):
        files.pins()


def test_a_next_key_of_another_kind_is_not_ours(files: Certificates) -> None:
    files.next_key.touch(mode=0o600)
    files.next_key.write_bytes(files.key.read_bytes())
    with pytest.raises(BadConfig, match="another kind of key"):
        make_next(files, ME)


def test_a_certificate_that_cannot_be_read_has_no_end(tmp_path: Path) -> None:
    assert expires(tmp_path / "none") is None
    (tmp_path / "junk").write_bytes(b"junk")
    assert expires(tmp_path / "junk") is None
