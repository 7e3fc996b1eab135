"""A block in the making: each piece of work is admitted against everything before it, and applied at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from broker.acknowledgement import admit_receipt
from broker.admission import AlreadyLogged, admit_alert, check_attachments, check_openers
from broker.apply import apply_alert, apply_escalation, apply_purge, apply_receipt, openers_of
from broker.engines.port import BlockWriter
from broker.escalating import Escalate, admit_escalation
from broker.parcel import Parcel, make_parcel
from broker.purging import admit_purge
from broker.quota import Quotas
from broker.state import Activation, Changes, Delivery, Spent
from schemas.directory.history import Directory, DirectoryHistory, apply_bundle
from schemas.envelope.header import decode_header
from schemas.envelope.peek import LAST, peek
from schemas.envelope.words import PRECEDENCE_RANK
from schemas.errors import CrossbearingError, Refusal, WrongSender
from schemas.ids import ID_SIZE, sha256
from schemas.limits import MAX_BASIS
from schemas.log.entry import (
    AlertEntry,
    DirectoryEntry,
    EscalationEntry,
    PurgeEntry,
    ReceiptEntry,
    RefusalEntry,
    encode_entry,
)
from schemas.log.merkle import leaf_hash
from schemas.session.frames import Publish, SendReceipt, Submit


@dataclass(frozen=True, slots=True)
class NewDirectory:
    """A directory bundle to be logged: its role, that role's metadata version, and its bytes."""

    role: str
    version: int
    bundle: bytes


@dataclass(frozen=True, slots=True)
class DeleteBody:
    """What is held of the alert at `index` is to be deleted, if there is a right to."""

    index: int


@dataclass(frozen=True, slots=True)
class Work:
    """Something submitted by `agency`; what comes from the hub itself or its operator names none."""

    agency: str
    what: Submit | SendReceipt | NewDirectory | DeleteBody | Escalate


Verdict = int | CrossbearingError
"""The log index where a submission stands, or why it does not."""


Supplied = tuple[Parcel, tuple[Delivery, ...]]
"""An alert of the log whose lost body came back, and the deliveries that wait for it."""


@dataclass(frozen=True, slots=True)
class Entered:
    """An entry of a block, for those who are to hear of it; `parcel` is there for alerts."""

    kind: str
    index: int
    entry: bytes
    leaf: bytes
    changes: Changes
    parcel: Parcel | None = None


def urgency(work: Work) -> int:
    """The rank that work has among what waits for a block.

    The operator's directory goes first, for it may suspend somebody, and so does what a `flash` led to. Receipts and
    keys go before what is routine, for what was delivered is to be settled before more is. Deletions can wait.
    """
    match work.what:
        case Submit(header=header):
            return peek(header).rank
        case NewDirectory() if not work.agency:
            return 0
        case Escalate():
            return 0
        case DeleteBody():
            return LAST
    return PRECEDENCE_RANK["priority"]


def weight(work: Work) -> int:
    """About how many bytes a piece of work adds to a block."""
    match work.what:
        case Submit(header=header, body=body, openers=openers):
            return len(header) + len(body) + sum(map(len, openers))
        case SendReceipt(receipt=receipt):
            return len(receipt)
        case NewDirectory(bundle=bundle):
            return len(bundle)
        case DeleteBody():
            return MAX_BASIS
        case Escalate():
            return MAX_BASIS  # about a hundred bytes; no piece of work counts as nothing


def reference(submission: Submit | SendReceipt | Publish) -> bytes:
    """The 16 bytes by which a sender knows its submission again: the alert id, or the start of a SHA-256.

    The digest is that of the receipt or bundle, or of a header out of which no id can be read.
    """
    if isinstance(submission, SendReceipt):
        return sha256(submission.receipt)[:ID_SIZE]
    if isinstance(submission, Publish):
        return sha256(submission.bundle)[:ID_SIZE]
    return peek(submission.header).id or sha256(submission.header)[:ID_SIZE]


class Draft:
    """Collects one block in an open `BlockWriter` at the time `now` (ms).

    `check_directory` refuses a directory that this hub could not serve under.
    """

    def __init__(
        self,
        block: BlockWriter,
        *,
        position: int,
        history: DirectoryHistory,
        quotas: Quotas,
        now: int,
        trusted_root: bytes,
        check_directory: Callable[[Directory], None],
    ) -> None:
        self._block = block
        self._position = position
        self._history = history
        self._quotas = quotas
        self._now = now
        self._trusted_root = trusted_root
        self._check_directory = check_directory
        self.entered: list[Entered] = []
        self.supplied: list[Supplied] = []
        self.directories: list[tuple[int, Directory]] = []  # versions that this block creates, and where

    def take(self, work: Work) -> Verdict:
        """Admit and append one piece of work. Refusals are returned, and logged within the agency's allowance."""
        try:
            match work.what:
                case Submit():
                    return self._take_alert(work.agency, work.what)
                case SendReceipt():
                    return self._take_receipt(work.agency, work.what)
                case NewDirectory():
                    return self._take_directory(work.agency, work.what)
                case DeleteBody(index=index):
                    return self._take_purge(index)
                case Escalate():
                    return self._take_escalation(work.what)
        except Refusal as refusal:
            self._log_refusal(work, refusal)
            return refusal

    def _newest(self) -> Directory:
        return self.directories[-1][1] if self.directories else self._history.latest

    def _version(self, number: int) -> Directory:
        for _, directory in self.directories:
            if directory.version == number:
                return directory
        return self._history.version(number)

    def _take_alert(self, agency: str, submission: Submit) -> int:
        newest = self._newest()
        admitted = admit_alert(
            submission,
            agency=agency,
            view=self._block,
            directories=self._version,
            newest=newest,
            now=self._now,
            afford=lambda header: self._quotas.alert(
                self._block, header, len(submission.header), newest.require_document().limits, self._now
            ),
        )
        if isinstance(admitted, AlreadyLogged):
            self._supply(admitted.index, submission)
            return admitted.index
        entry = encode_entry(
            AlertEntry(self._now, newest.version, submission.header, submission.signature, admitted.carried)
        )
        for identity, opener in admitted.openers.items():
            self._block.put_blob(identity, opener)
        leaf, index = leaf_hash(entry), self._next()
        self._block.put_body(index, submission.body)
        changes = apply_alert(self._block, index, leaf, admitted, time=self._now, document=newest.require_document())
        parcel = make_parcel(index, entry, submission.body, admitted.header)
        return self._append(Entered("alert", index, entry, leaf, changes, parcel))

    def _supply(self, index: int, submission: Submit) -> None:
        """Take from an alert submitted again what the hub lost of it: body and openers; ask for lost attachments.

        Raises `OpenerMissing`, `OpenerMismatch` or `AttachmentMissing` for what the sender is to bring along.
        """
        block = self._block
        known = block.alert_at(index)
        if known is None or known.idle_since is None:
            return  # deleted, by right
        header = decode_header(submission.header)
        if not block.has_body(index):
            given, _ = check_openers(header, submission.openers, block)
            block.put_body(index, submission.body)
            for identity, opener in given.items():
                block.put_blob(identity, opener)
            openers = openers_of(header, given)
            block.supply(index, Changes(openers=openers))
            stored = block.entry(index)
            if stored is not None:
                self.supplied.append((make_parcel(index, stored, submission.body, header), block.waiting(index)))
        if header.attachments:
            check_attachments(header, block)
            block.supply(index, Changes(attachments=tuple(digest for digest, _ in header.attachments)))

    def _take_receipt(self, agency: str, submission: SendReceipt) -> int:
        newest = self._newest()
        admitted = admit_receipt(
            submission,
            agency=agency,
            view=self._block,
            newest=newest,
            now=self._now,
            afford=lambda: self._quotas.receipt(self._block, agency, len(submission.receipt), self._now),
        )
        if isinstance(admitted, AlreadyLogged):
            return admitted.index
        entry = encode_entry(ReceiptEntry(self._now, newest.version, submission.receipt, submission.signature))
        index = self._next()
        changes = apply_receipt(self._block, index, admitted, time=self._now)
        return self._append(Entered("receipt", index, entry, leaf_hash(entry), changes))

    def _take_purge(self, target: int) -> int:
        newest = self._newest()
        admitted = admit_purge(target, view=self._block, newest=newest, now=self._now)
        right = admitted.right
        entry = encode_entry(PurgeEntry(self._now, newest.version, target, right.basis, right.approvers))
        changes = apply_purge(self._block, admitted)
        return self._append(Entered("purge", self._next(), entry, leaf_hash(entry), changes))

    def _take_escalation(self, wanted: Escalate) -> int:
        newest = self._newest()
        admitted = admit_escalation(wanted, view=self._block, newest=newest, now=self._now)
        alert, contact = admitted.alert, wanted.contact
        made = EscalationEntry(self._now, newest.version, alert.index, alert.id, wanted.agency, wanted.outcome, contact)
        entry, index = encode_entry(made), self._next()
        return self._append(Entered("escalation", index, entry, leaf_hash(entry), apply_escalation(index, admitted)))

    def _take_directory(self, agency: str, new: NewDirectory) -> int:
        """An agency may bring its own keys and no more; the operator whatever the governors and agencies signed."""
        if agency and new.role != agency:
            raise WrongSender(f"{agency} may publish its own keys, not {new.role[:80]!a}")
        digest = sha256(new.bundle)
        if (known := self._block.activation_of(digest)) is not None:
            return known.index
        spent: tuple[Spent, ...] = ()
        if agency:
            self._quotas.attempt(agency, self._now)
            spent = self._quotas.publication(self._block, agency, self._now)
        held = self._newest() if self.directories or len(self._history) else None
        directory = apply_bundle(held, new.role, new.version, new.bundle, at=self._now, trusted_root=self._trusted_root)
        self._check_directory(directory)
        entry = encode_entry(
            DirectoryEntry(self._now, directory.version, new.role, new.version, digest, len(new.bundle))
        )
        self._block.put_blob(digest, new.bundle)
        index = self._next()
        activation = Activation(directory.version, index, new.role, new.version, digest)
        self._append(Entered("directory", index, entry, leaf_hash(entry), Changes(activation=activation, spent=spent)))
        self.directories.append((index, directory))
        return index

    def _log_refusal(self, work: Work, refusal: Refusal) -> None:
        match work.what:
            case Submit(header=sent) | SendReceipt(receipt=sent) | NewDirectory(bundle=sent):
                pass
            case DeleteBody() | Escalate():
                return  # this hub asked itself
        spent = self._quotas.refusal(self._block, work.agency, self._now) if work.agency else None
        if spent is None:
            return  # this hub's own operator reads the answer
        refused = RefusalEntry(self._now, self._newest().version, work.agency, refusal.code, sha256(sent))
        entry = encode_entry(refused)
        self._append(Entered("refusal", self._next(), entry, leaf_hash(entry), Changes(spent=spent)))

    def _next(self) -> int:
        return self._position + len(self.entered)

    def _append(self, entered: Entered) -> int:
        self._block.append(entered.entry, entered.changes)
        self.entered.append(entered)
        return entered.index
