from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from broker.cli import main
from broker.governance.keys import Token, make_key_file, open_key_file, open_token
from schemas import sealed
from schemas.directory.authority import public_key_text
from schemas.errors import BadConfig, OpenPermissions, Unreachable, WrongPassphrase
from schemas.example import example_seed
from tests.support.ceremony import Secretariat, named
from tests.support.directory import GOVERNORS

SEED = example_seed("governor-1", "governance")
MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")


def test_a_key_file_opens_with_its_passphrase_alone(tmp_path: Path) -> None:
    file = tmp_path / "governor.key"
    public = make_key_file(file, SEED, b"open sesame", os.urandom)
    assert public == named("governor-1").key
    assert file.stat().st_mode & 0o777 == 0o600
    assert SEED not in file.read_bytes()
    signer = open_key_file(file, b"open sesame")
    signer.public_key.verify_signature(signer.sign(b"message"), b"message")
    with pytest.raises(WrongPassphrase):
        open_key_file(file, b"open barley")
    with pytest.raises(BadConfig, match="exists already"):
        make_key_file(file, SEED, b"open sesame", os.urandom)
    file.chmod(0o644)
    with pytest.raises(OpenPermissions):
        open_key_file(file, b"open sesame")


def test_another_sealed_file_is_no_key(tmp_path: Path) -> None:
    file = tmp_path / "keystore"
    file.touch(mode=0o600)
    file.write_bytes(sealed.seal_secrets("crossbearing/governor-key/1", {"seed": b"short"}, b"x", os.urandom))
    with pytest.raises(BadConfig, match="holds no key"):
        open_key_file(file, b"x")
    file.write_bytes(sealed.seal_secrets("crossbearing/keystore/1", {"seed": SEED}, b"x", os.urandom))
    with pytest.raises(BadConfig, match="another format"):
        open_key_file(file, b"x")


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="cannot be written"):
        make_key_file(tmp_path / "none" / "governor.key", SEED, b"x", os.urandom)


# -- a token -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    """SoftHSM with an EC P-256 key 2 on the token "governor"; the PIN is 1234."""
    pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    if not MODULE.exists() or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed (Debian: softhsm2)")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(settings))
        made = ["softhsm2-util", "--init-token", "--free", "--label", "governor", "--so-pin", "5678", "--pin", "1234"]
        subprocess.run(made, check=True, capture_output=True)
        found = pkcs11.lib(str(MODULE)).get_token(token_label="governor")
        with found.open(user_pin="1234", rw=True) as session:
            from pkcs11.util.ec import encode_named_curve_parameters

            parameters = session.create_domain_parameters(
                pkcs11.KeyType.EC,
                {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")},
                local=True,
            )
            parameters.generate_keypair(store=True, id=b"\x02", label="governance")
        yield Token(MODULE, "governor", 2)


def test_a_governor_signs_with_a_token(token: Token, secretariat: Secretariat) -> None:
    signer = open_token(token, lambda: "1234")
    public = public_key_text(signer.public_key)
    assert public.startswith("p256:")
    text = secretariat.source().replace(named("governor-1").key, public)
    opened = secretariat.signed(secretariat.draft(text), "governor-2", "governor-3", "governor-4")
    secretariat.publish(opened)
    changed = secretariat.source().replace("name: Test directory", "name: Signed with a token")
    secretariat.publish(secretariat.signed(secretariat.draft(changed), signer, *GOVERNORS[1:3]))
    assert secretariat.held.require_document().name == "Signed with a token"


def test_the_command_signs_with_a_token(token: Token, secretariat: Secretariat, tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.touch(mode=0o600)
    pin.write_text("1234\n")
    options = ["--module", str(MODULE), "--token", "governor", "--pin-file", str(pin)]
    shown = CliRunner().invoke(main, ["directory", "key", "show", *options])
    assert shown.exit_code == 0, shown.stderr
    text = secretariat.source().replace(named("governor-1").key, shown.stdout.strip())
    opened = secretariat.draft(text)
    done = CliRunner().invoke(main, ["directory", "sign", str(opened.folder), *options, "--yes"])
    assert done.exit_code == 0, done.stderr
    assert "new governors, 3 of 5: signed by" in done.stdout


@pytest.mark.parametrize(("label", "key"), [("another", 2), ("governor", 7)])
def test_a_token_or_key_that_is_not_there(token: Token, label: str, key: int) -> None:
    with pytest.raises(Unreachable, match=f"no usable key {key} on token {label}"):
        open_token(Token(token.module, label, key), lambda: "1234")


def test_no_such_module(token: Token, tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        open_token(Token(tmp_path / "module.so", "governor", 2), lambda: "1234")
