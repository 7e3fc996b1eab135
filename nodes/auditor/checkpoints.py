"""The checkpoints of a copy: which are genuine, and whether they all speak of one and the same history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nodes.auditor import findings as found
from nodes.auditor.findings import BROKER, COPY, Finding, Findings
from nodes.auditor.mirror import CHECKPOINT, FORKS, LogFolder, kept_path
from nodes.auditor.text import entries_text
from schemas.errors import BadSignature, CrossbearingError
from schemas.log.checkpoint import Checkpoint, parse_tree, verify_checkpoint
from schemas.log.cosignature import check_signature
from schemas.log.merkle import root
from schemas.log.note import NoteKey, parse_note
from schemas.log.tiles import TileReader, tile_path


@dataclass(slots=True)
class Checkpoints:
    """The genuine checkpoints by size, with the file and the bytes of each."""

    by_size: dict[int, Checkpoint] = field(default_factory=dict)
    files: dict[int, str] = field(default_factory=dict)
    notes: dict[int, bytes] = field(default_factory=dict)

    @property
    def newest(self) -> Checkpoint | None:
        """The largest genuine one."""
        return self.by_size[max(self.by_size)] if self.by_size else None

    def roots(self) -> dict[int, bytes]:
        """The signed roots by size."""
        return {size: checkpoint.root for size, checkpoint in self.by_size.items()}

    def keep(self, file: str, note: bytes, checkpoint: Checkpoint) -> None:
        """Hold a genuine checkpoint."""
        self.by_size[checkpoint.size] = checkpoint
        self.files[checkpoint.size] = file
        self.notes[checkpoint.size] = note


def read_checkpoints(folder: LogFolder, keys: Sequence[NoteKey], findings: Findings) -> Checkpoints:
    """Read every checkpoint of a copy; report those that are missing, altered or not signed by `keys`."""
    held = Checkpoints()
    for size in folder.kept_sizes():
        file = kept_path(size)
        kept = _genuine(folder, file, keys, findings)
        if kept is None:
            continue
        note, checkpoint = kept
        if checkpoint.size != size:
            message = f"the file should hold the checkpoint of {size} entries, and holds that of {checkpoint.size}"
            findings.add(Finding(found.CHECKPOINT_DIFFERS, COPY, message, file))
            continue
        held.keep(file, note, checkpoint)
    current = _genuine(folder, CHECKPOINT, keys, findings)
    if current is not None:
        _compare_copies(held, *current, findings)
    return held


def _genuine(
    folder: LogFolder, file: str, keys: Sequence[NoteKey], findings: Findings
) -> tuple[bytes, Checkpoint] | None:
    if not folder.has(file):
        findings.add(Finding(found.CHECKPOINT_MISSING, COPY, "the folder holds no checkpoint", file))
        return None
    try:
        note = folder.read(file)
        return note, verify_checkpoint(note, keys[0].name, keys)
    except CrossbearingError as error:
        findings.add(Finding(found.CHECKPOINT_UNTRUSTED, COPY, error.message, file))
        return None


def _compare_copies(held: Checkpoints, note: bytes, checkpoint: Checkpoint, findings: Findings) -> None:
    """The newest checkpoint is there twice: both must be the same bytes, and none of the kept ones newer."""
    kept = held.notes.get(checkpoint.size)
    if kept is not None and kept != note:
        pairs = zip(note, kept, strict=False)
        offset = next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(note), len(kept)))
        if held.by_size[checkpoint.size].root != checkpoint.root:
            message = f"the log's key signed two different trees of {checkpoint.size} entries"
            findings.add(Finding(found.FORK, BROKER, message, CHECKPOINT, offset))
            return
        message = f"it is not the same as {kept_path(checkpoint.size)}, byte for byte"
        findings.add(Finding(found.CHECKPOINT_DIFFERS, COPY, message, CHECKPOINT, offset))
    newest = held.newest
    if newest is not None and newest.size > checkpoint.size:
        message = f"it speaks of {checkpoint.size} entries, but {kept_path(newest.size)} is newer"
        findings.add(Finding(found.CHECKPOINT_DIFFERS, COPY, message, CHECKPOINT))
    if kept is None:
        held.keep(CHECKPOINT, note, checkpoint)


def compare_roots(held: Checkpoints, roots: Mapping[int, bytes], findings: Findings) -> bool:
    """Compare the recomputed roots with the signed ones, and say whether the newest checkpoint proves the entries.

    Older genuine checkpoints that contradict proven entries are a fork. Where the newest does not prove the entries,
    the kept ones narrow down where the difference begins.
    """
    roots = {size: computed for size, computed in roots.items() if size in held.by_size}
    bad = sorted(size for size, computed in roots.items() if computed != held.by_size[size].root)
    newest = held.newest
    proven = newest is not None and newest.size in roots and newest.size not in bad
    if proven:
        for size in bad:
            message = f"the checkpoint of {size} entries contradicts the newest one; the log's key signed both"
            findings.add(Finding(found.FORK, BROKER, message, held.files[size]))
    elif bad:
        first = max((size for size in roots if size < bad[0] and size not in bad), default=0)
        where = entries_text(first, bad[0] - 1)
        message = f"the entries do not give the root it signs; the difference begins in {where}"
        last = bad[0] - 1 if bad[0] - 1 > first else None
        findings.add(Finding(found.ROOT_MISMATCH, COPY, message, held.files[bad[0]], None, first, last))
    return proven


def check_other_signers(
    held: Checkpoints, given: Sequence[NoteKey], known: Iterable[NoteKey], findings: Findings
) -> None:
    """Check the signature lines that are not by the keys given: each must be by a key of the directory, and good."""
    by_name = {(key.name, key.key_id): key for key in known}
    checked = {(key.name, key.key_id) for key in given}
    for size, note_bytes in held.notes.items():
        note = parse_note(note_bytes)
        tree = parse_tree(note.text)
        for signature in note.signatures:
            who = (signature.name, signature.key_id)
            if who in checked:
                continue
            offset = note_bytes.find(signature.line.encode())
            key = by_name.get(who)
            if key is None:
                message = f"a signature line names {signature.name}, who is not in the directory"
                findings.add(Finding(found.CHECKPOINT_UNKNOWN_SIGNER, COPY, message, held.files[size], offset))
                continue
            try:
                check_signature(key, note.text, signature.signature, tree=tree)
            except BadSignature:
                message = f"the signature of {signature.name} does not verify"
                findings.add(Finding(found.CHECKPOINT_UNTRUSTED, COPY, message, held.files[size], offset))


def check_forks(folder: LogFolder, held: Checkpoints, keys: Sequence[NoteKey], findings: Findings) -> None:
    """Judge the evidence of forks that `fetch` kept: a checkpoint, and the tiles that show what it contradicts."""
    for name in folder.fork_names():
        base = f"{FORKS}/{name}"
        genuine = _genuine(folder, f"{base}/{CHECKPOINT}", keys, findings)
        if genuine is None:
            continue
        other = genuine[1]
        against = _contradicted(folder, base, other, held)
        if against is None:
            message = "the evidence kept here does not prove a fork: files beside it are missing or altered"
            findings.add(Finding(found.STRAY_FILE, COPY, message, f"{base}/{CHECKPOINT}"))
        else:
            message = f"a checkpoint of {other.size} entries contradicts that of {against}; the log's key signed both"
            findings.add(Finding(found.FORK, BROKER, message, f"{base}/{CHECKPOINT}"))


def _contradicted(folder: LogFolder, base: str, other: Checkpoint, held: Checkpoints) -> int | None:
    """The size of a genuine checkpoint that `other` contradicts, as the stored tiles prove; None if they prove none."""
    evidence = TileReader(
        other.size, lambda level, index, width: folder.read(f"{base}/{tile_path(level, index, width)}")
    )
    for size, checkpoint in sorted(held.by_size.items()):
        try:
            if size < other.size:
                if root(other.size, evidence) == other.root and root(size, evidence) != checkpoint.root:
                    return size
            else:
                tree = TileReader(size, folder.read_tile)
                if root(size, tree) == checkpoint.root and root(other.size, tree) != other.root:
                    return size
        except CrossbearingError:
            continue
    return None
