"""A draft as a folder to be carried between governors.

in-force/                        the repository that the draft changes, so that it can be verified and compared anywhere
root.json, targets.json …        the files of the next version, laid out as in a repository, unsigned
signatures/<role>/<key id>.json  one file for each signature, so that copies of the folder are merged by copying
signed/                          what `publish` put together, so that publishing again publishes the same bytes
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from securesystemslib.signer import Signature  # type: ignore[attr-defined]  # public, but no __all__ names it

from broker.durable import write_durably
from broker.governance.drafting import Draft, Part
from broker.governance.repository import Files, metadata_name, read_files, replay, target_name, used_version
from broker.governance.signing import Signatures, check_signature
from schemas.codec import Fields
from schemas.directory.agency_keys import parse_agency_keys
from schemas.directory.documents import parse_directory
from schemas.directory.history import Directory
from schemas.directory.metadata import ROOT, TARGETS, check_target, read_root, read_targets
from schemas.directory.strict_json import dump_json, load_json
from schemas.errors import BadConfig, BadSignature, CrossbearingError, DirectoryRollback, NotFound

IN_FORCE, SIGNATURES, SIGNED = "in-force", "signatures", "signed"
MAX_SIGNATURE_FILE = 1_024

_HEX = re.compile(r"[0-9a-f]{2,512}")
_KEY_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class OpenDraft:
    """A draft read from its folder: all of it is consistent, and every signature is by someone who may sign."""

    folder: Path
    in_force: Files
    held: Directory | None
    draft: Draft
    signatures: Signatures


def write_draft(folder: Path, draft: Draft, in_force: Files) -> None:
    """Write a new draft folder. Raises `BadConfig` if there is one already or it cannot be written."""
    if folder.exists():
        raise BadConfig(f"{folder} exists already", hint="Choose a new folder for the draft.")
    partial = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(partial, ignore_errors=True)  # left by a crash
        for name, data in in_force.items():
            _write(partial / IN_FORCE / name, data)
        for part in draft.parts:
            _write(partial / metadata_name(part.role), part.metadata.to_bytes())
            if part.role != ROOT:
                _write(partial / target_name(part.role), part.target)
        (partial / SIGNATURES).mkdir(parents=True, exist_ok=True)
        partial.rename(folder)
    except OSError as error:
        raise BadConfig(f"{folder} cannot be written: {error}") from error


def open_draft(folder: Path) -> OpenDraft:
    """Read and check a draft folder. Raises `NotFound`, `BadConfig`, and refusals naming the file at fault."""
    if not (folder / SIGNATURES).is_dir():
        raise NotFound(f"{folder} is not a draft", hint="Name the folder that `directory draft` made.")
    in_force = read_files(folder / IN_FORCE)
    held = replay(in_force)
    draft = Draft(tuple(_parts(read_files(folder), in_force)))
    _ = draft.root, draft.targets  # read as strictly as signed ones will be
    found: dict[str, dict[str, str]] = {}
    for path in sorted((folder / SIGNATURES).glob("*/*")):
        role, signature = path.parent.name, _read_signature(path)
        try:
            check_signature(draft, held, role, signature.keyid, signature.signature)
        except CrossbearingError as error:
            error.args = (f"{path}: {error.message}",)
            error.message = error.args[0]
            raise
        found.setdefault(role, {})[signature.keyid] = signature.signature
    return OpenDraft(folder, in_force, held, draft, found)


def add_signatures(opened: OpenDraft, signatures: Iterable[tuple[str, Signature]]) -> None:
    """Lay signatures into the folder. Raises `BadConfig`."""
    try:
        for role, signature in signatures:
            path = opened.folder / SIGNATURES / role / f"{signature.keyid}.json"
            _write(path, dump_json({"keyid": signature.keyid, "sig": signature.signature}))
    except OSError as error:
        raise BadConfig(f"{opened.folder} cannot be written: {error}") from error


def collect(opened: OpenDraft, other: OpenDraft) -> int:
    """Take over the signatures that lie in another copy of the draft; how many are new.

    Raises `BadSignature` if it is a copy of another draft.
    """
    mine, theirs = ({p.role: p.metadata.signed_bytes for p in o.draft.parts} for o in (opened, other))
    if mine != theirs:
        raise BadSignature(f"{other.folder} is another draft than {opened.folder}")
    fresh = [
        (role, Signature(keyid, signature))
        for role, signatures in other.signatures.items()
        for keyid, signature in signatures.items()
        if keyid not in opened.signatures.get(role, {})
    ]
    add_signatures(opened, fresh)
    return len(fresh)


def _parts(files: Files, in_force: Files) -> Iterable[Part]:
    """The unsigned parts, each the next version of its role."""
    if "root.json" in files:
        root = read_root(files["root.json"])
        _check_next(ROOT, root.signed.version, in_force)
        yield Part(ROOT, root, b"")
    agencies = sorted(name[9:-5] for name in files if name.startswith("metadata/"))
    for role in (TARGETS, *agencies):
        if metadata_name(role) not in files:
            continue
        metadata, target = read_targets(files[metadata_name(role)], role), files.get(target_name(role), b"")
        check_target(metadata, target)
        _check_next(role, metadata.signed.version, in_force)
        if role == TARGETS:
            parse_directory(target)
        else:
            parse_agency_keys(target, role)
        yield Part(role, metadata, target)


def _check_next(role: str, found: int, in_force: Files) -> None:
    used = used_version(in_force, role)
    if found != used + 1:
        raise DirectoryRollback(f"the draft's {role} is version {found}, where {used + 1} comes next")


def _read_signature(path: Path) -> Signature:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadConfig(f"{path} cannot be read: {error}") from error
    if len(data) > MAX_SIGNATURE_FILE:
        raise BadSignature(f"{path} is too long for a signature")
    fields = Fields(load_json(data, str(path)), path.name)
    keyid, signature = fields.text("keyid"), fields.text("sig")
    fields.done()
    if not _KEY_ID.fullmatch(keyid) or not _HEX.fullmatch(signature) or path.name != f"{keyid}.json":
        raise BadSignature(f"{path} is not a signature of the key it is named after")
    return Signature(keyid, signature)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, data)
