"""The whole audit of a fetched log, offline: six steps, none of which trusts the hub or a node.

1 which checkpoints are genuine
2 the tree recomputed from the entries, compared with every stored hash
3 every genuine checkpoint compared with that tree, and the evidence of forks
4 every entry judged under the directory in force at its place
5 signature lines by others, and whether the log's key is the directory's
6 files that do not belong
"""

from __future__ import annotations

from collections.abc import Sequence

from nodes.auditor import findings as found
from nodes.auditor.bundles import bundles_of, read_bundle
from nodes.auditor.checkpoints import (
    Checkpoints,
    check_forks,
    check_other_signers,
    compare_roots,
    read_checkpoints,
)
from nodes.auditor.entry_check import Judge, Place
from nodes.auditor.fetch import expected_files
from nodes.auditor.findings import BROKER, COPY, Finding, Findings
from nodes.auditor.ledger import Ledger
from nodes.auditor.mirror import CHECKPOINT, DIRECTORY, FORKS, LogFolder, kept_path
from nodes.auditor.progress import Progress
from nodes.auditor.report import Report, accounts_of
from nodes.auditor.tree_check import check_tree
from schemas.errors import BadConfig, CrossbearingError
from schemas.log.merkle import EMPTY_ROOT
from schemas.log.note import NoteKey
from schemas.log.tiles import TILE_WIDTH, entries_path


def verify(folder: LogFolder, *, trusted_root: bytes, keys: Sequence[NoteKey], progress: Progress) -> Report:
    """Audit `folder`. `trusted_root` is the governors' first root metadata, `keys` are the log's.

    Everything wrong with the log becomes a finding; raises `BadConfig` only if `keys` cannot be those of one log.
    """
    if not keys or len({key.name for key in keys}) != 1:
        raise BadConfig(
            "the log keys given are not those of one log", hint="Give the vkey that the log's keeper published."
        )
    findings = Findings()
    held = read_checkpoints(folder, keys, findings)
    newest = held.newest
    size = newest.size if newest is not None else 0
    tree = check_tree(folder, size, held.roots(), findings, progress)
    proven = compare_roots(held, tree.roots, findings)
    check_forks(folder, held, keys, findings)
    with Ledger() as ledger:
        judge = Judge(folder, trusted_root, ledger, findings, proven, tree.damaged)
        _judge_all(folder, size, judge, progress)
        _check_keys(held, keys, judge, findings)
        _check_stray_files(folder, size, judge, findings)
        document = judge.history.latest.document if len(judge.history) else None
        agencies = accounts_of(
            ledger.alerts(), judge.receipts, judge.refusals, document.agencies if document is not None else (), findings
        )
    return Report(
        origin=keys[0].name,
        size=size,
        root=newest.root if newest is not None else EMPTY_ROOT,
        proven=proven,
        checkpoints=len(held.by_size),
        directory_version=len(judge.history),
        directory_name=document.name if document is not None else "not established",
        entries=judge.entries,
        unjudged=judge.unjudged,
        first_time=judge.first_time,
        last_time=judge.last_time,
        agencies=agencies,
        findings=findings,
    )


def _judge_all(folder: LogFolder, size: int, judge: Judge, progress: Progress) -> None:
    bundles = list(bundles_of(size))
    for done, (index, width) in enumerate(bundles):
        progress("judging entries", done, len(bundles))
        try:
            bundle = read_bundle(folder, index, width)
        except CrossbearingError:
            judge.unjudged += width  # the tree check reported the file
            continue
        path, offset = entries_path(index, width), 0
        for item, entry in enumerate(bundle.entries):
            judge.judge(Place(index * TILE_WIDTH + item, path, offset), entry)
            offset += 2 + len(entry)
        judge.unjudged += width - len(bundle.entries)


def _check_keys(held: Checkpoints, keys: Sequence[NoteKey], judge: Judge, findings: Findings) -> None:
    if not len(judge.history):
        return
    listed = judge.history.latest.log_keys()
    check_other_signers(held, keys, listed, findings)
    if listed and not judge.lost and not any(key in listed for key in keys):
        message = "the directory that the governors signed lists other keys for this log"
        findings.add(Finding(found.LOG_KEY_UNLISTED, BROKER, message))


def _check_stray_files(folder: LogFolder, size: int, judge: Judge, findings: Findings) -> None:
    belong = expected_files(size) | judge.directory_files | {CHECKPOINT}
    belong |= {kept_path(kept) for kept in folder.kept_sizes()}
    judged_elsewhere = [f"{FORKS}/"]
    if judge.damaged:
        judged_elsewhere.append(f"{DIRECTORY}/")  # a damaged entry may have named the file
    for path in folder.files():
        if path not in belong and not path.startswith(tuple(judged_elsewhere)):
            findings.add(Finding(found.STRAY_FILE, COPY, "nothing in the log refers to it", path))
