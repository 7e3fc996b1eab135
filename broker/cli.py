"""`bearing-broker`: make a hub, run it, ask it how it is, give it a new directory version."""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import cast

import click

from broker.explain_cli import exit_code, explained
from schemas.errors import BadConfig, CrossbearingError

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)
_ANY = click.Path(path_type=Path)

_BACKUP = ("backup", "verify-backup", "restore", "restore-status", "complete", "resume")


_CARRIER = {"carrier-key": "carrier_key", "export": "export_file", "import": "import_file"}


class _Commands(click.Group):
    """The hub's commands, and those of the governors, which are loaded when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "directory", "route", *_BACKUP, *_CARRIER])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "directory":
            from broker.governance.cli import directory

            return directory
        if cmd_name == "route":
            from broker.route_cli import route

            return route
        if cmd_name in _BACKUP:
            from broker import backup_cli

            command: click.Command = getattr(backup_cli, cmd_name.replace("-", "_"))
            return command
        if cmd_name in _CARRIER:
            from broker.carrier import cli

            return cast(click.Command, getattr(cli, _CARRIER[cmd_name]))
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="crossbearing", prog_name="bearing-broker")
def main() -> None:
    """The hub of a Crossbearing exchange: logs sealed alerts, then delivers them."""


@main.command()
@click.argument("data", type=_ANY)
@click.option("--repository", type=_DIRECTORY, required=True, help="The governed directory: root.json, targets.json …")
@click.option("--tls-cert", type=_FILE, required=True, help="This hub's certificate, PEM.")
@click.option("--tls-key", type=_FILE, required=True, help="Its private key, PEM, unencrypted.")
@click.option("--ca", type=_FILE, required=True, help="The authority that certifies nodes and auditors, PEM.")
@click.option("--log-seed", type=_FILE, required=True, help="The log key's seed, as `bearing-broker key` writes it.")
@click.option(
    "--log-mldsa-seed", type=_FILE, help="The seed of its ML-DSA-44 key; without one checkpoints have Ed25519 alone."
)
@click.option("--listen", default="127.0.0.1:7443", show_default=True, help="Where nodes connect.")
@click.option("--metrics", default="127.0.0.1:7480", show_default=True, help="Health and metrics, on loopback.")
@explained
def init(
    data: Path,
    *,
    repository: Path,
    tls_cert: Path,
    tls_key: Path,
    ca: Path,
    log_seed: Path,
    log_mldsa_seed: Path | None,
    listen: str,
    metrics: str,
) -> None:
    """Make the data directory DATA with a log that begins with the directory."""
    from broker.config import parse_address
    from broker.hub import now_ms
    from broker.setup import Sources, make_hub

    sources = Sources(repository, tls_cert, tls_key, ca, log_seed, log_mldsa_seed)
    addresses = parse_address(listen, "--listen"), parse_address(metrics, "--metrics")
    made = make_hub(data, sources, *addresses, now_ms)
    click.echo(f"made {data}: log {made.origin}, {made.size} entries, directory version {made.directory}", err=True)
    click.echo(made.vkey)


@main.command()
@click.argument("data", type=_DIRECTORY)
@explained
def run(data: Path) -> None:
    """Run the hub of DATA until SIGTERM or SIGINT."""
    import structlog
    import uvloop

    from broker.config import load_config
    from broker.hub import run_hub
    from broker.logs import configure_logs

    config = load_config(data)
    configure_logs(config.log_level)
    try:
        uvloop.run(run_hub(config))
    except CrossbearingError as error:
        structlog.get_logger().critical("failed", **error.as_dict())
        sys.exit(exit_code(error))


@main.command()
@click.argument("data", type=_DIRECTORY)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@explained
def status(data: Path, as_json: bool) -> None:
    """Show how the running hub of DATA is doing."""
    from broker.config import load_config
    from broker.control import ask

    answer = ask(load_config(data).control_socket, {"command": "status"})
    if as_json:
        click.echo(json.dumps(answer))
        return
    for name, value in answer.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        click.echo(f"{name}\t{shown or '-'}")


@main.command()
@click.argument("data", type=_DIRECTORY)
@click.option("--repository", type=_DIRECTORY, help="The repository in which the new version lies.")
@click.option("--bundle", type=_FILE, help="The file that an agency signed with `bearing keys`, instead.")
@click.argument("role")
@explained
def publish(data: Path, repository: Path | None, bundle: Path | None, role: str) -> None:
    """Log a new directory version: ROLE is root, targets or an agency."""
    from broker.config import load_config
    from broker.genesis import bundle_in, bundle_of
    from broker.handover import hand_over
    from broker.hub import now_ms

    if repository is not None and bundle is None:
        new = bundle_of(repository, role)
    elif bundle is not None and repository is None:
        new = bundle_in(bundle, role)
    else:
        raise BadConfig("give either --repository or --bundle")
    version = hand_over(load_config(data), [new], now_ms)
    click.echo(f"directory version {version}")


@main.command()
@click.argument("file", type=_ANY)
@click.option("--origin", required=True, help="The log's name, such as example.org/log.")
@click.option("--type", "kind", type=click.Choice(["ed25519", "ml-dsa-44"]), default="ed25519", show_default=True)
@explained
def key(file: Path, origin: str, kind: str) -> None:
    """Make a fresh log key in FILE and print its vkey, which the directory must list before `init`."""
    from broker.setup import make_log_key
    from schemas.log.note import ED25519, ML_DSA_44

    types = {"ed25519": ED25519, "ml-dsa-44": ML_DSA_44}
    click.echo(make_log_key(file, origin, secrets.token_bytes, types[kind]))


if __name__ == "__main__":
    main()
