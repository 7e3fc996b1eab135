"""The questions an audit answers, in plain words, and which findings speak to each of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One question, how it was answered, and the codes of the findings that answer it with no."""

    question: str
    how: str
    codes: frozenset[str]
    rests_on_proof: bool = True
    """Without proof that the entries are the signed ones, there is no answer."""


CHECKS = (
    Check(
        "Did the log's keeper sign it?",
        "Every checkpoint in the copy was checked against the log's public key, and that key against the directory.",
        frozenset(
            {
                "checkpoint-missing",
                "checkpoint-untrusted",
                "checkpoint-differs",
                "checkpoint-unknown-signer",
                "log-key-unlisted",
                "seen-untrusted",
            }
        ),
        rests_on_proof=False,
    ),
    Check(
        "Was anything removed or changed?",
        "All hashes were computed again from the entries and compared with every checkpoint ever fetched.",
        frozenset(
            {
                "fork",
                "root-mismatch",
                "missing-file",
                "stray-file",
                "tile-altered",
                "entry-altered",
                "bundle-broken",
                "directory-altered",
            }
        ),
        rests_on_proof=False,
    ),
    Check(
        "Did the governors decide on members and rules?",
        "Every change of the directory was checked for the signatures that it needs, in the order of the log.",
        frozenset({"wrong-directory", "directory-refused", "directory-unavailable"}),
    ),
    Check(
        "Did the named agencies send the alerts?",
        "Each alert's sender, signing key, signature, time and relation to earlier alerts were checked.",
        frozenset(
            {
                "header-malformed",
                "sender-unknown",
                "sender-suspended",
                "sender-key",
                "sender-signature",
                "not-fresh",
                "version-stale",
                "duplicate-alert",
                "relation-foreign",
            }
        ),
    ),
    Check(
        "Did each alert go to whom the rules say?",
        "The recipients of each alert were decided again from the routing rules then in force.",
        frozenset({"routing-differs"}),
    ),
    Check(
        "Are the receipts true to the log?",
        "Each receipt's signature was checked, what it speaks of, and whether it contradicts an earlier one.",
        frozenset(
            {
                "receipt-malformed",
                "receipt-signer",
                "receipt-signature",
                "receipt-time",
                "receipt-mismatch",
                "receipt-not-addressed",
                "receipt-contradicts",
            }
        ),
    ),
    Check(
        "Did the hub keep its books in order?",
        "The form of every entry and the order of times were checked, and what the hub says it refused.",
        frozenset({"entry-malformed", "time-backwards", "refusal-malformed"}),
    ),
    Check(
        "Was help called when urgent alerts were not taken?",
        "It was worked out which flash alerts waited too long for whom, and compared with what the hub says it did.",
        frozenset({"escalation-unfounded", "escalation-missing"}),
    ),
    Check(
        "Was only deleted what may be?",
        "Every deletion was checked for its reason, for who approved it, and for the time that had to pass before.",
        frozenset({"purge-malformed", "purge-early", "body-missing", "body-altered"}),
    ),
)
