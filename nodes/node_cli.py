"""`bearing node`: set up a node's home, run the daemon, and let it go on after a fork was looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

_FILE = click.Path(path_type=Path, dir_okay=False)
_PASSPHRASE = click.option(
    "--passphrase-file",
    type=_FILE,
    help="File with the keystore's passphrase, mode 0600. Without it: BEARING_PASSPHRASE_FILE, a systemd credential "
    "named passphrase, or a prompt.",
)


@click.group()
def node() -> None:
    """Set up and run the node itself."""


@node.command()
@click.argument("home", type=click.Path(path_type=Path, file_okay=False))
@click.option("--agency", required=True, metavar="ID", help="The agency's id in the directory, such as hk-customs.")
@click.option("--hub", required=True, metavar="URL", help="The hub's address, such as wss://127.0.0.1:7443/session.")
@click.option("--hub-pin", required=True, metavar="HEX", help="SHA-256 of the hub's certificate key (SPKI).")
@click.option("--ca", required=True, type=_FILE, help="Certificate authority of the hub's certificate, PEM.")
@click.option("--tls-cert", required=True, type=_FILE, help="This node's certificate, PEM.")
@click.option("--tls-key", required=True, type=_FILE, help="The certificate's key, PEM.")
@click.option("--root", required=True, type=_FILE, help="The governors' first root metadata (root.json).")
@click.option("--log-vkey", required=True, metavar="TEXT", help="The log's public key, as its operator published it.")
@click.option("--keys", type=_FILE, help="Import private keys from this JSON file instead of making fresh ones.")
@_PASSPHRASE
def init(
    home: Path,
    *,
    agency: str,
    hub: str,
    hub_pin: str,
    ca: Path,
    tls_cert: Path,
    tls_key: Path,
    root: Path,
    log_vkey: str,
    keys: Path | None,
    passphrase_file: Path | None,
) -> None:
    """Make the node's directory HOME.

    With fresh keys the public key document is printed: the agency's administrators sign and publish it.
    """
    from nodes.keystore import fresh_seeds
    from nodes.passphrase import read_passphrase
    from nodes.ports import system_clock, system_random
    from nodes.setup import HomePlan, create_home, import_seeds, public_document
    from schemas.ids import check_agency_id

    check_agency_id(agency)
    passphrase = read_passphrase(passphrase_file, confirm=True)
    seeds = import_seeds(keys, agency, system_random) if keys else fresh_seeds(agency, system_random)
    plan = HomePlan(
        agency=agency,
        hub=hub,
        hub_pin=hub_pin,
        log_vkey=log_vkey,
        ca=ca,
        tls_certificate=tls_cert,
        tls_key=tls_key,
        root=root,
    )
    create_home(home, plan, seeds, passphrase, system_random)
    click.echo(f"Made {home} for {agency}. Run it: bearing node run {home}", err=True)
    if keys is None:
        click.echo(public_document(seeds, tls_cert, now=system_clock()).decode(), nl=False)


@node.command()
@click.argument("home", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_PASSPHRASE
def run(home: Path, passphrase_file: Path | None) -> None:
    """Run the daemon of HOME until it is told to stop (SIGTERM, Ctrl-C)."""
    import gc

    gc.disable()  # what is imported lives as long as the process: looking for garbage among it only takes time
    import uvloop

    from nodes.config import load_config
    from nodes.daemon import COLLECT_AFTER, run_node
    from nodes.keystore import read_keystore
    from nodes.logs import configure_logs
    from nodes.passphrase import read_passphrase

    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    gc.enable()
    home = home.absolute()
    config = load_config(home)
    seeds = read_keystore(config.keystore, read_passphrase(passphrase_file))
    configure_logs()
    uvloop.run(run_node(config, seeds))


@node.command()
@click.argument("home", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_PASSPHRASE
def resume(home: Path, passphrase_file: Path | None) -> None:
    """Let the stopped node of HOME call the hub again after the log showed two histories.

    The evidence stays in HOME/evidence. Do this only once the governors have said which history holds.
    """
    from nodes.config import load_config
    from nodes.keystore import read_keystore
    from nodes.lock import home_lock
    from nodes.passphrase import read_passphrase
    from nodes.setup import clear_halt

    config = load_config(home.absolute())
    seeds = read_keystore(config.keystore, read_passphrase(passphrase_file))
    with home_lock(config.lock):
        was_halted = clear_halt(config.database, seeds.database)
    click.echo("The node will call the hub again." if was_halted else "The node was not halted.", err=True)


@node.command()
@click.argument("home", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("target", type=click.Path(path_type=Path))
@_PASSPHRASE
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def backup(home: Path, target: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Back the node of HOME up into the new folder TARGET, while it runs or not.

    The folder holds the encrypted store, the sealed keystore, the settings and the certificate with its private key.
    The passphrase is not in it: without it the backup opens nothing.
    """
    import json

    from nodes.client import NodeClient
    from nodes.config import load_config
    from nodes.offline import back_up_stopped
    from schemas.errors import Unreachable

    config, target = load_config(home.absolute()), target.absolute()
    try:
        told = NodeClient(config.socket).backup(str(target))
    except Unreachable:
        told = back_up_stopped(config, target, passphrase_file)
    if as_json:
        click.echo(json.dumps(told))
        return
    for name, value in told.items():
        click.echo(f"{name:<8}{_when(value) if name == 'made' and isinstance(value, int) else value}")
    click.echo("Keep the passphrase elsewhere. The certificate's private key is not sealed.", err=True)


def _when(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@node.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("home", type=click.Path(path_type=Path, file_okay=False))
@_PASSPHRASE
def restore(folder: Path, home: Path, passphrase_file: Path | None) -> None:
    """Make the home HOME from the backup FOLDER.

    When it runs, the node gets back from the hub what it received since, as long as the hub holds it. What the agency
    sent since then is in the log, and its text with the recipients. `bearing quarantine` lists both kinds of loss.
    """
    from nodes.backup import restore_home
    from nodes.passphrase import read_passphrase

    made = restore_home(folder, home.absolute(), read_passphrase(passphrase_file))
    click.echo(f"Made {home} for {made.agency}, as of log size {made.size}.", err=True)
    click.echo("Make sure that no other node of this agency runs; then: bearing node run " + str(home), err=True)
    click.echo(
        "If keys were rotated since, the hub answers not-pinned: see docs/operations.md, restore a node.", err=True
    )
