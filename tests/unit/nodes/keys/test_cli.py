from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from certs.example.pki import pin, tls_key
from nodes.config import format_config, load_config
from nodes.keys.administrator import make_administrator
from nodes.keys.certificate import certificates
from nodes.keys.contacts import with_contact
from nodes.keys.request import read_request
from nodes.keystore import read_keystore, write_keystore
from schemas.directory.contacts import MAX_CONTACTS, Contact
from schemas.errors import BadConfig
from schemas.example import example_seed
from schemas.log.note import ED25519, vkey
from tests.support.certificates import ME, issue
from tests.support.directory import NOW, World, make_world, spki_digest
from tests.support.envelope import counting_random
from tests.support.fake_hub import example_seeds
from tests.support.fake_node import FakeNode, serving
from tests.support.hub import write_identity
from tests.support.key_node import RunningNode
from tests.unit.nodes.officer.conftest import OnTerminal, Run, home, on_terminal, run

__all__ = ["home", "on_terminal", "run"]

PASSPHRASE = b"open sesame"


class KeyNode(FakeNode):
    """The officer's fake node, with what the running one says of keys."""

    def __init__(self, running: RunningNode) -> None:
        super().__init__()
        self.running = running
        self.certificate: dict[str, Any] = {"state": "in use", "problem": None}

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> Any:
        match method, path:
            case "GET", "/v1/keys":
                return self._view()
            case "POST", "/v1/keys/reload":
                return self.running.reload_keys(base64.b64decode(body["passphrase"]))
            case "POST", "/v1/keys/publish":
                return self.running.publish_keys(base64.b64decode(body["bundle"]))
            case "POST", "/v1/keys/certificate":
                return self.certificate
        return super().answer(method, path, query, body)

    def _view(self) -> dict[str, Any]:
        key = {"kind": "sealing", "id": "2f0c6c9a1e5b7d38", "not_before": 0, "not_after": 10**12, "held": False}
        return {
            **self.running.keys(),
            "agency": ME,
            "directory": 5,
            "expires": 10**12,
            "dropped": "the governors named others",
            "administrators": {"threshold": 1, "names": ["Duty", "Head"]},
            "keys": [{**key, "state": "overlap"}],
            "certificate": self.certificate,
        }


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands live when the world does."""
    monkeypatch.setattr("nodes.keys.cli.now_ms", lambda: NOW)


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def files(home: Path, world: World) -> dict[str, Path]:
    """A node's home, and beside it an administrator's key with the passphrases."""
    write_identity(home / "tls", ME)
    (home / "tls" / "tls.key").rename(home / "tls" / "node.key")
    (home / "tls" / "node.key").chmod(0o600)
    (home / "tls" / "tls.crt").rename(home / "tls" / "node.pem")
    (home / "tls" / "ca.crt").rename(home / "tls" / "ca.pem")
    (home / "root.json").write_bytes(world.trusted_root)
    key = vkey(world.origin, ED25519, world.log_key.public)
    text = format_config(ME, url="wss://127.0.0.1:7443/session", pin=spki_digest("broker"), log_vkey=key)
    (home / "node.toml").write_text(text)
    write_keystore(home / "keystore", example_seeds(ME), PASSPHRASE, counting_random())
    made = {"passphrase": home / "passphrase", "admin": home / "admin.key", "seed": home / "seed"}
    for name in ("passphrase", "seed"):
        made[name].touch(mode=0o600)
    made["passphrase"].write_bytes(PASSPHRASE)
    seed = example_seed(ME, "administrator-1")
    made["seed"].write_text(seed.hex())
    make_administrator(made["admin"], seed, PASSPHRASE, counting_random("admin"))
    return made


@pytest.fixture
def node(home: Path, world: World, files: dict[str, Path]) -> Iterator[KeyNode]:
    with serving(KeyNode(RunningNode(world, load_config(home))), home / "node.sock") as fake:
        assert isinstance(fake, KeyNode)
        yield fake


def keys(run: Run, files: dict[str, Path], *words: object) -> Result:
    """`bearing keys …` with the passphrases it may need."""
    given = [str(word) for word in words]
    if given[0] in ("rotate", "retire", "emergency", "contact"):
        given += ["--passphrase-file", str(files["passphrase"])]
    if "--admin" in given or given[0] == "administrator":
        given += ["--admin-passphrase-file", str(files["passphrase"])]
    return run("keys", *given)


def newest(world: World) -> tuple[int, int]:
    """How many signing and sealing keys are listed."""
    listed = world.directory.keys[ME]
    return len(listed.signing), len(listed.sealing)


def test_status_shows_keys_and_what_is_missing(run: Run, node: KeyNode, on_terminal: OnTerminal) -> None:
    fields = run("keys", "status").stdout.strip().split("\t")
    assert fields[:4] == ["sealing", "2f0c6c9a1e5b7d38", "overlap", "missing"]
    assert json.loads(run("keys", "status", "--json").stdout)["agency"] == ME
    shown = on_terminal("keys", "status")
    assert "1 of Duty, Head" in shown
    assert "the governors named others" in shown


def test_one_command_rotates_and_publishes(run: Run, node: KeyNode, files: dict[str, Path], world: World) -> None:
    done = keys(run, files, "rotate", "signing", "sealing", "--admin", files["admin"])
    assert done.exit_code == 0, done.output
    assert "In force: version 2 of the agency's keys, directory version 6." in done.stderr
    assert newest(world) == (2, 2)
    assert len(read_keystore(load_config(files["admin"].parent).keystore, PASSPHRASE).sealing) == 2


def test_without_an_administrator_it_says_what_is_next(
    run: Run, node: KeyNode, files: dict[str, Path], world: World
) -> None:
    done = keys(run, files, "rotate", "sealing", "--json")
    answer = json.loads(done.stdout)
    document = Path(answer["file"])
    assert (answer["signatures"], answer["published"]) == (0, None)
    refused = keys(run, files, "publish", document)
    assert refused.exit_code == 4
    assert "bearing keys sign" in refused.stderr
    signed = keys(run, files, "sign", document, "--admin", files["admin"])
    assert signed.exit_code == 0, signed.output
    assert "sealing" in signed.stderr
    assert len(read_request(document.read_bytes()).signed_by) == 1
    assert keys(run, files, "publish", document).exit_code == 0
    assert newest(world) == (1, 2)


def test_a_document_is_shown_before_it_is_signed(
    run: Run, node: KeyNode, files: dict[str, Path], on_terminal: OnTerminal
) -> None:
    document = json.loads(keys(run, files, "rotate", "sealing", "--json").stdout)["file"]
    words = ("keys", "sign", document, "--admin", str(files["admin"]))
    passphrase = ("--admin-passphrase-file", str(files["passphrase"]))
    assert "Aborted" in on_terminal(*words, *passphrase, typed="n\n")
    assert read_request(Path(document).read_bytes()).signed_by == ()
    assert "carries 1 signatures" in on_terminal(*words, *passphrase, typed="y\n")


def test_retiring_ends_the_overlap(run: Run, node: KeyNode, files: dict[str, Path], world: World) -> None:
    keys(run, files, "rotate", "sealing", "--admin", files["admin"])
    done = keys(run, files, "retire", "sealing", "--admin", files["admin"])
    assert done.exit_code == 0, done.output
    assert [r.status for r in world.directory.keys[ME].sealing] == ["retired", "active"]
    again = keys(run, files, "retire", "sealing", "--admin", files["admin"])
    assert "says all this already" in again.stderr
    assert json.loads(keys(run, files, "retire", "sealing", "--json").stdout)["file"] is None


def test_a_duty_desk_is_published_replaced_and_taken_out(
    run: Run, node: KeyNode, files: dict[str, Path], world: World, home: Path
) -> None:
    admin = ("--admin", files["admin"])
    certificate = home / "tls" / "node.pem"
    for name, url in (
        ("desk", "https://one.example/page"),
        ("deputy", "https://two.example"),
        ("desk", "https://new.example"),
    ):
        done = keys(run, files, "contact", name, url, "--cert", certificate, *admin)
        assert done.exit_code == 0, done.output
    assert [(c.id, c.url) for c in world.directory.keys[ME].contacts] == [
        ("desk", "https://new.example"),
        ("deputy", "https://two.example"),
    ]
    assert world.directory.keys[ME].contacts[0].pin == bytes.fromhex(pin(tls_key(ME).public_key()))
    assert keys(run, files, "contact", "desk", "--remove", *admin).exit_code == 0
    assert [c.id for c in world.directory.keys[ME].contacts] == ["deputy"]
    assert keys(run, files, "contact", "desk", "--remove", *admin).exit_code == 3


def test_a_contact_is_shown_before_it_is_signed(run: Run, node: KeyNode, files: dict[str, Path], home: Path) -> None:
    keys(run, files, "contact", "desk", "https://one.example/page", "--cert", home / "tls" / "node.pem")
    (document,) = (home / "keys").glob("*.bundle")
    shown = keys(run, files, "sign", document, "--yes", "--admin", files["admin"])
    assert "contact desk: https://one.example/page, key " in shown.stderr


def test_what_is_no_contact_is_refused(run: Run, node: KeyNode, files: dict[str, Path], home: Path) -> None:
    certificate = home / "tls" / "node.pem"
    for words, code in (
        (("desk", "http://one.example", "--cert", certificate), 2),
        (("a desk", "https://one.example", "--cert", certificate), 2),
        (("desk", "https://one.example", "--cert", files["seed"]), 2),
        (("desk", "https://one.example"), 2),
        (("desk",), 2),
        (("desk", "https://one.example", "--cert", certificate, "--remove"), 2),
    ):
        assert keys(run, files, "contact", *words).exit_code == code, words


def test_four_contacts_are_enough(world: World) -> None:
    listed = world.keys[ME]
    for number in range(MAX_CONTACTS):
        listed = with_contact(listed, Contact(f"desk-{number}", "https://one.example", bytes(32)))
    with pytest.raises(BadConfig, match="4 contacts"):
        with_contact(listed, Contact("one-more", "https://one.example", bytes(32)))


def test_an_emergency_says_what_is_lost(run: Run, node: KeyNode, files: dict[str, Path], world: World) -> None:
    held = keys(run, files, "emergency", "signing", "sealing", "tls", "witness", "--admin", files["admin"])
    assert held.exit_code == 0, held.output
    for words in ("goes on opening", "stays valid", "knows this node again", "Cosignatures made"):
        assert words in held.stderr
    assert [r.status for r in world.directory.keys[ME].signing] == ["retired", "active"]
    assert keys(run, files, "emergency").exit_code == 2


def test_a_new_home_gives_its_document_to_the_operator(run: Run, files: dict[str, Path], home: Path) -> None:
    done = keys(run, files, "emergency", "--after", 7, "--admin", files["admin"])
    assert done.exit_code == 0, done.output
    assert "Nobody can open" in done.stderr
    assert f"--bundle {home}/keys/{ME}-8.bundle {ME}" in done.stderr.replace("\n", " ").replace("  ", " ")
    assert read_request((home / "keys" / f"{ME}-8.bundle").read_bytes()).version == 8
    unsigned = keys(run, files, "emergency", "--after", 8)
    assert "bearing-broker publish" in unsigned.stderr


def test_a_certificate_goes_from_request_to_use(
    run: Run, node: KeyNode, files: dict[str, Path], home: Path, world: World
) -> None:
    done = keys(run, files, "rotate", "tls", "--admin", files["admin"])
    assert "next.csr" in done.stderr
    assert len(world.directory.keys[ME].tls) == 2
    again = keys(run, files, "rotate", "tls", "--admin", files["admin"])
    assert "next.csr" in again.stderr
    found = certificates(load_config(home).hub)
    (home / "new.pem").write_bytes(issue(found.next_request.read_bytes()))
    assert "is in use" in keys(run, files, "tls", "--cert", home / "new.pem").stderr
    assert found.installed
    node.certificate = {"state": "waits to be listed", "problem": None}
    assert "not in the directory yet" in keys(run, files, "tls", "--cert", home / "new.pem").stderr
    assert json.loads(keys(run, files, "tls", "--cert", home / "new.pem", "--json").stdout) == node.certificate


def test_a_certificate_waits_for_a_node_that_is_away(run: Run, files: dict[str, Path], home: Path) -> None:
    refused = keys(run, files, "tls", "--cert", home / "tls" / "node.pem")
    assert refused.exit_code == 3
    assert "bearing keys rotate tls" in refused.stderr


def test_rotating_needs_the_node(run: Run, files: dict[str, Path]) -> None:
    assert keys(run, files, "rotate", "sealing").exit_code == 5


def test_an_administrators_key_is_made_or_kept(run: Run, files: dict[str, Path], home: Path) -> None:
    kept = keys(run, files, "administrator", home / "kept.key", "--seed", files["seed"])
    fresh = keys(run, files, "administrator", home / "fresh.key")
    assert kept.stdout.startswith("ed25519:")
    assert fresh.stdout.startswith("ed25519:")
    assert kept.stdout != fresh.stdout
    assert keys(run, files, "administrator", home / "fresh.key").exit_code == 2


def test_a_file_that_is_too_large_is_no_document(run: Run, files: dict[str, Path], home: Path) -> None:
    (home / "large").write_bytes(bytes(2_200_000))
    assert keys(run, files, "publish", home / "large").exit_code == 2
