"""Runs of task graphs, and which of them may be under way at once.

Source: docs.snowflake.com/en/sql-reference/sql/execute-task (usage notes), .../sql/create-task (OVERLAP_POLICY).
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

from local_snowflake.engine.tasks import Task
from local_snowflake.syntax.names import Name


@dataclass
class Run:
    """One run of a graph.

    `states` holds how each task ended; a child begins when all its predecessors SUCCEEDED (suspended ones are stepped
    over). `entry` is the row of the root in the history, if the run was recorded before it began.
    """

    root: Task
    tasks: list[Task]
    scheduled: dt.datetime
    source: str
    config: str | None
    attempt: int = 1
    group: int = field(default_factory=time.time_ns)
    entry: str | None = None
    states: dict[str, str] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)
    returned: dict[str, str] = field(default_factory=dict)
    closing: bool = False
    guard: threading.Lock = field(default_factory=threading.Lock)

    def step(self) -> tuple[list[Task], bool]:
        """The tasks that can begin now, which count as begun, and whether the attempt is over: told once."""
        with self.guard:
            if self.closing:
                return [], False
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
            self.closing = not found and not self._busy()
            return found, self.closing

    def ended(self, task: Task, state: str, returned: str | None) -> None:
        """A task of the run has ended."""
        with self.guard:
            self.states[task.id] = state
            if returned is not None:
                self.returned[task.name.name] = returned

    def _unblocked(self, task: Task, active: dict[Name, Task]) -> bool:
        above = [active[name] for name in task.predecessors if name in active]
        if task.id != self.root.id and not above:
            return False
        return all(self.states.get(other.id) == "SUCCEEDED" for other in above)

    def _busy(self) -> bool:
        return any(task_id not in self.states for task_id in self.started)

    def retry(self) -> None:
        """Begin the next attempt, from the tasks that did not succeed."""
        with self.guard:
            self.attempt, self.closing = self.attempt + 1, False
            self.source = "AUTOMATIC RETRY"
            self.states = {task: state for task, state in self.states.items() if state == "SUCCEEDED"}
            self.started = set(self.states)

    @property
    def failed(self) -> bool:
        with self.guard:
            return "FAILED" in self.states.values()

    @property
    def root_ended(self) -> bool:
        """Whether its root runs no more; one that failed may be retried."""
        with self.guard:
            return self.states.get(self.root.id) in ("SUCCEEDED", "SKIPPED")


class Admission:
    """Admits runs as the OVERLAP_POLICY of their root allows, and keeps the one run of a graph that waits.

    A graph is known by the name of its root, so that the runs of a task and of the one that replaced it do not meet.
    A run that waits holds no thread. Callers hold `guard` around what has to be decided and done as one.
    """

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self._running: dict[Name, list[Run]] = defaultdict(list)
        self._waiting: dict[Name, Run] = {}

    def running(self, root: Name) -> list[Run]:
        """The runs of a graph that are under way, retries included."""
        with self.guard:
            return list(self._running.get(root, ()))

    def free(self, root: Task) -> bool:
        """Whether a run of the graph may begin now.

        NO_OVERLAP: "the next run of a root task only after all child tasks finish"; ALLOW_CHILD_OVERLAP: "root tasks
        never overlap with this policy" (create-task).
        """
        with self.guard:
            others = self.running(root.name)
            match root.overlap_policy:
                case "NO_OVERLAP":
                    return not others
                case "ALLOW_CHILD_OVERLAP":
                    return all(other.root_ended for other in others)
            return True

    def enter(self, run: Run) -> None:
        """Count a run as under way."""
        with self.guard:
            self._running[run.root.name].append(run)

    def leave(self, run: Run) -> None:
        """A run is over."""
        with self.guard:
            runs = self._running[run.root.name]
            runs.remove(run)
            if not runs:
                del self._running[run.root.name]

    def put_off(self, run: Run) -> Run | None:
        """Let a run wait; the one that waited until now, which it replaces.

        "If the EXECUTE TASK command is executed again before the next scheduled run starts, the requested run replaces
        the scheduled run" (execute-task).
        """
        with self.guard:
            replaced = self._waiting.get(run.root.name)
            self._waiting[run.root.name] = run
            return replaced

    def take_waiting(self, root: Name) -> Run | None:
        """The run of the graph that waits, if any; it does not wait any more."""
        with self.guard:
            return self._waiting.pop(root, None)

    def waits(self, root: Name) -> bool:
        with self.guard:
            return root in self._waiting
