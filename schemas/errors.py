"""Every way this system says no, as one class and one stable code each.

    CrossbearingError
    ├── Refusal                 the peer's or the user's input is at fault; nothing was lost
    │   ├── EncodingRefusal     bytes that do not decode to what they claim to be
    │   ├── InputRefusal        a document, an id or an address that cannot be used
    │   ├── DirectoryRefusal    who is who, and what the governors allow
    │   ├── KeyRefusal          signatures and the keys behind them
    │   ├── AdmissionRefusal    the hub does not take an alert in
    │   ├── OpeningRefusal      a node does not show an alert
    │   ├── CarrierRefusal      a file on removable media
    │   ├── LogRefusal          the log, its proofs and its checkpoints
    │   ├── SessionRefusal      the conversation between a node and the hub
    │   └── UnknownRefusal      a code from the wire that this version does not know
    └── Fault                   our own side failed: storage, configuration, network

Group classes carry no code and are never raised themselves; catch them to treat a family alike. A class with a code
is named after it: ``bad-signature`` is ``BadSignature``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from schemas.limits import MAX_MESSAGE, MAX_SLUG

REGISTRY: dict[str, type[CrossbearingError]] = {}
"""Every error class that has a code, by that code."""

_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class CrossbearingError(Exception):
    """Base of all errors: a stable ``code``, one sentence, and a ``hint`` of what to do next.

    ``context`` holds the particulars a program may want (a step number, an index, a field), as text or whole numbers.
    """

    code: str = ""
    hint: str = ""

    def __init_subclass__(cls, *, code: str | None = None, hint: str = "", **kwargs: object) -> None:
        """Register ``cls`` under ``code``; a class without a code is a group."""
        super().__init_subclass__(**kwargs)
        if code is None:
            return
        if code in REGISTRY or len(code) > MAX_SLUG or not _CODE.fullmatch(code) or not hint:
            raise TypeError(f"{cls.__name__}: a code is a slug used once, and comes with a hint")
        cls.code = code
        cls.hint = hint
        REGISTRY[code] = cls

    def __init__(self, message: str, *, hint: str | None = None, **context: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.context: dict[str, str | int] = context
        if hint is not None:
            self.hint = hint

    @property
    def retry_after(self) -> int:
        """After how many ms the same may be tried again; 0 where nothing is known of that."""
        after = self.context.get("retry_after", 0)
        return after if isinstance(after, int) else 0

    def as_dict(self) -> dict[str, object]:
        """The error as JSON-ready data: ``code``, ``message``, ``hint`` and, where there is one, ``context``."""
        shown: dict[str, object] = {"code": self.code, "message": self.message, "hint": self.hint}
        if self.context:
            shown["context"] = dict(self.context)
        return shown


class Refusal(CrossbearingError):
    """The peer's or the user's input is at fault; nothing was lost and asking the same again gives the same answer."""


class Fault(CrossbearingError):
    """Our own side failed; the input may be good and the same request may succeed later."""


class UnknownRefusal(
    Refusal, code="unknown-refusal", hint="Update this program: the peer uses a code it does not know."
):
    """A refusal received with a code that is not in the registry; the instance keeps that code."""


def refusal_from_code(code: str, message: str, hint: str = "") -> CrossbearingError:
    """Rebuild an error from its parts as received; a code not in the registry becomes an `UnknownRefusal` keeping it.

    The texts come from a peer, so they are cut to ``MAX_MESSAGE`` characters and lose what a terminal would obey.
    """
    found = REGISTRY.get(code)
    error = (found or UnknownRefusal)(_printable(message), hint=_printable(hint) or None)
    if found is None and len(code) <= MAX_SLUG and _CODE.fullmatch(code):
        error.code = code
    return error


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:MAX_MESSAGE])


# -- encoding ----------------------------------------------------------------------------------------------------------


class EncodingRefusal(Refusal):
    """Bytes that do not decode, strictly, to what they claim to be."""


class Malformed(
    EncodingRefusal, code="malformed", hint="Compare the bytes with docs/spec; a current program never sends this."
):
    """The bytes are no such value: wrong type, missing or extra field, invalid text, trailing data."""


class Truncated(EncodingRefusal, code="truncated", hint="Send the value again, whole."):
    """The bytes end before the value does."""


class NotCanonical(
    EncodingRefusal, code="not-canonical", hint="Encode with sorted keys and shortest forms; see docs/spec/encoding.md."
):
    """The bytes decode, but the encoder would not have written them so."""


class TooDeep(EncodingRefusal, code="too-deep", hint="Flatten the document; no format here nests so far."):
    """Lists and maps nest beyond the limit."""


class TooLarge(
    EncodingRefusal, code="too-large", hint="Send less at once; schemas/limits.py names each limit and its reason."
):
    """The value exceeds a size limit."""


# -- input -------------------------------------------------------------------------------------------------------------


class InputRefusal(Refusal):
    """Something a person or a program handed over cannot be used as it stands."""


class BadId(InputRefusal, code="bad-id", hint="Copy the id exactly as it was shown."):
    """An id is not in its only accepted form."""


class ProblemLike(Protocol):
    """What `BadDocument` carries: one problem of a document, with the place it was found."""

    @property
    def path(self) -> str:
        """Where, as in ``subjects[0].number``."""

    @property
    def code(self) -> str:
        """Stable code of the problem."""

    @property
    def message(self) -> str:
        """One sentence."""

    @property
    def hint(self) -> str:
        """What to do next."""

    @property
    def severity(self) -> str:
        """``error`` or ``warning``."""


class BadDocument(InputRefusal, code="bad-document", hint="Correct the problems listed and send the document again."):
    """An alert document breaks the schema; ``problems`` lists every one found."""

    def __init__(
        self, message: str, *, hint: str | None = None, problems: tuple[ProblemLike, ...] = (), **context: str | int
    ) -> None:
        super().__init__(message, hint=hint, **context)
        self.problems = problems

    def as_dict(self) -> dict[str, object]:
        """As for every error, with the list of ``problems``."""
        listed = [
            {"path": p.path, "code": p.code, "message": p.message, "hint": p.hint, "severity": p.severity}
            for p in self.problems
        ]
        return {**super().as_dict(), "problems": listed}


class BadAddress(InputRefusal, code="bad-address", hint="Address an agency, region:NAME, operation:NAME or all."):
    """An address is written in no known form."""


# -- directory ---------------------------------------------------------------------------------------------------------


class DirectoryRefusal(Refusal):
    """The directory in force does not know it, or does not allow it."""


class UnknownAgency(
    DirectoryRefusal, code="unknown-agency", hint="List the agencies of the directory and use one of their ids."
):
    """No agency of that id in the directory."""


class UnknownRegion(
    DirectoryRefusal, code="unknown-region", hint="List the regions of the directory and use one of their ids."
):
    """No region of that id in the directory."""


class UnknownOperation(
    DirectoryRefusal, code="unknown-operation", hint="List the operations of the directory and use one of their ids."
):
    """No operation of that id in the directory."""


class OperationClosed(
    DirectoryRefusal, code="operation-closed", hint="Send without the operation, or ask its host to have it extended."
):
    """The operation does not run at this time, or this agency takes no part in it."""


class Nobody(
    DirectoryRefusal, code="nobody", hint="Run `bearing route explain` to see which rule left each agency out."
):
    """After all rules the address resolves to no recipient."""


class Suspended(DirectoryRefusal, code="suspended", hint="Ask the governors of the directory why, and when it ends."):
    """The agency is suspended: it neither sends nor receives."""


class DirectoryThreshold(
    DirectoryRefusal, code="directory-threshold", hint="Collect the missing signatures and publish the version again."
):
    """A directory version lacks the signatures its role demands."""


class DirectoryRollback(
    DirectoryRefusal, code="directory-rollback", hint="Publish under a version number that was never used."
):
    """A directory version does not follow the one before it."""


class DirectoryExpired(
    DirectoryRefusal, code="directory-expired", hint="Ask the role's holders to sign a new version."
):
    """A directory version is past its expiry."""


class DirectoryInvalid(
    DirectoryRefusal, code="directory-invalid", hint="Ask the role's holders to correct the document and sign it again."
):
    """A directory document breaks its schema or contradicts itself."""


class DirectoryStale(
    DirectoryRefusal, code="directory-stale", hint="Update to the newest directory version and seal the alert again."
):
    """The alert was sealed under a directory version too old to be accepted."""


class DirectoryUnknown(
    DirectoryRefusal, code="directory-unknown", hint="Fetch the missing directory version from the log first."
):
    """The directory version meant is not held here."""


# -- keys --------------------------------------------------------------------------------------------------------------


class KeyRefusal(Refusal):
    """A signature, or the key it names, does not hold."""


class UnknownKey(
    KeyRefusal, code="unknown-key", hint="Publish the key in the agency's directory file before using it."
):
    """The directory lists no such key for this agency."""


class KeyNotValid(KeyRefusal, code="key-not-valid", hint="Use a key whose validity covers this time, or rotate."):
    """The key is listed, but not valid yet or no longer."""


class KeyRetired(KeyRefusal, code="key-retired", hint="Use the key that replaced it in the directory."):
    """The key is listed as retired."""


class BadSignature(
    KeyRefusal, code="bad-signature", hint="Treat the material as forged or damaged; ask the signer to send it again."
):
    """The signature does not verify over these exact bytes."""


# -- admission ---------------------------------------------------------------------------------------------------------


class AdmissionRefusal(Refusal):
    """The hub does not take an alert or a receipt into the log."""


class WrongSender(
    AdmissionRefusal, code="wrong-sender", hint="Send only under the agency whose certificate the node presents."
):
    """The sender named is not the agency of the TLS certificate."""


class NotPinned(
    AdmissionRefusal, code="not-pinned", hint="Have the certificate's key listed in the agency's directory file."
):
    """The TLS certificate's key is pinned for no agency or auditor."""


class ReplayDiffers(AdmissionRefusal, code="replay-differs", hint="Give the new alert an id of its own."):
    """The id was accepted before with other bytes."""


class ClockOff(AdmissionRefusal, code="clock-off", hint="Set this machine's clock (NTP) and send again."):
    """The time of creation is more than the allowed skew away from the hub's clock."""


class AlertExpired(
    AdmissionRefusal, code="alert-expired", hint="Send it again with a later expiry if it still matters."
):
    """The alert's own expiry has passed."""


class RoutingMismatch(
    AdmissionRefusal, code="routing-mismatch", hint="Run `bearing route explain` and seal for exactly those recipients."
):
    """The recipients differ from what the routing rules give."""


class BodyMismatch(AdmissionRefusal, code="body-mismatch", hint="Submit the sealed body that the header was made for."):
    """The body is not the one the header commits to."""


class OpenerMissing(
    AdmissionRefusal, code="opener-missing", hint="Submit the opener of that pair key together with the alert."
):
    """A wrap names an opener that was neither sent nor stored."""


class OpenerMismatch(
    AdmissionRefusal, code="opener-mismatch", hint="Submit only openers that the header's recipients name."
):
    """An opener sent is named by no recipient, or is not one by size."""


class AttachmentMissing(
    AdmissionRefusal, code="attachment-missing", hint="Upload the attachment to its end, then submit again."
):
    """The header names an attachment that is not stored whole."""


class BodyTooLarge(
    AdmissionRefusal, code="body-too-large", hint="Shorten the alert, or move large material into attachments."
):
    """The sealed body exceeds the limit."""


class Quota(AdmissionRefusal, code="quota", hint="Nothing to do: the node keeps it, and sends it when allowed."):
    """The agency used up its allowance for now; ``retry_after`` in the context says how long (ms) to wait."""


class NotAParty(AdmissionRefusal, code="not-a-party", hint="Refer only to alerts you sent or received."):
    """The agency is neither sender nor recipient of the alert it refers to."""


# -- opening -----------------------------------------------------------------------------------------------------------


class OpeningRefusal(Refusal):
    """A node does not show an alert; ``context["step"]`` names the numbered step that failed."""


class CheckpointUntrusted(
    OpeningRefusal, code="checkpoint-untrusted", hint="Check that the log key pinned here is the log's own."
):
    """No known key signed the checkpoint."""


class Fork(
    OpeningRefusal,
    code="fork",
    hint="Keep both checkpoints as evidence, stop trusting the log, and call the governors.",
):
    """The checkpoint is not consistent with the one held: the log shows two histories."""


class NotIncluded(
    OpeningRefusal, code="not-included", hint="Keep the material as evidence and ask the hub for the proof again."
):
    """The entry is not in the tree of the checkpoint at that index."""


class WrongDirectory(
    OpeningRefusal, code="wrong-directory", hint="Keep the entry as evidence: the log contradicts its own order."
):
    """The entry names a directory version other than the one in force at its index."""


class NotRecipient(
    OpeningRefusal, code="not-recipient", hint="Report it to the hub's operator; this alert should not have come here."
):
    """The alert is not addressed to this agency."""


class OpenerUnknown(
    OpeningRefusal, code="opener-unknown", hint="Fetch the opener again, or restore the sealing key it was made for."
):
    """The pair key's opener is not held, or opens with no sealing key held."""


class WrapFailed(
    OpeningRefusal, code="wrap-failed", hint="Ask the sender to seal the alert again for your current sealing key."
):
    """A sealed secret or a wrapped key does not open with the key tried."""


class CommitmentMismatch(
    OpeningRefusal, code="commitment-mismatch", hint="Treat the sender as faulty; ask for the alert to be sealed again."
):
    """The content key is not the one the header commits to."""


class BodyUnreadable(OpeningRefusal, code="body-unreadable", hint="Ask the sender to send the alert again."):
    """The body's digest, decryption, padding or encoding is wrong."""


class InnerMismatch(
    OpeningRefusal, code="inner-mismatch", hint="Treat the alert as an attempt to pass off another's material."
):
    """The id or sender inside the body differs from the header's."""


# -- log ---------------------------------------------------------------------------------------------------------------


class LogRefusal(Refusal):
    """Something taken from or meant for the log does not hold."""


class BadProof(LogRefusal, code="bad-proof", hint="Fetch the proof again; if it stays wrong, keep it as evidence."):
    """A Merkle or proof file does not prove what it should."""


class BadCheckpoint(
    LogRefusal, code="bad-checkpoint", hint="Fetch the checkpoint again; see docs/spec/checkpoint.md for the only form."
):
    """A note, checkpoint or verifier key is not in its only accepted form."""


class BadReceipt(LogRefusal, code="bad-receipt", hint="Compare the receipt with docs/spec/receipts.md."):
    """A receipt breaks its schema."""


class BadEntry(LogRefusal, code="bad-entry", hint="Compare the entry with docs/spec/log.md."):
    """A log entry breaks its schema."""


class Missing(LogRefusal, code="missing", hint="Fetch the log again; what stays missing was lost or is withheld."):
    """A tile, entry or blob that must exist is not there."""


class Purged(LogRefusal, code="purged", hint="Ask the sender or a recipient for it: the hub no longer has it."):
    """The body or attachment was deleted when its time was over; the log holds the entry that says so."""


class Retained(LogRefusal, code="retained", hint="Wait until then, or have the governors order the deletion."):
    """A body may not be deleted yet."""


class LogTampered(LogRefusal, code="log-tampered", hint="Keep both copies as evidence and call the governors."):
    """Stored log data contradicts its own hashes."""


# -- session -----------------------------------------------------------------------------------------------------------


class SessionRefusal(Refusal):
    """The conversation between a node and the hub cannot go on like this."""


class ProtocolError(SessionRefusal, code="protocol-error", hint="Update both ends; the node reconnects by itself."):
    """The peer sent a frame it may not send now."""


class VersionUnsupported(SessionRefusal, code="version-unsupported", hint="Update the older of the two programs."):
    """The peer speaks another version of the protocol."""


class DuplicateSession(
    SessionRefusal, code="duplicate-session", hint="Stop the other node that runs under this agency's identity."
):
    """A second node connected under the same identity."""


class CreditExceeded(SessionRefusal, code="credit-exceeded", hint="Update both ends; the node reconnects by itself."):
    """The peer sent more than it was granted."""


class IdleTimeout(SessionRefusal, code="idle-timeout", hint="Check the network path; the node reconnects by itself."):
    """The peer was silent for too long."""


class ShuttingDown(
    SessionRefusal, code="shutting-down", hint="Nothing to do; the node reconnects when the hub is back."
):
    """The peer is going down in good order."""


class NotServed(SessionRefusal, code="not-served", hint="docs/spec/session.md lists what is served, and in what form."):
    """A request for something that the listener does not serve, or in a form that it does not take."""


class TooManyConnections(
    SessionRefusal, code="too-many-connections", hint="Close connections that are not used; a node needs one."
):
    """The holder of one certificate has more connections open than it may."""


class LogRestored(
    SessionRefusal,
    code="log-restored",
    hint="Nothing to do at a node: it keeps what it has to send, and goes on when the hub's operator has settled it.",
):
    """The hub's log came back from a backup, and nobody has shown yet that nothing newer was signed."""


# -- faults ------------------------------------------------------------------------------------------------------------


class StorageFull(Fault, code="storage-full", hint="Free space on the disk; work goes on by itself then."):
    """There is no room for a durable write; nothing of it was kept."""


class StorageFailed(Fault, code="storage-failed", hint="Check the disk and the system log before starting again."):
    """A read or write failed, and it is certain that nothing of it was kept."""


class StorageInDoubt(
    Fault, code="storage-in-doubt", hint="Restart; start-up compares what is stored with what was signed."
):
    """A write failed in a way that leaves its outcome unknown."""


class StorageLocked(Fault, code="storage-locked", hint="Stop the other process that uses this directory."):
    """Another process holds the storage."""


class StorageTampered(
    Fault, code="storage-tampered", hint="Do not start again; keep the files as evidence and restore a known copy."
):
    """Stored data fails its own integrity checks."""


class WrongPassphrase(Fault, code="wrong-passphrase", hint="Give the passphrase the keystore was made with."):
    """The keystore does not open with this passphrase."""


class OpenPermissions(
    Fault, code="open-permissions", hint="Take the rights of group and others away: chmod 600 files, 700 directories."
):
    """A file with secrets can be read or written by others."""


class ExampleKeys(Fault, code="example-keys", hint="Make fresh keys, or listen and connect on loopback only."):
    """The published example keys were used off loopback."""


class BadConfig(Fault, code="bad-config", hint="Correct the setting named and start again."):
    """A setting is missing or makes no sense."""


class NotFound(Fault, code="not-found", hint="List what there is and choose from it."):
    """What was asked for is not here."""


class Unreachable(Fault, code="unreachable", hint="Check that the other program runs and that the address is right."):
    """The other side cannot be reached."""


class Overloaded(Fault, code="overloaded", hint="Nothing to do: it is tried again by itself, when there is room."):
    """There is more to do than can be kept; ``retry_after`` in the context says how long (ms) to wait."""


class OutboxFull(
    Fault, code="outbox-full", hint="Look why nothing leaves: `bearing status`. Send it again when there is room."
):
    """So many alerts wait to be sent that no more are taken in; nothing of this one was kept."""


class NotReady(Fault, code="not-ready", hint="Try again in a moment."):
    """The program is still starting, or stopped taking work."""


class HandlerFailed(Fault, code="handler-failed", hint="Correct the handler, then retry the dead letter."):
    """An outbound handler did not take an alert."""


class Internal(Fault, code="internal", hint="Look at the program's own log, and report the error it names there."):
    """The program met a case it was not written for."""


# -- attachments -------------------------------------------------------------------------------------------------------


class AttachmentUnreadable(
    OpeningRefusal, code="attachment-unreadable", hint="Fetch the attachment again; if it stays so, ask the sender."
):
    """An attachment is cut short, altered, or not the one its alert names."""


# -- local work --------------------------------------------------------------------------------------------------------


class WrongState(InputRefusal, code="wrong-state", hint="Look at the alert again: `bearing show ID`."):
    """What was asked does not fit the alert's direction or state."""


# -- carrier -----------------------------------------------------------------------------------------------------------


class CarrierRefusal(Refusal):
    """A file on removable media cannot be used as it stands; nothing of it was taken in."""


class CarrierUnknown(
    CarrierRefusal, code="carrier-unknown", hint="Choose the file that the other side wrote with its export command."
):
    """The file is none that an export wrote."""


class CarrierDamaged(
    CarrierRefusal, code="carrier-damaged", hint="Copy the file again; if it stays so, have it exported again."
):
    """The file was cut short or altered on the way."""


class CarrierMisdirected(
    CarrierRefusal,
    code="carrier-misdirected",
    hint="Take in the file that the other side made for here; your own export goes to the other side.",
):
    """The file is sealed for somebody else."""


class CarrierGap(
    CarrierRefusal,
    code="carrier-gap",
    hint="Import the files before it first, or have the hub export from the position that `bearing status` shows.",
):
    """The file begins later in the log than what is held here ends."""


# -- witnesses ---------------------------------------------------------------------------------------------------------


class NoQuorum(
    LogRefusal, code="no-quorum", hint="Fetch the checkpoint again later; if it lasts, ask the hub's operator why."
):
    """Too few witnesses cosigned the checkpoint."""


class CosignatureRefused(
    LogRefusal, code="cosignature-refused", hint="Ask the witness's operator whether it knows this log and its keys."
):
    """An outside witness does not cosign, for a reason that says nothing about the log's history."""


class BadPolicy(LogRefusal, code="bad-policy", hint="Correct the line named; see docs/spec/witness.md for the form."):
    """A policy file, naming logs, witnesses and the quorum, is not in its form or contradicts itself."""


# -- governance --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """One fault of the governors' source file: the line (from 1), the field as in ``agencies[2].name``, a sentence."""

    line: int
    field: str
    message: str


class BadSource(InputRefusal, code="bad-source", hint="Correct the lines named and draft again."):
    """The governors' source file cannot be used; ``problems`` lists every fault found."""

    def __init__(
        self, message: str, *, hint: str | None = None, problems: tuple[SourceProblem, ...] = (), **context: str | int
    ) -> None:
        super().__init__(message, hint=hint, **context)
        self.problems = problems

    def as_dict(self) -> dict[str, object]:
        """As for every error, with the list of ``problems``."""
        listed = [{"line": p.line, "field": p.field, "message": p.message} for p in self.problems]
        return {**super().as_dict(), "problems": listed}


class DirectoryLockout(
    DirectoryRefusal, code="directory-lockout", hint="Put back what the sentence names, or change it in two steps."
):
    """A directory under which nobody could use, serve or check the exchange any more."""


class DirectoryConflict(
    DirectoryRefusal,
    code="directory-conflict",
    hint="Keep both files: they prove that governors signed twice. Ask them which one they meant.",
):
    """Two different files carry one version of a role, and both are signed."""
