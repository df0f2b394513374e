"""The task graph: started, awaited, reported.

Rules: docs.snowflake.com/en/user-guide/tasks-graphs, .../sql-reference/sql/execute-task (usage notes).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from snowflake.connector import SnowflakeConnection

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.warehouse.connection import connect
from dropship_dagster.warehouse.errors import RefreshError
from dropship_dagster.warehouse.graph_history import (
    FAILED,
    ROOT,
    RUNNING,
    Entry,
    predecessors,
    remedy,
    root_runs,
    root_state,
    run_entries,
    show_tasks,
)
from dropship_dagster.warehouse.graph_history import GraphState as GraphState
from dropship_dagster.warehouse.graph_history import TaskRun as TaskRun
from dropship_dagster.warehouse.graph_history import graph_state as graph_state
from dropship_dagster.warehouse.model import TABLE_OF_TASK, TOPICS
from dropship_dagster.warehouse.reports import Report

_POLL_SECONDS = (0.05, 2.0)
_RETRIED_STREAMS = tuple(f"STAGING.RETRIED_{topic.raw}_STREAM" for topic in TOPICS)
_FURTHER_RUNS = 2
"""Of several contents of one (entity, version) a run judges the first and puts off the others that break no rule: the
second run judges them, and where the first was rejected the second accepts one and the third judges the rest."""
_ASK_AGAIN_SECONDS = 60.0
"""A request that is neither waiting nor running after so long was dropped with its task, and is asked again."""


@dataclass(frozen=True)
class RefreshReport(Report):
    """A run of the graph: SUCCEEDED, SKIPPED (no stream had data) or FAILED, with each task's part.

    Attributes:
        run_id: GRAPH_RUN_GROUP_ID of the run.
        state: of its root.
        seconds: from the call to the end of the run.
        tasks: each task's part.
        schedule: what to know of a schedule that stands still; None while it runs.
    """

    run_id: str
    state: str
    seconds: float
    tasks: tuple[TaskRun, ...]
    schedule: str | None = None

    def table(self, name: str) -> TaskRun:
        """The part of the task that fills a table, named with its schema."""
        return next(run for run in self.tasks if run.table == name)


def refresh(
    endpoint: WarehouseEndpoint,
    *,
    timeout: float = 600.0,
    run_id: str | None = None,
    stop: threading.Event | None = None,
    on_task: Callable[[TaskRun], None] | None = None,
    as_loader: bool = False,
) -> RefreshReport:
    """Run the graph now and wait for all of it.

    The run is any that began after the call, whoever asked for it: it takes up all that had been loaded by then. While
    the graph runs already, the warehouse lets one request wait, and a request that waits is not asked again. A run that
    puts events off (`repeated` in sql/03_streams_tasks) is followed by another one, which is the one reported.

    Args:
        endpoint: the deployed warehouse.
        timeout: seconds to wait for the whole graph.
        run_id: for the session's query tag.
        stop: when set, stops waiting (the graph runs on in the warehouse).
        on_task: told of each task as it ends, without its rows.
        as_loader: do nothing that the loader's role may not: tables are not counted, and events that the run puts off
            are left to the next one.

    Raises:
        RefreshError: a task failed (its name and error are told; its stream stays unread, so the next run makes up for
            it), or the graph did not end in time.
        NotDeployedError: there is no graph.
    """
    began = time.monotonic()
    with connect(endpoint, query_tag=f"dropship refresh {run_id or ''}".strip()) as connection:
        tasks = show_tasks(connection, endpoint.database)
        waits = predecessors(tasks)
        patience = _Patience(began + timeout, timeout, stop)
        for run in range(1 + _FURTHER_RUNS):
            if run and (as_loader or not _puts_off(connection)):
                break
            root = _begun(connection, endpoint.database, patience)
            entries = _ended_run(connection, endpoint.database, root, waits, patience, on_task)
            if any(entry.state in FAILED for entry in entries.values()):
                break
        failed = [entry.run() for entry in entries.values() if entry.state in FAILED]
        # after a failure the graph may be suspended since
        state = root_state(show_tasks(connection, endpoint.database) if failed else tasks)
        schedule = GraphState(*state, (), 0).schedule
        if failed:
            raise RefreshError(_failure(failed, schedule))
        runs = _runs(connection, entries, waits, counted=not as_loader)
    seconds = round(time.monotonic() - began, 3)
    return RefreshReport(root.group, entries[ROOT].state, seconds, tuple(runs), schedule)


def _puts_off(connection: SnowflakeConnection) -> bool:
    """Whether events wait to be judged once more. A run of the graph reads each of these streams to its end."""
    asked = ", ".join(f"SYSTEM$STREAM_HAS_DATA('{stream}')" for stream in _RETRIED_STREAMS)
    return any(connection.cursor().execute(f"SELECT {asked}").fetchall()[0])


@dataclass
class _Patience:
    """How long to wait, and the pauses in between."""

    deadline: float
    timeout: float
    stop: threading.Event | None
    pause: float = _POLL_SECONDS[0]

    def wait(self, for_what: str) -> None:
        """Pause.

        Raises:
            RefreshError: the time is over, or waiting is to stop.
        """
        if time.monotonic() > self.deadline:
            raise RefreshError(
                f"The refresh did not end within {self.timeout:.0f} s; still waiting for {for_what}. "
                "It goes on in the warehouse: look again later, or wait longer with --timeout."
            )
        if self.stop is not None and self.stop.is_set():
            raise RefreshError("Stopped waiting for the refresh; it goes on in the warehouse.")
        if self.stop is None:
            time.sleep(self.pause)
        else:
            self.stop.wait(self.pause)
        self.pause = min(self.pause * 1.3, _POLL_SECONDS[1])


def _begun(connection: SnowflakeConnection, database: str, patience: _Patience) -> Entry:
    """The root of the first run that begins after now, asked for unless such a request waits already.

    Runs are told apart by their groups, not by times: those that had begun before are known, so nothing depends on
    the clocks of two machines.
    """
    roots = root_runs(connection, database)
    before = {root.group for root in roots if root.state != "SCHEDULED"}
    covered: float | None = None  # when a request was made, or seen to wait
    while True:
        begun = [root for root in roots if root.group not in before and root.state != "SCHEDULED"]
        if begun:
            patience.pause = _POLL_SECONDS[0]
            return min(begun, key=lambda root: (root.started or root.scheduled, root.scheduled))
        waiting = any(root.state == "SCHEDULED" and root.scheduled_from == "EXECUTE_TASK" for root in roots)
        now = time.monotonic()
        if waiting:
            covered = now
        elif covered is None or now - covered > _ASK_AGAIN_SECONDS:
            connection.cursor().execute(f"EXECUTE TASK OPS.{ROOT}")
            covered = now
        patience.wait(f"OPS.{ROOT}, which begins when the run before it has ended" if waiting else f"OPS.{ROOT}")
        roots = root_runs(connection, database)


def _ended_run(
    connection: SnowflakeConnection,
    database: str,
    root: Entry,
    waits: Mapping[str, set[str]],
    patience: _Patience,
    on_task: Callable[[TaskRun], None] | None,
) -> dict[str, Entry]:
    """The entries of a run, once every task of it has ended or cannot run any more."""
    told: set[str] = set()
    while True:
        entries = run_entries(connection, database, root)
        for entry in entries.values():
            if on_task and entry.state not in RUNNING and entry.name not in told:
                told.add(entry.name)
                on_task(entry.run())
        waiting = _waiting_for(entries, waits)
        if not waiting:
            return entries
        patience.wait(", ".join(sorted(waiting)))


def _failure(failed: list[TaskRun], schedule: str | None) -> str:
    reasons = "; ".join(run.failure for run in failed)
    return f"The refresh failed in {reasons}. {remedy(schedule)}"


def _waiting_for(entries: Mapping[str, Entry], waits: Mapping[str, set[str]]) -> set[str]:
    """Tasks that have not ended and still can."""
    root = entries.get(ROOT)
    if root is None or root.state in RUNNING:
        return {ROOT}
    if root.state != "SUCCEEDED":
        return set()
    return {task for task in waits if not _ended(task, entries) and not _blocked(task, entries, waits)}


def _ended(task: str, entries: Mapping[str, Entry]) -> bool:
    return task in entries and entries[task].state not in RUNNING


def _blocked(task: str, entries: Mapping[str, Entry], waits: Mapping[str, set[str]]) -> bool:
    """Whether a task it waits for, at any distance, failed."""
    if task in entries:
        return False
    return any(
        (waited in entries and entries[waited].state in FAILED) or _blocked(waited, entries, waits)
        for waited in waits.get(task, set())
    )


def _runs(
    connection: SnowflakeConnection, entries: Mapping[str, Entry], waits: Mapping[str, set[str]], *, counted: bool
) -> list[TaskRun]:
    ran = [task for task in waits if task in TABLE_OF_TASK and counted]
    counts = " UNION ALL ".join(f"SELECT '{task}', COUNT(*) FROM {TABLE_OF_TASK[task]}" for task in ran)
    rows = {str(task): int(count) for task, count in connection.cursor().execute(counts).fetchall()} if ran else {}
    order = [ROOT, *TABLE_OF_TASK]
    tasks = sorted(waits, key=lambda task: order.index(task) if task in order else len(order))
    return [
        entries[task].run(rows.get(task))
        if task in entries
        else TaskRun(task, TABLE_OF_TASK.get(task), "NOT RUN", rows.get(task), None, None, None)
        for task in tasks
    ]
