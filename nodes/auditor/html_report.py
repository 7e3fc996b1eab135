"""The report as one page to read and to print: what was checked, what was found, what it means, agency by agency.

The page needs no scripts, loads nothing, and shows everything it got from the log as text only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from nodes.auditor.checks import CHECKS
from nodes.auditor.findings import BROKER, COPY, KINDS, Finding
from nodes.auditor.html_style import STYLE
from nodes.auditor.report import Account, Report, kinds_text, where_text
from nodes.auditor.text import count, day, plain, when

SHOWN = 100
"""Findings shown one by one; a page with more helps nobody, and the JSON report has a thousand."""


def html_page(report: Report, *, made: int) -> str:
    """Return the whole page; `made` is when (ms)."""
    body = "\n".join(
        [
            *_head(report, made),
            *_summary(report),
            *_checked(report),
            *_findings(report),
            *_agencies(report),
            *_limits(report),
            *_details(report),
            *_words(),
        ]
    )
    title = _text(f"Audit of {report.origin}")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _text(value: object) -> str:
    """Anything as HTML text: control characters and what reorders text visible, and nothing that is markup."""
    return escape(plain(str(value)))


def _head(report: Report, made: int) -> Iterator[str]:
    yield "<header>"
    yield "<p class='kind'>Audit report</p>"
    yield f"<h1>{_text(report.directory_name)}</h1>"
    about = f", as far as it concerns {report.party}" if report.party is not None else ""
    yield f"<p class='log'>The log <b>{_text(report.origin)}</b>{_text(about)}. Report made {_text(when(made))}.</p>"
    yield "</header>"


def _summary(report: Report) -> Iterator[str]:
    if report.ok:
        mood, word = "good", "Verified"
        meaning = "The copy of the log is complete and unchanged, and everything in it is as the rules require."
        if report.own_copy:
            meaning = (
                f"Every entry shown that concerns {report.party} is in the log, unchanged, and as the rules require."
            )
    elif not report.proven:
        mood, word = "bad", "Not proven"
        meaning = (
            "The files of this copy are not shown to be the log that was signed. Until that is settled, nobody can be "
            "held to what is in them. The findings below say which files are at fault."
        )
    else:
        mood, word = "bad", count(len(report.findings), "finding")
        meaning = (
            "The copy of the log is complete and unchanged, but some of what it holds is not as the rules require. "
            "The findings below say what, and who has to answer for it."
        )
        if report.findings.against(COPY):
            meaning = "Something is not as it must be. The findings below say what, and who has to answer for it."
    yield f"<section class='verdict {mood}'>"
    yield f"<p class='word'>{_text(word)}</p>"
    yield f"<p>{_text(meaning)}</p>"
    yield "</section>"
    yield "<section class='figures'>"
    period = "none"
    if report.first_time is not None:
        first, last = day(report.first_time), day(report.last_time)
        period = first if first == last else f"{first} to {last}"
    due = sum(account.unreceipted for account in report.agencies)
    for number, name in (
        (f"{report.size:,}", "entries in the log"),
        (f"{report.entries['alert']:,}", "alerts examined"),
        (f"{report.entries['receipt']:,}", "signed receipts examined"),
        (f"{due:,}", "deliveries not yet acknowledged"),
    ):
        yield f"<div><b>{_text(number)}</b><span>{_text(name)}</span></div>"
    yield "</section>"
    yield f"<p class='period'>Period: {_text(period)}.</p>"


def _checked(report: Report) -> Iterator[str]:
    yield "<section><h2>What was checked</h2>"
    yield "<table class='checks'><thead><tr><th>Question</th><th>How</th><th>Outcome</th></tr></thead><tbody>"
    for check in CHECKS:
        found = sum(number for (_, code), number in report.findings.counts.items() if code in check.codes)
        outcome, mood = ("as it must be", "good") if not found else (count(found, "finding"), "bad")
        if not found and not report.proven and check.rests_on_proof:
            outcome, mood = "not proven", "open"
        yield (
            f"<tr><th scope='row'>{_text(check.question)}</th><td>{_text(check.how)}</td>"
            f"<td class='{mood}'>{_text(outcome)}</td></tr>"
        )
    yield "</tbody></table>"
    if report.unjudged:
        left = count(report.unjudged, "entry", "entries")
        yield f"<p class='note'>{_text(left)} could not be judged; the findings give the reason.</p>"
    if report.seen_elsewhere:
        yield "<h3>Checkpoints that others saw</h3><ul>"
        for seen in report.seen_elsewhere:
            yield f"<li>{_text(seen.file)}: {_text(seen.words)}.</li>"
        yield "</ul>"
    yield "</section>"


def _findings(report: Report) -> Iterator[str]:
    yield "<section><h2>What was found</h2>"
    if not len(report.findings):
        yield "<p>Nothing. Every check above came out as it must.</p>"
    shown = report.findings.kept[:SHOWN]
    for party, codes in report.by_party().items():
        yield f"<h3>{_text(_answerable(party))}</h3>"
        for code, number in codes.items():
            mine = [finding for finding in shown if (finding.party, finding.kind.code) == (party, code)]
            yield from _finding_card(code, number, mine)
    if report.elsewhere:
        left = count(report.elsewhere, "finding")
        yield f"<p class='note'>{_text(left)} that concern other agencies only are left out.</p>"
    yield "</section>"


def _answerable(party: str) -> str:
    if party == COPY:
        return "Nobody by signature: the files of this copy"
    return "The hub answers for" if party == BROKER else f"{party} answers for"


def _finding_card(code: str, number: int, shown: list[Finding]) -> Iterator[str]:
    kind = KINDS[code]
    yield "<article class='finding'>"
    times = "once" if number == 1 else f"{number:,} times"
    meaning = kind.meaning[0].upper() + kind.meaning[1:]
    yield f"<h4>{_text(meaning)} <span>{_text(code)}, {_text(times)}</span></h4>"
    yield f"<p class='advice'><b>What to do:</b> {_text(kind.advice)}</p><ul>"
    for finding in shown:
        yield f"<li>{_text(finding.message)} <span class='where'>{_text(where_text(finding))}</span></li>"
    if number > len(shown):
        yield f"<li>and {number - len(shown):,} more like {'it' if len(shown) == 1 else 'these'}</li>"
    yield "</ul></article>"


def _agencies(report: Report) -> Iterator[str]:
    active = [account for account in report.agencies if account.active]
    yield "<section><h2>Agency by agency</h2>"
    if not active:
        yield "<p>Nothing was sent or received.</p></section>"
        return
    yield (
        "<p>The bar shows what became of the alerts addressed to an agency: <i class='key done'></i> acknowledged"
        " under its signature, <i class='key refused'></i> refused under its signature, <i class='key lapsed'></i>"
        " recalled or expired before it signed anything, <i class='key open'></i> not yet acknowledged.</p>"
    )
    titles = (
        "Agency",
        "Sent",
        "Addressed to it",
        "Acknowledged",
        "Refused",
        "Lapsed",
        "Open",
        "What became of them",
        "Findings",
    )
    yield (
        "<table class='agencies'><thead><tr>"
        + "".join(f"<th>{title}</th>" for title in titles)
        + "</tr></thead><tbody>"
    )
    for account in active:
        yield from _agency_row(account)
    yield "</tbody></table>"
    if idle := len(report.agencies) - len(active):
        number = count(idle, "other agency", "other agencies")
        yield f"<p class='note'>Nothing was sent by or addressed to {_text(number)}.</p>"
    yield "</section>"


def _agency_row(account: Account) -> Iterator[str]:
    done = account.stored + account.read + account.actioned
    parts = (("done", done), ("refused", account.refused), ("lapsed", account.lapsed), ("open", account.unreceipted))
    yield f"<tr><th scope='row'>{_text(account.agency)}</th>"
    for number in (account.sent, account.addressed, done, account.refused, account.lapsed, account.unreceipted):
        yield f"<td>{number:,}</td>"
    yield f"<td class='bar'>{_bar(parts, account.addressed)}</td>"
    mood = "bad" if account.findings else ""
    yield f"<td class='{mood}'>{account.findings or 'none'}</td></tr>"


def _bar(parts: Iterable[tuple[str, int]], whole: int) -> str:
    if not whole:
        return ""
    cells = (f"<i class='{name}' style='width:{100 * number / whole:.2f}%'></i>" for name, number in parts if number)
    return "".join(cells)


def _limits(report: Report) -> Iterator[str]:
    yield "<section><h2>What this does not show</h2><ul>"
    yield "<li>What the alerts say. Their contents are sealed for the recipients and are no part of the log.</li>"
    yield (
        "<li>Alerts that an agency sent and the hub never entered. The sender's own computer keeps the evidence for "
        "that.</li>"
    )
    yield (
        "<li>Why an alert is not acknowledged. The log cannot tell an agency that was away from a hub that did not "
        "deliver.</li>"
    )
    if report.own_copy:
        yield f"<li>Entries that concern {_text(report.party)} and that the hub did not show to it.</li>"
    yield "</ul></section>"


def _details(report: Report) -> Iterator[str]:
    yield "<section><h2>For those who check this report</h2><dl>"
    for term, value in (
        ("Log", report.origin),
        ("Size", f"{count(report.size, 'entry', 'entries')}: {kinds_text(report.entries)} examined"),
        ("Tree root", report.root.hex()),
        ("From", when(report.first_time) if report.first_time is not None else "none"),
        ("To", when(report.last_time) if report.first_time is not None else "none"),
        ("Directory", f"version {report.directory_version}, {report.directory_name}"),
        ("Checkpoints", f"{report.checkpoints} signed by the log's key and compared with each other"),
    ):
        yield f"<dt>{term}</dt><dd>{_text(value)}</dd>"
    yield "</dl><p>Anybody with a copy of the log, its public key and the governors' first root file comes to the same "
    yield "result with <code>bearing audit verify</code>.</p></section>"


def _words() -> Iterator[str]:
    yield "<section class='words'><h2>Words</h2><dl>"
    for word, meaning in (
        ("log", "a list to which the hub can only add; every entry is fixed by the signatures that follow it"),
        ("entry", "one line of the log: an alert's envelope, a receipt, a change of the directory, a deletion"),
        (
            "checkpoint",
            "the hub's signature over the whole log as it stood; two that contradict each other prove fraud",
        ),
        ("receipt", "an agency's signed word that it stored, read, acted upon or refused an alert"),
        ("directory", "who takes part, with which keys, and the routing rules, signed by the governors"),
        ("governors", "those who together decide on members and rules; several of them must sign"),
    ):
        yield f"<dt>{word}</dt><dd>{meaning}</dd>"
    yield "</dl></section>"
