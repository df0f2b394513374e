"""The task graph: started, awaited, reported from TASK_HISTORY.

Rules: docs.snowflake.com/en/user-guide/tasks-graphs, .../sql-reference/functions/task_history.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from snowflake.connector import SnowflakeConnection
from snowflake.connector import errors as snowflake_errors

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.warehouse.connection import connect, does_not_exist
from dropship_dagster.warehouse.errors import NotDeployedError, RefreshError
from dropship_dagster.warehouse.reports import Report

ROOT = "REFRESH"

TABLE_OF_TASK: Mapping[str, str] = {
    "STAGE_CUSTOMERS": "STAGING.CUSTOMER_EVENTS",
    "STAGE_PRODUCTS": "STAGING.PRODUCT_EVENTS",
    "STAGE_ORDER_EVENTS": "STAGING.ORDER_EVENTS",
    "MERGE_CUSTOMERS": "PROD.CUSTOMERS",
    "MERGE_CUSTOMERS_HISTORY": "PROD.CUSTOMERS_HISTORY",
    "MERGE_SUPPLIERS": "PROD.SUPPLIERS",
    "MERGE_PRODUCTS": "PROD.PRODUCTS",
    "MERGE_PRODUCTS_HISTORY": "PROD.PRODUCTS_HISTORY",
    "MERGE_ORDERS": "PROD.ORDERS",
    "MERGE_ORDER_LINES": "PROD.ORDER_LINES",
    "MERGE_ORDER_STATUS_HISTORY": "PROD.ORDER_STATUS_HISTORY",
    "MERGE_DAILY_SALES": "PROD.DAILY_SALES",
    "MERGE_DAILY_PRODUCT_SALES": "PROD.DAILY_PRODUCT_SALES",
    "MERGE_DAILY_SUPPLIER_DELIVERIES": "PROD.DAILY_SUPPLIER_DELIVERIES",
    "MERGE_CUSTOMER_FIRST_ORDERS": "PROD.CUSTOMER_FIRST_ORDERS",
}
"""The table each task of the graph fills."""

_RUNNING = frozenset({"SCHEDULED", "EXECUTING"})
_FAILED = frozenset({"FAILED", "FAILED_AND_AUTO_SUSPENDED", "CANCELLED"})
_POLL_SECONDS = (0.05, 2.0)

_HISTORY = """
SELECT NAME, STATE, ERROR_CODE, ERROR_MESSAGE, SCHEDULED_FROM, GRAPH_RUN_GROUP_ID, QUERY_ID, SCHEDULED_TIME,
  QUERY_START_TIME, COMPLETED_TIME
FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY(
  SCHEDULED_TIME_RANGE_START => TO_TIMESTAMP_LTZ(?),
  RESULT_LIMIT => 1000
))
WHERE DATABASE_NAME = ? AND SCHEMA_NAME = 'OPS'
"""


@dataclass(frozen=True)
class TaskRun:
    """A task's part in a run of the graph.

    Attributes:
        task: its name in OPS.
        table: the table it fills; None for the root.
        state: SUCCEEDED, SKIPPED, FAILED, CANCELLED, or NOT RUN behind one that failed.
        rows: rows of its table afterwards.
        seconds: how long its statement took.
        error: why it failed.
        query_id: of its statement.
    """

    task: str
    table: str | None
    state: str
    rows: int | None
    seconds: float | None
    error: str | None
    query_id: str | None


@dataclass(frozen=True)
class RefreshReport(Report):
    """A run of the graph: SUCCEEDED, SKIPPED (no stream had data) or FAILED, with each task's part."""

    run_id: str
    state: str
    seconds: float
    tasks: tuple[TaskRun, ...]

    def table(self, name: str) -> TaskRun:
        """The part of the task that fills a table, named with its schema."""
        return next(run for run in self.tasks if run.table == name)


@dataclass(frozen=True)
class _Entry:
    name: str
    state: str
    error_code: str | None
    error_message: str | None
    scheduled_from: str | None
    group: str
    query_id: str | None
    scheduled: dt.datetime
    started: dt.datetime | None
    completed: dt.datetime | None


def refresh(
    endpoint: WarehouseEndpoint,
    *,
    timeout: float = 600.0,
    run_id: str | None = None,
    stop: threading.Event | None = None,
    on_task: Callable[[TaskRun], None] | None = None,
) -> RefreshReport:
    """Run the graph now and wait for all of it.

    Args:
        endpoint: the deployed warehouse.
        timeout: seconds to wait for the whole graph.
        run_id: for the session's query tag.
        stop: when set, stops waiting (the graph runs on in the warehouse).
        on_task: told of each task as it ends, without its rows.

    Raises:
        RefreshError: a task failed (its name and error are told; its stream stays unread, so the next run makes up for
            it), or the graph did not end in time.
        NotDeployedError: there is no graph.
    """
    began = time.monotonic()
    with connect(endpoint, query_tag=f"dropship refresh {run_id or ''}".strip()) as connection:
        predecessors = _graph(connection, endpoint.database)
        since = connection.cursor().execute("SELECT CURRENT_TIMESTAMP()").fetchone()[0]
        connection.cursor().execute(f"EXECUTE TASK OPS.{ROOT}")
        entries = _wait(connection, endpoint.database, since, predecessors, timeout, stop, on_task)
        _raise_failed(entries)
        runs = _runs(connection, entries, predecessors)
    state = entries[ROOT].state
    return RefreshReport(entries[ROOT].group, state, round(time.monotonic() - began, 3), tuple(runs))


def runs_since(connection: SnowflakeConnection, database: str, since: dt.datetime) -> dict[str, dict[str, str]]:
    """State of each task by run of the graph, runs begun since then, whoever began them."""
    found: dict[str, dict[str, str]] = {}
    for entry in _history(connection, database, since):
        found.setdefault(entry.group, {})[entry.name] = entry.state
    return found


def _graph(connection: SnowflakeConnection, database: str) -> dict[str, set[str]]:
    """The tasks that will run, each with the tasks it waits for. Suspended ones are left out by the warehouse too."""
    cursor = connection.cursor()
    try:
        rows = cursor.execute(f'SHOW TASKS IN SCHEMA "{database}".OPS').fetchall()
    except snowflake_errors.ProgrammingError as error:
        if does_not_exist(error):
            raise NotDeployedError("The warehouse is not deployed yet: run `dropship deploy`.") from error
        raise
    names = [column.name.lower() for column in cursor.description]
    name, state, after = names.index("name"), names.index("state"), names.index("predecessors")
    graph = {
        str(row[name]): _names(row[after])
        for row in rows
        if str(row[state]).lower() == "started" or str(row[name]) == ROOT
    }
    if ROOT not in graph:
        raise NotDeployedError("The warehouse has no task OPS.REFRESH: run `dropship deploy`.")
    return {task: waits & graph.keys() for task, waits in graph.items()}


def _names(predecessors: object) -> set[str]:
    """Task names of SHOW TASKS' predecessors: a JSON array of qualified names (older accounts: without quotes)."""
    text = str(predecessors or "[]")
    try:
        qualified = [str(name) for name in json.loads(text)]
    except ValueError:
        qualified = re.findall(r"[^\s,\[\]']+", text)
    return {name.rsplit(".", 1)[-1].strip('"') for name in qualified}


def _wait(
    connection: SnowflakeConnection,
    database: str,
    since: dt.datetime,
    predecessors: Mapping[str, set[str]],
    timeout: float,
    stop: threading.Event | None,
    on_task: Callable[[TaskRun], None] | None,
) -> dict[str, _Entry]:
    """The entries of our run, once every task of it has ended or cannot run any more."""
    deadline, pause = time.monotonic() + timeout, _POLL_SECONDS[0]
    told: set[str] = set()
    while True:
        entries = _our_run(_history(connection, database, since), since)
        for entry in entries.values():
            if on_task and entry.state not in _RUNNING and entry.name not in told:
                told.add(entry.name)
                on_task(_run_of(entry.name, entry, None))
        waiting = _waiting_for(entries, predecessors)
        if not waiting:
            return entries
        if time.monotonic() > deadline:
            raise RefreshError(
                f"The refresh did not end within {timeout:.0f} s; still waiting for {', '.join(sorted(waiting))}. "
                "It goes on in the warehouse: look again later, or wait longer with --timeout."
            )
        if stop is not None and stop.is_set():
            raise RefreshError("Stopped waiting for the refresh; it goes on in the warehouse.")
        time.sleep(pause)
        pause = min(pause * 1.3, _POLL_SECONDS[1])


def _history(connection: SnowflakeConnection, database: str, since: dt.datetime) -> list[_Entry]:
    rows = connection.cursor().execute(_HISTORY, (since.isoformat(), database)).fetchall()
    return [_Entry(*row) for row in rows]


def _raise_failed(entries: Mapping[str, _Entry]) -> None:
    failed = [_run_of(entry.name, entry, None) for entry in entries.values() if entry.state in _FAILED]
    if failed:
        reasons = "; ".join(f"OPS.{run.task} ({run.table}): {run.error}" for run in failed)
        raise RefreshError(
            f"The refresh failed in {reasons} Nothing is lost: their streams stay where they were, and the next "
            "refresh carries on once the cause is gone."
        )


def _our_run(entries: list[_Entry], since: dt.datetime) -> dict[str, _Entry]:
    """Of the runs since then, the first that EXECUTE TASK began; the newest attempt of each task of it."""
    roots = [
        entry
        for entry in entries
        if entry.name == ROOT and entry.scheduled_from == "EXECUTE_TASK" and entry.scheduled >= since
    ]
    if not roots:
        return {}
    group = min(roots, key=lambda entry: entry.scheduled).group
    ours = [entry for entry in entries if entry.group == group]
    return {entry.name: entry for entry in sorted(ours, key=lambda entry: entry.state not in _RUNNING)}


def _waiting_for(entries: Mapping[str, _Entry], predecessors: Mapping[str, set[str]]) -> set[str]:
    """Tasks that have not ended and still can."""
    root = entries.get(ROOT)
    if root is None or root.state in _RUNNING:
        return {ROOT}
    if root.state != "SUCCEEDED":
        return set()
    return {task for task in predecessors if not _ended(task, entries) and not _blocked(task, entries, predecessors)}


def _ended(task: str, entries: Mapping[str, _Entry]) -> bool:
    return task in entries and entries[task].state not in _RUNNING


def _blocked(task: str, entries: Mapping[str, _Entry], predecessors: Mapping[str, set[str]]) -> bool:
    """Whether a task it waits for, at any distance, failed."""
    if task in entries:
        return False
    return any(
        (waited in entries and entries[waited].state in _FAILED) or _blocked(waited, entries, predecessors)
        for waited in predecessors.get(task, set())
    )


def _runs(
    connection: SnowflakeConnection, entries: Mapping[str, _Entry], predecessors: Mapping[str, set[str]]
) -> list[TaskRun]:
    ran = [task for task in predecessors if task in TABLE_OF_TASK]
    counts = " UNION ALL ".join(f"SELECT '{task}', COUNT(*) FROM {TABLE_OF_TASK[task]}" for task in ran)
    rows = {str(task): int(count) for task, count in connection.cursor().execute(counts).fetchall()} if ran else {}
    order = [ROOT, *TABLE_OF_TASK]
    tasks = sorted(predecessors, key=lambda task: order.index(task) if task in order else len(order))
    return [_run_of(task, entries.get(task), rows.get(task)) for task in tasks]


def _run_of(task: str, entry: _Entry | None, rows: int | None) -> TaskRun:
    table = TABLE_OF_TASK.get(task)
    if entry is None:
        return TaskRun(task, table, "NOT RUN", rows, None, None, None)
    seconds = (entry.completed - entry.started).total_seconds() if entry.completed and entry.started else None
    error = " ".join(f"{entry.error_code or ''} {entry.error_message}".split()) if entry.error_message else None
    return TaskRun(task, table, entry.state, rows, seconds, error if entry.state in _FAILED else None, entry.query_id)
