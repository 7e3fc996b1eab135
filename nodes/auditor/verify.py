"""The whole audit of a fetched log, offline: seven steps, none of which trusts the hub or a node.

1 which checkpoints are genuine, the copy's own and those that others saw
2 the tree recomputed from the entries, compared with every stored hash
3 every genuine checkpoint compared with that tree, and the evidence of forks
4 the directories established from the entries that announce them
5 every entry judged under the directory in force at its place, and held against those before it
6 signature lines by others, and whether the log's key is the directory's
7 files that do not belong
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nodes.auditor import findings as found
from nodes.auditor.checkpoints import (
    Checkpoints,
    check_forks,
    check_other_signers,
    compare_roots,
    read_checkpoints,
)
from nodes.auditor.cosignature_check import every_witness_key, judge_witnessing
from nodes.auditor.entry_check import Judge
from nodes.auditor.fetch import expected_files
from nodes.auditor.findings import BROKER, COPY, Finding, Findings
from nodes.auditor.ledger import Ledger
from nodes.auditor.mirror import CHECKPOINT, DIRECTORY, FORKS, LogFolder, kept_path
from nodes.auditor.progress import Progress
from nodes.auditor.report import Report, accounts_of
from nodes.auditor.seen import compare_seen, read_seen
from nodes.auditor.tree_check import check_tree
from nodes.auditor.workers import Grounds, survey_all
from schemas.errors import BadConfig
from schemas.log.merkle import EMPTY_ROOT
from schemas.log.note import NoteKey
from schemas.log.tiles import TILE_WIDTH


@dataclass(frozen=True, slots=True)
class Question:
    """What an audit starts from. `trusted_root` is the governors' first root metadata, `keys` are the log's."""

    trusted_root: bytes
    keys: Sequence[NoteKey]
    seen: Sequence[tuple[str, bytes]] = ()
    """Checkpoint notes that others saw, with the names of their files."""
    party: str | None = None
    """Report only what concerns this agency."""
    workers: int = 1
    """Processes that check signatures."""

    def __post_init__(self) -> None:
        if not self.keys or len({key.name for key in self.keys}) != 1:
            raise BadConfig(
                "the log keys given are not those of one log", hint="Give the vkey that the log's keeper published."
            )


@dataclass(frozen=True, slots=True)
class Audited:
    """The outcome, and the ledger of all alerts it rests on."""

    report: Report
    ledger: Ledger


def verify(folder: LogFolder, question: Question, progress: Progress) -> Report:
    """Audit `folder`. Everything wrong with the log becomes a finding of the report.

    Raises `BadConfig` if `folder` is another agency's own copy than the one asked about.
    """
    with audited(folder, question, progress) as done:
        return done.report


@contextlib.contextmanager
def audited(folder: LogFolder, question: Question, progress: Progress) -> Iterator[Audited]:
    """Audit `folder` as `verify` does, and keep the ledger open for questions about single alerts."""
    party = question.party if folder.party is None else folder.party
    if question.party not in (None, party):
        raise BadConfig(f"this is the own copy of {party}, which says little about {question.party}")
    keys, findings = question.keys, Findings()
    held = read_checkpoints(folder, keys, findings)
    seen = read_seen(question.seen, keys, findings)
    newest = held.newest
    size = newest.size if newest is not None else 0
    asked = frozenset(other.size for _, other in seen if other is not None and other.size <= size)
    tree = check_tree(folder, size, held.roots(), findings, progress, note=asked)
    proven = compare_roots(held, tree.roots, findings)
    check_forks(folder, held, keys, findings)
    compared = compare_seen(seen, tree.roots, size, findings, proven=proven)
    grounds = Grounds(folder, question.trusted_root, tree.directory_entries(), frozenset(tree.damaged))
    with Ledger() as ledger:
        directories = grounds.establish()
        judge = Judge(
            directories, ledger, findings, proven, tree.damaged, whole=folder.party is None, party=question.party
        )
        _judge_all(grounds, size, judge, question.workers, progress)
        judge.finish()
        _check_keys(held, keys, judge, findings)
        _check_stray_files(folder, size, judge, findings)
        history = directories.history
        document = history.latest.document if len(history) else None
        yield Audited(
            Report(
                origin=keys[0].name,
                size=size,
                root=newest.root if newest is not None else EMPTY_ROOT,
                proven=proven,
                checkpoints=len(held.by_size),
                directory_version=len(history),
                directory_name=document.name if document is not None else "not established",
                entries=judge.entries,
                unjudged=judge.unjudged,
                first_time=judge.first_time,
                last_time=judge.last_time,
                agencies=accounts_of(
                    ledger.alerts(),
                    judge.receipts,
                    judge.refusals,
                    document.agencies if document is not None else (),
                    findings,
                    end=judge.last_time,
                    party=party,
                ),
                findings=findings,
                seen_elsewhere=compared,
                party=party,
                own_copy=folder.party is not None,
                elsewhere=judge.elsewhere,
                witnessing=judge_witnessing(held, history),
            ),
            ledger,
        )


def _judge_all(grounds: Grounds, size: int, judge: Judge, workers: int, progress: Progress) -> None:
    total = -(-size // TILE_WIDTH)
    for index, width, surveys in survey_all(grounds, judge.directories.history, size, workers):
        progress("judging entries", index, total)
        if surveys is None:
            judge.unjudged += width
            continue
        file = grounds.folder.bundle_path(index, width)
        for survey in surveys:
            judge.judge(file, survey)
        if judge.whole:
            judge.unjudged += width - len(surveys)


def _check_keys(held: Checkpoints, keys: Sequence[NoteKey], judge: Judge, findings: Findings) -> None:
    history = judge.directories.history
    if not len(history):
        return
    listed = history.latest.log_keys()
    check_other_signers(held, keys, (*listed, *every_witness_key(history)), findings)
    if listed and not judge.lost and not any(key in listed for key in keys):
        message = "the directory that the governors signed lists other keys for this log"
        findings.add(Finding(found.LOG_KEY_UNLISTED, BROKER, message))


def _check_stray_files(folder: LogFolder, size: int, judge: Judge, findings: Findings) -> None:
    belong = expected_files(folder, size) | judge.directories.files | {CHECKPOINT}
    belong |= {kept_path(kept) for kept in folder.kept_sizes()}
    judged_elsewhere = [f"{FORKS}/"]
    if judge.damaged:
        judged_elsewhere.append(f"{DIRECTORY}/")  # a damaged entry may have named the file
    for path in folder.files():
        if path not in belong and not path.startswith(tuple(judged_elsewhere)):
            findings.add(Finding(found.STRAY_FILE, COPY, "nothing in the log refers to it", path))
