"""What the warehouse says of the task graph: SHOW TASKS and TASK_HISTORY, read as narrowly as they allow.

Rules: docs.snowflake.com/en/user-guide/tasks-graphs, .../sql-reference/functions/task_history (its arguments apply
before RESULT_LIMIT, a WHERE clause after it), .../sql-reference/sql/show-tasks.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from snowflake.connector import SnowflakeConnection

from dropship_dagster.warehouse.connection import deployed
from dropship_dagster.warehouse.errors import NotDeployedError
from dropship_dagster.warehouse.model import TABLE_OF_TASK

ROOT = "REFRESH"

RUNNING = frozenset({"SCHEDULED", "EXECUTING"})
FAILED = frozenset({"FAILED", "FAILED_AND_AUTO_SUSPENDED", "CANCELLED"})
RESUME = f'dropship sql "ALTER TASK OPS.{ROOT} RESUME"'
"""The command that starts the schedule again."""
SET_ASIDE = "dropship rejected set-aside"
"""The command that takes a single event out of the way of a task."""

_STATEMENT_CHARACTERS = 80
_MARGIN = dt.timedelta(minutes=1)

_HISTORY = """
SELECT NAME, STATE, ERROR_CODE, ERROR_MESSAGE, SCHEDULED_FROM, GRAPH_RUN_GROUP_ID, ATTEMPT_NUMBER, QUERY_ID, QUERY_TEXT,
  SCHEDULED_TIME, QUERY_START_TIME, COMPLETED_TIME
FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY({arguments}))
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
        statement: how its statement begins, in one line.
    """

    task: str
    table: str | None
    state: str
    rows: int | None
    seconds: float | None
    error: str | None
    query_id: str | None
    statement: str | None = None

    @property
    def failure(self) -> str:
        """Which task failed, why, and in which statement."""
        table = f" ({self.table})" if self.table else ""
        query = f", query {self.query_id}" if self.query_id else ""
        return f"OPS.{self.task}{table}: {self.error or self.state} (in `{self.statement}`{query})"


@dataclass(frozen=True)
class Entry:
    """A row of TASK_HISTORY."""

    name: str
    state: str
    error_code: str | None
    error_message: str | None
    scheduled_from: str | None
    group: str
    attempt: int
    query_id: str | None
    query_text: str | None
    scheduled: dt.datetime
    started: dt.datetime | None
    completed: dt.datetime | None

    def run(self, rows: int | None = None) -> TaskRun:
        """The task's part in its run."""
        seconds = (self.completed - self.started).total_seconds() if self.completed and self.started else None
        error = " ".join(f"{self.error_code or ''} {self.error_message}".split()) if self.error_message else None
        return TaskRun(
            self.name, TABLE_OF_TASK.get(self.name), self.state, rows, seconds,
            error if self.state in FAILED else None, self.query_id, beginning(self.query_text),
        )  # fmt: skip


@dataclass(frozen=True)
class GraphState:
    """How the graph is.

    Attributes:
        root: started or suspended, as SHOW TASKS has it.
        reason: why it is suspended, as SHOW TASKS has it; None while it is started.
        failed: the tasks that failed in the newest run that has ended and was not skipped.
        failed_runs: how many runs failed since the last that did not.
        ran: the names of the tasks that took part in that newest run.
    """

    root: str
    reason: str | None
    failed: tuple[TaskRun, ...]
    failed_runs: int
    ran: frozenset[str] = frozenset()

    @property
    def suspended(self) -> bool:
        """Whether the schedule stands still."""
        return self.root != "started"

    @property
    def suspended_by_failures(self) -> bool:
        """Whether the warehouse suspended the schedule because run after run failed."""
        return self.suspended and "ERROR" in (self.reason or "").upper()

    @property
    def schedule(self) -> str | None:
        """What to know and do of a schedule that stands still; None while it runs."""
        if not self.suspended:
            return None
        why = " because run after run failed" if self.suspended_by_failures else ""
        return (
            f"The schedule of the graph is suspended{why}: `dropship refresh` runs the graph all the same, and "
            f"`{RESUME}` starts the schedule again."
        )

    @property
    def trouble(self) -> str | None:
        """Which tasks fail, in which statements, or that the schedule stands still, and how to go on; None if neither.

        A schedule that somebody suspended is none: it was meant.
        """
        if not self.failed:
            return self.schedule if self.suspended_by_failures else None
        runs = "The last run" if self.failed_runs == 1 else f"The last {self.failed_runs} runs"
        reasons = "; ".join(run.failure for run in self.failed)
        return f"{runs} of the task graph failed in {reasons}. {remedy(self.schedule)}"

    @property
    def key(self) -> str:
        """Equal for as long as the same tasks fail, whatever their errors say, and the schedule is as it was."""
        names = sorted(run.task for run in self.failed)
        return " ".join([*names, *(["suspended"] if self.suspended_by_failures else [])])


def remedy(schedule: str | None) -> str:
    """What to do about a task that failed.

    Args:
        schedule: what to know of a schedule that stands still; None while it runs.
    """
    return (
        f"Nothing is lost: what the failed tasks read stays in their streams. Remove the cause (`{SET_ASIDE}` for a "
        "single event that is the cause), then `dropship refresh` carries on"
        + (f". {schedule}" if schedule else ", and so does the schedule.")
    )


def beginning(statement: str | None) -> str | None:
    """The first words of a statement, without its comments, in one line."""
    if statement is None:
        return None
    line = " ".join(re.sub(r"--[^\n]*|/\*.*?\*/", " ", statement, flags=re.DOTALL).split())
    return line if len(line) <= _STATEMENT_CHARACTERS else f"{line[:_STATEMENT_CHARACTERS]}..."


def root_runs(connection: SnowflakeConnection, database: str, limit: int = 50) -> list[Entry]:
    """The newest runs of the root."""
    return _history(connection, database, f"TASK_NAME => '{ROOT}'", f"RESULT_LIMIT => {limit}")


def run_entries(connection: SnowflakeConnection, database: str, root: Entry) -> dict[str, Entry]:
    """The newest attempt of each task in the run that a root's entry belongs to."""
    found = runs_since(connection, database, root.scheduled - _MARGIN)
    return newest_attempts(entry for entry in found if entry.group == root.group)


def runs_since(connection: SnowflakeConnection, database: str, since: dt.datetime) -> list[Entry]:
    """What was scheduled since then, of every task of the graph; in no order."""
    begin = since.astimezone(dt.UTC).isoformat()
    return _history(
        connection,
        database,
        f"SCHEDULED_TIME_RANGE_START => TO_TIMESTAMP_LTZ('{begin}')",
        "RESULT_LIMIT => 10000",
    )


def newest_attempts(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Of a run's entries, the newest of each task."""
    return {entry.name: entry for entry in sorted(entries, key=lambda entry: entry.attempt)}


def graph_state(connection: SnowflakeConnection, database: str) -> GraphState:
    """Whether the schedule runs, and what failed in the newest run.

    Raises:
        NotDeployedError: there is no graph.
    """
    root, reason = root_state(show_tasks(connection, database))
    return state_of(root, reason, entries_of(connection.cursor().execute(recent_runs(database)).fetchall()))


def state_of(root: str, reason: str | None, entries: Iterable[Entry]) -> GraphState:
    """How the graph is, from what the warehouse said of its root and of its newest runs."""
    ended = ended_runs(entries)
    return GraphState(root, reason, *failures(ended), frozenset(ended[0]) if ended else frozenset())


def ended_runs(entries: Iterable[Entry]) -> list[dict[str, Entry]]:
    """The runs that have ended and were not skipped, the newest first: of each task, its newest attempt."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.group, []).append(entry)
    runs = [newest_attempts(group) for group in groups.values()]
    ended = [
        run
        for run in runs
        if ROOT in run and run[ROOT].state != "SKIPPED" and not any(entry.state in RUNNING for entry in run.values())
    ]
    return sorted(ended, key=lambda run: run[ROOT].started or run[ROOT].scheduled, reverse=True)


def failures(ended: Iterable[Mapping[str, Entry]]) -> tuple[tuple[TaskRun, ...], int]:
    """The tasks that failed in the newest run, and how many runs failed on end.

    Args:
        ended: as `ended_runs` has them.
    """
    newest: tuple[TaskRun, ...] = ()
    count = 0
    for run in ended:
        failed = tuple(entry.run() for entry in run.values() if entry.state in FAILED)
        if not failed:
            break
        newest = newest or failed
        count += 1
    return newest, count


def show_tasks(connection: SnowflakeConnection, database: str) -> list[dict[str, object]]:
    """SHOW TASKS of the graph, its columns by their names in lower case.

    Raises:
        NotDeployedError: there is no graph.
    """
    cursor = connection.cursor()
    with deployed():
        rows = cursor.execute(f'SHOW TASKS IN SCHEMA "{database}".OPS').fetchall()
    names = [column.name.lower() for column in cursor.description]
    found = [dict(zip(names, row, strict=True)) for row in rows]
    if not any(task["name"] == ROOT for task in found):
        raise NotDeployedError("The warehouse has no task OPS.REFRESH: run `dropship deploy`.")
    return found


def root_state(tasks: Iterable[Mapping[str, object]]) -> tuple[str, str | None]:
    """State of the root and, while it is suspended, the reason."""
    root = next(task for task in tasks if task["name"] == ROOT)
    state = str(root["state"]).lower()
    reason = root.get("last_suspended_reason")
    return state, str(reason) if reason and state != "started" else None


def predecessors(tasks: Iterable[Mapping[str, object]]) -> dict[str, set[str]]:
    """The tasks that will run, each with the tasks it waits for. Suspended ones are left out by the warehouse too."""
    graph = {
        str(task["name"]): task_names(task["predecessors"])
        for task in tasks
        if str(task["state"]).lower() == "started" or task["name"] == ROOT
    }
    return {task: waits & graph.keys() for task, waits in graph.items()}


def task_names(listed: object) -> set[str]:
    """Task names of SHOW TASKS' predecessors: a JSON array of qualified names (older accounts: without quotes)."""
    text = str(listed or "[]")
    try:
        qualified = [str(name) for name in json.loads(text)]
    except ValueError:
        qualified = re.findall(r"[^\s,\[\]']+", text)
    return {name.rsplit(".", 1)[-1].strip('"') for name in qualified}


def recent_runs(database: str) -> str:
    """The query for the newest rows of TASK_HISTORY, which `entries_of` reads."""
    return _query(database, "RESULT_LIMIT => 1000")


def entries_of(rows: Iterable[Sequence[Any]]) -> list[Entry]:
    """What `recent_runs` and its like answered."""
    # a run that was skipped may be of no group: then its time tells it apart
    return [Entry(*(*row[:5], str(row[5] or row[9]), int(row[6] or 1), *row[7:])) for row in rows]


def _query(database: str, *arguments: str) -> str:
    return _HISTORY.format(arguments=", ".join((scope(database), *arguments)))


def scope(database: str) -> str:
    """The arguments that have TASK_HISTORY count the graph's runs alone: RESULT_LIMIT comes before any WHERE."""
    name = database.replace('"', '""').replace("'", "''")
    return f"DATABASE_NAME => '\"{name}\"', SCHEMA_NAME => 'OPS'"


def _history(connection: SnowflakeConnection, database: str, *arguments: str) -> list[Entry]:
    return entries_of(connection.cursor().execute(_query(database, *arguments)).fetchall())
