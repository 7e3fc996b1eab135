"""What an agency's operator does about its keys, step by step; each step is durable before the next begins.

    1 the new keys are added to the keystore        (one file, written whole)
    2 the running node takes them in                (it can open what is sealed for them)
    3 the next key document is drafted              (one file, in HOME/keys)
    4 the administrators sign it                    (the same file, written whole, here or elsewhere)
    5 the node publishes it                         (the log has it or has not)
    6 a new certificate is taken up                 (see `nodes.keys.certificate`)

Nothing says how far a rotation came but the keystore, the file and the directory themselves. So after a crash anywhere
the same command is given again: a key that is held and not listed is used and no other one made, a document is drafted
anew, and one that is in force already counts as published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from nodes.client import NodeClient
from nodes.config import NodeConfig
from nodes.durable import write_durably
from nodes.keys.certificate import certificates, make_next
from nodes.keys.request import Request, draft_request, read_request
from nodes.keys.rotation import LIFE_MS, Held, Kind, held_keys, is_staged
from nodes.keystore import Seeds, read_keystore, with_fresh, write_keystore
from nodes.lock import home_lock
from nodes.ports import Clock, Random
from schemas.directory.agency_keys import AgencyKeys, parse_agency_keys
from schemas.errors import DirectoryInvalid, NotReady
from schemas.ids import key_id

FOLDER: Final = "keys"
"""Of the home: key documents on their way."""
LOCK: Final = "keys.lock"

Change = Callable[[AgencyKeys, Held], AgencyKeys]
"""The next document, from the one in force and the keys held."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What the directory in force says of the agency; `document` is None at a node that never met the hub."""

    version: int
    document: AgencyKeys | None


class Ceremony:
    """The steps at one node's home. `passphrase` opens its keystore."""

    def __init__(self, config: NodeConfig, node: NodeClient, passphrase: bytes, clock: Clock, random: Random) -> None:
        self._config = config
        self._node = node
        self._passphrase = passphrase
        self._clock = clock
        self._random = random

    def listed(self) -> Listed:
        """What is in force, as the running node holds it. Raises `Unreachable`, and `NotReady` before the first."""
        view = self._node.keys()
        if view["document"] is None:
            raise NotReady(
                "this node holds no key document of its agency to start from",
                hint="Wait until it has met the hub once; if its keys are lost: bearing keys emergency --after N.",
            )
        return Listed(view["version"], parse_agency_keys(str(view["document"]).encode(), self._config.agency))

    def stage(self, kinds: Sequence[Kind], listed: AgencyKeys | None) -> Held:
        """Steps 1 and 2: have a new key of each of `kinds`, in the keystore and in the running node.

        A key that is held already and not listed is taken for the new one. Raises what reading the keystore raises,
        `StorageLocked` while another such command runs, `Unreachable`.
        """
        config = self._config
        with home_lock(config.home / LOCK, hint="wait until the other `bearing keys` command has ended"):
            seeds = read_keystore(config.keystore, self._passphrase)
            grown = with_fresh(seeds, [kind for kind in kinds if self._lacks(kind, seeds, listed)], self._random)
            if grown != seeds:
                write_keystore(config.keystore, grown, self._passphrase, self._random)
            if "tls" in kinds:
                make_next(certificates(config.hub), config.agency)
        return self._held(grown)

    def take_in(self) -> None:
        """Step 2: have the running node take in what the keystore holds now. Raises `Unreachable`, `WrongState`."""
        self._node.reload_keys(self._passphrase)

    def held(self) -> Held:
        """The public side of what the keystore and the certificate files hold. Raises as `stage` does."""
        return self._held(read_keystore(self._config.keystore, self._passphrase))

    def draft(self, change: Change, held: Held, listed: Listed, *, life: int = LIFE_MS) -> tuple[Request, Path] | None:
        """Step 3: the next document, and the file it lies in; None when it would change nothing.

        A document of the same keys that is signed already is not drafted again: two signed files under one version
        would be held against whoever signed them.
        """
        keys = change(listed.document or AgencyKeys(held.agency, (), (), ()), held)
        if keys == listed.document:
            return None
        folder = self._config.home / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{held.agency}-{listed.version + 1}.bundle"
        earlier = _signed_earlier(path)
        if earlier is not None and _same_keys(earlier.keys, keys):
            return earlier, path
        request = draft_request(keys, version=listed.version + 1, expires=self._clock() + life)
        write_durably(path, request.bundle)
        return request, path

    def publish(self, request: Request) -> dict[str, Any]:
        """Step 5. Raises what the directory, this node or the hub has against it; `Unreachable`."""
        return self._node.publish_keys(request.bundle)

    def lost(self, held: Held, listed: AgencyKeys | None) -> tuple[str, ...]:
        """The ids of sealing keys that are listed and not held here: what was sealed for them cannot be opened."""
        records = listed.sealing if listed is not None else ()
        return tuple(key_id(record.public).hex() for record in records if record.public not in held.sealing)

    def _lacks(self, kind: Kind, seeds: Seeds, listed: AgencyKeys | None) -> bool:
        return listed is not None and not is_staged(kind, self._held(seeds), listed)

    def _held(self, seeds: Seeds) -> Held:
        return held_keys(seeds, certificates(self._config.hub).pins())


def _signed_earlier(path: Path) -> Request | None:
    """The document in that file, if somebody signed it."""
    try:
        found = read_request(path.read_bytes())
    except (FileNotFoundError, DirectoryInvalid):
        return None
    return found if found.signed_by else None


def _same_keys(one: AgencyKeys, other: AgencyKeys) -> bool:
    """Whether two documents say the same but for the dates of keys."""
    return (
        [(r.public, r.status) for r in one.signing] == [(r.public, r.status) for r in other.signing]
        and [(r.public, r.status) for r in one.sealing] == [(r.public, r.status) for r in other.sealing]
        and replace(one, signing=other.signing, sealing=other.sealing) == other
    )
