"""The directory in force: an immutable value, changed only by `apply_bundle`.

`apply_bundle` is a pure function, so that hub, nodes and auditors who replay the same log hold the same directory. It
accepts a bundle in these steps, the same for every role:

    1 the bundle and its metadata decode strictly
    2 the version is the one announced, and grows: by exactly one for root, by any number for the others; another file
      under the version held, signed by enough, is a conflict, to be kept as evidence
    3 enough keys signed (for root: by the old and by the new root)
    4 neither it nor the metadata that delegates to it is expired at the time of entry
    5 the target is the file vouched for, and reads without fault
    6 it contradicts nothing else that is in force
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from schemas.directory import metadata as signed
from schemas.directory.agency_keys import AgencyKeys, KeyRecord, parse_agency_keys
from schemas.directory.documents import Agency, DirectoryDocument, parse_directory
from schemas.directory.metadata import ROOT, TARGETS, Bundle, Metadata, Root, Targets
from schemas.errors import (
    DirectoryConflict,
    DirectoryInvalid,
    DirectoryRefusal,
    DirectoryRollback,
    DirectoryThreshold,
    KeyNotValid,
    KeyRetired,
    NotPinned,
    UnknownAgency,
    UnknownKey,
)
from schemas.log.note import NoteKey, parse_vkey


@dataclass(frozen=True, slots=True)
class Published:
    """The newest metadata an agency published, with the keys it vouches for."""

    metadata: Metadata[Targets]
    keys: AgencyKeys


class Holder(NamedTuple):
    """Whose a key or a certificate is."""

    kind: Literal["agency", "auditor", "broker", "witness"]
    id: str


def _nothing() -> Mapping[Any, Any]:
    return MappingProxyType({})


@lru_cache(maxsize=16)
def _log_key(text: str) -> NoteKey:
    """The key that a document gives as text: a log has one or two, and every checkpoint is checked against them."""
    return parse_vkey(text)


@dataclass(frozen=True, slots=True, eq=False)
class Directory:
    """The directory after ``version`` accepted entries of the log; made by `apply_bundle` alone.

    ``document`` is None until the governors' first targets metadata. ``published`` is the newest document of each
    agency; ``keys`` those of them that the delegations in force vouch for, and ``dropped`` says why the others are not.
    """

    version: int
    root: Metadata[Root]
    since: int = 0
    """When it came into force: the time (ms) of the entry that made it."""
    targets: Metadata[Targets] | None = None
    document: DirectoryDocument | None = None
    published: Mapping[str, Published] = field(default_factory=_nothing)
    keys: Mapping[str, AgencyKeys] = field(default_factory=_nothing)
    dropped: Mapping[str, str] = field(default_factory=_nothing)
    _holders: Mapping[bytes, Holder] = field(default_factory=_nothing)

    def require_document(self) -> DirectoryDocument:
        """The governors' document. Raises `DirectoryInvalid` while there is none."""
        if self.document is None:
            raise DirectoryInvalid(
                "the directory has no document yet", hint="Wait for the log's first directory entries."
            )
        return self.document

    def agency(self, agency: str) -> Agency:
        """The agency of that id. Raises `UnknownAgency`."""
        found = self.document.agencies.get(agency) if self.document is not None else None
        if found is None:
            raise UnknownAgency(f"there is no agency {agency[:80]!a} in directory version {self.version}")
        return found

    def is_active(self, agency: str) -> bool:
        """Whether the agency exists and may use the exchange."""
        found = self.document.agencies.get(agency) if self.document is not None else None
        return found is not None and found.status == "active"

    def signing_key(self, agency: str, key_id: bytes, at: int) -> bytes:
        """The Ed25519 public key that ``key_id`` names, if valid at ``at`` (ms).

        Raises `UnknownAgency`, `UnknownKey`, `KeyRetired` or `KeyNotValid`.
        """
        self.agency(agency)
        keys = self.keys.get(agency)
        for record in keys.signing if keys is not None else ():
            if record.key_id == key_id:
                if record.status == "retired":
                    raise KeyRetired(f"the signing key {key_id.hex()} of {agency} is retired")
                if not record.valid(at):
                    raise KeyNotValid(f"the signing key {key_id.hex()} of {agency} is not valid at {at} ms")
                return record.public
        raise UnknownKey(f"directory version {self.version} lists no signing key {key_id.hex()} of {agency}")

    def sealing_key(self, agency: str, at: int) -> KeyRecord:
        """The newest sealing key of an agency that is valid at ``at`` (ms). Raises as `signing_key` does."""
        self.agency(agency)
        keys = self.keys.get(agency)
        if keys is None or not keys.sealing:
            raise UnknownKey(f"directory version {self.version} lists no sealing key of {agency}")
        valid = [record for record in keys.sealing if record.valid(at)]
        if not valid:
            raise KeyNotValid(f"no sealing key of {agency} is valid at {at} ms")
        return max(valid, key=lambda record: (record.not_before, record.key_id))

    def agency_by_tls(self, spki: bytes) -> str:
        """The agency that a certificate's key (SHA-256 of its SPKI) is pinned for. Raises `NotPinned`."""
        return self._pinned(spki, "agency")

    def auditor_by_tls(self, spki: bytes) -> str:
        """The auditor that a certificate's key (SHA-256 of its SPKI) is pinned for. Raises `NotPinned`."""
        return self._pinned(spki, "auditor")

    def log_keys(self) -> tuple[NoteKey, ...]:
        """The keys that sign the log's checkpoints; none before the governors' first document."""
        return tuple(map(_log_key, self.document.log.keys)) if self.document is not None else ()

    def expires(self) -> dict[str, int]:
        """When the metadata of each role expires (ms). Nothing in force ends then, but a successor must come first."""
        held = {agency: signed.expiry(published.metadata) for agency, published in self.published.items()}
        if self.targets is not None:
            held[TARGETS] = signed.expiry(self.targets)
        return {**held, ROOT: signed.expiry(self.root)}

    def versions(self) -> dict[str, int]:
        """The metadata version of each role that was published."""
        found = {agency: published.metadata.signed.version for agency, published in self.published.items()}
        if self.targets is not None:
            found[TARGETS] = self.targets.signed.version
        return {**found, ROOT: self.root.signed.version}

    def _pinned(self, spki: bytes, kind: str) -> str:
        holder = self._holders.get(spki)
        if holder is None or holder.kind != kind:
            raise NotPinned(f"the certificate key {spki.hex()[:64]} is pinned for no {kind}")
        return holder.id


def apply_bundle(
    directory: Directory | None, role: str, version: int, bundle: bytes, *, at: int, trusted_root: bytes
) -> Directory:
    """The directory after one more accepted bundle; ``directory`` itself stays as it is.

    ``role`` is ``root``, ``targets`` or an agency id, ``version`` that role's metadata version as announced, ``at`` the
    time of entry (ms). The first bundle (``directory`` None) must be the root whose exact metadata bytes are trusted.
    Raises `DirectoryThreshold`, `DirectoryRollback`, `DirectoryConflict`, `DirectoryExpired` or `DirectoryInvalid`,
    each with the ``role``.
    """
    try:
        parts = signed.decode_bundle(bundle)
        if directory is None:
            return _first_root(role, version, parts, at, trusted_root)
        if role == ROOT:
            return _apply_root(directory, version, parts, at)
        if role == TARGETS:
            return _apply_targets(directory, version, parts, at)
        return _apply_agency(directory, role, version, parts, at)
    except DirectoryRefusal as refusal:
        refusal.context.setdefault("role", role[:80])
        raise


def _first_root(role: str, version: int, bundle: Bundle, at: int, trusted_root: bytes) -> Directory:
    if role != ROOT or bundle.metadata != trusted_root:
        raise DirectoryInvalid(
            "the log does not begin with the root metadata trusted here",
            hint="Compare the root file with the governors'.",
        )
    root = signed.read_root(bundle.metadata)
    _check_version(root, ROOT, version, held=None)
    signed.verify_root(root, None)
    signed.check_expiry(root, ROOT, at)
    _check_no_target(bundle)
    return Directory(version=1, root=root, since=at)


def _apply_root(directory: Directory, version: int, bundle: Bundle, at: int) -> Directory:
    root = signed.read_root(bundle.metadata)
    _check_conflict(root, ROOT, directory.root, directory.root)
    _check_version(root, ROOT, version, held=directory.root)
    signed.verify_root(root, directory.root)
    signed.check_expiry(root, ROOT, at)
    _check_no_target(bundle)
    return replace(directory, version=directory.version + 1, root=root, since=at)


def _apply_targets(directory: Directory, version: int, bundle: Bundle, at: int) -> Directory:
    targets = signed.read_targets(bundle.metadata, TARGETS)
    _check_conflict(targets, TARGETS, directory.targets, directory.root)
    _check_version(targets, TARGETS, version, held=directory.targets)
    signed.verify_delegate(directory.root, TARGETS, targets)
    signed.check_expiry(directory.root, ROOT, at)
    signed.check_expiry(targets, TARGETS, at)
    signed.check_target(targets, bundle.target)
    document = parse_directory(bundle.target)
    delegated = signed.delegated_agencies(targets)
    if delegated != tuple(sorted(document.agencies)):
        odd = sorted(set(delegated) ^ set(document.agencies))
        raise DirectoryInvalid(f"the delegations and the agencies of directory.json differ in {', '.join(odd)[:200]}")
    return _settle(directory, targets, document, directory.published, at)


def _apply_agency(directory: Directory, agency: str, version: int, bundle: Bundle, at: int) -> Directory:
    if directory.targets is None or directory.document is None:
        raise DirectoryInvalid("an agency's keys come before the governors' first targets metadata")
    if agency not in directory.document.agencies:
        raise DirectoryInvalid(f"{agency[:80]!a} is neither root, targets nor an agency of the directory")
    metadata = signed.read_targets(bundle.metadata, agency)
    before = directory.published.get(agency)
    held = before.metadata if before is not None else None
    _check_conflict(metadata, agency, held, directory.targets)
    _check_version(metadata, agency, version, held=held)
    signed.verify_delegate(directory.targets, agency, metadata)
    signed.check_expiry(directory.root, ROOT, at)
    signed.check_expiry(directory.targets, TARGETS, at)
    signed.check_expiry(metadata, agency, at)
    signed.check_target(metadata, bundle.target)
    published = Published(metadata, parse_agency_keys(bundle.target, agency))
    _check_requests(published.keys, directory.document)
    newest = {**directory.published, agency: published}
    return _settle(directory, directory.targets, directory.document, newest, at)


def _check_requests(keys: AgencyKeys, document: DirectoryDocument) -> None:
    """A request names regions there are. One whose region the governors remove later asks for nothing there."""
    for request in keys.requests:
        for region in request.regions:
            if region not in document.regions:
                raise DirectoryInvalid(
                    f"request {request.id} of {keys.agency} names region {region}, which is not defined"
                )


def _settle(
    directory: Directory,
    targets: Metadata[Targets],
    document: DirectoryDocument,
    published: Mapping[str, Published],
    at: int,
) -> Directory:
    """The next version, in which exactly those agency keys count that the delegations in force vouch for."""
    keys: dict[str, AgencyKeys] = {}
    dropped: dict[str, str] = {}
    for agency, newest in published.items():
        try:
            signed.verify_delegate(targets, agency, newest.metadata)
            keys[agency] = newest.keys
        except (DirectoryThreshold, DirectoryInvalid) as refusal:
            dropped[agency] = refusal.message
    return replace(
        directory,
        version=directory.version + 1,
        since=at,
        targets=targets,
        document=document,
        published=MappingProxyType(dict(published)),
        keys=MappingProxyType(keys),
        dropped=MappingProxyType(dropped),
        _holders=_holders(document, keys),
    )


def _holders(document: DirectoryDocument, keys: Mapping[str, AgencyKeys]) -> Mapping[bytes, Holder]:
    """Who holds each key and certificate. Raises `DirectoryInvalid` if one would be two parties'."""
    found: dict[bytes, Holder] = {}
    for holder, item in _held(document, keys):
        if found.setdefault(item, holder) != holder:
            raise DirectoryInvalid(f"{item.hex()[:64]} is listed for both {found[item].id} and {holder.id}")
    return MappingProxyType(found)


def _held(document: DirectoryDocument, keys: Mapping[str, AgencyKeys]) -> Iterator[tuple[Holder, bytes]]:
    for agency, held in keys.items():
        holder = Holder("agency", agency)
        yield from ((holder, record.public) for record in (*held.signing, *held.sealing))
        yield from ((holder, record.public) for record in held.witness)
        yield from ((holder, pin) for pin in held.tls)
    for auditor in document.auditors.values():
        yield from ((Holder("auditor", auditor.id), pin) for pin in auditor.tls)
    for broker in document.brokers:
        yield from ((Holder("broker", broker.id), pin) for pin in broker.tls)
    for witness in document.witnesses.outside:
        yield Holder("witness", witness.id), witness.key.public


def _check_conflict(
    metadata: Metadata[Root] | Metadata[Targets],
    role: str,
    held: Metadata[Root] | Metadata[Targets] | None,
    delegator: Metadata[Root] | Metadata[Targets],
) -> None:
    """Two files under one version, both signed by enough of those in force, convict who signed them twice."""
    if held is None or metadata.signed.version != held.signed.version or metadata.signed_bytes == held.signed_bytes:
        return
    try:
        signed.verify_delegate(delegator, role, metadata)
    except (DirectoryThreshold, DirectoryInvalid):
        return  # it proves nothing, and is refused for its version
    raise DirectoryConflict(f"there are two different files signed as {role} version {held.signed.version}")


def _check_version(
    metadata: Metadata[Root] | Metadata[Targets],
    role: str,
    announced: int,
    held: Metadata[Root] | Metadata[Targets] | None,
) -> None:
    found = metadata.signed.version
    if found != announced:
        raise DirectoryInvalid(f"{role} is announced as version {announced} and is version {found}")
    if held is None:
        return
    follows = found == held.signed.version + 1 if role == ROOT else found > held.signed.version
    if not follows:
        raise DirectoryRollback(f"{role} version {found} does not follow version {held.signed.version}")


def _check_no_target(bundle: Bundle) -> None:
    if bundle.target:
        raise DirectoryInvalid("a root bundle carries a target file")
