"""The scheduler of task graphs: when runs begin, how their tasks are run, and what TASK_HISTORY says of them.

Source: docs.snowflake.com/en/user-guide/tasks-graphs, .../sql-reference/sql/execute-task.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from local_snowflake.engine.access import in_schema
from local_snowflake.engine.engine import Engine
from local_snowflake.engine.tasks import UTC, Task, next_run
from local_snowflake.errors import Code, SnowflakeError
from local_snowflake.session.session import Session, TaskContext
from local_snowflake.statements.ddl.tasks import require_execute
from local_snowflake.statements.execution import execute
from local_snowflake.statements.scripting import run as run_block
from local_snowflake.syntax.names import Name
from local_snowflake.syntax.statement import Statement
from local_snowflake.tasks.graph_runs import Admission, Run

log = logging.getLogger("warehouse.tasks")

_TICK_SECONDS = 0.5
_VACUUM_SECONDS = 30
_WORKERS = 8
_TIMEOUT_MS = 3_600_000
_FAILURES = 10
_TRIGGER_SECONDS = 30
_HISTORY_DAYS = 7
_RETRIED = ("FAILED", "FAILED_AND_AUTO_SUSPENDED", "CANCELLED")
_SKIPPED = (f"{Code.TASK_SKIPPED:07d}", "Conditional expression for task evaluated to false.")


class Scheduler:
    """Starts graphs that are due, triggered or executed, as far as their OVERLAP_POLICY allows."""

    def __init__(self, engine: Engine, connect: Callable[..., Session]) -> None:
        self._engine, self._connect = engine, connect
        self._pool = ThreadPoolExecutor(_WORKERS, "task")
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()
        self._admission = Admission()
        self._sessions: set[Session] = set()
        self._triggered: dict[str, float] = {}

    def start(self) -> None:
        """End what an earlier process left open, run what it was asked for and had not begun, and begin to schedule."""
        asked = self._engine.store.query(
            "SELECT entry, database_name, schema_name, name, scheduled_time, scheduled_from, config, "
            "graph_run_group_id FROM task_history "
            "WHERE state = 'SCHEDULED' AND task_id = root_task_id AND attempt_number = 1 ORDER BY graph_run_group_id"
        )
        self._engine.store.execute(
            "UPDATE task_history SET state = 'FAILED', completed_time = now(), "
            f"error_code = '{Code.CANCELED.digits}', "
            "error_message = 'The local warehouse was stopped while the task ran.' "
            "WHERE state = 'EXECUTING' OR state = 'SCHEDULED' AND NOT (task_id = root_task_id AND attempt_number = 1)"
        )
        for entry, database, schema, name, scheduled, source, config, group in asked:
            self._start_asked(Name(database, schema, name), entry, scheduled, source, config, group)
        self._thread = threading.Thread(target=self._loop, name="task-scheduler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cancel what runs (its transactions are rolled back) and wait for it."""
        self._stopping.set()
        self._wake.set()
        if self._thread:
            self._thread.join()
        with self._guard:
            sessions = list(self._sessions)
        for session in sessions:
            session.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def wake(self) -> None:
        """Look again soon: something was committed that may trigger a task."""
        self._wake.set()

    # what begins a run --------------------------------------------------------------------------------------------

    def execute(self, task: Task, config: str | None = None) -> None:
        """EXECUTE TASK: a run now or, while the graph may not run, one as soon as it may.

        One request waits: a later one replaces it. Both are for the same, as every run takes up all there is.
        """
        run = self._new(task, dt.datetime.now(UTC), "EXECUTE_TASK", config)
        with self._admission.guard:
            if not self._admission.free(task):
                self._put_off(run)
                return
            self._admission.enter(run)
        self._advance(run)

    def retry_last(self, root: Task) -> None:
        """EXECUTE TASK ... RETRY LAST: the newest run again, from its failed tasks on.

        Raises:
            SnowflakeError: the newest run has not ended, or did not fail.
        """
        with self._admission.guard:
            rows = self._engine.store.query(
                "SELECT task_id, state, graph_run_group_id, attempt_number FROM task_history WHERE root_task_id = ? "
                "AND graph_run_group_id = (SELECT max(graph_run_group_id) FROM task_history WHERE root_task_id = ?) "
                "ORDER BY attempt_number",
                [root.id, root.id],
            )
            running = self._admission.running(root.name)
            if not self._admission.free(root) or any(run.group == rows[0][2] for run in running if rows):
                raise SnowflakeError(
                    f"Cannot retry task {root.name}: its last run has not ended.", Code.NOTHING_TO_RETRY, "55000"
                )
            states = {row[0]: row[1] for row in rows}
            if not any(state in _RETRIED for state in states.values()):
                raise SnowflakeError(
                    f"Cannot retry task {root.name}: its last run did not fail.", Code.NOTHING_TO_RETRY, "55000"
                )
            run = self._new(root, dt.datetime.now(UTC), "MANUAL RETRY", None)
            run.group, run.attempt = rows[0][2], rows[-1][3] + 1
            run.states = {task: state for task, state in states.items() if state == "SUCCEEDED"}
            run.started = set(run.states)
            self._admission.enter(run)
        self._advance(run)

    def _new(self, root: Task, scheduled: dt.datetime, source: str, config: str | None) -> Run:
        tasks = [root, *self._engine.tasks.descendants(root)]
        return Run(root, tasks, scheduled, source, config or root.config)

    def _begin(self, root: Task, scheduled: dt.datetime, source: str) -> bool:
        """Begin a run, unless the graph may not run now: it is skipped then (create-task, NO_OVERLAP)."""
        run = self._new(root, scheduled, source, None)
        with self._admission.guard:
            if self._admission.waits(root.name) or not self._admission.free(root):
                return False
            self._admission.enter(run)
        self._advance(run)
        return True

    def _put_off(self, run: Run) -> None:
        """Let a run wait; the history shows it as SCHEDULED, in place of the one that waited."""
        run.entry = self._record(run, run.root)
        replaced = self._admission.put_off(run)
        if replaced is not None:
            self._engine.store.execute("DELETE FROM task_history WHERE entry = ?", [replaced.entry])

    def _start_waiting(self, name: Name) -> None:
        """Begin the run that waits for its graph, with the definitions of now, if it may run."""
        with self._admission.guard:
            if not self._admission.waits(name):
                return
            root = self._engine.tasks.get(name)
            if root is not None and not self._admission.free(root):
                return
            asked = self._admission.take_waiting(name)
            if asked is None or self._stopping.is_set():  # what still waits then begins at the next start
                return
            self._start_asked(name, asked.entry, asked.scheduled, asked.source, asked.config, asked.group)

    def _start_asked(
        self, name: Name, entry: str | None, scheduled: dt.datetime, source: str, config: str | None, group: int
    ) -> None:
        """Begin a run that is in the history already, or let it wait."""
        root = self._engine.tasks.get(name)
        if root is None or not root.is_root:
            self._engine.store.execute(
                "UPDATE task_history SET state = 'CANCELLED', completed_time = now(), error_message = ? "
                "WHERE entry = ?",
                [f"Task {name} was dropped or is no root any more.", entry],
            )
            return
        run = self._new(root, scheduled, source, config)
        run.entry, run.group = entry, group
        with self._admission.guard:
            if not self._admission.free(root):
                self._admission.put_off(run)
                return
            self._admission.enter(run)
        self._advance(run)

    def _loop(self) -> None:
        vacuumed = time.monotonic()
        while not self._stopping.is_set():
            self._wake.wait(_TICK_SECONDS)
            self._wake.clear()
            if self._stopping.wait(0.05):
                return
            try:
                self._start_due()
                if time.monotonic() - vacuumed > _VACUUM_SECONDS:
                    vacuumed = time.monotonic()
                    self._tidy()
            except Exception:
                log.exception("the task scheduler goes on after an error")

    def _tidy(self) -> None:
        self._engine.change_logs.vacuum(self._engine.alone)
        self._engine.store.execute(
            f"DELETE FROM task_history WHERE completed_time < now() - INTERVAL {_HISTORY_DAYS} DAY"
        )

    def _start_due(self) -> None:
        now = dt.datetime.now(UTC)
        for task in self._engine.tasks.all():
            if task.state != "started" or not task.is_root:
                continue
            if task.schedule is not None:
                due = next_run(task.schedule, task.scheduled_until or task.resumed or now)
                if due <= now:
                    # one run for all that was missed, as a run never catches up
                    self._engine.tasks.set(task, scheduled_until=now)
                    self._begin(task, due, "SCHEDULE")
            elif task.is_triggered and self._admission.free(task):
                self._start_triggered(task, now)

    def _start_triggered(self, task: Task, now: dt.datetime) -> None:
        wait = task.number("USER_TASK_MINIMUM_TRIGGER_INTERVAL_IN_SECONDS", _TRIGGER_SECONDS)
        if time.monotonic() - self._triggered.get(task.id, -wait) < wait:
            return
        session = self._connect(database=task.name.database, schema=task.name.schema, role=self._owner(task))
        try:
            with session.mutex:
                due = self._condition(session, task)
        except SnowflakeError as error:
            log.warning("the condition of %s cannot be evaluated: %s", task.name, error)
            due = False
        finally:
            session.close()
        if due and self._begin(task, now, "TRIGGER"):
            self._triggered[task.id] = time.monotonic()

    # running ------------------------------------------------------------------------------------------------------

    def _advance(self, run: Run) -> None:
        """Start what can begin; close the run when nothing is left."""
        tasks, over = run.step()
        for task in tasks:
            try:
                entry = self._record(run, task)
            except Exception:
                log.exception("the history cannot be written: %s is not run", task.name)
                run.ended(task, "FAILED", None)
                self._advance(run)
                continue
            try:
                self._pool.submit(self._run_task, run, task, entry)
            except RuntimeError:  # the pool is shut: the history is ended at the next start
                return
        if over:
            self._close(run)

    def _close(self, run: Run) -> None:
        retries = run.root.number("TASK_AUTO_RETRY_ATTEMPTS", 0)
        if run.failed and run.attempt <= retries and not self._stopping.is_set():
            run.retry()
            self._advance(run)
            return
        try:
            self._count_failures(run)
        finally:
            with self._admission.guard:
                self._admission.leave(run)
                self._start_waiting(run.root.name)
            self._wake.set()

    def _count_failures(self, run: Run) -> None:
        root = self._engine.tasks.get(run.root.name)
        if root is None or root.id != run.root.id:
            return
        if not run.failed:
            if root.failures:
                self._engine.tasks.set(root, failures=0)
            return
        limit = root.number("SUSPEND_TASK_AFTER_NUM_FAILURES", _FAILURES)
        self._engine.tasks.set(root, failures=root.failures + 1)
        if limit and root.failures + 1 >= limit and root.state == "started":
            self._engine.tasks.suspend(root, "SUSPENDED_DUE_TO_ERRORS")
            self._engine.store.execute(
                "UPDATE task_history SET state = 'FAILED_AND_AUTO_SUSPENDED' WHERE graph_run_group_id = ? "
                "AND state = 'FAILED' AND attempt_number = ?",
                [run.group, run.attempt],
            )

    def _record(self, run: Run, task: Task) -> str:
        """The row of a task in the history; a run that waited has that of its root, which tells what is run now."""
        if run.entry is not None and task.id == run.root.id and run.attempt == 1:
            self._engine.store.execute(
                "UPDATE task_history SET task_id = ?, root_task_id = ?, query_text = ?, condition_text = ?, config = ? "
                "WHERE entry = ?",
                [task.id, task.id, task.definition, task.condition, run.config, run.entry],
            )
            return run.entry
        entry = uuid.uuid4().hex
        self._engine.store.execute(
            "INSERT INTO task_history VALUES (?, ?, NULL, ?, ?, ?, ?, ?, 'SCHEDULED', NULL, NULL, ?, NULL, NULL, ?, ?, "
            "NULL, ?, ?, ?, ?)",
            [entry, task.id, task.name.name, task.name.database, task.name.schema, task.definition, task.condition,
             run.scheduled, run.root.id, run.group // 1_000_000, run.source, run.attempt, run.group, run.config],
        )  # fmt: skip
        return entry

    def _run_task(self, run: Run, task: Task, entry: str) -> None:
        """Run a task of a graph, write how it ended, and go on with the graph whatever happens."""
        state, returned = "FAILED", None
        try:
            state, returned = self._run_in_session(run, task, entry)
        except Exception:
            log.exception("task %s", task.name)
        run.ended(task, state, returned)
        if self._stopping.is_set():
            return
        try:
            self._advance(run)
            if task.id == run.root.id:  # ALLOW_CHILD_OVERLAP: the next run waits for the root only
                self._start_waiting(task.name)
        except Exception:
            log.exception("the graph of %s", run.root.name)

    def _run_in_session(self, run: Run, task: Task, entry: str) -> tuple[str, str | None]:
        """State and return value of the task."""
        session = self._connect(
            database=task.name.database, schema=task.name.schema, role=self._owner(task), warehouse=task.warehouse,
            parameters={key: task.properties[key] for key in ("TIMEZONE", "LOCK_TIMEOUT", "QUERY_TAG")
                        if key in task.properties},
        )  # fmt: skip
        with self._guard:
            self._sessions.add(session)
        session.task = TaskContext(str(task.name), dict(run.returned))
        timeout = task.number("USER_TASK_TIMEOUT_MS", _TIMEOUT_MS)
        timer = threading.Timer(timeout / 1000, session.cancel) if timeout else None
        state, code, message = "SUCCEEDED", None, None
        try:
            if timer:
                timer.daemon = True
                timer.start()
            with session.mutex:
                state, code, message = self._run_body(session, task, entry)
        except SnowflakeError as error:
            state, code, message = "FAILED", error.code.digits, error.message
        except Exception as error:
            log.exception("task %s", task.name)
            state, code, message = "FAILED", Code.UNKNOWN.digits, f"{type(error).__name__}: {error}"
        finally:
            if timer:
                timer.cancel()
            with self._guard:
                self._sessions.discard(session)
            query_id, returned = session.query_id, session.return_value
            session.close()
        if state == "FAILED":
            log.warning("task %s failed: %s", task.name, (message or "").replace("\n", " "))
        self._engine.store.execute(
            "UPDATE task_history SET state = ?, error_code = ?, error_message = ?, completed_time = now(), "
            "query_id = ?, return_value = ? WHERE entry = ?",
            [state, code, message, query_id or None, returned, entry],
        )
        return state, returned

    def _owner(self, task: Task) -> str:
        """The role that a task runs as."""
        return self._engine.access.now.owner(in_schema("TASK", task.name))

    def _run_body(self, session: Session, task: Task, entry: str) -> tuple[str, str | None, str | None]:
        self._engine.store.execute(
            "UPDATE task_history SET state = 'EXECUTING', query_start_time = now() WHERE entry = ?", [entry]
        )
        require_execute(session)
        if task.condition and not self._condition(session, task):
            return "SKIPPED", *_SKIPPED
        run_block(session, Statement(task.definition), execute).drain()
        if session.transaction is not None and session.transaction.open:
            session.rollback()
            return (
                "FAILED",
                Code.TRANSACTION_LEFT_OPEN.digits,
                "The task ended with a transaction that was neither committed nor rolled back.",
            )
        return "SUCCEEDED", None, None

    def _condition(self, session: Session, task: Task) -> bool:
        rows = execute(session, Statement(f"SELECT ({task.condition})")).rows()
        return bool(rows[0][0])
