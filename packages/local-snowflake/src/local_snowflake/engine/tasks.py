"""Task definitions and their history, in the control tables."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass, field
from typing import Any, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter

from local_snowflake.engine.store import Store
from local_snowflake.errors import Code, SnowflakeError, graph_not_suspended, invalid, missing
from local_snowflake.syntax.names import Name

UTC = dt.UTC
_UNITS = {"S": 1, "M": 60, "H": 3600}
MINIMUM_SECONDS, MAXIMUM_SECONDS = 10, 691_200
"""A schedule is between 10 seconds and 8 days."""
OVERLAP_POLICIES = ("NO_OVERLAP", "ALLOW_CHILD_OVERLAP", "ALLOW_ALL_OVERLAP")
"""The first is the default."""


@dataclass(frozen=True)
class Task:
    """A task as it is defined now."""

    id: str
    name: Name
    definition: str
    condition: str | None
    schedule: str | None
    predecessors: tuple[Name, ...]
    finalizes: Name | None
    state: str
    warehouse: str | None
    config: str | None
    comment: str
    properties: dict[str, str] = field(hash=False)
    created: dt.datetime
    resumed: dt.datetime | None
    scheduled_until: dt.datetime | None
    suspended: dt.datetime | None
    suspended_reason: str | None
    failures: int

    @property
    def is_root(self) -> bool:
        return not self.predecessors and self.finalizes is None

    @property
    def is_triggered(self) -> bool:
        return self.is_root and self.schedule is None and self.condition is not None

    @property
    def overlap_policy(self) -> str:
        """OVERLAP_POLICY, or what the deprecated ALLOW_OVERLAPPING_EXECUTION maps to (create-task, usage notes)."""
        allowed = self.properties.get("ALLOW_OVERLAPPING_EXECUTION", "FALSE").upper() == "TRUE"
        default = "ALLOW_CHILD_OVERLAP" if allowed else "NO_OVERLAP"
        return self.properties.get("OVERLAP_POLICY", default).upper()

    def number(self, name: str, default: int) -> int:
        """A numeric property."""
        return int(self.properties.get(name, default))


def next_run(schedule: str, after: dt.datetime) -> dt.datetime:
    """When a schedule is due next.

    Raises:
        SnowflakeError: not a schedule.
    """
    interval = re.fullmatch(r"\s*(\d+)\s*(SECONDS?|MINUTES?|HOURS?|S|M|H)\s*", schedule, re.IGNORECASE)
    if interval:
        seconds = int(interval[1]) * _UNITS[interval[2][0].upper()]
        if not MINIMUM_SECONDS <= seconds <= MAXIMUM_SECONDS:
            raise invalid(f"invalid SCHEDULE '{schedule}': it is 10 seconds to 8 days")
        return after + dt.timedelta(seconds=seconds)
    cron = re.fullmatch(r"\s*USING\s+CRON\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(\S+)\s*", schedule, re.IGNORECASE)
    if not cron:
        raise invalid(f"invalid SCHEDULE '{schedule}': it is '5 MINUTES' or 'USING CRON * * * * * UTC'")
    try:
        due: dt.datetime = croniter(cron[1], after.astimezone(ZoneInfo(cron[2]))).get_next(dt.datetime)
    except (ValueError, KeyError, ZoneInfoNotFoundError) as error:
        raise invalid(f"invalid SCHEDULE '{schedule}': {error}") from error
    return due


_COLUMNS = (
    "id, database, schema, name, definition, condition, schedule, predecessors, finalizes, state, warehouse, config, "
    "comment, properties, created, resumed, scheduled_until, suspended, suspended_reason, failures"
)


def _name(text: str) -> Name:
    return Name(*json.loads(text))


def name_text(name: Name) -> str:
    """How a name is kept in a column."""
    return json.dumps([name.database, name.schema, name.name])


def _task(row: tuple[Any, ...]) -> Task:
    return Task(
        id=row[0], name=Name(*row[1:4]), definition=row[4], condition=row[5], schedule=row[6],
        predecessors=tuple(_name(text) for text in row[7] or []), finalizes=_name(row[8]) if row[8] else None,
        state=row[9], warehouse=row[10], config=row[11], comment=row[12] or "", properties=json.loads(row[13]),
        created=row[14], resumed=row[15], scheduled_until=row[16], suspended=row[17], suspended_reason=row[18],
        failures=row[19] or 0,
    )  # fmt: skip


class GraphRunner(Protocol):
    """What runs task graphs, as the statements see it."""

    def wake(self) -> None:
        """Look again soon: something was committed that may trigger a task."""

    def execute(self, task: Task, config: str | None = None) -> None:
        """EXECUTE TASK."""

    def retry_last(self, root: Task) -> None:
        """EXECUTE TASK ... RETRY LAST."""


class NoGraphs:
    """The runner of an engine that has none: nothing is triggered, and nothing can be executed."""

    def wake(self) -> None:
        return

    def execute(self, task: Task, config: str | None = None) -> None:
        raise RuntimeError(f"{task.name} cannot be executed: this engine has no scheduler")

    def retry_last(self, root: Task) -> None:
        raise RuntimeError(f"{root.name} cannot be executed: this engine has no scheduler")


class Tasks:
    """The definitions. Every change is committed at once, as DDL is."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[Task]:
        rows = self._store.query(f"SELECT {_COLUMNS} FROM tasks ORDER BY database, schema, name")
        return [_task(row) for row in rows]

    def get(self, name: Name) -> Task | None:
        rows = self._store.query(
            f"SELECT {_COLUMNS} FROM tasks WHERE database = ? AND schema = ? AND name = ?",
            [name.database, name.schema, name.name],
        )
        return _task(rows[0]) if rows else None

    def find(self, name: Name) -> Task:
        task = self.get(name)
        if task is None:
            raise missing("Task", name)
        return task

    def put(self, task: Task) -> None:
        """Create a task, or replace the one of its name."""
        with self._store.control() as connection:
            key = [task.name.database, task.name.schema, task.name.name]
            connection.execute("DELETE FROM tasks WHERE database = ? AND schema = ? AND name = ?", key)
            connection.execute(
                f"INSERT INTO tasks ({_COLUMNS}) VALUES ({', '.join('?' * 20)})",
                [task.id, *key, task.definition, task.condition, task.schedule,
                 [name_text(name) for name in task.predecessors],
                 name_text(task.finalizes) if task.finalizes else None, task.state, task.warehouse, task.config,
                 task.comment, json.dumps(task.properties), task.created, task.resumed, task.scheduled_until,
                 task.suspended, task.suspended_reason, task.failures],
            )  # fmt: skip

    def drop(self, task: Task) -> None:
        self._store.execute("DELETE FROM tasks WHERE id = ?", [task.id])

    def set(self, task: Task, **values: Any) -> None:
        """Change columns of a task."""
        assignments = ", ".join(f"{column} = ?" for column in values)
        self._store.execute(f"UPDATE tasks SET {assignments} WHERE id = ?", [*values.values(), task.id])

    # graphs -----------------------------------------------------------------------------------------------------

    def children(self, task: Task, among: list[Task] | None = None) -> list[Task]:
        return [other for other in (among or self.all()) if task.name in other.predecessors]

    def descendants(self, root: Task) -> list[Task]:
        """Every task below a root, nearest first, its finalizer last."""
        everyone = self.all()
        found: dict[str, Task] = {}
        todo = [root]
        while todo:
            for child in self.children(todo.pop(0), everyone):
                if child.id not in found:
                    found[child.id] = child
                    todo.append(child)
        finalizers = [task for task in everyone if task.finalizes == root.name]
        return [*found.values(), *finalizers]

    def roots_of(self, task: Task) -> list[Task]:
        """The root tasks above a task; itself when it is one."""
        everyone = {other.name: other for other in self.all()}
        todo, roots = [task], {}
        while todo:
            current = todo.pop()
            above = [*current.predecessors, *([current.finalizes] if current.finalizes else [])]
            if not above:
                roots[current.id] = current
            todo.extend(everyone[name] for name in above if name in everyone)
        return list(roots.values())

    def require_suspended(self, task: Task) -> None:
        """Refuse a change of a graph that runs: its root has to be suspended first."""
        for root in self.roots_of(task):
            if root.state == "started" and root.id != task.id:
                raise graph_not_suspended(root.name)

    def resume(self, task: Task) -> None:
        """ALTER TASK RESUME."""
        if task.is_root and task.schedule is None and task.condition is None:
            raise SnowflakeError(
                f"Task {task.name} cannot be resumed: it has neither a SCHEDULE, a predecessor nor a WHEN condition.",
                Code.TASK_NOT_STARTABLE,
                "55000",
            )
        now = dt.datetime.now(UTC)
        self.set(task, state="started", resumed=now, scheduled_until=now, failures=0, suspended_reason=None)

    def suspend(self, task: Task, reason: str = "USER_SUSPENDED") -> None:
        self.set(task, state="suspended", suspended=dt.datetime.now(UTC), suspended_reason=reason)

    def resume_graph(self, root: Task) -> None:
        """SYSTEM$TASK_DEPENDENTS_ENABLE: the tasks below first, the root last."""
        for task in reversed([root, *self.descendants(root)]):
            if task.state != "started":
                self.resume(task)
