"""The report as a page of its own: one file, no script, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from dropship_dagster.assets.reports.model import SCOREBOARD, CheckOutcome, ValidationReport

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #2e7d32; --bad: #c62828; --warn: #b26a00; --bar: #5c7cfa66; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 span { font-size: 60%; padding: .2em .6em; border-radius: 1em; color: white; vertical-align: middle; }
table { border-collapse: collapse; width: 100%; margin-bottom: 2rem; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.bar { width: 40%; } td.bar div { background: var(--bar); height: 1em; min-width: 1px; }
.ok { background: var(--good); } .failed { background: var(--bad); }
.passed b { color: var(--good); } .error b { color: var(--bad); } .warn b { color: var(--warn); }
.scroll { overflow-x: auto; } small { opacity: .75; } code { overflow-wrap: anywhere; }
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(report: ValidationReport) -> str:
    """The HTML of a report. Whatever comes from data is escaped."""
    verdict = ("ok", "ok") if report.ok else ("failed", "not ok")
    parts = [
        f"<h1>Validation <span class={verdict[0]}>{verdict[1]}</span></h1>",
        f"<p>{escape(report.run.job)}, run <code>{escape(report.run.run_id)}</code>, {escape(report.created_at)}. "
        f"{len(report.run.checks)} checks: {report.count('passed')} passed, {report.count('failed', 'ERROR')} failed, "
        f"{report.count('failed', 'WARN')} warned, {report.count('not_evaluated')} without a result.</p>",
        *_failed_steps(report),
        "<h2>Rows at each stage</h2>",
        _stations(report.stations),
        *_scoreboard(report.scoreboard),
        "<h2>Checks</h2>",
        _checks(sorted(report.run.checks, key=_weight)),
        "<h2>Seconds a step took</h2>",
        _bars(report.run.seconds),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Dropship validation: {verdict[1]}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _failed_steps(report: ValidationReport) -> Iterable[str]:
    for step in report.run.failed_steps:
        yield f'<p class="error"><b>Step {escape(step.step)}</b> failed: {escape(step.sentence)}</p>'


def _stations(stations: Mapping[str, Mapping[str, int]]) -> str:
    rows = {f"{station}/{name}": count for station, found in stations.items() for name, count in found.items()}
    return _bars(rows) if rows else "<p>Not counted: the run did not get that far.</p>"


def _scoreboard(lines: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    if not lines:
        return
    head = "".join(f"<th>{escape(name.replace('_', ' ').capitalize())}</th>" for name in lines[0])
    rows = "".join(f"<tr>{''.join(_cell(value) for value in line.values())}</tr>" for line in lines)
    yield "<h2>Planted faults</h2>"
    yield "<p>Recall: the share told of the faults that got there. Precision: the share of faults in what was told.</p>"
    yield f"<div class=scroll><table><tr>{head}</tr>{rows}</table></div>"


def _cell(value: Any) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, float):
        return f"<td class=number>{value:.1%}</td>"
    return f"<td class=number>{value:,}</td>" if isinstance(value, int) else f"<td>{escape(str(value))}</td>"


def _bars(values: Mapping[str, float]) -> str:
    """A table with a bar a row, as long as its share of the largest value."""
    largest = max(values.values(), default=0) or 1
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td class=number>{value:,.{0 if isinstance(value, int) else 2}f}</td>"
        f'<td class=bar><div style="width: {100 * value / largest:.1f}%"></div></td></tr>'
        for name, value in values.items()
    )
    return f"<div class=scroll><table>{rows}</table></div>"


def _weight(check: CheckOutcome) -> tuple[int, str, str]:
    """What needs attention comes first."""
    return (0 if check.critical else 1 if check.status == "failed" else 2, check.asset, check.check)


def _checks(checks: Iterable[CheckOutcome]) -> str:
    rows = "".join(_check(check) for check in checks)
    head = "<tr><th>Result</th><th>Asset</th><th>Check</th><th>What it says</th></tr>"
    return f"<div class=scroll><table>{head}{rows}</table></div>"


def _check(check: CheckOutcome) -> str:
    kind = "passed" if check.status == "passed" else "error" if check.critical else "warn"
    word = (
        {"passed": "passed", "error": "failed", "warn": "warned"}[kind] if check.status != "not_evaluated" else "none"
    )
    facts = "; ".join(f"{name}: {_fact(value)}" for name, value in check.metadata.items() if name != SCOREBOARD)
    return (
        f"<tr class={kind}><td><b>{word}</b></td><td>{escape(check.asset)}</td><td>{escape(check.check)}</td>"
        f"<td>{escape(check.description or '')}<br><small>{escape(facts)}</small></td></tr>"
    )


def _fact(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def summary(report: ValidationReport) -> str:
    """The report in a few lines of Markdown, for Dagster's UI: numbers and our own names only, nothing from data."""
    stations = [
        f"| {station} | {', '.join(f'{name} {count:,}' for name, count in found.items())} |"
        for station, found in report.stations.items()
    ]
    failed = [f"- **{check.asset}**: {check.check}" for check in report.run.checks if check.critical]
    lines = [
        f"**{'ok' if report.ok else 'not ok'}**: {report.count('passed')} of {len(report.run.checks)} checks passed",
        "",
        *failed,
        "",
        "| station | rows |",
        "|---|---|",
        *stations,
    ]
    return "\n".join(lines)
