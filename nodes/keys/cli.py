"""`bearing keys`: rotate, retire and replace the agency's own keys. See docs/keys.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nodes.keys.carrying import add_signatures, admin_passphrase, carry_out, read_document
from nodes.keys.words import facts, published_words, show_request
from nodes.officer.screen import Cell, Column
from nodes.officer.settings import OfficerGroup, Settings, pass_settings
from nodes.officer.when import clock as clock_words
from nodes.officer.when import iso, now_ms
from schemas.errors import Unreachable

if TYPE_CHECKING:
    from nodes.keys.rotation import Held, Kind
    from schemas.directory.agency_keys import AgencyKeys

_FILE = click.Path(path_type=Path, dir_okay=False)
_GIVEN = click.Path(path_type=Path, dir_okay=False, exists=True)
_KINDS = click.Choice(["signing", "sealing", "tls", "witness"])
_DAYS = click.IntRange(1, 3650)
_DAY_MS = 86_400_000

_OPTIONS = (
    click.option(
        "--admin", "admins", type=_GIVEN, multiple=True, help="Sign at once with this administrator's key file."
    ),
    click.option("--admin-passphrase-file", type=_GIVEN, help="Holds its passphrase; otherwise you are asked."),
    click.option("--passphrase-file", type=_FILE, help="Holds the keystore's passphrase, as for `bearing node run`."),
)


def _change_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group("keys", cls=OfficerGroup)
def keys() -> None:
    """The agency's own keys: how they stand, new ones, and their publication. No governor is needed."""


@keys.command("status")
@pass_settings
def status(settings: Settings) -> None:
    """Show every key that is listed or held, and who may sign the next document.

    Piped, each line holds, separated by tabs: kind, id, state, held here or missing, good from and until (UTC).
    """
    answer = settings.node().keys()
    screen = settings.screen()
    if screen.as_json:
        screen.data(answer)
        return
    if screen.terminal:
        screen.heading(f"Keys of {answer['agency']}")
        screen.fields(facts(answer))
        screen.line()
    now = now_ms()
    columns = [Column("Kind"), Column("Id"), Column("State"), Column("Here"), Column("From"), Column("Until")]
    rows = [
        [
            Cell(key["kind"]),
            Cell(key["id"]),
            Cell(key["state"], "warn" if key["state"] == "not published" else ""),
            Cell("held" if key["held"] else "missing", "" if key["held"] else "warn"),
            *(Cell(clock_words(key[when], now), piped=iso(key[when])) for when in ("not_before", "not_after")),
        ]
        for key in answer["keys"]
    ]
    screen.table(columns, rows, empty="No key is listed or held.")


@keys.command("administrator")
@click.argument("file", type=_FILE)
@click.option("--seed", type=_GIVEN, help="Keep this seed (64 hex digits in a file) instead of a fresh one.")
@click.option("--admin-passphrase-file", type=_GIVEN, help="Holds the passphrase; otherwise you are asked.")
@pass_settings
def administrator(settings: Settings, file: Path, seed: Path | None, admin_passphrase_file: Path | None) -> None:
    """Make an administrator's key in FILE and print its public key, for the governors to enter."""
    from nodes.keys.administrator import make_administrator, read_seed
    from nodes.keys.request import key_text
    from nodes.ports import system_random
    from schemas.keys import SEED_SIZE

    secret = read_seed(seed) if seed is not None else system_random(SEED_SIZE)
    make_administrator(file, secret, admin_passphrase(admin_passphrase_file, confirm=True), system_random)
    settings.screen().line(key_text(secret))


@keys.command("rotate")
@click.argument("kinds", nargs=-1, required=True, type=_KINDS, metavar="KIND...")
@click.option(
    "--overlap", type=click.IntRange(0, 366), default=7, show_default=True, help="Days the old keys stay good."
)
@click.option(
    "--life", type=_DAYS, default=730, show_default=True, help="Days the new keys and their document are good."
)
@_change_options
@pass_settings
def rotate(settings: Settings, /, kinds: tuple[Kind, ...], overlap: int, life: int, **options: Any) -> None:
    """Make new keys of each KIND (signing, sealing, tls, witness) and draft the document that lists them.

    The old ones stay good for the overlap, so nothing on its way is lost. Interrupted anywhere, give it again: it goes
    on with the keys it made.
    """
    from nodes.keys.rotation import rotated

    now = now_ms()

    def change(listed: AgencyKeys, held: Held) -> AgencyKeys:
        return rotated(listed, kinds, held, now=now, overlap=overlap * _DAY_MS, life=life * _DAY_MS)

    carry_out(settings, kinds, change, staged=True, life=life * _DAY_MS, **options)


@keys.command("retire")
@click.argument("kinds", nargs=-1, required=True, type=_KINDS, metavar="KIND...")
@_change_options
@pass_settings
def retire(settings: Settings, /, kinds: tuple[Kind, ...], **options: Any) -> None:
    """End the overlap of each KIND now: only the newest key of it stays good.

    Without this, signing and sealing keys end by their date, and the next rotation ends the rest.
    """
    from nodes.keys.rotation import LIFE_MS, retired

    now = now_ms()
    carry_out(
        settings,
        kinds,
        lambda listed, held: retired(listed, kinds, held, now=now),
        staged=False,
        life=LIFE_MS,
        **options,
    )


@keys.command("contact")
@click.argument("name")
@click.argument("url", required=False)
@click.option("--cert", "certificate", type=_GIVEN, help="The certificate that answers there, PEM; its key counts.")
@click.option("--remove", is_flag=True, help="Take the contact out.")
@_change_options
@pass_settings
def contact(
    settings: Settings, /, name: str, url: str | None, certificate: Path | None, remove: bool, **options: Any
) -> None:
    """Publish how the duty desk is reached when this node does not store a flash alert: NAME, and an https URL.

    The hub calls the contacts in the order in which they were added. A NAME that is there is replaced in its place.
    """
    from nodes.keys.contacts import contact_of, with_contact, without_contact
    from nodes.keys.rotation import LIFE_MS

    if remove == (url is not None) or (certificate is None) != remove:
        raise click.UsageError("give a URL and --cert, or --remove")
    made = None if url is None or certificate is None else contact_of(name, url, read_document(certificate))

    carry_out(
        settings,
        (),
        lambda listed, _: without_contact(listed, name) if made is None else with_contact(listed, made),
        staged=False,
        life=LIFE_MS,
        **options,
    )


@keys.command("emergency")
@click.argument("kinds", nargs=-1, type=_KINDS, metavar="[KIND...]")
@click.option(
    "--after",
    type=click.IntRange(min=1),
    help="A new home: the version of the document in force, as the hub's operator says.",
)
@_change_options
@pass_settings
def emergency(settings: Settings, /, kinds: tuple[Kind, ...], after: int | None, **options: Any) -> None:
    """Replace keys that are lost or stolen, without the old ones: none but the new is good from then on.

    Says what cannot be recovered. With `--after`, for a home that was made anew with `bearing node init`, all kinds.
    """
    from nodes.keys.rotation import KINDS, LIFE_MS, replaced

    if not kinds and after is None:
        raise click.UsageError("name what is lost: signing, sealing, tls or witness; or give --after for a new home")
    kinds = KINDS if after is not None else kinds
    now = now_ms()

    def change(listed: AgencyKeys, held: Held) -> AgencyKeys:
        return replaced(None if after is not None else listed, kinds, held, now=now)

    carry_out(settings, kinds, change, staged=after is None, life=LIFE_MS, after=after, loss=True, **options)


@keys.command("sign")
@click.argument("document", type=_GIVEN)
@click.option("--admin", "admins", type=_GIVEN, multiple=True, required=True, help="An administrator's key file.")
@click.option("--admin-passphrase-file", type=_GIVEN, help="Holds its passphrase; otherwise you are asked.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@pass_settings
def sign(
    settings: Settings, document: Path, admins: tuple[Path, ...], admin_passphrase_file: Path | None, yes: bool
) -> None:
    """Sign the key DOCUMENT with administrators' keys, here or on any other machine, after showing what it says."""
    from nodes.keys.request import read_request

    screen = settings.screen()
    request = read_request(read_document(document))
    show_request(screen, request)
    if not yes and screen.terminal and not click.confirm("Sign this?", err=True):
        raise click.Abort
    request = add_signatures(request, document, admins, admin_passphrase_file)
    if screen.as_json:
        screen.data({"file": str(document), "version": request.version, "signatures": len(request.signed_by)})
    screen.note(f"{document} carries {len(request.signed_by)} signatures. Next: bearing keys publish {document}")


@keys.command("publish")
@click.argument("document", type=_GIVEN)
@pass_settings
def publish(settings: Settings, document: Path) -> None:
    """Bring the signed key DOCUMENT into force, through the running node and the hub. Harmless when repeated."""
    answer = settings.node().publish_keys(read_document(document))
    screen = settings.screen()
    if screen.as_json:
        screen.data(answer)
    screen.note(published_words(answer))


@keys.command("tls")
@click.option("--cert", "certificate", type=_GIVEN, required=True, help="The certificate for tls/next.csr, PEM.")
@pass_settings
def tls(settings: Settings, certificate: Path) -> None:
    """Take up the certificate that the authority issued for the new key made by `rotate tls`.

    The node tries it against the hub first; until the hub takes it, the one in use stays.
    """
    from nodes.config import load_config
    from nodes.keys.certificate import certificates, install

    config = load_config(settings.home_path.absolute())
    install(certificates(config.hub), read_document(certificate), now=now_ms())
    screen = settings.screen()
    try:
        answer = settings.node().renew_certificate()
    except Unreachable:
        screen.note("The node is not running; it takes up the certificate when it starts.")
        return
    if screen.as_json:
        screen.data(answer)
    said = {
        "in use": "The new certificate is in use. When all is well: bearing keys retire tls",
        "waits to be listed": "The new key is not in the directory yet; the certificate is taken up when it is.",
    }
    screen.note(said.get(answer["state"], "The node takes up the certificate as soon as it reaches the hub."))
