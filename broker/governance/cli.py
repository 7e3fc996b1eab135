"""`bearing-broker directory`: the governors' ceremonies. See docs/governance.md."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import click

from broker.explain_cli import explained
from schemas.errors import BadConfig, NotFound

if TYPE_CHECKING:
    from securesystemslib.signer import Signer  # type: ignore[attr-defined]  # public, but no __all__ names it

    from broker.governance.folder import OpenDraft
    from schemas.directory.agency_keys import AgencyKeys

_P = ParamSpec("_P")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_ANY = click.Path(path_type=Path)
_DAY = click.DateTime(["%Y-%m-%d"])
MAX_PASSPHRASE = 1_024


_KEY_OPTIONS = (
    click.option("--key", "file", type=_FILE, help="Your key file."),
    click.option("--passphrase-file", type=_FILE, help="Holds its passphrase; otherwise you are asked."),
    click.option("--module", type=_FILE, help="The PKCS#11 library of your token, instead of a key file."),
    click.option("--token", help="The token's label."),
    click.option("--token-key", type=int, default=2, show_default=True, help="The key's id on the token."),
    click.option("--pin-file", type=_FILE, help="Holds the token's PIN; otherwise you are asked."),
)


def _key_options(command: Callable[_P, None]) -> Callable[_P, None]:
    for option in reversed(_KEY_OPTIONS):
        command = option(command)
    return command


@click.group()
def directory() -> None:
    """Govern the directory: who belongs, which rules hold, who decides."""


# -- keys --------------------------------------------------------------------------------------------------------------


@directory.group()
def key() -> None:
    """Keys of governors and of agencies' administrators."""


@key.command("new")
@click.argument("file", type=_ANY)
@click.option("--seed", type=_FILE, help="Keep this seed (64 hex digits in a file) instead of a fresh one.")
@click.option("--passphrase-file", type=_FILE, help="Holds the passphrase; otherwise you are asked.")
@explained
def key_new(file: Path, *, seed: Path | None, passphrase_file: Path | None) -> None:
    """Make a key in FILE, under a passphrase, and print the public key for the source file."""
    from broker.governance.keys import make_key_file
    from broker.keyfiles import parse_seed
    from schemas.keys import SEED_SIZE

    secret = parse_seed(seed.read_bytes(), seed) if seed is not None else secrets.token_bytes(SEED_SIZE)
    click.echo(make_key_file(file, secret, _passphrase(passphrase_file, confirm=True), secrets.token_bytes))


@key.command("show")
@_key_options
@explained
def key_show(**key: Any) -> None:
    """Print the public key of a key file or a token, for the source file."""
    from schemas.directory.authority import public_key_text

    click.echo(public_key_text(_signer(**key).public_key))


# -- source and draft --------------------------------------------------------------------------------------------------


@directory.command()
@click.argument("source", type=_ANY)
@click.option("--name", required=True, help="What the directory is called.")
@click.option("--governor", "governors", multiple=True, required=True, help="NAME=PUBLIC-KEY; once for each governor.")
@click.option("--threshold", type=int, required=True, help="How many governors sign together.")
@click.option("--expires", type=_DAY, required=True, help="Until when signatures hold, such as 2028-12-31.")
@click.option("--log-key", "log_keys", multiple=True, required=True, help="The log's vkey, from `bearing-broker key`.")
@click.option("--hub", required=True, help="SHA-256 of the hub's certificate key (SPKI), in hex.")
@explained
def init(
    source: Path,
    *,
    name: str,
    governors: tuple[str, ...],
    threshold: int,
    expires: datetime,
    log_keys: tuple[str, ...],
    hub: str,
) -> None:
    """Begin a source file SOURCE with its governors; agencies, regions and rules are then written into it."""
    from broker.governance.source_text import first_source_text
    from schemas.directory.authority import Signatory, make_quorum, parse_public_key
    from schemas.log.note import parse_vkey

    members = []
    for text in governors:
        holder, _, public = text.rpartition("=")
        parse_public_key(public)
        members.append(Signatory(holder, public))
    origin = parse_vkey(log_keys[0]).name
    quorum = make_quorum(threshold, members)
    text = first_source_text(name, quorum, expires=expires.date(), origin=origin, log_keys=log_keys, broker=hub)
    _write_new(source, text)
    click.echo(f"wrote {source}: {quorum} governors; now write agencies, regions and auditors into it", err=True)


@directory.command()
@click.argument("repository", type=_FOLDER)
@explained
def export(repository: Path) -> None:
    """Print a source file that says what REPOSITORY has in force."""
    from broker.governance.repository import open_repository, replay
    from broker.governance.source_text import source_text
    from schemas.directory.governed import governed_by

    held = replay(open_repository(repository))
    if held is None:
        raise NotFound(f"{repository} holds no directory")
    dates = held.expires()
    agencies = [dates[agency] for agency in held.published]
    click.echo(source_text(governed_by(held), max(agencies, default=dates["root"])), nl=False)


@directory.command()
@click.argument("source", type=_FILE)
@click.argument("draft", type=_ANY)
@click.option("--repository", type=_ANY, required=True, help="What is in force; a folder to be made for the first one.")
@click.option("--keys", "documents", type=_FILE, multiple=True, help="An agency's key document to publish.")
@click.option("--cut-off", multiple=True, help="An agency whose keys shall not be put to its new administrators.")
@explained
def draft(
    source: Path, draft: Path, *, repository: Path, documents: tuple[Path, ...], cut_off: tuple[str, ...]
) -> None:
    """Make a folder DRAFT, to be signed, of what SOURCE changes."""
    from broker.governance.drafting import make_draft
    from broker.governance.folder import open_draft, write_draft
    from broker.governance.repository import open_repository, replay, used_version
    from broker.governance.source import read_source

    read = read_source(source.read_text(encoding="utf-8"))
    in_force = open_repository(repository)
    keys = [_agency_keys(path) for path in documents]
    made = make_draft(
        read,
        replay(in_force),
        now=_now(),
        agency_keys=keys,
        cut_off=cut_off,
        used=lambda agency: used_version(in_force, agency),
    )
    if not made.parts:
        click.echo("nothing changes: what the source file says is in force", err=True)
        return
    write_draft(draft, made, in_force)
    _show(open_draft(draft))


@directory.command()
@click.argument("draft", type=_FOLDER)
@explained
def diff(draft: Path) -> None:
    """Say in words what DRAFT changes."""
    from broker.governance.folder import open_draft

    _show(open_draft(draft))


# -- signing and publishing --------------------------------------------------------------------------------------------


@directory.command()
@click.argument("draft", type=_FOLDER)
@_key_options
@click.option("--repository", type=_FOLDER, help="Your own copy of what is in force: the draft must start from it.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@explained
def sign(draft: Path, *, repository: Path | None, yes: bool, **key: Any) -> None:
    """Sign DRAFT, after showing what it changes."""
    from broker.governance.folder import add_signatures, open_draft
    from broker.governance.repository import open_repository
    from broker.governance.signing import sign as sign_parts
    from schemas.errors import DirectoryRollback

    opened = open_draft(draft)
    if repository is not None and open_repository(repository) != dict(opened.in_force):
        raise DirectoryRollback(
            "the draft does not start from what your repository has in force",
            hint="Ask whoever made the draft; do not sign what you cannot compare.",
        )
    _show(opened, err=True)
    if not yes and not click.confirm("Sign this?", err=True):
        raise click.Abort
    signer = _signer(**key)
    made = sign_parts(opened.draft, opened.held, signer)
    add_signatures(opened, made.items())
    _show_demands(open_draft(draft))


@directory.command()
@click.argument("draft", type=_FOLDER)
@click.argument("copies", type=_FOLDER, nargs=-1, required=True)
@explained
def collect(draft: Path, copies: tuple[Path, ...]) -> None:
    """Bring the signatures in COPIES of a draft, back from other governors, into DRAFT."""
    from broker.governance.folder import collect as take
    from broker.governance.folder import open_draft

    for copy in copies:
        count = take(open_draft(draft), open_draft(copy))
        click.echo(f"{copy}: {count} new signatures", err=True)
    _show_demands(open_draft(draft))


@directory.command()
@click.argument("draft", type=_FOLDER)
@explained
def status(draft: Path) -> None:
    """Say who signed DRAFT and whose signatures are missing."""
    from broker.governance.folder import open_draft

    _show_demands(open_draft(draft))


@directory.command()
@click.argument("draft", type=_FOLDER)
@click.option("--repository", type=_ANY, required=True, help="The repository to bring it into.")
@click.option("--hub", type=_FOLDER, help="The data directory of the hub on this machine, running or stopped.")
@explained
def publish(draft: Path, *, repository: Path, hub: Path | None) -> None:
    """Bring DRAFT into force, once enough have signed."""
    from broker.config import load_config
    from broker.governance.folder import open_draft
    from broker.governance.publishing import publish as bring_into_force
    from broker.handover import hand_over

    opened = open_draft(draft)
    config = load_config(hub) if hub is not None else None
    done = bring_into_force(
        opened,
        repository,
        now=_now(),
        hand_over=(lambda bundles: hand_over(config, bundles, _now)) if config is not None else None,
    )
    for role, version in done.roles:
        click.echo(f"{role}\t{version}")


def _show(opened: OpenDraft, *, err: bool = False) -> None:
    from broker.governance.drafting import expected
    from broker.governance.lockout import cautions, check_lockout
    from schemas.directory.differences import differences
    from schemas.directory.governed import governed_by

    before = governed_by(opened.held) if opened.held is not None else None
    after = expected(opened.draft, opened.held)
    for sentence in differences(before, after):
        click.echo(sentence, err=err)
    for sentence in cautions(after, _now()):
        click.echo(f"caution: {sentence}", err=True)
    check_lockout(before, after, _now())


def _show_demands(opened: OpenDraft) -> None:
    from broker.governance.signing import demands

    for demand in demands(opened.draft, opened.held, opened.signatures):
        click.echo(demand.sentence())


def _now() -> int:
    return time.time_ns() // 1_000_000


def _agency_keys(path: Path) -> AgencyKeys:
    from schemas.directory.agency_keys import parse_agency_keys
    from schemas.directory.strict_json import load_json

    data = path.read_bytes()
    return parse_agency_keys(data, str(load_json(data, str(path)).get("agency")))


def _signer(
    *,
    file: Path | None,
    passphrase_file: Path | None,
    module: Path | None,
    token: str | None,
    token_key: int,
    pin_file: Path | None,
) -> Signer:
    from broker.governance.keys import Token, open_key_file, open_token

    if (file is None) is (module is None) or (module is None) is not (token is None):
        raise BadConfig("give either --key, or --module and --token")
    if file is not None:
        return open_key_file(file, _passphrase(passphrase_file))
    if module is None or token is None:
        raise BadConfig("give --module and --token together")

    def pin() -> str:
        return _secret(pin_file, "PIN of the token").decode()

    return open_token(Token(module, token, token_key), pin)


def _passphrase(file: Path | None, *, confirm: bool = False) -> bytes:
    return _secret(file, "Passphrase of the key", confirm=confirm)


def _secret(file: Path | None, what: str, *, confirm: bool = False) -> bytes:
    from broker.keyfiles import read_private

    if file is not None:
        secret = read_private(file).removesuffix(b"\n")
    elif sys.stdin.isatty():
        secret = str(click.prompt(what, hide_input=True, confirmation_prompt=confirm, err=True)).encode()
    else:
        raise BadConfig(f"there is no terminal to ask for the {what[:1].lower()}{what[1:]}", hint="Put it in a file.")
    if not 0 < len(secret) <= MAX_PASSPHRASE:
        raise BadConfig(f"the {what[:1].lower()}{what[1:]} is empty or longer than {MAX_PASSPHRASE} bytes")
    return secret


def _write_new(path: Path, text: str) -> None:
    from broker.durable import write_durably

    if path.exists():
        raise BadConfig(f"{path} exists already", hint="Choose a new file.")
    write_durably(path, text.encode())
