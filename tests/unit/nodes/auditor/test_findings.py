from __future__ import annotations

import re
from pathlib import Path

from nodes.auditor.findings import BROKER, COPY, FORK, KINDS, STRAY_FILE, Finding, Findings

GUIDE = Path(__file__).resolve().parents[4] / "docs" / "audit.md"


def test_the_guide_explains_every_code_in_the_same_words_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \| (.+?) \|$", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {code: (meaning, advice) for code, meaning, advice in rows} == {
        kind.code: (kind.meaning, kind.advice) for kind in KINDS.values()
    }


def test_codes_are_slugs_and_say_what_to_do() -> None:
    for code, kind in KINDS.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
        assert kind.meaning
        assert kind.advice.endswith(".")


def test_a_flood_of_findings_is_counted_but_not_kept() -> None:
    findings = Findings(limit=3)
    for index in range(10):
        findings.add(Finding(STRAY_FILE, COPY, "stray", f"file{index}"))
    findings.add(Finding(FORK, BROKER, "two histories"))
    assert len(findings) == 11
    assert len(findings.kept) == 3
    assert findings.against(BROKER) == 1
    assert findings.counts == {(COPY, "stray-file"): 10, (BROKER, "fork"): 1}


def test_a_finding_as_data_leaves_out_what_is_not_known() -> None:
    assert Finding(FORK, BROKER, "two histories").as_dict() == {
        "code": "fork",
        "party": "broker",
        "message": "two histories",
        "advice": FORK.advice,
    }
    assert Finding(FORK, BROKER, "x", "f", 3, 4, 5).as_dict()["last_entry"] == 5
