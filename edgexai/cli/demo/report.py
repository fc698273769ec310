"""The report of the demo: one HTML file that needs nothing else, its pictures as PNG, its figures as JSON."""

import base64
import json
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.cli.demo.findings import Findings, Frames, Tag, as_json
from edgexai.cli.demo.pictures import classes, corner, pairs

STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881}
body{font:16px/1.55 system-ui,sans-serif;max-width:62rem;margin:3rem auto;padding:0 1.2rem}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .4rem}h2{font-size:1.15rem;margin:2.4rem 0 .6rem}
.verdict{border-left:5px solid #c0392b;background:var(--soft);padding:.7rem 1rem;font-size:1.08rem;border-radius:4px}
.verdict.fine{border-color:#2e8b57}
img{width:100%;background:#fff;border-radius:8px;border:1px solid var(--line)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:right}
th:first-child,td:first-child{text-align:left}th{font-weight:600}
.small{color:#888;font-size:.85rem}
"""
COLUMNS = {
    "accuracy": ("accuracy", "{:.1%}"),
    "macs": ("MACs", "{:,.0f}"),
    "bytes": ("bytes", "{:,.0f}"),
    "board_ms": ("ms on the board", "{:,.1f}"),
    "energy_uj": ("µJ there", "{:,.0f}"),
    "predict_ms": ("predict ms here", "{:.3f}"),
    "explain_ms": ("explain ms here", "{:.3f}"),
}


def write(directory: Path, findings: Findings, images: dict[str, NDArray[Any]]) -> Path:
    """Write report.html and what it is made of; the path of the HTML. ``images`` holds each node's inputs."""
    figures = {"heatmaps": pairs(_rows(findings), images), "classes": classes(findings)}
    if findings.tag is not None:
        figures["report"] = corner(findings.tag)
    for name, figure in figures.items():
        figure.savefig(directory / f"{name}.png", dpi=150)
    (directory / "report.json").write_text(json.dumps(as_json(findings), indent=1), encoding="utf-8")
    page = directory / "report.html"
    page.write_text(_html(findings, {name: directory / f"{name}.png" for name in figures}), encoding="utf-8")
    return page


def table(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of models."""
    head = ["model", *(title for title, _ in COLUMNS.values())]
    return head, [
        [name, *(_cell(row.get(key), form) for key, (_, form) in COLUMNS.items())]
        for name, row in findings.models.items()
    ]


def verdict(findings: Findings) -> str:
    """What has been found, in words."""
    said = [
        f"The fleet {'also ' * (i > 0)}suspects class {findings.label(s.target)}: it finds {s.share:.0%} of its "
        f"evidence in the region {s.region}, where {s.usual:.0%} is usual (by chance p = {p:.1g}"
        f"{'' if p <= 0.02 else ': a suspicion, no proof'})."
        for i, (s, p) in enumerate(zip(findings.suspects, findings.sure, strict=True))
    ] or ["The fleet suspects no class: none looks elsewhere than the others do."]
    if findings.tag is not None:
        said.append(_of_tag(findings.tag))
    return " ".join(said)


def _of_tag(tag: Tag) -> str:
    k, others = tag.target, float(np.nanmax(np.delete(tag.corner, tag.target)))
    recognised = "by its tag" if tag.corner[k] > others else "not by its tag alone"
    return (
        f"Class {k} is recognised {recognised}: on the sites with tags, {tag.corner[k]:.0%} of what speaks for {k} "
        f"lies in the tag's corner, which is {tag.area:.0%} of the image; on the site without tags it is "
        f"{tag.corner_clean[k]:.0%}, and for other classes at most {others:.0%}. Without the tag "
        f"{tag.seen_without:.0%} of the {k}s are recognised instead of {tag.seen_with:.0%}; pasted on other digits, "
        f"it turns {tag.fooled:.0%} of them into {k}s."
    )


def _rows(findings: Findings) -> list[tuple[str, Frames, NDArray[np.int64]]]:
    """Which explanations are shown: title, frames, and their positions."""
    first, last = findings.frames[0], findings.frames[-1]
    if findings.tag is None:
        return [(f.node, f, np.arange(len(f.maps))) for f in findings.frames[:3]]
    k = findings.tag.target
    others = [np.flatnonzero(last.targets == c)[:1] for c in range(10) if c != k]
    return [
        (f"predicted {k}, with tag", last, np.flatnonzero(last.targets == k)),
        (f"predicted {k}, without tag", first, np.flatnonzero(first.targets == k)),
        ("other predictions, with tag", last, np.concatenate(others)),
    ]


def _html(findings: Findings, pictures: dict[str, Path]) -> str:
    head, rows = table(findings)
    sizes = np.concatenate([f.bytes for f in findings.frames])
    where = f"<h2>What the tag does</h2>{_picture(pictures['report'])}" if "report" in pictures else ""
    fine = "" if findings.suspects else " fine"
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(findings.title)}</title>
<meta name="viewport" content="width=device-width"><style>{STYLE}</style>
<h1>{escape(findings.title)}</h1>
<p>What the heatmaps of {len(findings.frames)} nodes say, read together by the fleet service.</p>
<p class="verdict{fine}">{escape(verdict(findings))}</p>
<h2>What the deployed model looks at</h2>{_picture(pictures["heatmaps"])}
<p class="small">Inputs, and the heatmaps as they came over MQTT in {sizes.mean():.0f} bytes each (at most
{sizes.max()}); red speaks for the prediction, blue against it. The inputs stayed on the nodes.</p>
{where}
<h2>All heatmaps together, class by class</h2>{_picture(pictures["classes"])}
<h2>What it costs</h2>{_table(head, rows)}
<p class="small">Accuracy is on held-out samples. MACs and µJ (on {escape(findings.board)}) are the cost model's, for
one prediction or, in the last line, one explanation; milliseconds were measured on the machine that ran this, one
thread.</p></html>
"""


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _table(head: list[str], rows: list[list[str]]) -> str:
    def line(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(c)}</{tag}>" for c in cells) + "</tr>"

    return "<table>" + line(head, "th") + "".join(line(r, "td") for r in rows) + "</table>"


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{path.stem}" src="data:image/png;base64,{data}">'
