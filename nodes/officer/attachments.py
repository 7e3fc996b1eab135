"""Files that travel with alerts: read to be sent, saved when received."""

from __future__ import annotations

import mimetypes
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nodes.officer.completing import alert_ids
from nodes.officer.settings import Settings, command
from schemas.errors import BadDocument, NotFound, TooLarge
from schemas.limits import MAX_ATTACHMENT, MAX_ATTACHMENTS

if TYPE_CHECKING:
    from nodes.client import Attachment

_UNSAFE_IN_NAMES = re.compile(r"[^\w.()+ -]")


def load(paths: tuple[Path, ...]) -> list[Attachment]:
    """Read the files to send. Raises `TooLarge`, or `BadDocument` when there are too many."""
    from nodes.client import Attachment

    if len(paths) > MAX_ATTACHMENTS:
        raise BadDocument(f"an alert carries at most {MAX_ATTACHMENTS} attachments, not {len(paths)}")
    loaded = []
    for path in paths:
        if path.stat().st_size > MAX_ATTACHMENT:
            raise TooLarge(
                f"{path} is larger than {MAX_ATTACHMENT // 1024**2} MiB",
                hint="Send a smaller version of it, or several parts.",
            )
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        loaded.append(Attachment(path.name, media_type, path.read_bytes()))
    return loaded


@command("attachment")
@click.argument("alert", metavar="ID", shell_complete=alert_ids)
@click.argument("number", type=click.IntRange(min=1), default=1, metavar="[NUMBER]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Where to save it; - is standard output. [default: its own name, in this directory]",
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def attachment(settings: Settings, alert: str, number: int, output: Path | None, force: bool) -> None:
    """Save attachment NUMBER (the first, unless told otherwise) of an alert to a file."""
    node, screen = settings.node(), settings.screen()
    listed = node.alert(alert)["alert"].get("attachments") or []
    if number > len(listed):
        raise NotFound(
            f"alert {alert} has no attachment {number}", hint=f"It has {len(listed)}; see `bearing show {alert}`."
        )
    described: dict[str, Any] = listed[number - 1]
    target = output or Path(safe_name(described["name"], number))
    if str(target) == "-":
        if screen.terminal:
            raise click.UsageError("a file is not written to a terminal; pipe it or name one with --output")
        sys.stdout.buffer.write(node.attachment(alert, number))
        return
    data = node.attachment(alert, number)
    try:
        with target.open("wb" if force else "xb") as file:
            file.write(data)
    except FileExistsError:
        raise click.UsageError(f"{target} is there already; use --force to replace it, or --output") from None
    except OSError as error:
        raise click.FileError(str(target), error.strerror) from error
    screen.note(f"Saved {target} ({len(data)} bytes, {described.get('media_type', 'type not stated')}).")
    if screen.as_json:
        screen.data({"file": str(target), "bytes": len(data)})


def safe_name(name: str, number: int) -> str:
    """A name for a received file that stays in the current directory, hides nothing and starts no option."""
    base = _UNSAFE_IN_NAMES.sub("_", name.replace("\\", "/").rsplit("/", 1)[-1])[:120].strip(" .-")
    return base or f"attachment-{number}"
