"""How the report's page looks, on a screen and on paper."""

from __future__ import annotations

STYLE = """
:root { --ink: #1c2430; --soft: #5b6675; --line: #d5dbe3; --good: #1a6b3c; --bad: #a4161a; --open: #8a5a00;
  --good-pale: #e8f4ec; --bad-pale: #fbe9e9; --done: #2e7d5b; --refused: #b23a48; --lapsed: #9aa5b1; --due: #e0a030; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f6f8; color: var(--ink);
  font: 16px/1.5 "Liberation Sans", Arial, Helvetica, sans-serif; }
main { max-width: 62rem; margin: 2rem auto; padding: 2.5rem 3rem; background: #fff; border: 1px solid var(--line); }
h1 { margin: .1rem 0 .3rem; font-size: 1.9rem; line-height: 1.2; }
h2 { margin: 2.4rem 0 .8rem; padding-bottom: .3rem; border-bottom: 2px solid var(--ink); font-size: 1.25rem; }
h3 { margin: 1.4rem 0 .5rem; font-size: 1.05rem; }
h4 { margin: 0 0 .3rem; font-size: 1rem; }
h4 span { white-space: nowrap; }
h4 span, .where, .note, .log, .period { color: var(--soft); font-weight: normal; font-size: .9rem; }
.kind { margin: 0; color: var(--soft); text-transform: uppercase; letter-spacing: .08em; font-size: .8rem; }
.verdict { margin: 1.4rem 0; padding: 1rem 1.4rem; border-left: .5rem solid; }
.verdict p { margin: .2rem 0; }
.verdict.good { border-color: var(--good); background: var(--good-pale); }
.verdict.bad { border-color: var(--bad); background: var(--bad-pale); }
.verdict .word { font-size: 1.5rem; font-weight: bold; }
.good .word, td.good { color: var(--good); }
.bad .word, td.bad { color: var(--bad); font-weight: bold; }
td.open { color: var(--open); }
.figures { display: flex; gap: 1rem; }
.figures div { flex: 1; padding: .7rem 1rem; border: 1px solid var(--line); }
.figures b { display: block; font-size: 1.5rem; }
.figures span { color: var(--soft); font-size: .9rem; }
table { width: 100%; border-collapse: collapse; font-size: .92rem; }
th, td { padding: .45rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { border-bottom: 2px solid var(--line); color: var(--soft); font-size: .82rem; vertical-align: bottom; }
.checks th[scope] { width: 32%; }
.checks td:last-child { white-space: nowrap; }
.agencies th[scope] { white-space: nowrap; }
.agencies td, .agencies thead th { text-align: right; }
.agencies thead th:first-child { text-align: left; }
.agencies thead th:nth-child(8) { text-align: left; }
.agencies td.bar { width: 22%; min-width: 8rem; text-align: left; white-space: nowrap; font-size: 0; }
i.done { background: var(--done); } i.refused { background: var(--refused); }
i.lapsed { background: var(--lapsed); } i.open { background: var(--due); }
.bar i { display: inline-block; height: .95rem; vertical-align: middle; }
.key { display: inline-block; width: .8rem; height: .8rem; vertical-align: -.05rem; }
.finding { margin: .8rem 0; padding: .8rem 1.1rem; border: 1px solid var(--line);
  border-left: .35rem solid var(--bad); }
.finding p { margin: .3rem 0; } .finding ul { margin: .4rem 0 0; padding-left: 1.2rem; }
.finding li { overflow-wrap: anywhere; } .where { display: block; }
dl { display: grid; grid-template-columns: 8rem 1fr; gap: .25rem 1rem; margin: 0; font-size: .92rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
code { font: .9em "Liberation Mono", Consolas, monospace; }
@media screen and (max-width: 48rem) { main { margin: 0; padding: 1.2rem; border: 0; } .figures { flex-wrap: wrap; }
  .figures div { flex: 1 1 40%; } table { display: block; overflow-x: auto; } }
@page { size: A4; margin: 16mm 15mm; }
@media print { html { font-size: 12px; } body { background: #fff; font-size: 12px; }
  main { max-width: none; margin: 0; padding: 0; border: 0; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  h2, h3, h4 { break-after: avoid; } tr, .finding, .verdict, .figures, dl > * { break-inside: avoid; }
  thead { display: table-header-group; } .words { break-inside: avoid; } }
"""
