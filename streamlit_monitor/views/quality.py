"""Can the data be trusted?"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from streamlit_monitor import cards, charts, live, panels, reports
from streamlit_monitor.cards import Card
from streamlit_monitor.language import formats, label, t
from streamlit_monitor.reports import Report

# The same records at each stage, from the files to PROD: station and table, in order.
_LADDER = {
    "customers": (
        ("seeds", "customers"),
        ("topics", "customers"),
        ("raw", "customers"),
        ("staging", "customer_events"),
        ("prod", "customers"),
    ),
    "products": (
        ("seeds", "products"),
        ("topics", "products"),
        ("raw", "products"),
        ("staging", "product_events"),
        ("prod", "products"),
    ),
    "order_events": (
        ("seeds", "order_events"),
        ("topics", "orders_events"),
        ("raw", "orders_events"),
        ("staging", "order_events"),
        ("prod", "order_status_history"),
    ),
}
_STATIONS = ("seeds", "topics", "raw", "staging", "prod")
_ORDER = {"failed": 0, "not_evaluated": 1, "passed": 2}


def page() -> None:
    """Draw the page; it needs no warehouse."""
    live.again(_draw)


def _draw() -> None:
    folder = live.settings().reports_dir
    try:
        report = reports.latest(folder)
    except reports.ReportError as error:
        st.text(str(error))
        return
    if report is None:
        with st.container(border=True, key="empty"):
            st.subheader(t("quality.none"), anchor=False)
            st.code("make demo        # or: make validate", language="shell")
        return
    _verdict(report)
    with st.container(key="kpis"):
        summary = report.summary
        names = {"checks": "assets", "passed": "history", "failed": "checks", "warned": "checks"}
        cards.draw(
            [
                Card(f"checks_{name}", "number", summary[name], None, below=f"quality.{part}")
                for name, part in names.items()
            ],
            4,
        )
    _ladder(report)
    history = reports.history(folder)
    _by_asset(report, history)
    _history(history)
    _checks(report)


def _verdict(report: Report) -> None:
    words, icon, colour = (
        (t("quality.ok"), ":material/verified:", "green")
        if report.ok
        else (t("quality.bad"), ":material/error:", "red")
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(words, icon=icon, color=colour)
        st.caption(t("quality.when", job=report.job, moment=formats().moment(report.created_at)))
    for sentence in report.failed_steps:
        st.text(sentence)


def _ladder(report: Report) -> None:
    """The reconciliation: the same records counted at every station."""
    rejected = report.stations.get("staging", {}).get("rejected_events", 0)
    rows = []
    for records, steps in _LADDER.items():
        counts = [report.stations.get(station, {}).get(table) for station, table in steps]
        row = dict(zip(_STATIONS, counts, strict=True))
        rows.append({"records": t(f"quality.{records}"), **row, "complete": _complete(counts, rejected)})
    frame = pd.DataFrame(rows)
    columns = {
        "records": panels.text("records"),
        **{station: panels.number(f"station.{station}") for station in _STATIONS},
        "complete": st.column_config.CheckboxColumn(t("column.complete"), help=t("quality.complete.help")),
    }
    panels.table("quality.ladder", "reconciliation", frame, columns)
    st.caption(t("quality.ladder.help", rejected=formats().number(rejected)))


def _complete(counts: list[int | None], rejected: int) -> bool:
    """Whether nothing was lost: what is sent again counts again up to STAGING, and what is rejected ends there.

    Args:
        counts: of CSV, Kafka, RAW, STAGING, PROD; None where a station was not counted.
        rejected: messages of all topics that broke a rule.
    """
    if None in counts:
        return False
    seeds, topics, raw, staging, prod = (count for count in counts if count is not None)
    return topics == raw and raw - rejected <= staging <= raw and prod >= seeds - rejected


def _by_asset(report: Report, history: list[Report]) -> None:
    frame = _shares(report)
    before = [dict(zip(shares["asset"], shares["share"], strict=True)) for shares in map(_shares, history)]
    panels.table(
        "quality.assets",
        "checks-by-asset",
        frame,
        {
            "asset": panels.text("asset"),
            "checks": panels.number("checks"),
            "passed": panels.number("passed"),
            "share": st.column_config.ProgressColumn(
                t("column.share"), format="percent", min_value=0.0, max_value=1.0, color="auto"
            ),
            "history": st.column_config.BarChartColumn(
                t("column.history"), help=t("quality.assets.history"), y_min=0.0, y_max=1.0, color="auto"
            ),
        },
        frame.assign(history=frame["asset"].map(lambda asset: [each[asset] for each in before if asset in each])),
    )


def _shares(report: Report) -> pd.DataFrame:
    """asset, checks, passed, share (of those that passed); the worst first."""
    counts = report.checks.groupby("asset").agg(
        checks=("check", "size"),
        passed=("status", lambda statuses: int((statuses == "passed").sum())),
    )
    frame: pd.DataFrame = counts.assign(share=counts["passed"] / counts["checks"]).reset_index()
    return frame.sort_values(["share", "asset"])


def _history(found: list[Report]) -> None:
    with panels.box("quality.history"):
        frame = pd.DataFrame(
            [
                {
                    "run": formats().moment(report.created_at),
                    "passed": report.summary["passed"],
                    "failed": report.summary["failed"] + report.summary["not_evaluated"],
                    "warned": report.summary["warned"],
                }
                for report in found
            ]
        )
        if frame.empty:
            st.caption(t("empty.period"))
            return
        parts = {name: t(f"kpi.checks_{name}") for name in ("passed", "warned", "failed")}
        st.altair_chart(charts.outcomes(frame, "run", parts))


def _checks(report: Report) -> None:
    frame = report.checks.assign(place=report.checks["status"].map(_ORDER).fillna(0)).sort_values(
        ["place", "asset", "check"]
    )
    frame = frame.drop(columns="place")
    panels.table(
        "quality.checks",
        "checks",
        frame,
        {
            "status": panels.text("status"),
            "asset": panels.text("asset"),
            "check": panels.text("check"),
            "severity": panels.text("severity"),
            "description": panels.text("description", width="large"),
        },
        frame.assign(
            status=[label("outcome", code) for code in frame["status"]],
            severity=[label("severity", code) for code in frame["severity"]],
        ),
    )
