"""The agency's keys as the local API offers them: how they stand, take in new ones, publish a document."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from nodes.config import NodeConfig
from nodes.identity import Identity, refuse_example_keys
from nodes.keys.publication import Publications
from nodes.keys.renewal import RenewingLink
from nodes.keys.request import check_signatures, read_request
from nodes.keys.rotation import Held, check_holds, held_keys
from nodes.keys.watch import KeyWatch
from nodes.keystore import Seeds, read_keystore
from nodes.ports import Clock
from nodes.standing import Standing
from nodes.store.store import Store
from schemas.directory.agency_keys import AgencyKeys, KeyRecord, encode_agency_keys
from schemas.directory.authority import quorum_of
from schemas.directory.metadata import decode_bundle, expiry, read_targets
from schemas.directory.state import apply_bundle
from schemas.errors import NotReady, Refusal, WrongSender, WrongState
from schemas.ids import key_id
from schemas.session.frames import Publish

if TYPE_CHECKING:
    from nodes.keys.request import Request
    from schemas.directory.state import Directory

PATIENCE: Final = 10.0
"""Seconds that an accepted document may take to come back in the directory, and a new certificate to be taken up."""


class KeyService:
    """What a running node does about its agency's keys."""

    def __init__(
        self,
        *,
        config: NodeConfig,
        store: Store,
        standing: Standing,
        identity: Identity,
        seeds: Seeds,
        publications: Publications,
        watch: KeyWatch,
        renewal: RenewingLink | None,
        clock: Clock,
    ) -> None:
        self._config = config
        self._store = store
        self._standing = standing
        self._identity = identity
        self._seeds = seeds
        self._publications = publications
        self._watch = watch
        self._renewal = renewal
        self._clock = clock

    def _held(self) -> Held:
        return held_keys(self._seeds, () if self._renewal is None else self._renewal.files.pins())

    async def view(self) -> dict[str, Any]:
        """`GET /v1/keys`: every key listed or held, and who may sign the next document."""
        try:
            directory: Directory | None = self._standing.directory
        except NotReady:
            directory = None
        agency = self._config.agency
        published = directory.published.get(agency) if directory is not None else None
        return {
            "agency": agency,
            "directory": self._standing.version,
            "version": 0 if published is None else published.metadata.signed.version,
            "expires": None if published is None else expiry(published.metadata),
            "document": None if published is None else encode_agency_keys(published.keys).decode(),
            "dropped": None if directory is None else directory.dropped.get(agency),
            "administrators": _administrators(directory, agency),
            "keys": list(_key_views(None if published is None else published.keys, self._held(), self._clock())),
            "certificate": self._certificate(),
        }

    async def reload(self, passphrase: bytes) -> dict[str, Any]:
        """`POST /v1/keys/reload`: take in the keys that were added to the keystore file.

        Raises what `read_keystore` raises, and `WrongState` when the file is another node's.
        """
        config = self._config
        seeds = await asyncio.to_thread(read_keystore, config.keystore, passphrase)
        if (seeds.agency, seeds.database) != (self._seeds.agency, self._seeds.database):
            raise WrongState(
                f"{config.keystore} is another keystore than the one this node runs on",
                hint="Put the right file back, or restart the node if the change is meant.",
            )
        refuse_example_keys(seeds, config.hub.host)
        self._identity.adopt(seeds)
        self._seeds = seeds
        self._watch.poke()
        return await self.view()

    async def publish(self, bundle: bytes) -> dict[str, Any]:
        """`POST /v1/keys/publish`: bring a signed document into force; done when this node holds it.

        Looks at it as the hub will, and at what this node holds; what is in force already needs no hub.
        Raises the directory's refusals, `WrongSender`, `UnknownKey`, `Unreachable`, and what the hub answers.
        """
        request = read_request(bundle)
        if request.agency != self._config.agency:
            raise WrongSender(f"the document is of {request.agency}, this node is of {self._config.agency}")
        directory = self._standing.directory
        if _in_force(directory, request):
            return {"index": None, "version": request.version, "directory": directory.version}
        self._check(directory, request)
        index = await self._publications.publish(Publish(request.agency, request.version, bundle))
        return {"index": index, "version": request.version, "directory": await self._arrived(request)}

    def _check(self, directory: Directory, request: Request) -> None:
        now = self._clock()
        check_holds(request.keys, self._held(), now=now)
        if directory.targets is not None:
            check_signatures(request.bundle, directory.targets)
        apply_bundle(
            directory,
            request.agency,
            request.version,
            request.bundle,
            at=now,
            trusted_root=self._standing.trusted_root,
        )

    async def _arrived(self, request: Request) -> int | None:
        """The directory version in which the document is in force here; None when it takes too long."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    seen = self._store.revision("directory")
                    directory = self._standing.directory
                    published = directory.published.get(request.agency)
                    if published is not None and published.metadata.signed.version >= request.version:
                        return directory.version
                    await self._store.wait("directory", seen)
        except TimeoutError:
            return None

    async def renew(self) -> dict[str, Any]:
        """`POST /v1/keys/certificate`: take up the certificate that was put beside the next key, as soon as it may be.

        Raises the hub's refusal of it.
        """
        renewal = self._renewal
        if renewal is None:
            raise WrongState("this node has no certificate of its own to renew")
        renewal.problem = None
        self._watch.poke()
        try:
            async with asyncio.timeout(PATIENCE):
                while renewal.due:
                    if renewal.problem is not None:
                        raise renewal.problem
                    await renewal.changed()
        except TimeoutError:
            pass
        return self._certificate()

    def _certificate(self) -> dict[str, Any]:
        renewal = self._renewal
        if renewal is None:
            return {"state": "none", "problem": None}
        if renewal.files.installed:
            state = "waits for the hub" if renewal.due else "waits to be listed"
        else:
            state = "waits for the authority" if renewal.files.next_key.exists() else "in use"
        return {"state": state, "problem": None if renewal.problem is None else renewal.problem.message}


def _in_force(directory: Directory, request: Request) -> bool:
    published = directory.published.get(request.agency)
    if published is None:
        return False
    metadata = read_targets(decode_bundle(request.bundle).metadata, request.agency)
    return published.metadata.signed_bytes == metadata.signed_bytes


def _administrators(directory: Directory | None, agency: str) -> dict[str, Any] | None:
    if directory is None or directory.targets is None:
        return None
    try:
        quorum = quorum_of(directory.targets.signed, agency)
    except Refusal:
        return None
    return {"threshold": quorum.threshold, "names": [who.name for who in quorum.signatories]}


def _key_views(listed: AgencyKeys | None, held: Held, now: int) -> Iterator[dict[str, Any]]:
    signing, sealing = (listed.signing, listed.sealing) if listed is not None else ((), ())
    yield from _records("signing", signing, held.signing, now)
    yield from _records("sealing", sealing, held.sealing, now)
    pins = () if listed is None else listed.tls
    for pin in dict.fromkeys((*pins, *held.tls)):
        state = "in use" if pin in held.tls[:1] else "next" if pin in held.tls else "overlap"
        yield _view("tls", pin.hex()[:16], None, state if pin in pins else "not published", held=pin in held.tls)
    witness = () if listed is None else listed.witness
    for record in dict.fromkeys((*witness, *held.witness)):
        state = ("in use" if record in held.witness else "overlap") if record in witness else "not published"
        yield _view("witness", key_id(record.public).hex(), None, state, held=record in held.witness)


def _records(kind: str, listed: Sequence[KeyRecord], held: Sequence[bytes], now: int) -> Iterator[dict[str, Any]]:
    valid = [record for record in listed if record.valid(now)]
    newest = max(valid, key=lambda record: (record.not_before, record.key_id), default=None)
    for record in listed:
        if record.status == "retired":
            state = "retired"
        elif record is newest:
            state = "in use"
        elif record in valid:
            state = "overlap"
        else:
            state = "ended" if record.not_after <= now else "not begun"
        yield _view(kind, record.key_id.hex(), record, state, held=record.public in held)
    known = {record.public for record in listed}
    for public in held:
        if public not in known:
            yield _view(kind, key_id(public).hex(), None, "not published", held=True)


def _view(kind: str, name: str, record: KeyRecord | None, state: str, *, held: bool) -> dict[str, Any]:
    return {
        "kind": kind,
        "id": name,
        "not_before": None if record is None else record.not_before,
        "not_after": None if record is None else record.not_after,
        "state": state,
        "held": held,
    }
