"""Second pass of an audit: the surveys of all entries in the order of the log, held against those before them.

A survey judged its entry by itself. What rests on earlier entries is judged here: the order of times, relations between
alerts, what receipts speak of, what deletions name. Here it is also settled who is held to what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field

from nodes.auditor import findings as found
from nodes.auditor.alert_check import Problem, relation_problems
from nodes.auditor.directories import Directories
from nodes.auditor.escalation_check import escalation_problems, missing_escalations
from nodes.auditor.findings import BROKER, COPY, Finding, Findings, Kind
from nodes.auditor.ledger import Ledger
from nodes.auditor.purge_check import purge_problems
from nodes.auditor.receipt_check import item_problems
from nodes.auditor.survey import AlertFacts, ReceiptFacts, Survey
from nodes.auditor.text import plain, when
from schemas.directory.escalation import escalation_due
from schemas.ids import format_id
from schemas.log.entry import EscalationEntry, PurgeEntry, RefusalEntry

AGENCY_KINDS = {
    found.RECEIPT_TIME,
    found.RECEIPT_MISMATCH,
    found.RECEIPT_NOT_ADDRESSED,
    found.RECEIPT_CONTRADICTS,
}
"""What an agency is held to rather than the hub: its signature is good, and what it signed is at fault."""


@dataclass(slots=True)
class Judge:
    """Takes surveys one by one. After the last, `ledger` and the counts tell what the log held."""

    directories: Directories
    ledger: Ledger
    findings: Findings
    proven: bool
    """The entries are the signed ones, so that the hub and the agencies can be held to them."""
    damaged: Set[int]
    """Entries whose signed bytes are not known; they are passed over."""
    whole: bool = True
    """Every entry of the log is here, not only those that concern one agency."""
    party: str | None = None
    """Report only what concerns this agency, and what concerns the log as a whole."""
    entries: Counter[str] = field(default_factory=Counter)
    receipts: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    unjudged: int = 0
    """Entries not judged: unreadable, or after a directory version that could not be established."""
    last_time: int = 0
    first_time: int | None = None
    elsewhere: int = 0
    """Findings that concern only agencies other than `party`."""
    lost: bool = False
    """A directory version could not be established, so nothing after it can be judged."""
    _versions: int = 0
    """Directory versions in force so far."""
    _file: str = ""

    def judge(self, file: str, survey: Survey) -> None:
        """Judge the next entry, which `file` holds, unless it is damaged."""
        if survey.number in self.damaged:
            self.unjudged += 1
            return
        self._file = file
        if not survey.kind:
            self._say(survey, survey.form)
            self.unjudged += 1
            return
        self.entries[survey.kind] += 1
        self._check_time(survey)
        if survey.kind == "directory":
            self._directory(survey)
            return
        if self.lost or self._gap(survey):
            self.unjudged += 1
            survey = survey._replace(problems=(), in_force=False, facts=_unsigned(survey))
        elif not survey.in_force:
            self._say(survey, survey.problems)
            self.unjudged += 1
        self._say(survey, survey.form)
        match survey.facts:
            case AlertFacts() as alert:
                self._alert(survey, alert)
            case ReceiptFacts() as receipt:
                self._receipt(survey, receipt)
            case RefusalEntry() as refusal if survey.in_force:
                self.refusals[refusal.agency] += 1
                self._say(survey, survey.problems, (refusal.agency,))
            case PurgeEntry() as purge if survey.in_force:
                self._purge(survey, purge)
            case EscalationEntry() as escalation if survey.in_force:
                self._escalation(survey, escalation)
            case None if survey.in_force:
                self._say(survey, survey.problems)

    # -- the directory -------------------------------------------------------------------------------------------------

    def _directory(self, survey: Survey) -> None:
        setback = self.directories.setbacks.get(survey.number)
        if setback is not None:
            party = setback.party if self.proven else COPY
            self.unjudged += setback.party == COPY
            offset = survey.offset if setback.file is None else None
            place = (setback.file or self._file, offset, survey.number)
            self.findings.add(Finding(setback.kind, party, plain(setback.message), *place))
        elif survey.number in self.directories.accepted:
            self._versions += 1
            return
        else:
            self.unjudged += 1
        self._lose(survey)

    def _gap(self, survey: Survey) -> bool:
        """Whether the directory version it names was probably in a damaged entry; then nothing more can be judged."""
        if survey.directory <= self._versions or min(self.damaged, default=survey.number) >= survey.number:
            return False
        self._lose(survey)
        return True

    def _lose(self, survey: Survey) -> None:
        """From here on nobody can say which directory was in force."""
        if not self.lost:
            self.lost = True
            message = f"from entry {survey.number} on, what rests on the directory was not judged"
            self._report(survey, found.DIRECTORY_UNAVAILABLE, COPY, message)

    # -- the other kinds -----------------------------------------------------------------------------------------------

    def _alert(self, survey: Survey, alert: AlertFacts) -> None:
        parties = (alert.sender, *alert.recipients)
        what = f"alert {format_id(alert.id)} of {alert.sender}"
        problems = list(survey.problems) if survey.in_force else []
        if survey.in_force and not self.damaged:  # the earlier alert may be one of those
            problems += relation_problems(alert, self.ledger, whole=self.whole)
        self._say(survey, [(kind, f"{what}: {message}") for kind, message in problems], parties)
        if alert.relation is not None and alert.relation.type == "recall" and alert.signed:
            self.ledger.recall(alert.relation.alert, alert.sender, survey.time)
        earlier = self.ledger.add(survey.number, alert, survey.time, self._due(survey, alert))
        if earlier is not None:
            message = f"{what} had been entered before, as entry {earlier}"
            self._say(survey, [(found.DUPLICATE_ALERT, message)], parties)

    def _receipt(self, survey: Survey, receipt: ReceiptFacts) -> None:
        self.receipts[receipt.agency] += 1
        problems = [*survey.problems, *item_problems(survey, receipt, self.ledger, self.damaged)]
        for kind, message in problems:
            held = receipt.agency if kind in AGENCY_KINDS else BROKER
            self._report(survey, kind, held, message, (receipt.agency, receipt.sender))

    def _purge(self, survey: Survey, purge: PurgeEntry) -> None:
        if purge.index in self.damaged:
            return
        alert = self.ledger.alert(purge.index)
        problems: list[Problem] = []
        if alert is None:
            message = f"entry {purge.index}, whose body was deleted, is no alert"
            self._say(survey, [(found.PURGE_MALFORMED, message)])
            return
        if self.whole and not self.damaged:  # otherwise what says when nobody waited any more may not be here
            document = self.directories.history.version(survey.directory).require_document()
            problems += purge_problems(purge, alert, document)
        self._say(survey, problems, (alert.sender, *alert.recipients))
        self.ledger.purge(alert)

    def _due(self, survey: Survey, alert: AlertFacts) -> int | None:
        if not survey.in_force or self.lost:
            return None
        document = self.directories.history.version(survey.directory).require_document()
        return escalation_due(document, alert.precedence, survey.time, alert.expires)

    def _escalation(self, survey: Survey, escalation: EscalationEntry) -> None:
        if escalation.index in self.damaged:
            return
        alert = self.ledger.alert(escalation.index)
        known = alert is not None and alert.alert_id == escalation.alert
        if alert is None or not known or escalation.agency not in alert.recipients:
            message = f"entry {escalation.index} is no alert for {escalation.agency}, for which it was escalated"
            self._say(survey, [(found.ESCALATION_UNFOUNDED, message)], (escalation.agency,))
            return
        if not self.damaged:  # otherwise what it continues may not be here
            directory = self.directories.history.version(survey.directory)
            problems = list(escalation_problems(escalation, alert, directory))
            self._say(survey, problems, (alert.sender, escalation.agency))
        self.ledger.escalate(alert, escalation.agency, escalation.outcome, survey.time)

    def finish(self) -> None:
        """After the last entry: what ought to have been entered and was not."""
        if not self.whole or self.damaged or self.lost:
            return
        history = self.directories.history
        for alert in self.ledger.alerts():
            for agency, message in missing_escalations(alert, history, self.last_time):
                if self.party is not None and self.party not in (alert.sender, agency):
                    self.elsewhere += 1
                    continue
                held = BROKER if self.proven else COPY
                self.findings.add(Finding(found.ESCALATION_MISSING, held, plain(message), entry=alert.index))

    # -- common --------------------------------------------------------------------------------------------------------

    def _check_time(self, survey: Survey) -> None:
        if survey.time < self.last_time:
            message = f"it bears {when(survey.time)}; the entry before bears {when(self.last_time)}"
            self._say(survey, [(found.TIME_BACKWARDS, message)])
        self.first_time = survey.time if self.first_time is None else self.first_time
        self.last_time = max(self.last_time, survey.time)

    def _say(
        self, survey: Survey, problems: tuple[Problem, ...] | list[Problem], parties: tuple[str, ...] = ()
    ) -> None:
        """Hold the hub to what it should not have entered."""
        for kind, message in problems:
            self._report(survey, kind, BROKER, message, parties)

    def _report(self, survey: Survey, kind: Kind, party: str, message: str, parties: tuple[str, ...] = ()) -> None:
        """Add a finding about an entry that concerns `parties`; none are named where it may concern anybody."""
        if self.party is not None and parties and self.party not in parties:
            self.elsewhere += 1
            return
        held = party if self.proven else COPY
        self.findings.add(Finding(kind, held, plain(message), self._file, survey.offset, survey.number))


def _unsigned(survey: Survey) -> AlertFacts | None:
    """Of an alert that cannot be judged, what its receipts need; of anything else nothing."""
    return survey.facts._replace(signed=False) if isinstance(survey.facts, AlertFacts) else None
