"""Where the keystore's passphrase comes from, in this order: option, environment, systemd credential, terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from nodes.private_files import read_private
from schemas.errors import BadConfig

MAX_PASSPHRASE = 1_024  # bytes
ENVIRONMENT = "BEARING_PASSPHRASE_FILE"
CREDENTIALS = "CREDENTIALS_DIRECTORY"  # set by systemd for a unit with LoadCredential= or SetCredential=


def find_passphrase(file: Path | None, environment: Mapping[str, str], ask: Callable[[], str] | None) -> bytes:
    """The passphrase as bytes, without the line break at the end of a file.

    `ask` prompts a person and is None when there is no terminal. Raises BadConfig when there is no source or the
    passphrase is empty, NotFound and OpenPermissions for the file.
    """
    if file is None and ENVIRONMENT in environment:
        file = Path(environment[ENVIRONMENT])
    if file is None and CREDENTIALS in environment:
        candidate = Path(environment[CREDENTIALS]) / "passphrase"
        file = candidate if candidate.exists() else None
    if file is not None:
        passphrase = read_private(file, max_size=MAX_PASSPHRASE, what="passphrase file").removesuffix(b"\n")
    elif ask is not None:
        passphrase = ask().encode()
    else:
        raise BadConfig(
            "there is no passphrase for the keystore",
            hint=f"give --passphrase-file, set {ENVIRONMENT}, or run on a terminal",
        )
    if not passphrase:
        raise BadConfig("the keystore's passphrase is empty")
    return passphrase


def read_passphrase(file: Path | None, *, confirm: bool = False) -> bytes:
    """The passphrase for a command: from `file`, this process's environment, or its terminal. Raises as above.

    With `confirm` a person types it twice, as for a new keystore.
    """

    def prompt() -> str:
        return str(click.prompt("Passphrase of the keystore", hide_input=True, confirmation_prompt=confirm, err=True))

    return find_passphrase(file, os.environ, prompt if sys.stdin.isatty() else None)
