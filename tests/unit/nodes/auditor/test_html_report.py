"""The report as a page: everything in words, nothing from the log as markup, nothing loaded from anywhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from nodes.auditor.checks import CHECKS
from nodes.auditor.findings import KINDS
from nodes.auditor.html_report import SHOWN, html_page
from nodes.auditor.report import Report
from tests.support.auditing import audit, audited
from tests.support.directory import NOW
from tests.support.log_builder import LogBuilder

VOID = {"meta", "br"}


class Outline(HTMLParser):
    """Checks that tags close in order; collects text and tag names."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def outline(report: Report) -> Outline:
    made = Outline()
    made.feed(html_page(report, made=NOW))
    made.close()
    assert made.open == []
    return made


def text(report: Report) -> str:
    return re.sub(r"\s+", " ", "".join(outline(report).words))


def test_a_clean_log_reads_as_verified(log: LogBuilder, tmp_path: Path) -> None:
    told = text(audited(log, tmp_path))
    for words in (
        "Verified",
        "The log log.crossbearing.test/1",
        "11entries in the log",
        "3alerts examined",
        "Nothing. Every check above came out as it must.",
        "Period: 21 September 2026.",
        log.tree.roots[11].hex(),
    ):
        assert words in told
    assert "article" not in outline(audited(log, tmp_path)).tags, "no finding is shown"


def test_each_finding_says_what_it_means_what_to_do_and_where(log: LogBuilder, tmp_path: Path) -> None:
    log.receipt("au-abf", [log.alert()])
    told = text(audited(log, tmp_path))
    kind = KINDS["receipt-not-addressed"]
    for words in ("1 finding", "au-abf answers for", kind.meaning[1:], kind.advice, "entry 12"):
        assert words in told


def test_what_is_not_proven_is_said_first(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    for name in ("checkpoint", f"checkpoints/{log.size}"):
        (folder / name).write_bytes(log.checkpoint(root=bytes(32)))
    told = text(audit(log, folder))
    assert "Not proven" in told
    assert "nobody can be held to what is in them" in told


def test_nothing_received_becomes_markup(log: LogBuilder, tmp_path: Path) -> None:
    folder = log.write(tmp_path)
    (folder / "<img src=x onerror=alert(1)>\u202e'\"&").write_bytes(b"")
    page = outline(audit(log, folder))
    assert "img" not in page.tags
    assert "onerror" not in page.attributes
    assert "<img src=x onerror=alert(1)>\\u202e'\"&" in "".join(page.words)


def test_the_page_loads_and_runs_nothing(log: LogBuilder, tmp_path: Path) -> None:
    report = audited(log, tmp_path)
    page = outline(report)
    assert page.tags.isdisjoint({"script", "link", "img", "iframe", "object", "form"})
    assert page.attributes.isdisjoint({"src", "href", "onclick", "onload"})
    assert "url(" not in html_page(report, made=NOW)
    assert "default-src 'none'" in html_page(report, made=NOW)


def test_a_flood_of_findings_stays_a_page(log: LogBuilder, tmp_path: Path) -> None:
    for number in range(SHOWN + 20):
        log.append(b"nonsense %d" % number)
    told = text(audited(log, tmp_path))
    assert "and 20 more like these" in told


def test_every_finding_answers_one_of_the_questions() -> None:
    answered = [code for check in CHECKS for code in check.codes]
    assert sorted(answered) == sorted(KINDS)
