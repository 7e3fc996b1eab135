"""What an audit says in the end: about the log, about each agency, and every finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

from nodes.auditor.cosignature_check import Witnessing
from nodes.auditor.findings import BROKER, COPY, Finding, Findings
from nodes.auditor.ledger import Logged
from nodes.auditor.obligations import OPEN, obligations
from nodes.auditor.receipt_check import REFUSED
from nodes.auditor.seen import Seen
from nodes.auditor.text import count, plain, when

FORMAT = "crossbearing/audit/1"
"""Names the form of the report in JSON; docs/audit.md describes it. Keys may be added, none change their meaning."""

COLUMNS = {
    "sent": "sent",
    "addressed": "addressed",
    "stored": "stored",
    "read": "read",
    "actioned": "actioned",
    REFUSED: "refused",
    "lapsed": "lapsed",
    "unreceipted": "open",
    "receipts": "receipts",
    "submissions_refused": "rejected",
    "findings": "findings",
}
"""The numbers of an account that the report shows, with their titles."""


@dataclass(slots=True)
class Account:
    """What one agency can be held to, in numbers."""

    agency: str
    sent: int = 0
    """Alerts that carry its good signature."""
    addressed: int = 0
    """Alerts addressed to it."""
    stored: int = 0
    """Of those, how many it signed for as stored, and went no further."""
    read: int = 0
    actioned: int = 0
    refused: int = 0
    """How many it signed as refused."""
    recalled: int = 0
    """How many were taken back before it signed anything for them."""
    expired: int = 0
    """How many expired before it signed anything for them."""
    unreceipted: int = 0
    """How many it signed nothing for, and still should."""
    receipts: int = 0
    """Receipts in the log that carry its good signature; each may cover many alerts."""
    submissions_refused: int = 0
    """What the hub logged as sent by it and refused; the hub's word alone."""
    findings: int = 0

    @property
    def lapsed(self) -> int:
        """How many nobody need sign for any more, and it never did."""
        return self.recalled + self.expired

    @property
    def active(self) -> bool:
        """Whether there is anything to tell."""
        return any(getattr(self, column) for column in COLUMNS)


def accounts_of(
    alerts: Iterable[Logged],
    receipts: Mapping[str, int],
    refusals: Mapping[str, int],
    agencies: Iterable[str],
    findings: Findings,
    *,
    end: int,
    party: str | None = None,
) -> list[Account]:
    """Return an account for each agency that the log or the directory names, sorted, as things stand at `end` (ms).

    With `party`, only alerts that it sent or that are addressed to it count.
    """
    accounts: dict[str, Account] = {}

    def account(agency: str) -> Account:
        return accounts.setdefault(agency, Account(agency))

    for agency in agencies:
        account(agency)
    for alert in alerts:
        if party not in (None, alert.sender, *alert.recipients):
            continue
        account(alert.sender).sent += alert.signed
        for owed in obligations(alert, end):
            addressee = account(owed.agency)
            name = "unreceipted" if owed.standing == OPEN else owed.standing
            setattr(addressee, name, getattr(addressee, name) + 1)
            addressee.addressed += 1
    for agency, number in receipts.items():
        account(agency).receipts = number
    for agency, number in refusals.items():
        account(agency).submissions_refused = number
    for agency, found in accounts.items():
        found.findings = findings.against(agency)
    return sorted(accounts.values(), key=lambda found: found.agency)


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of `verify`. `ok` only if nothing at all was found."""

    origin: str
    size: int
    root: bytes
    proven: bool
    """The entries give the root that the log's key signed."""
    checkpoints: int
    """Genuine checkpoints compared."""
    directory_version: int
    directory_name: str
    entries: Counter[str]
    unjudged: int
    first_time: int | None
    last_time: int
    agencies: list[Account]
    findings: Findings
    seen_elsewhere: tuple[Seen, ...] = ()
    """The checkpoints that others saw, and how they compare."""
    party: str | None = None
    """The one agency that this is about; None for all."""
    own_copy: bool = False
    """The copy holds only the entries that concern `party`."""
    elsewhere: int = 0
    """Findings that concern other agencies than `party` alone; they are not listed."""
    witnessing: Witnessing | None = None
    """How far others vouch for the log; None where the directory lists no witness."""

    @property
    def ok(self) -> bool:
        """Whether the log was verified and nothing found."""
        return self.proven and not len(self.findings)

    def as_dict(self) -> dict[str, object]:
        """Return the report as JSON-ready data."""
        return {
            "format": FORMAT,
            "ok": self.ok,
            "party": self.party,
            "own_copy": self.own_copy,
            "origin": self.origin,
            "size": self.size,
            "root": self.root.hex(),
            "proven": self.proven,
            "checkpoints": self.checkpoints,
            "witnessed": self.witnessing.as_dict() if self.witnessing is not None else None,
            "seen": [seen.as_dict() for seen in self.seen_elsewhere],
            "directory": {"version": self.directory_version, "name": self.directory_name},
            "entries": dict(sorted(self.entries.items())),
            "unjudged": self.unjudged,
            "from": self.first_time,
            "to": self.last_time if self.first_time is not None else None,
            "agencies": [asdict(account) for account in self.agencies],
            "findings": [finding.as_dict() for finding in self.findings.kept],
            "findings_total": len(self.findings),
            "findings_elsewhere": self.elsewhere,
            "findings_by_party": self.by_party(),
        }

    def by_party(self) -> dict[str, dict[str, int]]:
        """Return how many findings of each code each party is held to."""
        table: dict[str, dict[str, int]] = {}
        for (party, code), number in sorted(self.findings.counts.items()):
            table.setdefault(party, {})[code] = number
        return table


def report_lines(report: Report) -> Iterator[str]:
    """Yield the report in words, for a reader who knows neither the program nor the format."""
    yield f"Log         {plain(report.origin)}"
    yield f"Entries     {report.size:,} ({kinds_text(report.entries)})"
    if report.first_time is not None:
        yield f"From        {when(report.first_time)}"
        yield f"To          {when(report.last_time)}"
    yield f"Root        {report.root.hex()}"
    yield f"Directory   version {report.directory_version}, {plain(report.directory_name)}"
    yield f"Checkpoints {report.checkpoints} signed by the log's key and compared with each other"
    if report.witnessing is not None:
        yield f"Witnesses   {witnessing_text(report.witnessing, report.size)}"
    for seen in report.seen_elsewhere:
        yield f"Seen        {plain(seen.file)}: {seen.words}"
    if report.party is not None:
        yield f"Concerning  {report.party} only" + (", from its own copy of the log" if report.own_copy else "")
    yield ""
    yield from _agency_table(report.agencies)
    yield from _legend()
    yield ""
    for finding in report.findings.kept:
        yield from finding_lines(finding)
    if len(report.findings) > len(report.findings.kept):
        yield f"... and {len(report.findings) - len(report.findings.kept):,} more findings"
        yield ""
    yield from _verdict(report)


def witnessing_text(witnessing: Witnessing, size: int) -> str:
    """Return in words how far others than the log's keeper vouch for it."""
    cosigned = count(len(witnessing.cosigners), "witness", "witnesses")
    if not witnessing.reached:
        return f"NOTICE: no checkpoint here has its quorum; {cosigned} of {witnessing.needed} needed cosigned one"
    which = "the newest checkpoint" if witnessing.size == size else f"the checkpoint of {witnessing.size:,} entries"
    return f"{cosigned} cosigned {which}; {witnessing.needed} are enough"


def finding_lines(finding: Finding) -> Iterator[str]:
    """Yield one finding in words: code and party, what, where, what to do."""
    yield f"FINDING {finding.kind.code}: {finding.kind.meaning}"
    yield f"  held to it  {_party(finding.party)}"
    yield f"  exactly     {plain(finding.message)}"
    yield f"  where       {where_text(finding)}"
    yield f"  do          {finding.kind.advice}"
    yield ""


def _verdict(report: Report) -> Iterator[str]:
    if report.ok:
        which = f"Every entry shown that concerns {report.party}" if report.own_copy else "Every entry"
        yield f"VERIFIED. {which} is one that the log's key signed for, nothing was removed or changed since the"
        yield "oldest checkpoint held, and every signature, directory threshold, routing decision and receipt is good."
        if report.elsewhere:
            yield f"{count(report.elsewhere, 'finding')} that concern other agencies only are left out."
        return
    if not report.proven:
        yield "NOT PROVEN. These files are not shown to be the log that was signed, so nobody can be held to them yet."
    total = len(report.findings)
    yield f"{count(total, 'finding').upper()}. Held to them:"
    for party, codes in report.by_party().items():
        yield f"  {_party(party)}: " + ", ".join(f"{code} ({number:,})" for code, number in codes.items())
    if report.unjudged:
        yield f"Not judged: {count(report.unjudged, 'entry', 'entries')}; the findings above give the reason."


def _agency_table(accounts: list[Account]) -> Iterator[str]:
    """A line for each agency that the log says anything about; the rest are only counted."""
    active = [account for account in accounts if account.active]
    width = max((len(account.agency) for account in active), default=len("agency"))
    yield "  ".join(("agency".ljust(width), *(title.rjust(9) for title in COLUMNS.values())))
    for account in active:
        numbers = (f"{getattr(account, column):,}".rjust(9) for column in COLUMNS)
        yield "  ".join((account.agency.ljust(width), *numbers))
    if idle := len(accounts) - len(active):
        yield f"Nothing was sent by or addressed to {count(idle, 'other agency', 'other agencies')}."


def _legend() -> Iterator[str]:
    yield ""
    yield "sent: alerts under its signature. addressed: alerts for it; of these it signed for as stored, read, actioned"
    yield "or refused. lapsed: recalled or expired before it signed anything. open: it signed nothing yet."
    yield "receipts: its signed receipts, each for one or more alerts. rejected: what the hub says it refused from it."


def kinds_text(entries: Counter[str]) -> str:
    """Return how many entries of each kind there are, in words."""
    plurals = {
        "alert": "alerts",
        "receipt": "receipts",
        "directory": "directory changes",
        "refusal": "refusals",
        "purge": "deletions",
        "escalation": "escalations",
    }
    singles = {"directory": "directory change", "purge": "deletion"}
    parts = [
        f"{entries[kind]:,} {singles.get(kind, kind) if entries[kind] == 1 else plural}"
        for kind, plural in plurals.items()
        if entries[kind]
    ]
    return ", ".join(parts) or "none read"


def _party(party: str) -> str:
    return {BROKER: "the hub", COPY: "nobody by signature; these files, or whoever kept them"}.get(party, party)


def where_text(finding: Finding) -> str:
    """Return the place of a finding in words."""
    parts = []
    if finding.entry is not None:
        last = finding.last_entry
        parts.append(f"entry {finding.entry:,}" if last is None else f"entries {finding.entry:,} to {last:,}")
    if finding.file is not None:
        parts.append(
            f"file {plain(finding.file)}" + (f", from byte {finding.offset:,}" if finding.offset is not None else "")
        )
    return "; ".join(parts) or "the log as a whole"
