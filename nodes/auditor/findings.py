"""What an audit can find: one stable code each, what it means, and what to do about it.

A finding names the party that is held to it. The hub answers for everything it entered in the log it signs; an agency
answers for what carries its own signature; *copy* means the fetched files, whoever kept them: nobody signed the damage.
"""

from __future__ import annotations

from dataclasses import dataclass, field

BROKER = "broker"
COPY = "copy"

KINDS: dict[str, Kind] = {}
"""Every kind of finding by its code; docs/audit.md has the same table, and a test compares them."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding: its code, what it means in plain words, and what to do."""

    code: str
    meaning: str
    advice: str


def _kind(code: str, meaning: str, advice: str) -> Kind:
    kind = Kind(code, meaning, advice)
    KINDS[code] = kind
    return kind


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be: what, whose, and where in the fetched files."""

    kind: Kind
    party: str
    message: str
    file: str | None = None
    offset: int | None = None
    """Byte in `file` at which the difference, or the entry concerned, begins."""
    entry: int | None = None
    last_entry: int | None = None
    """With `entry`: the last of several entries in a row concerned alike."""

    def as_dict(self) -> dict[str, object]:
        """Return the finding as JSON-ready data."""
        place = {"file": self.file, "offset": self.offset, "entry": self.entry, "last_entry": self.last_entry}
        return {
            "code": self.kind.code,
            "party": self.party,
            "message": self.message,
            "advice": self.kind.advice,
            **{name: value for name, value in place.items() if value is not None},
        }


@dataclass(slots=True)
class Findings:
    """The findings of one audit. Beyond `limit` they are only counted, by kind and party, so memory is bounded."""

    limit: int = 1000
    kept: list[Finding] = field(default_factory=list)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        """Keep `finding`, or only count it when there are too many."""
        key = (finding.party, finding.kind.code)
        self.counts[key] = self.counts.get(key, 0) + 1
        if len(self.kept) < self.limit:
            self.kept.append(finding)

    def __len__(self) -> int:
        return sum(self.counts.values())

    def against(self, party: str) -> int:
        """Return how many findings `party` is held to."""
        return sum(number for (who, _), number in self.counts.items() if who == party)


_FETCH_AGAIN = "Fetch into a new folder and verify that; if it stays, the hub serves something other than it signed."
_EVIDENCE = "Keep the folder as evidence and tell the governors."
_HUB_ADMITTED = "The hub should have refused it; ask its operator why it was entered, and keep the folder as evidence."

# -- the files ---------------------------------------------------------------------------------------------------------

CHECKPOINT_MISSING = _kind(
    "checkpoint-missing", "the folder holds no checkpoint, so nothing in it is proven", _FETCH_AGAIN
)
CHECKPOINT_UNTRUSTED = _kind(
    "checkpoint-untrusted",
    "a checkpoint cannot be read, or the log key given did not sign exactly these bytes",
    "Check that the log key given is the log's own. If it is, the file was altered: fetch again.",
)
CHECKPOINT_DIFFERS = _kind(
    "checkpoint-differs", "two copies of one checkpoint, kept by fetch, are not the same bytes", _FETCH_AGAIN
)
CHECKPOINT_UNKNOWN_SIGNER = _kind(
    "checkpoint-unknown-signer",
    "a checkpoint carries a signature line of somebody who is not in the directory, so it cannot be checked",
    "Fetch again; a line that stays belongs to a signer whose key the directory should list.",
)
SEEN_UNTRUSTED = _kind(
    "seen-untrusted",
    "a checkpoint given as seen by others cannot be read, or the log key given did not sign it",
    "Ask for it again; if the log's key never signed it, it says nothing about the log.",
)
FORK = _kind(
    "fork",
    "the log's key signed two histories that contradict each other",
    "Stop trusting the log. Both checkpoints are proof against whoever holds its key: give them to the governors.",
)
ROOT_MISMATCH = _kind(
    "root-mismatch",
    "the entries do not add up to the tree that a genuine checkpoint signed",
    "Either these files were rewritten or the hub signed something else: fetch again, and keep both folders.",
)
MISSING_FILE = _kind("missing-file", "a file that the log of this size must have is not in the folder", _FETCH_AGAIN)
STRAY_FILE = _kind(
    "stray-file", "a file in the folder is no part of a log of this size", "Remove it, or fetch into a new folder."
)
TILE_ALTERED = _kind("tile-altered", "a stored hash differs from the one that follows from the entries", _FETCH_AGAIN)
ENTRY_ALTERED = _kind("entry-altered", "an entry's bytes are not the ones that the checkpoint signed", _FETCH_AGAIN)
BUNDLE_BROKEN = _kind(
    "bundle-broken", "a file of entries cannot be split into its entries from some byte on", _FETCH_AGAIN
)
DIRECTORY_ALTERED = _kind(
    "directory-altered", "a directory file's bytes are not the ones that its log entry names", _FETCH_AGAIN
)

# -- what the hub entered ----------------------------------------------------------------------------------------------

ENTRY_MALFORMED = _kind("entry-malformed", "an entry is not in the only accepted form", _HUB_ADMITTED)
TIME_BACKWARDS = _kind(
    "time-backwards", "an entry bears an earlier time than the one before it", "Ask the operator about the hub's clock."
)
WRONG_DIRECTORY = _kind(
    "wrong-directory", "an entry names a directory version other than the one in force at its place", _EVIDENCE
)
DIRECTORY_REFUSED = _kind(
    "directory-refused",
    "a directory change lacks its threshold of signatures, goes back, or breaks its form",
    "It binds nobody. Tell the governors: the hub entered what they did not sign.",
)
DIRECTORY_UNAVAILABLE = _kind(
    "directory-unavailable",
    "a directory version cannot be established, so later entries that rest on it were not judged",
    "Mend what is reported before this, then verify again.",
)
LOG_KEY_UNLISTED = _kind(
    "log-key-unlisted",
    "the log key given is not among those the directory lists",
    "Check the key given with two governors; a log signed by an unlisted key is not the agencies' log.",
)

# -- alerts ------------------------------------------------------------------------------------------------------------

HEADER_MALFORMED = _kind("header-malformed", "an alert's header is not in the only accepted form", _HUB_ADMITTED)
SENDER_UNKNOWN = _kind("sender-unknown", "an alert names a sender the directory did not know", _HUB_ADMITTED)
SENDER_SUSPENDED = _kind("sender-suspended", "an alert was entered while its sender was suspended", _HUB_ADMITTED)
SENDER_KEY = _kind(
    "sender-key", "the signing key of an alert was unknown, retired or not valid at its time", _HUB_ADMITTED
)
SENDER_SIGNATURE = _kind(
    "sender-signature",
    "an alert's signature does not verify, so its named sender cannot be held to it",
    "Nobody but the hub answers for this entry. " + _EVIDENCE,
)
NOT_FRESH = _kind(
    "not-fresh", "an alert was sealed too long before or after it was entered, or was expired", _HUB_ADMITTED
)
VERSION_STALE = _kind(
    "version-stale", "an alert was made under a directory version neither in force nor just replaced", _HUB_ADMITTED
)
ROUTING_DIFFERS = _kind(
    "routing-differs",
    "an alert's recipients are not those the rules give",
    "Ask sender and hub; both checked the rules.",
)
DUPLICATE_ALERT = _kind("duplicate-alert", "one alert id was entered twice", _HUB_ADMITTED)

RELATION_FOREIGN = _kind(
    "relation-foreign",
    "an alert recalls, corrects or answers one that is not its sender's to recall, correct or answer",
    _HUB_ADMITTED,
)

# -- receipts ----------------------------------------------------------------------------------------------------------

RECEIPT_MALFORMED = _kind("receipt-malformed", "a receipt is not in the only accepted form", _HUB_ADMITTED)
RECEIPT_SIGNER = _kind(
    "receipt-signer", "a receipt's agency or key was unknown, suspended or not valid at its time", _HUB_ADMITTED
)
RECEIPT_SIGNATURE = _kind(
    "receipt-signature", "a receipt's signature does not verify, so its named agency cannot be held to it", _EVIDENCE
)
RECEIPT_TIME = _kind(
    "receipt-time", "a receipt bears a time after the one at which it was entered", "Ask the agency about its clock."
)
RECEIPT_MISMATCH = _kind(
    "receipt-mismatch",
    "a receipt names an index, id, sender or hash that are not those of one earlier alert",
    "Ask the agency why it signed for something that the log does not hold, and the hub why it entered that.",
)
RECEIPT_NOT_ADDRESSED = _kind(
    "receipt-not-addressed",
    "an agency gave a receipt for an alert that was not addressed to it",
    "Find out how the agency came to know of the alert.",
)
RECEIPT_CONTRADICTS = _kind(
    "receipt-contradicts",
    "an agency signed that it refused an alert after it had signed that it holds it",
    "Ask the agency which is true; both statements carry its signature.",
)

# -- refusals and purges -----------------------------------------------------------------------------------------------

REFUSAL_MALFORMED = _kind("refusal-malformed", "a logged refusal names no known agency or no known code", _HUB_ADMITTED)
PURGE_MALFORMED = _kind(
    "purge-malformed",
    "a logged deletion names no earlier alert, repeats one, or gives another basis than the directory",
    _HUB_ADMITTED,
)
PURGE_EARLY = _kind(
    "purge-early",
    "a body was deleted before its retention was over, and the governors had not ordered that",
    "Ask the hub's operator why, and a recipient for the alert. " + _EVIDENCE,
)
ESCALATION_UNFOUNDED = _kind(
    "escalation-unfounded",
    "a logged escalation is of no alert that waited, comes too early, or does not continue the one before it",
    _HUB_ADMITTED,
)
ESCALATION_MISSING = _kind(
    "escalation-missing",
    "a flash alert was not stored in its time, and for five more minutes the hub called nobody",
    "Ask the hub's operator whether it was down then. If it ran, it kept silent about an alert that was not delivered.",
)
BODY_MISSING = _kind(
    "body-missing",
    "the hub does not hold a body that it must hold, and no entry in the copy says that it was deleted",
    "Fetch and ask again: it may have been deleted by right meanwhile. If it stays, ask the hub's operator.",
)
BODY_ALTERED = _kind(
    "body-altered", "the hub holds other bytes than those an alert's sender signed for", "Ask the hub's operator."
)
