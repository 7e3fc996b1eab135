"""`bearing witness`: set up and run a witness that cosigns the checkpoints of any log."""

from __future__ import annotations

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
def witness() -> None:
    """Cosign the checkpoints of any log, each only if it continues the one before."""


@witness.command()
@click.argument("home", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", required=True, help="The name its cosignatures carry, such as witness.example.org/w1.")
@click.option("--log", "vkeys", multiple=True, metavar="VKEY", help="The public key of a log to witness; repeatable.")
@click.option("--policy", type=_FILE, help="Witness the logs that this policy file lists (C2SP tlog-policy).")
@click.option("--listen", default="127.0.0.1:7490", show_default=True, help="Where it takes checkpoints, HOST:PORT.")
@_PASSPHRASE
def init(
    home: Path, *, name: str, vkeys: tuple[str, ...], policy: Path | None, listen: str, passphrase_file: Path | None
) -> None:
    """Make the witness's directory HOME with fresh keys, and print the public ones.

    Logs can be added later in HOME/witness.toml. There is no TLS: let a proxy in front serve it to other machines.
    """
    from nodes.passphrase import read_passphrase
    from nodes.ports import system_random
    from nodes.witness.config import group_by_origin
    from nodes.witness.daemon import create_home
    from nodes.witness.keys import fresh_seeds
    from schemas.errors import NotFound
    from schemas.log.note import parse_vkey
    from schemas.log.policy import parse_policy

    keys = [parse_vkey(text) for text in vkeys]
    if policy is not None:
        try:
            keys += [known.key for known in parse_policy(policy.read_bytes()).logs]
        except OSError as error:
            raise NotFound(f"the policy {policy} cannot be read: {error.strerror}") from None
    logs = group_by_origin(keys)
    passphrase = read_passphrase(passphrase_file, confirm=True)
    seeds = fresh_seeds(name, system_random)
    published = create_home(home, seeds, logs, listen=listen, passphrase=passphrase, random=system_random)
    click.echo(f"Made {home} for {name}, {len(logs)} logs. Run it: bearing witness run {home}", err=True)
    for vkey in published:
        click.echo(vkey)


@witness.command()
@click.argument("home", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_PASSPHRASE
def run(home: Path, passphrase_file: Path | None) -> None:
    """Run the witness of HOME until it is told to stop (SIGTERM, Ctrl-C)."""
    import uvloop

    from nodes.logs import configure_logs
    from nodes.passphrase import read_passphrase
    from nodes.witness.config import load_config
    from nodes.witness.daemon import run_witness
    from nodes.witness.keys import read_witness_keys

    config = load_config(home.absolute())
    passphrase = read_passphrase(passphrase_file)
    seeds = read_witness_keys(config.keystore, passphrase)
    configure_logs()
    uvloop.run(run_witness(config, seeds))
