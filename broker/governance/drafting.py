"""Makes the next directory version, unsigned, out of the source file and the version in force. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tuf.api.metadata import (  # type: ignore[attr-defined]  # public, but no __all__ names them
    DelegatedRole,
    Delegations,
    Role,
    TargetFile,
)

from broker.governance.source import Source
from schemas.directory import metadata as signed
from schemas.directory.agency_keys import AgencyKeys, encode_agency_keys, parse_agency_keys
from schemas.directory.authority import Quorum
from schemas.directory.documents import encode_directory, parse_directory
from schemas.directory.governed import Governed, administrators_of, governed_by
from schemas.directory.history import Directory
from schemas.directory.metadata import DIRECTORY_PATH, ROOT, TARGETS, Metadata, Root, Targets, agency_path
from schemas.errors import DirectoryExpired, DirectoryInvalid, DirectoryThreshold, UnknownAgency

SPEC_VERSION: Final = "1.0.31"
"""Of the TUF specification; given, so that a newer library writes the same files."""
TOP_LEVEL: Final = ("root", "targets", "timestamp", "snapshot")
"""The format demands all four; the governors hold them all, and the last two sign nothing."""


@dataclass(frozen=True, slots=True)
class Part:
    """One role's next metadata, unsigned, and the target it will vouch for (empty for root)."""

    role: str
    metadata: Metadata[Root] | Metadata[Targets]
    target: bytes

    @property
    def version(self) -> int:
        """The role's metadata version."""
        number: int = self.metadata.signed.version
        return number


@dataclass(frozen=True, slots=True)
class Draft:
    """The parts of a change, in the order in which they come into force: root, targets, agencies."""

    parts: tuple[Part, ...]

    def part(self, role: str) -> Part | None:
        """The part of that role."""
        return next((part for part in self.parts if part.role == role), None)

    @property
    def root(self) -> Metadata[Root] | None:
        """The next root, if the draft has one."""
        part = self.part(ROOT)
        return signed.read_root(part.metadata.to_bytes()) if part is not None else None

    @property
    def targets(self) -> Metadata[Targets] | None:
        """The next targets, if the draft has them."""
        part = self.part(TARGETS)
        return signed.read_targets(part.metadata.to_bytes(), TARGETS) if part is not None else None


def make_draft(
    source: Source,
    held: Directory | None,
    *,
    now: int,
    agency_keys: Iterable[AgencyKeys] = (),
    cut_off: Collection[str] = (),
    used: Callable[[str], int] = lambda _: 0,
) -> Draft:
    """What must be signed for the source to come into force; a draft without parts if nothing changes.

    ``agency_keys`` are key documents that agencies want published. The keys of an agency whose administrators change
    are put to the new administrators, unless the agency is to be ``cut_off``. ``used`` gives the newest version that
    was ever published for an agency.
    Raises `DirectoryExpired` for a date that has passed by `now` (ms), `UnknownAgency`, `DirectoryInvalid`.
    """
    root = _next_root(source, held)
    targets = _next_targets(source, held, renewed=root is not None)
    parts = [Part(ROOT, Metadata(root), b"")] if root is not None else []
    if targets is not None:
        parts.append(Part(TARGETS, Metadata(targets), encode_directory(source.document)))
    delegator = Metadata(targets) if targets is not None else held.targets if held is not None else None
    given = {keys.agency: keys for keys in agency_keys}
    for agency in given:
        if agency not in source.document.agencies:
            raise UnknownAgency(f"there are keys of {agency}, which the source file does not list")
    for agency in sorted(source.document.agencies):
        keys = given.get(agency) or _to_sign_again(agency, held, delegator)
        if keys is None or (agency in cut_off and agency not in given):
            continue
        parts.append(_agency_part(keys, used(agency) + 1, source.agencies_expire))
    for part in parts:
        _check_expiry(part, now)
    return Draft(tuple(parts))


def expected(draft: Draft, held: Directory | None) -> Governed:
    """What will be in force once the draft is signed by all."""
    root = draft.root or (held.root if held is not None else None)
    if root is None:
        raise DirectoryInvalid("a first directory begins with its root")
    before = governed_by(held) if held is not None else None
    targets, document = draft.targets, before.document if before is not None else None
    part = draft.part(TARGETS)
    if part is not None:
        document = parse_directory(part.target)
    in_force = targets or (held.targets if held is not None else None)
    administrators = administrators_of(in_force.signed) if in_force is not None else {}
    newest = {a: p.keys for a, p in held.published.items() if _vouched(a, held, in_force)} if held is not None else {}
    fresh = {p.role: parse_agency_keys(p.target, p.role) for p in draft.parts if p.role not in (ROOT, TARGETS)}
    authority = governed_by(Directory(version=1, root=root))
    return Governed(
        root=authority.root,
        governors=authority.governors,
        root_expires=authority.root_expires,
        document=document,
        document_expires=signed.expiry(in_force) if in_force is not None else None,
        administrators=administrators,
        keys={agency: keys for agency, keys in {**newest, **fresh}.items() if agency in administrators},
    )


def _next_root(source: Source, held: Directory | None) -> Root | None:
    if held is not None:
        now = governed_by(held)
        if now.root == now.governors == source.governors and held.root.signed.expires == source.root_expires:
            return None
    keys = {member.key: member.tuf_key() for member in source.governors.signatories}
    keyids = [key.keyid for key in keys.values()]
    return Root(
        version=1 if held is None else held.root.signed.version + 1,
        spec_version=SPEC_VERSION,
        expires=source.root_expires,
        keys={key.keyid: key for key in keys.values()},
        roles={name: Role(list(keyids), source.governors.threshold) for name in TOP_LEVEL},
        consistent_snapshot=False,
    )


def _next_targets(source: Source, held: Directory | None, *, renewed: bool) -> Targets | None:
    """The next targets; the governors sign them again with every new root, so that they verify under it alone."""
    document = encode_directory(source.document)
    missing = sorted(set(source.document.agencies) - set(source.administrators))
    if missing:
        raise DirectoryInvalid(f"nobody administers {', '.join(missing)}")
    if held is not None and held.targets is not None and not renewed:
        same = source.document == held.document and dict(source.administrators) == governed_by(held).administrators
        if same and held.targets.signed.expires == source.document_expires:
            return None
    return Targets(
        version=1 if held is None or held.targets is None else held.targets.signed.version + 1,
        spec_version=SPEC_VERSION,
        expires=source.document_expires,
        targets={DIRECTORY_PATH: TargetFile.from_data(DIRECTORY_PATH, document, ["sha256"])},
        delegations=_delegations(source.administrators),
    )


def _delegations(administrators: Mapping[str, Quorum]) -> Delegations:
    keys = [member.tuf_key() for quorum in administrators.values() for member in quorum.signatories]
    roles = {
        agency: DelegatedRole(
            agency,
            [member.tuf_key().keyid for member in quorum.signatories],
            quorum.threshold,
            terminating=True,
            paths=[agency_path(agency)],
        )
        for agency, quorum in sorted(administrators.items())
    }
    return Delegations({key.keyid: key for key in keys}, roles)


def _to_sign_again(agency: str, held: Directory | None, delegator: Metadata[Targets] | None) -> AgencyKeys | None:
    """The keys of an agency that count now and would not under the new delegations."""
    if held is None or agency not in held.keys or _vouched(agency, held, delegator):
        return None
    return held.keys[agency]


def _vouched(agency: str, held: Directory, delegator: Metadata[Targets] | None) -> bool:
    if delegator is None or agency not in held.published:
        return False
    try:
        signed.verify_delegate(delegator, agency, held.published[agency].metadata)
    except (DirectoryThreshold, DirectoryInvalid):
        return False
    return True


def _agency_part(keys: AgencyKeys, version: int, expires: datetime) -> Part:
    path, document = agency_path(keys.agency), encode_agency_keys(keys)
    targets = Targets(
        version=version,
        spec_version=SPEC_VERSION,
        expires=expires,
        targets={path: TargetFile.from_data(path, document, ["sha256"])},
    )
    return Part(keys.agency, Metadata(targets), document)


def _check_expiry(part: Part, now: int) -> None:
    if now >= signed.expiry(part.metadata):
        raise DirectoryExpired(
            f"the {part.role} would be expired from the start, on {part.metadata.signed.expires:%Y-%m-%d}",
            hint="Write a later date under `expires` in the source file.",
        )
