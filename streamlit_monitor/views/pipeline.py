"""Does the data flow?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pandas as pd
import streamlit as st

from dropship_dagster.warehouse.graph_history import RESUME, GraphState
from streamlit_monitor import cards, charts, dagster_ui, live, panels, reports
from streamlit_monitor.cards import Card
from streamlit_monitor.language import formats, label, t
from streamlit_monitor.queries import pipeline
from streamlit_monitor.store import Store

_LOADS = 50
_REASONS = 50
_RUNS = 8  # of each task
_FRESH = timedelta(minutes=10)


def page() -> None:
    """Draw the page."""
    live.watch(_draw)


def _draw(store: Store) -> None:
    _trouble(pipeline.graph_state(store, live.settings().snowflake_database))
    stations = pipeline.stations(store)
    counts = zip(stations["station"], stations["table_name"], stations["row_count"], strict=True)
    rows = {(str(station), str(table)): float(count) for station, table, count in counts}
    _way(store, rows)
    with st.container(key="kpis"):
        cards.draw(_cards(store, rows), 4)
    loads = pipeline.loads(store, _LOADS)
    left, right = st.columns([3, 2])
    with left, panels.box("pipeline.throughput", stretch=True):
        if loads.empty:
            st.caption(t("empty.period"))
        else:
            shown = loads.assign(name=[f"{at:%m-%d %H:%M:%S} {topic}" for at, topic in _places(loads)])
            panels.bars(shown.head(10), "rows_loaded", t("column.rows_loaded"))
    with right, panels.box("pipeline.dagster", stretch=True):
        _dagster()
    _tasks(store)
    _rejected(store)
    _loads(loads)


def _trouble(state: GraphState | None) -> None:
    """What keeps the graph from its work, and how to go on. Names, errors and statements are shown as text."""
    if state is None:
        st.caption(t("trouble.unseen"))
        return
    if not state.failed and not state.suspended_by_failures:
        return
    with st.container(border=True, key="trouble"):
        if state.failed:
            st.badge(t("trouble.failed", runs=state.failed_runs), icon=":material/error:", color="red")
            for run in state.failed:
                st.text(run.failure)
        if state.suspended_by_failures:
            st.badge(t("trouble.suspended"), icon=":material/event_busy:", color="red")
        st.caption(t("trouble.remedy" if state.failed else "trouble.resume"))
        st.code("\n".join(_commands(state)), language="shell")


def _commands(state: GraphState) -> list[str]:
    """What to run once the cause is removed."""
    return [*(["dropship refresh"] if state.failed else []), *([RESUME] if state.suspended else [])]


def _way(store: Store, rows: dict[tuple[str, str], float]) -> None:
    """The data flow: how much each stage holds, and what waits there for the next."""
    raw = sum(count for (station, _), count in rows.items() if station == "RAW")
    staged = sum(rows.get(("STAGING", name), 0.0) for name in ("CUSTOMER_EVENTS", "PRODUCT_EVENTS", "ORDER_EVENTS"))
    rejected = rows.get(("STAGING", "REJECTED_EVENTS"), 0.0)
    history = rows.get(("PROD", "ORDER_STATUS_HISTORY"), 0.0)
    write = formats()
    steps = [
        ("kafka", *_topics(store)),
        ("raw", raw, t("pipeline.way.raw", waiting=write.number(max(raw - staged - rejected, 0.0)))),
        ("staging", staged, t("pipeline.way.staging", rejected=write.number(rejected))),
        ("prod", rows.get(("PROD", "ORDERS"), 0.0), t("pipeline.way.prod", events=write.number(history))),
    ]
    with panels.box("pipeline.way"), st.container(key="way"):
        for column, (name, count, note) in zip(st.columns(len(steps), gap="large"), steps, strict=True):
            with column:
                st.metric(t(f"station.{name}"), write.number(count))
                st.caption(note)


def _topics(store: Store) -> tuple[float, str]:
    """What Kafka holds and what of it waits, or what it held when it was last counted."""
    held = live.topics().held(pipeline.positions(store))
    if held is None:
        return _last_count_of_the_topics(), t("pipeline.way.kafka.then")
    return float(held.messages), t("pipeline.way.kafka", waiting=formats().number(held.waiting))


def _last_count_of_the_topics() -> float:
    """Messages in the topics, as the newest report says that counted them; NaN when none did."""
    counted = [
        report.stations["topics"]
        for report in reports.history(live.settings().reports_dir)
        if report.stations.get("topics")
    ]
    return float(sum(counted[-1].values())) if counted else float("nan")


def _cards(store: Store, rows: dict[tuple[str, str], float]) -> list[Card]:
    now = datetime.now(UTC).replace(tzinfo=None)
    offsets = pipeline.offsets(store)
    updated = offsets["updated_at"].max() if not offsets.empty else None
    age = float("nan") if updated is None or pd.isna(updated) else (now - updated).total_seconds() / 60
    loads = pipeline.loads(store, _LOADS)
    newest = now if loads.empty else loads["loaded_at"].max().to_pydatetime()
    latency = pipeline.latency(store, newest - _FRESH)
    recent = loads[loads["loaded_at"] > now - _FRESH] if not loads.empty else loads
    rate = float(recent["rows_loaded"].astype("float64").sum()) / _FRESH.total_seconds()
    p95 = float("nan") if pd.isna(latency["p95"]) else float(latency["p95"])
    return [
        Card("freshness", "number", age, None, more_is_worse=True, below="pipeline.loads"),
        Card("load_rate", "number", rate, None, digits=1, below="pipeline.throughput"),
        Card("latency", "number", p95, None, more_is_worse=True, digits=1, below="pipeline.graph"),
        Card(
            "rejected",
            "number",
            rows.get(("STAGING", "REJECTED_EVENTS"), 0.0),
            None,
            more_is_worse=True,
            below="pipeline.rejected",
        ),
    ]


def _places(loads: pd.DataFrame) -> list[tuple[datetime, str]]:
    return list(zip(loads["loaded_at"], loads["topic"].astype(str), strict=True))


def _dagster() -> None:
    port = live.settings().dagster_port
    health = dagster_ui.health(port)
    if health is None:
        st.caption(t("pipeline.dagster.none"))
        st.code("make up", language="shell")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if health.daemon_ok:
            st.badge(t("pipeline.daemon.ok"), icon=":material/check_circle:", color="green")
        else:
            st.badge(t("pipeline.daemon.bad"), icon=":material/error:", color="red")
            st.text(", ".join(health.unhealthy))
    frame = pd.DataFrame(
        [
            {"started_at": run.started_at, "job": run.job, "state": label("run", run.status), "run_id": run.run_id}
            for run in health.runs
        ]
    )
    if not frame.empty:
        columns = {"started_at": panels.moment("started_at"), "job": panels.text("job"), "state": panels.text("state")}
        st.dataframe(frame, hide_index=True, column_order=list(columns), column_config=columns)


def _tasks(store: Store) -> None:
    runs = pipeline.tasks(store, _RUNS, live.settings().snowflake_database)
    if not runs.empty:  # without a row the columns are of no type, and have no .dt
        seconds = (runs["completed_time"] - runs["query_start_time"]).dt.total_seconds()
        runs = runs.assign(seconds=seconds)
    _graph(pipeline.task_graph(store), runs)
    frame = runs.drop_duplicates("name").sort_values("query_start_time")
    panels.table(
        "pipeline.tasks",
        "tasks",
        frame,
        {
            "name": panels.text("task"),
            "state": panels.text("state"),
            "completed_time": panels.moment("completed_time"),
            "seconds": panels.number("seconds", format="%.2f"),
            "error_message": panels.text("error_message", width="large"),
        },
        frame.assign(
            state=[label("task", state) for state in frame["state"]], error_message=frame["error_message"].fillna("")
        ),
    )


def _graph(graph: Mapping[str, frozenset[str]], runs: pd.DataFrame) -> None:
    """The tasks from the root to the reports, each with how its last runs ended."""
    if not graph:
        return
    tasks = []
    for name, after in graph.items():
        its = runs[runs["name"] == name]
        words = t("pipeline.graph.never")
        if not its.empty:
            last = its.iloc[0]
            took = "" if pd.isna(last["seconds"]) else f" · {formats().number(float(last['seconds']), 2)} s"
            words = f"{label('task', last['state'])}{took}"
        tasks.append(charts.Task(name, after, tuple(its["state"].astype(str))[::-1], words))
    with panels.box("pipeline.graph"), st.container(key="task-graph"):
        st.caption(t("pipeline.graph.help", runs=_RUNS))
        st.image(charts.task_graph(tasks), alt=t("pipeline.graph"))


def _rejected(store: Store) -> None:
    reasons = pipeline.reject_reasons(store, _REASONS)
    if reasons.empty:
        with panels.box("pipeline.rejected"):
            st.caption(t("pipeline.rejected.none"))
        return
    columns = {
        "source": panels.text("source"),
        "reject_reason": panels.text("reject_reason", width="large"),
        "messages": panels.number("messages"),
        "last_at": panels.moment("last_at"),
    }
    panels.table("pipeline.rejected", "rejected", reasons, columns)
    st.code("dropship rejected list\ndropship rejected retry", language="shell")


def _loads(loads: pd.DataFrame) -> None:
    panels.table(
        "pipeline.loads",
        "loads",
        loads.assign(megabytes=loads["bytes"].astype("float64") / 1e6),
        {
            "loaded_at": panels.moment("loaded_at"),
            "topic": panels.text("topic"),
            "rows_loaded": panels.number("rows_loaded"),
            "megabytes": panels.number("megabytes", format="%.2f"),
            "seconds": panels.number("seconds", format="%.2f"),
            "run_id": panels.text("run_id"),
        },
    )
