"""A small governed world for tests: governors, agencies, their keys, and the bundles that make a directory of them.

All keys come from the published example seeds, so two worlds with the same arguments are the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # public, but no __all__ names it
from tuf.api.metadata import (  # type: ignore[attr-defined]  # public, but no __all__ names them
    DelegatedRole,
    Delegations,
    Role,
    TargetFile,
)

from schemas.carrier.keys import carrier_key
from schemas.directory.documents import (
    Agency,
    AgencyKeys,
    Auditor,
    Broker,
    ByPrecedence,
    DirectoryDocument,
    KeyRecord,
    Limits,
    LogIdentity,
    Operation,
    Region,
    WitnessRecord,
    encode_agency_keys,
    encode_directory,
)
from schemas.directory.history import Directory, DirectoryHistory, genesis_order
from schemas.directory.metadata import DIRECTORY_PATH, Metadata, Root, Targets, agency_path, encode_bundle
from schemas.directory.witnesses import Witnesses
from schemas.example import example_seed
from schemas.ids import sha256
from schemas.keys import MlDsaKey, SealingKey, SigningKey, WitnessKey
from schemas.limits import MAX_BODY, MAX_BYTES_PER_DAY
from schemas.log.entry import DirectoryEntry
from schemas.log.note import ED25519, ML_DSA_44, vkey
from schemas.routing.rules import Rule

DAY_MS = 86_400_000
NOW = 1_790_000_000_000
"""2026-09-21T13:46:40Z: when the worlds begin."""
ORIGIN = "log.crossbearing.test/1"
EXPIRES = datetime(2036, 1, 1, tzinfo=UTC)
GOVERNORS = tuple(f"governor-{number}" for number in range(1, 6))
THRESHOLD = 3

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class RoleBundle:
    """One bundle with the role and the metadata version under which the log announces it."""

    role: str
    version: int
    bundle: bytes


@dataclass
class World:
    """The document and keys as they stand, and the history of what was published so far."""

    document: DirectoryDocument
    keys: dict[str, AgencyKeys]
    signing: dict[str, SigningKey]
    sealing: dict[str, SealingKey]
    log_key: SigningKey
    origin: str = ORIGIN
    trusted_root: bytes = b""
    bundles: list[RoleBundle] = field(default_factory=list)
    entries: list[DirectoryEntry] = field(default_factory=list)
    history: DirectoryHistory = field(default_factory=DirectoryHistory)
    versions: dict[str, int] = field(default_factory=dict)
    administrators: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def directory(self) -> Directory:
        """The newest directory."""
        return self.history.latest

    @property
    def agencies(self) -> tuple[str, ...]:
        """The agencies, sorted."""
        return tuple(sorted(self.document.agencies))

    def publish(self, *roles: str, at: int = NOW, index: int | None = None) -> DirectoryEntry:
        """Sign the next version of each role as the world stands and enter it into the history; the last entry."""
        for role in roles:
            made = self.bundle(role)
            entry = DirectoryEntry(at, len(self.history) + 1, role, made.version, sha256(made.bundle), len(made.bundle))
            where = index if index is not None else len(self.entries)
            self.history.accept(where, entry, made.bundle, trusted_root=self.trusted_root)
            self.versions[role] = made.version
            self.bundles.append(made)
            self.entries.append(entry)
        return self.entries[-1]

    def bundle(
        self,
        role: str,
        *,
        version: int | None = None,
        signers: Sequence[str] | None = None,
        expires: datetime = EXPIRES,
        document: bytes | None = None,
        target: bytes | None = None,
    ) -> RoleBundle:
        """The next bundle of a role, not yet entered; the arguments make faulty ones.

        ``document`` is what the metadata vouches for, ``target`` what is delivered.
        """
        version = self.versions.get(role, 0) + 1 if version is None else version
        if role == "root":
            metadata: Metadata[Root] | Metadata[Targets] = Metadata(root_payload(version, expires))
            target, signers = b"", GOVERNORS[:THRESHOLD] if signers is None else signers
        elif role == "targets":
            document = encode_directory(self.document) if document is None else document
            vouched = TargetFile.from_data(DIRECTORY_PATH, document)
            metadata = Metadata(Targets(version, None, expires, {DIRECTORY_PATH: vouched}, self.delegations()))
            target = document if target is None else target
            signers = GOVERNORS[:THRESHOLD] if signers is None else signers
        else:
            document = encode_agency_keys(self.keys[role]) if document is None else document
            path = agency_path(role)
            metadata = Metadata(Targets(version, None, expires, {path: TargetFile.from_data(path, document)}))
            target = document if target is None else target
            signers = self.administrators[role][:1] if signers is None else signers
        for name in signers:
            metadata.sign(signer(name), append=True)
        return RoleBundle(role, version, encode_bundle(metadata.to_bytes(), target))

    def delegations(self) -> Delegations:
        """One role for each agency, 1 of its administrators."""
        keys = [signer(name).public_key for names in self.administrators.values() for name in names]
        roles = {
            agency: DelegatedRole(
                agency,
                [signer(name).public_key.keyid for name in names],
                1,
                terminating=True,
                paths=[agency_path(agency)],
            )
            for agency, names in self.administrators.items()
        }
        return Delegations({key.keyid: key for key in keys}, roles)

    def change_agency(self, agency: str, **changes: object) -> None:
        """Change fields of an agency in the document; publishing targets brings the change into force."""
        agencies = dict(self.document.agencies)
        agencies[agency] = replace(agencies[agency], **changes)  # type: ignore[arg-type]  # the names are checked by replace
        self.document = replace(self.document, agencies=agencies)


PLENTY = Limits(ByPrecedence(*[60_000] * 4), ByPrecedence(*[MAX_BYTES_PER_DAY] * 4), MAX_BODY)
"""What no test uses up by accident."""


def make_world(
    agency_ids: Iterable[str] = ("au-abf", "hk-customs", "sg-cnb"),
    *,
    rules: Sequence[Rule] = (),
    regions: Mapping[str, Sequence[str]] | None = None,
    operations: Sequence[Operation] | None = None,
    suspended: Sequence[str] = (),
    tls: Mapping[str, tuple[bytes, ...]] | None = None,
    witnesses: Witnesses | None = None,
    carrier: bool = False,
    limits: Limits = PLENTY,
    publish: bool = True,
) -> World:
    """A directory with these agencies, 3 of 5 governors, and every bundle of its beginning published at `NOW`.

    ``regions`` maps a region to its agencies (default: one region ``asia`` of all), ``operations`` defaults to one,
    ``marker``, hosted by the first agency for everyone; ``tls`` gives certificate pins by agency, ``broker`` or
    ``auditor-1`` (default: those of the example TLS seeds as Ed25519 keys). With ``witnesses`` every agency publishes
    its witness keys, and the log has an ML-DSA-44 key too. With ``carrier`` the hub takes files on removable media.
    """
    names = sorted(agency_ids)
    regions = {"asia": names} if regions is None else regions
    if operations is None:
        operations = (Operation("marker", "Operation Marker", names[0], NOW - NOW % DAY_MS, NOW + 365 * DAY_MS, None),)
        operations = tuple(replace(o, ends=o.ends - o.ends % DAY_MS) for o in operations)
    pins = {name: (spki_digest(name),) for name in (*names, "broker", "auditor-1")} | dict(tls or {})
    log_key = SigningKey(example_seed("broker", "log"))
    agencies = {
        name: Agency(
            id=name,
            name=f"Agency {name}",
            country=name[:2].upper(),
            timezone="UTC",
            regions=tuple(region for region, members in regions.items() if name in members),
            status="suspended" if name in suspended else "active",
        )
        for name in names
    }
    log_keys = [vkey(ORIGIN, ED25519, log_key.public)]
    if witnesses is not None:
        log_keys.append(vkey(ORIGIN, ML_DSA_44, MlDsaKey(example_seed("broker", "log-mldsa")).public))
    carrying = carrier_key(example_seed("broker", "log")).public if carrier else b""
    document = DirectoryDocument(
        name="Test directory",
        agencies=agencies,
        regions={region: Region(region, f"Region {region}") for region in regions},
        operations={operation.id: operation for operation in operations},
        rules=tuple(rules),
        limits=limits,
        auditors={"auditor-1": Auditor("auditor-1", "First auditor", pins["auditor-1"])},
        log=LogIdentity(ORIGIN, tuple(log_keys)),
        brokers=(Broker("broker", pins["broker"], carrying),),
        witnesses=witnesses or Witnesses(),
    )
    signing = {name: SigningKey(example_seed(name, "signing")) for name in names}
    sealing = {name: SealingKey(example_seed(name, "sealing")) for name in names}
    keys = {
        name: AgencyKeys(
            name,
            (record(signing[name].public),),
            (record(sealing[name].public),),
            pins[name],
            witness=witness_records(name) if witnesses is not None else (),
        )
        for name in names
    }
    world = World(document, keys, signing, sealing, log_key)
    world.administrators = {name: (f"{name}/administrator-1", f"{name}/administrator-2") for name in names}
    world.trusted_root = root_metadata()
    if publish:
        world.publish(*genesis_order(names))
    return world


def witness_records(name: str) -> tuple[WitnessRecord, ...]:
    """The public halves of an agency's example witness keys."""
    ed25519, ml_dsa = WitnessKey(example_seed(name, "witness")), MlDsaKey(example_seed(name, "witness-pq"))
    return WitnessRecord("ed25519", ed25519.public), WitnessRecord("ml-dsa-44", ml_dsa.public)


def record(public: bytes, *, starts: int = NOW - 30 * DAY_MS, ends: int = NOW + 730 * DAY_MS) -> KeyRecord:
    """An active key around `NOW`."""
    return KeyRecord(public, starts - starts % 1000, ends - ends % 1000)


def signer(name: str) -> CryptoSigner:
    """The signer of a governor (``governor-1``) or of an agency's administrator (``hk-customs/administrator-1``)."""
    holder, _, purpose = name.partition("/")
    return CryptoSigner(Ed25519PrivateKey.from_private_bytes(example_seed(holder, purpose or "governance")))


def spki_digest(name: str) -> bytes:
    """SHA-256 of the SPKI of a name's example TLS key."""
    key = Ed25519PrivateKey.from_private_bytes(example_seed(name, "tls")).public_key()
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def root_payload(version: int = 1, expires: datetime = EXPIRES, threshold: int = THRESHOLD) -> Root:
    """A root in which any ``threshold`` of the governors sign everything."""
    keys = [signer(name).public_key for name in GOVERNORS]
    roles = {
        role: Role([key.keyid for key in keys], threshold) for role in ("root", "targets", "timestamp", "snapshot")
    }
    return Root(version, None, expires, {key.keyid: key for key in keys}, roles, consistent_snapshot=False)


def root_metadata() -> bytes:
    """The signed first root: what a node trusts from the start."""
    metadata = Metadata(root_payload())
    for name in GOVERNORS[:THRESHOLD]:
        metadata.sign(signer(name), append=True)
    return metadata.to_bytes()


def moment(ms: int) -> datetime:
    """A time in ms as TUF metadata holds it."""
    return _EPOCH + timedelta(milliseconds=ms)
