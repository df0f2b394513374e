"""CREATE, ALTER, DROP and EXECUTE TASK."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import replace as changed

from local_snowflake.engine.access import ACCOUNT, OWNERSHIP, Securable, in_schema
from local_snowflake.engine.tasks import OVERLAP_POLICIES, UTC, Task, next_run
from local_snowflake.errors import (
    Code,
    SnowflakeError,
    exists,
    graph_not_suspended,
    invalid,
    refuse,
    syntax,
    unsupported,
)
from local_snowflake.results import DONE, Result, status
from local_snowflake.session.session import Session
from local_snowflake.syntax import blocks
from local_snowflake.syntax.lexer import Cursor
from local_snowflake.syntax.names import Name
from local_snowflake.translate.dialect import parse

_PROPERTIES = {
    "WAREHOUSE", "SCHEDULE", "CONFIG", "COMMENT", "ALLOW_OVERLAPPING_EXECUTION", "OVERLAP_POLICY",
    "USER_TASK_TIMEOUT_MS", "SUSPEND_TASK_AFTER_NUM_FAILURES", "TASK_AUTO_RETRY_ATTEMPTS", "ERROR_INTEGRATION",
    "USER_TASK_MANAGED_INITIAL_WAREHOUSE_SIZE", "USER_TASK_MINIMUM_TRIGGER_INTERVAL_IN_SECONDS", "LOG_LEVEL",
    "TIMEZONE", "QUERY_TAG", "LOCK_TIMEOUT", "FINALIZE", "TARGET_COMPLETION_INTERVAL",
}  # fmt: skip
_NUMBERS = {
    "USER_TASK_TIMEOUT_MS": (0, 604_800_000),
    "SUSPEND_TASK_AFTER_NUM_FAILURES": (0, 2**31),
    "TASK_AUTO_RETRY_ATTEMPTS": (0, 30),
    "USER_TASK_MINIMUM_TRIGGER_INTERVAL_IN_SECONDS": (10, 604_800),
}


def _names(session: Session, cursor: Cursor) -> list[Name]:
    found = [session.qualify(cursor.name())]
    while cursor.accept(","):
        found.append(session.qualify(cursor.name()))
    return found


def _condition(cursor: Cursor, *stop: str) -> str:
    """The text of a WHEN condition, up to a stop word outside parentheses."""
    start, depth = cursor.at, 0
    while not cursor.done and (depth or cursor.word() not in stop):
        depth += (cursor.word() == "(") - (cursor.word() == ")")
        cursor.at += 1
    if cursor.at == start:
        raise syntax("syntax error: WHEN without a condition")
    text = cursor.sql[cursor.tokens[start].start : cursor.tokens[cursor.at - 1].end + 1]
    parse(f"SELECT {text}")
    return text


def _checked(properties: dict[str, str]) -> dict[str, str]:
    for key, value in properties.items():
        if key not in _PROPERTIES:
            refuse(f"the task property {key}")
        if key in _NUMBERS:
            low, high = _NUMBERS[key]
            if not value.isdigit() or not low <= int(value) <= high:
                raise invalid(f"invalid value '{value}' for property '{key}': it is {low} to {high}")
    policy = properties.get("OVERLAP_POLICY", OVERLAP_POLICIES[0]).upper()
    if policy not in OVERLAP_POLICIES:
        raise invalid(f"invalid value '{policy}' for property 'OVERLAP_POLICY': {', '.join(OVERLAP_POLICIES)}")
    if "SCHEDULE" in properties:
        next_run(properties["SCHEDULE"], dt.datetime.now(UTC))
    return properties


def create(session: Session, cursor: Cursor, replace: bool) -> Result:
    if_not_exists = cursor.accept("IF", "NOT", "EXISTS")
    name = session.qualify(cursor.name())
    session.engine.catalog.require_schema(name.database, name.schema)
    properties: dict[str, str] = {}
    predecessors: list[Name] = []
    condition: str | None = None
    while not cursor.accept("AS"):
        if cursor.done:
            raise syntax("syntax error: a task needs AS <statement>")
        if cursor.accept("AFTER"):
            predecessors = _names(session, cursor)
        elif cursor.accept("WHEN"):
            condition = _condition(cursor, "AS")
        elif cursor.word() == "FINALIZE":
            cursor.at += 1
            cursor.expect("=")
            properties["FINALIZE"] = ".".join(f'"{part}"' for part in _finalized(session, cursor))
        else:
            properties |= cursor.properties("AFTER", "WHEN", "AS", "FINALIZE")
    body = cursor.rest()
    blocks.check(body)
    _checked(properties)
    finalizes = session.qualify(Cursor(properties.pop("FINALIZE")).name()) if "FINALIZE" in properties else None
    schedule = properties.pop("SCHEDULE", None)
    if predecessors and (schedule or finalizes):
        raise invalid(f"Task {name} cannot have both AFTER and {'SCHEDULE' if schedule else 'FINALIZE'}")
    task = Task(
        id=str(uuid.uuid4()), name=name, definition=body, condition=condition, schedule=schedule,
        predecessors=tuple(predecessors), finalizes=finalizes, state="suspended",
        warehouse=properties.pop("WAREHOUSE", "").upper() or None, config=properties.pop("CONFIG", None),
        comment=properties.pop("COMMENT", ""), properties=properties, created=dt.datetime.now(UTC), resumed=None,
        scheduled_until=None, suspended=None, suspended_reason=None, failures=0,
    )  # fmt: skip
    _require(session, task)
    session.commit()
    with session.engine.definitions:
        old = session.engine.tasks.get(name)
        if old and if_not_exists:
            return status(f"{name.name} already exists, statement succeeded.")
        if old and not replace:
            raise exists(name)
        if old:
            session.rights.need(OWNERSHIP, in_schema("TASK", name))
        _put_new(session, task)
    return status(f"Task {name.name} successfully created.")


def _require(session: Session, task: Task) -> None:
    """docs.snowflake.com/en/sql-reference/sql/create-task, access control requirements."""
    name = task.name
    session.rights.need("CREATE TASK", Securable("SCHEMA", (name.database, name.schema)))
    if task.warehouse is None:
        session.rights.need("EXECUTE MANAGED TASK", ACCOUNT)
    elif session.engine.objects.find("WAREHOUSE", task.warehouse) is not None:
        session.rights.need("USAGE", Securable("WAREHOUSE", (task.warehouse,)))


def _put_new(session: Session, task: Task) -> None:
    for above in [*task.predecessors, *([task.finalizes] if task.finalizes else [])]:
        found = session.engine.tasks.find(above)
        session.engine.tasks.require_suspended(found)
        if found.state == "started" and found.is_root:
            raise graph_not_suspended(above)
    _require_acyclic(session, task)
    with session.engine.store.control() as connection:  # an owner without a task means nothing, so it comes first
        session.engine.access.created(connection, in_schema("TASK", task.name), session.role)
    session.engine.access.reload_if_changed()
    session.engine.tasks.put(task)


def _finalized(session: Session, cursor: Cursor) -> list[str]:
    token = cursor.word()
    parts = Cursor(cursor.value()).name() if token.startswith("\0") else cursor.name()
    name = session.qualify(parts)
    return [name.database, name.schema, name.name]


def _require_acyclic(session: Session, task: Task) -> None:
    everyone = {other.name: other for other in session.engine.tasks.all()} | {task.name: task}
    todo, seen = list(task.predecessors), set()
    while todo:
        name = todo.pop()
        if name == task.name:
            raise SnowflakeError(f"Task {task.name} would be its own predecessor.", Code.TASK_CYCLE, "42601")
        if name not in seen and name in everyone:
            seen.add(name)
            todo.extend(everyone[name].predecessors)


def alter(session: Session, cursor: Cursor) -> Result:
    if_exists = cursor.accept("IF", "EXISTS")
    name = session.qualify(cursor.name())
    tasks = session.engine.tasks
    task = tasks.get(name)
    if task is None and if_exists:
        return status(DONE)
    task = tasks.find(name)
    operates = cursor.word() in ("RESUME", "SUSPEND")
    require_operated(session, name) if operates else session.rights.need(OWNERSHIP, in_schema("TASK", name))
    session.commit()
    with session.engine.definitions:
        _alter(session, cursor, task)
    cursor.end()
    session.engine.graphs.wake()
    return status(DONE)


def require_operated(session: Session, name: Name) -> None:
    """OPERATE lets a role resume, suspend and execute a task."""
    session.rights.need("OPERATE", in_schema("TASK", name))


def require_execute(session: Session) -> None:
    """Refuse a run of a task whose owner, the role of this session, may not have tasks run.

    Raises:
        SnowflakeError: 003001; EXECUTE TASK is a privilege on the account (tasks-intro, "Task security").
    """
    if not session.rights.may("EXECUTE TASK", ACCOUNT):
        raise SnowflakeError(
            "Cannot execute task, EXECUTE TASK privilege must be granted to owner role", Code.NO_PRIVILEGE, "42501"
        )


def _alter(session: Session, cursor: Cursor, task: Task) -> None:
    tasks = session.engine.tasks
    if cursor.accept("RESUME"):
        if not task.is_root:
            tasks.require_suspended(task)
        tasks.resume(task)
    elif cursor.accept("SUSPEND"):
        tasks.suspend(task)
    else:
        tasks.require_suspended(task)
        if task.state == "started" and task.is_root:
            raise graph_not_suspended(task.name)
        new = _altered(session, cursor, task)
        _require_acyclic(session, new)
        tasks.put(new)


def _altered(session: Session, cursor: Cursor, task: Task) -> Task:
    if cursor.accept("MODIFY", "AS"):
        body = cursor.rest()
        blocks.check(body)
        cursor.at = len(cursor.tokens)
        return changed(task, definition=body)
    if cursor.accept("MODIFY", "WHEN"):
        return changed(task, condition=_condition(cursor))
    if cursor.accept("REMOVE", "WHEN"):
        return changed(task, condition=None)
    if cursor.accept("ADD", "AFTER"):
        added = [name for name in _names(session, cursor) if session.engine.tasks.find(name)]
        return changed(task, predecessors=tuple(dict.fromkeys([*task.predecessors, *added])))
    if cursor.accept("REMOVE", "AFTER"):
        removed = _names(session, cursor)
        return changed(task, predecessors=tuple(name for name in task.predecessors if name not in removed))
    if cursor.accept("UNSET"):
        return _unset(cursor, task)
    if cursor.accept("SET"):
        if cursor.accept("FINALIZE"):
            cursor.expect("=")
            return changed(task, finalizes=Name(*_finalized(session, cursor)))
        return _set(task, _checked(cursor.properties()))
    raise unsupported(f"ALTER TASK ... {cursor.near()}")


def _set(task: Task, properties: dict[str, str]) -> Task:
    rest = dict(properties)
    return changed(
        task,
        schedule=rest.pop("SCHEDULE", task.schedule),
        warehouse=rest.pop("WAREHOUSE", task.warehouse or "").upper() or None,
        config=rest.pop("CONFIG", task.config),
        comment=rest.pop("COMMENT", task.comment),
        properties=task.properties | rest,
    )


def _unset(cursor: Cursor, task: Task) -> Task:
    kept = dict(task.properties)
    while not cursor.done:
        key = cursor.identifier()
        cursor.accept(",")
        match key:
            case "SCHEDULE":
                task = changed(task, schedule=None)
            case "WAREHOUSE":
                task = changed(task, warehouse=None)
            case "CONFIG":
                task = changed(task, config=None)
            case "COMMENT":
                task = changed(task, comment="")
            case "FINALIZE":
                task = changed(task, finalizes=None)
            case _:
                kept.pop(key, None)
    return changed(task, properties=kept)


def drop(session: Session, cursor: Cursor) -> Result:
    if_exists = cursor.accept("IF", "EXISTS")
    name = session.qualify(cursor.name())
    cursor.end()
    tasks = session.engine.tasks
    task = tasks.get(name)
    if task is None and if_exists:
        return status(f"Drop statement executed successfully ({name.name} already dropped).")
    task = tasks.find(name)
    session.rights.need(OWNERSHIP, in_schema("TASK", name))
    session.commit()
    for child in tasks.children(task):
        tasks.put(changed(child, predecessors=tuple(above for above in child.predecessors if above != name)))
    tasks.drop(task)
    with session.engine.store.control() as connection:
        session.engine.access.dropped(connection, in_schema("TASK", name))
    session.engine.access.reload_if_changed()
    return status(f"{name.name} successfully dropped.")


def execute(session: Session, cursor: Cursor) -> Result:
    """EXECUTE TASK t [RETRY LAST | USING CONFIG = '...']: starts a run and does not wait for it."""
    task = session.engine.tasks.find(session.qualify(cursor.name()))
    require_operated(session, task.name)
    if not task.is_root:
        raise SnowflakeError(
            f"Cannot execute task {task.name}: only a standalone or root task can be executed.",
            Code.NOT_A_ROOT_TASK,
            "55000",
        )
    retry, config = cursor.accept("RETRY", "LAST"), None
    if not retry and cursor.accept("USING", "CONFIG"):
        cursor.expect("=")
        config = cursor.value()
    cursor.end()
    session.commit()
    if retry:
        session.engine.graphs.retry_last(task)
    else:
        session.engine.graphs.execute(task, config)
    return status(f"Task {task.name.name} is scheduled to run immediately.")
