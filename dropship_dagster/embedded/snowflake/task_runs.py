"""Runs of task graphs: when they begin, in which order their tasks run, and what TASK_HISTORY says of them.

Source: docs.snowflake.com/en/user-guide/tasks-graphs.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import scripting
from .errors import SnowflakeError
from .tasks import UTC, Task, next_run

if TYPE_CHECKING:
    from .engine import Engine
    from .session import Session

log = logging.getLogger("warehouse.tasks")

_TICK_SECONDS = 0.5
_VACUUM_SECONDS = 30
_WORKERS = 8
_TIMEOUT_MS = 3_600_000
_FAILURES = 10
_TRIGGER_SECONDS = 30
_HISTORY_DAYS = 7
_SKIPPED = ("0040003", "Conditional expression for task evaluated to false.")


@dataclass
class Run:
    """One run of a graph.

    `states` holds how each task ended; a child begins when all its predecessors SUCCEEDED (suspended ones are stepped
    over).
    """

    root: Task
    tasks: list[Task]
    scheduled: dt.datetime
    source: str
    config: str | None
    attempt: int = 1
    group: int = field(default_factory=time.time_ns)
    states: dict[str, str] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)
    returned: dict[str, str] = field(default_factory=dict)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def ready(self) -> list[Task]:
        """The tasks that can begin now; they count as begun."""
        with self.guard:
            active = {task.name: task for task in self.tasks if task.state == "started" or task.id == self.root.id}
            found = [
                task
                for task in active.values()
                if task.id not in self.started and task.finalizes is None and self._unblocked(task, active)
            ]
            if not found and not self._busy():
                found = [t for t in active.values() if t.finalizes is not None and t.id not in self.started]
                if self.states.get(self.root.id) == "SKIPPED":
                    found = []
            self.started.update(task.id for task in found)
            return found

    def _unblocked(self, task: Task, active: dict) -> bool:  # type: ignore[type-arg]
        above = [active[name] for name in task.predecessors if name in active]
        if task.id != self.root.id and not above:
            return False
        return all(self.states.get(other.id) == "SUCCEEDED" for other in above)

    def _busy(self) -> bool:
        return any(task_id not in self.states for task_id in self.started)

    @property
    def over(self) -> bool:
        with self.guard:
            return not self._busy()

    @property
    def failed(self) -> bool:
        return "FAILED" in self.states.values()


class Scheduler:
    """Starts graphs that are due, triggered or executed; one run of a graph at a time unless it may overlap."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pool = ThreadPoolExecutor(_WORKERS, "task")
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()
        self._running: dict[str, int] = {}
        self._sessions: set[Session] = set()
        self._triggered: dict[str, float] = {}

    def start(self) -> None:
        """End what an earlier process left open, and begin to schedule."""
        self._engine.store.execute(
            "UPDATE task_history SET state = 'FAILED', completed_time = now(), error_code = '000604', "
            "error_message = 'The embedded warehouse was stopped while the task ran.' "
            "WHERE state IN ('SCHEDULED', 'EXECUTING')"
        )
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
        """EXECUTE TASK."""
        self._begin(task, dt.datetime.now(UTC), "EXECUTE_TASK", config)

    def retry_last(self, root: Task) -> None:
        """EXECUTE TASK ... RETRY LAST: the newest run again, from its failed tasks on."""
        rows = self._engine.store.query(
            "SELECT task_id, state, graph_run_group_id, attempt_number FROM task_history WHERE root_task_id = ? "
            "AND graph_run_group_id = (SELECT max(graph_run_group_id) FROM task_history WHERE root_task_id = ?) "
            "ORDER BY attempt_number",
            [root.id, root.id],
        )
        states = {row[0]: row[1] for row in rows}
        if "FAILED" not in states.values() and "CANCELLED" not in states.values():
            raise SnowflakeError(f"Cannot retry task {root.name}: its last run did not fail.", 91097, "55000")
        run = Run(root, [root, *self._engine.tasks.descendants(root)], dt.datetime.now(UTC), "EXECUTE_TASK", None)
        run.group, run.attempt = rows[0][2], rows[-1][3] + 1
        run.states = {task: state for task, state in states.items() if state == "SUCCEEDED"}
        run.started = set(run.states)
        self._submit(run)

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
        self._engine.streams.vacuum(self._engine.alone)
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
                    if task.overlap or not self._running.get(task.id):
                        self._begin(task, due, "SCHEDULE", None)
            elif task.is_triggered and not self._running.get(task.id):
                self._start_triggered(task, now)

    def _start_triggered(self, task: Task, now: dt.datetime) -> None:
        wait = task.number("USER_TASK_MINIMUM_TRIGGER_INTERVAL_IN_SECONDS", _TRIGGER_SECONDS)
        if time.monotonic() - self._triggered.get(task.id, -wait) < wait:
            return
        session = self._engine.connect(database=task.name.database, schema=task.name.schema)
        try:
            with session.mutex:
                due = self._condition(session, task)
        except SnowflakeError as error:
            log.warning("the condition of %s cannot be evaluated: %s", task.name, error)
            due = False
        finally:
            session.close()
        if due:
            self._triggered[task.id] = time.monotonic()
            self._begin(task, now, "TRIGGER", None)

    def _begin(self, root: Task, scheduled: dt.datetime, source: str, config: str | None) -> None:
        tasks = [root, *self._engine.tasks.descendants(root)]
        self._submit(Run(root, tasks, scheduled, source, config or root.config))

    def _submit(self, run: Run) -> None:
        with self._guard:
            self._running[run.root.id] = self._running.get(run.root.id, 0) + 1
        self._advance(run)

    # running ------------------------------------------------------------------------------------------------------

    def _advance(self, run: Run) -> None:
        """Start what can begin; close the run when nothing is left."""
        ready = run.ready()
        for task in ready:
            entry = self._record(run, task)
            try:
                self._pool.submit(self._run_task, run, task, entry)
            except RuntimeError:  # the pool is shut: the history is ended at the next start
                return
        if not ready and run.over:
            self._close(run)

    def _close(self, run: Run) -> None:
        retries = run.root.number("TASK_AUTO_RETRY_ATTEMPTS", 0)
        if run.failed and run.attempt <= retries and not self._stopping.is_set():
            run.attempt += 1
            with run.guard:
                run.states = {task: state for task, state in run.states.items() if state == "SUCCEEDED"}
                run.started = set(run.states)
            self._advance(run)
            return
        with self._guard:
            self._running[run.root.id] -= 1
        self._count_failures(run)
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
        entry = uuid.uuid4().hex
        self._engine.store.execute(
            "INSERT INTO task_history VALUES (?, ?, NULL, ?, ?, ?, ?, ?, 'SCHEDULED', NULL, NULL, ?, NULL, NULL, ?, ?, "
            "NULL, ?, ?, ?, ?)",
            [entry, task.id, task.name.name, task.name.database, task.name.schema, task.definition, task.condition,
             run.scheduled, run.root.id, run.group // 1_000_000, run.source, run.attempt, run.group, run.config],
        )  # fmt: skip
        return entry

    def _run_task(self, run: Run, task: Task, entry: str) -> None:
        session = self._engine.connect(
            database=task.name.database, schema=task.name.schema, warehouse=task.warehouse,
            parameters={key: task.properties[key] for key in ("TIMEZONE", "LOCK_TIMEOUT", "QUERY_TAG")
                        if key in task.properties},
        )  # fmt: skip
        with self._guard:
            self._sessions.add(session)
        session.task_graph = {"": str(task.name), **run.returned}
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
            state, code, message = "FAILED", f"{error.code:06d}", error.message
        except Exception as error:
            log.exception("task %s", task.name)
            state, code, message = "FAILED", "000603", f"{type(error).__name__}: {error}"
        finally:
            if timer:
                timer.cancel()
            with self._guard:
                self._sessions.discard(session)
            query_id, returned = session.query_id, session.return_value
            session.close()
        self._engine.store.execute(
            "UPDATE task_history SET state = ?, error_code = ?, error_message = ?, completed_time = now(), "
            "query_id = ?, return_value = ? WHERE entry = ?",
            [state, code, message, query_id or None, returned, entry],
        )
        if state == "FAILED":
            log.warning("task %s failed: %s", task.name, (message or "").replace("\n", " "))
        with run.guard:
            run.states[task.id] = state
            if returned is not None:
                run.returned[task.name.name] = returned
        if not self._stopping.is_set():
            self._advance(run)

    def _run_body(self, session: Session, task: Task, entry: str) -> tuple[str, str | None, str | None]:
        self._engine.store.execute(
            "UPDATE task_history SET state = 'EXECUTING', query_start_time = now() WHERE entry = ?", [entry]
        )
        if task.condition and not self._condition(session, task):
            return "SKIPPED", *_SKIPPED
        if scripting.is_block(task.definition):
            scripting.run(session, task.definition).drain()
        else:
            session.execute(task.definition).drain()
        if session.transaction is not None and session.transaction.open:
            session.rollback()
            return "FAILED", "090087", "The task ended with a transaction that was neither committed nor rolled back."
        return "SUCCEEDED", None, None

    def _condition(self, session: Session, task: Task) -> bool:
        rows = session.execute(f"SELECT ({task.condition})").rows()
        return bool(rows[0][0])
