"""Takes directory versions to the hub: through its socket while it runs, into its log directly while it does not.

Either way they pass the same admission and become entries of the log. The hub knows bytes again that it has logged, so
handing over a whole repository, again, or after a crash, adds what is missing and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from broker.config import Config
from broker.control import ask
from broker.draft import NewDirectory, Work
from broker.evidence import keep_against_log
from broker.hub import make_committer, open_storage
from broker.recovery import recover
from schemas.codec import Fields, Value
from schemas.directory.metadata import ROOT
from schemas.errors import CrossbearingError, DirectoryConflict, Unreachable


class Bundle(Protocol):
    """One role's files as the log takes them."""

    @property
    def role(self) -> str:
        """root, targets or an agency."""

    @property
    def version(self) -> int:
        """The role's metadata version."""

    @property
    def bundle(self) -> bytes:
        """The canonical bytes."""


def hand_over(config: Config, bundles: Iterable[Bundle], clock: Callable[[], int]) -> int:
    """Have the hub log what it has not logged yet, in the order given; the directory version then in force.

    Raises the first refusal, and `StorageLocked` if a process holds the hub's storage and does not answer.
    """
    try:
        held = Fields(ask(config.control_socket, {"command": "directory"}), "answer").map("roles")
    except Unreachable:
        return _to_stopped(config, bundles, clock)
    answer: Mapping[str, object] = {}
    for new in _offered(bundles, {role: version for role, version in held.items() if isinstance(version, int)}):
        request: dict[str, Value] = {
            "command": "publish",
            "role": new.role,
            "version": new.version,
            "bundle": new.bundle,
        }
        answer = ask(config.control_socket, request)
    version = (answer or ask(config.control_socket, {"command": "status"}))["directory"]
    return version if isinstance(version, int) else 0


def _to_stopped(config: Config, bundles: Iterable[Bundle], clock: Callable[[], int]) -> int:
    with open_storage(config) as storage:
        found = recover(storage.engine, storage.anchor, storage.signer, storage.trusted_root)
        committer = make_committer(storage, config, clock, tree=found.tree, history=found.history, head=found.head)
        for new in _offered(bundles, found.history.latest.versions()):
            (verdict,) = committer.commit([Work("", new)]).verdicts
            if isinstance(verdict, DirectoryConflict):
                keep_against_log(storage.engine, config.evidence, new)
            if isinstance(verdict, CrossbearingError):
                raise verdict
        return found.history.latest.version


def _offered(bundles: Iterable[Bundle], held: Mapping[str, int]) -> list[NewDirectory]:
    """What to offer: all but roots from before the one in force, with which this hub's log may not have begun."""
    return [
        NewDirectory(new.role, new.version, new.bundle)
        for new in bundles
        if new.role != ROOT or new.version >= held[ROOT]
    ]
