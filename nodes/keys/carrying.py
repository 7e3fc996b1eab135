"""Carries out `bearing keys`: the steps of `nodes.keys.ceremony`, as far as the keys at hand allow."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nodes.keys.words import by_hand, losses, published_words
from nodes.officer.screen import Screen
from nodes.officer.settings import Settings
from schemas.errors import BadConfig, DirectoryThreshold, NotFound, NotReady, Unreachable

if TYPE_CHECKING:
    from nodes.keys.ceremony import Ceremony, Change, Listed
    from nodes.keys.request import Request
    from nodes.keys.rotation import Kind

MAX_BUNDLE_FILE = 2_097_200
"""Bytes of a key document's file: the largest bundle there is."""


def carry_out(
    settings: Settings,
    kinds: Sequence[Kind],
    change: Change,
    *,
    staged: bool,
    life: int,
    admins: tuple[Path, ...],
    admin_passphrase_file: Path | None,
    passphrase_file: Path | None,
    after: int | None = None,
    loss: bool = False,
) -> None:
    """The steps of `nodes.keys.ceremony`, as far as the keys at hand allow; then what is left to do."""
    from nodes.keys.ceremony import Listed

    screen = settings.screen()
    ceremony = _begin(settings, passphrase_file)
    listed = ceremony.listed() if after is None else Listed(after, None)
    held = ceremony.stage(kinds if staged else (), listed.document)
    if after is None:
        ceremony.take_in()
    drafted = ceremony.draft(change, held, listed, life=life)
    if drafted is None:
        _nothing_to_publish(settings, screen, kinds, listed)
        return
    request = add_signatures(*drafted, admins, admin_passphrase_file)
    path = drafted[1]
    answer: dict[str, Any] = {"version": request.version, "file": str(path), "signatures": len(request.signed_by)}
    answer |= {"published": None, "lost": losses(ceremony, kinds, held, listed) if loss else []}
    left = [f"Have it signed: bearing keys sign {path} --admin FILE", f"then: bearing keys publish {path}"]
    if admins:
        try:
            answer["published"], left = ceremony.publish(request), []
        except DirectoryThreshold as refusal:
            left = [f"{refusal.message}. {refusal.hint}", left[1]]
        except (NotReady, Unreachable) as error:
            left = [f"Not published: {error.message}.", by_hand(request, path)]
    elif after is not None:
        left[1] = by_hand(request, path)
    if "tls" in kinds and not loss:
        left.append(f"Have the authority sign {_csr(settings)}, then: bearing keys tls --cert FILE")
    if screen.as_json:
        screen.data({**answer, "left": left})
        return
    screen.note(f"Drafted {path}, version {request.version}.")
    if answer["published"] is not None:
        screen.note(published_words(answer["published"]))
    for sentence in (*answer["lost"], *left):
        screen.note(sentence)


def _nothing_to_publish(settings: Settings, screen: Screen, kinds: Sequence[Kind], listed: Listed) -> None:
    waits = "tls" in kinds and _csr(settings).exists()
    left = [f"Have the authority sign {_csr(settings)}, then: bearing keys tls --cert FILE"] if waits else []
    if screen.as_json:
        screen.data({"version": listed.version, "file": None, "published": None, "lost": [], "left": left})
        return
    screen.note(f"Version {listed.version} of the agency's keys, which is in force, says all this already.")
    for sentence in left:
        screen.note(sentence)


def _begin(settings: Settings, passphrase_file: Path | None) -> Ceremony:
    from nodes.config import load_config
    from nodes.keys.ceremony import Ceremony
    from nodes.passphrase import read_passphrase
    from nodes.ports import system_clock, system_random

    config = load_config(settings.home_path.absolute())
    return Ceremony(config, settings.node(), read_passphrase(passphrase_file), system_clock, system_random)


def add_signatures(request: Request, path: Path, admins: Sequence[Path], passphrase_file: Path | None) -> Request:
    """The request with the signatures of these key files, each written to `path` as soon as it is made."""
    from nodes.durable import write_durably
    from nodes.keys.administrator import read_administrator
    from nodes.keys.request import sign_request

    for file in admins:
        seed = read_administrator(file, admin_passphrase(passphrase_file, what=f"Passphrase of {file}"))
        request = sign_request(request.bundle, seed)
        write_durably(path, request.bundle)
    return request


def _csr(settings: Settings) -> Path:
    from nodes.config import load_config
    from nodes.keys.certificate import certificates

    return certificates(load_config(settings.home_path.absolute()).hub).next_request


def admin_passphrase(file: Path | None, *, what: str = "Passphrase of the key", confirm: bool = False) -> bytes:
    """An administrator's passphrase, from its file or the terminal. Raises as `find_passphrase` does."""
    from nodes.passphrase import find_passphrase

    def ask() -> str:
        return str(click.prompt(what, hide_input=True, confirmation_prompt=confirm, err=True))

    return find_passphrase(file, {}, ask if sys.stdin.isatty() else None)


def read_document(path: Path) -> bytes:
    """A key document's file. Raises `NotFound` and `BadConfig`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BUNDLE_FILE + 1)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_BUNDLE_FILE:
        raise BadConfig(f"{path} is larger than {MAX_BUNDLE_FILE} bytes")
    return data
