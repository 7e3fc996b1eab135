"""What the commands of `bearing audit` share: their options, and how those are read."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schemas.errors import BadConfig, CrossbearingError, StorageFailed

if TYPE_CHECKING:
    from nodes.auditor.progress import Progress
    from schemas.log.note import NoteKey

FINDINGS = 4
"""Exit code: the audit was carried out and found something."""

Decorator = Callable[[Callable[..., object]], Callable[..., object]]

existing_file = click.Path(path_type=Path, exists=True, dir_okay=False)
new_file = click.Path(path_type=Path, dir_okay=False)
folder_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
existing_folder_argument = click.argument(
    "folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False)
)
json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
root_option = click.option(
    "--root",
    "root_file",
    type=existing_file,
    required=True,
    envvar="BEARING_AUDIT_ROOT",
    show_envvar=True,
    help="The governors' first root.json.",
)
workers_option = click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(1, 64),
    default=None,
    help="Processes that check signatures.  [default: one for each core]",
)


def log_vkey_option(*, required: bool) -> Decorator:
    """Return the option for the log's public key; it may be given once for each key of the log."""
    return click.option(
        "--log-vkey",
        "vkeys",
        metavar="TEXT",
        multiple=True,
        required=required,
        envvar="BEARING_AUDIT_LOG_VKEY",
        show_envvar=True,
        help="The log's public key as its keeper published it: name+id+key. Repeat it for a second key.",
    )


def log_keys(texts: Sequence[str]) -> list[NoteKey]:
    """Return the keys that `--log-vkey` gives. Raises `BadConfig`."""
    from schemas.log.note import parse_vkey

    try:
        return [parse_vkey(text.strip()) for text in texts]
    except CrossbearingError as error:
        raise BadConfig(
            f"--log-vkey: {error.message}", hint="Give it whole, as bearing-broker init printed it: name+id+key."
        ) from error


def read_file(path: Path) -> bytes:
    """Return the bytes of a file that an option names. Raises `StorageFailed`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageFailed(f"{path} cannot be read: {error.strerror}") from error


def write_file(path: Path, data: bytes) -> None:
    """Write a file that an option names. Raises `StorageFailed`."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror}") from error


def json_wanted(context: click.Context, here: bool) -> bool:
    """Whether `--json` was given to this command or before it; failures are then told in JSON too."""
    shared = context.find_root().obj
    if hasattr(shared, "as_json"):
        shared.as_json = here or shared.as_json
        return bool(shared.as_json)
    return here


def on_terminal() -> bool:
    """Tell whether somebody watches standard error."""
    return sys.stderr.isatty()


@contextlib.contextmanager
def shown_progress() -> Iterator[Progress]:
    """Show progress on a terminal, and nothing elsewhere."""
    if not on_terminal():
        yield lambda _what, _done, _of: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    with Bars(console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield show
