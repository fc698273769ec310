"""The report as one HTML file that needs nothing else, and reads well on paper."""

import re
from html import escape

from edgexai.audit.report import Figure, Report, Section, unassessed

STYLE = """
:root { --ink: #1b1f24; --soft: #5a6472; --line: #d5dae1; --warn: #8a4b00; --warn-back: #fff4e2; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, "Helvetica Neue", Arial, sans-serif; color: var(--ink); max-width: 60rem;
  margin: 2rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.7rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; }
p { margin: .4rem 0; } code { font-size: .85em; overflow-wrap: anywhere; } .soft { color: var(--soft); }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; font-size: .87rem; }
th, td { text-align: left; vertical-align: top; padding: .28rem .7rem .28rem 0; border-bottom: 1px solid var(--line); }
thead { display: table-header-group; } th { color: var(--soft); font-weight: 600; } td { overflow-wrap: anywhere; }
.figures { table-layout: fixed; } .figures th:nth-child(1) { width: 34%; } .figures th:nth-child(2) { width: 28%; }
.n { width: 4.5em; text-align: right; white-space: nowrap; overflow-wrap: normal; padding-right: 0; }
figure { margin: .6rem 0; break-inside: avoid; } figure svg { max-width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .85rem; }
.missing { background: var(--warn-back); border-left: 3px solid var(--warn); padding: .45rem .8rem; margin: .6rem 0; }
.missing ul { margin: .2rem 0; padding-left: 1.1rem; font-size: .92em; }
.all ul { columns: 2; column-gap: 2.2rem; } .missing li { break-inside: avoid; } .missing b { color: var(--warn); }
.sign { display: flex; gap: 2rem; margin-top: 2.6rem; } .sign div { flex: 1; border-top: 1px solid var(--ink);
  padding-top: .3rem; color: var(--soft); font-size: .85rem; }
.running { display: none; }
@page { size: A4; margin: 18mm 16mm 20mm; font: 8pt system-ui, "Helvetica Neue", Arial, sans-serif; color: #5a6472;
  @bottom-left { content: element(running); } @bottom-right { content: counter(page) " / " counter(pages); } }
@media print { body { font-size: 10pt; margin: 0; padding: 0; max-width: none; } h2 { break-after: avoid; }
  .running { display: block; position: running(running); font-size: 8pt; color: var(--soft); }
  tr, .sign, .last { break-inside: avoid; } .sign { break-before: avoid; }
  a { color: inherit; text-decoration: none; } }
"""


def html(report: Report) -> str:
    """The whole page."""
    rows = "".join(
        f'<tr><td>{s.number}</td><td><a href="#s{s.number}">{escape(s.title)}</a></td><td>{s.assessed}</td></tr>'
        for s in report.sections
    )
    gaps = unassessed(report.sections)
    listed = "".join(f"<li>section {number}: {_prose(what)}</li>" for number, what in gaps)
    missing = f'<div class="missing all"><b>Not assessed</b><ul>{listed}</ul></div>' if gaps else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Audit of {escape(report.model)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<div class=running>Audit of {escape(report.model)} · SHA-256 {report.sha256[:16]}…</div>"
        f"<h1>Audit of {escape(report.model)}</h1><p class=soft>SHA-256 <code>{report.sha256}</code></p>"
        f"<p class=soft>Made by edgexai {report.version} with <code>{escape(report.command)}</code>. Figures in "
        "brackets are 95 % intervals.</p><h2>Summary</h2>"
        f"<table><thead><tr><th></th><th>section</th><th>state</th></tr></thead>{rows}</table>{missing}"
        + "".join(_section(s) for s in report.sections[:-1])
        + f"<div class=last>{_section(report.sections[-1])}"
        + "<div class=sign><div>Name, role</div><div>Date</div><div>Signature</div></div></div></body></html>"
    )


def _section(s: Section) -> str:
    text = "".join(f"<p>{_prose(t)}</p>" for t in s.text)
    gaps = "".join(f"<li>{_prose(m)}</li>" for m in s.missing)
    missing = f'<div class="missing"><b>Not assessed</b><ul>{gaps}</ul></div>' if gaps else ""
    pictures = "".join(f"<figure>{svg}<figcaption>{_prose(said)}</figcaption></figure>" for svg, said in s.pictures)
    return f'<h2 id="s{s.number}">{s.number} · {escape(s.title)}</h2>{text}{pictures}{_table(s.figures)}{missing}'


def _table(figures: tuple[Figure, ...]) -> str:
    """The figures; the number of samples has a column where there is one."""
    if not figures:
        return ""
    counted = any(f.n is not None for f in figures)
    head = "<th>figure</th><th>value</th><th>how it was obtained</th>" + "<th class=n>n</th>" * counted
    rows = "".join(
        f"<tr><td>{escape(f.name)}</td><td>{escape(f.value)}</td><td>{_prose(f.how)}</td>"
        + f"<td class=n>{'' if f.n is None else f'{f.n:,}'}</td>" * counted
        + "</tr>"
        for f in figures
    )
    return f"<table class=figures><thead><tr>{head}</tr></thead>{rows}</table>"


def _prose(text: str) -> str:
    """Text with `code` set as such, and nothing else taken for HTML."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
