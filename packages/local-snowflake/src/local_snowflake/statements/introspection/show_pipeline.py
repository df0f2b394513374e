"""SHOW and DESCRIBE of streams and tasks."""

from __future__ import annotations

import json
from collections.abc import Callable

from local_snowflake.engine.streams import RETENTION
from local_snowflake.session.session import Session
from local_snowflake.statements.introspection.column_specs import TIME, ColumnSpecs, Rows, owner_of, sees
from local_snowflake.statements.introspection.show_filter import read_filter
from local_snowflake.syntax.lexer import Cursor
from local_snowflake.syntax.names import Name


def streams(session: Session, cursor: Cursor) -> Rows:
    found = read_filter(session, cursor)
    return stream_rows(session, lambda name: found.has(name))


def stream_rows(session: Session, wanted: Callable[[Name], bool]) -> Rows:
    """SHOW STREAMS and DESCRIBE STREAM; docs.snowflake.com/en/sql-reference/sql/show-streams."""
    advanced = dict(session.engine.store.query("SELECT stream_id, advanced FROM stream_offsets"))
    columns: ColumnSpecs = [
        ("created_on", TIME),
        "name",
        "database_name",
        "schema_name",
        "owner",
        "comment",
        "table_name",
        "source_type",
        "base_tables",
        "type",
        "stale",
        "mode",
        ("stale_after", TIME),
        "invalid_reason",
        "owner_role_type",
    ]
    return columns, [
        (s.created, s.name.name, s.name.database, s.name.schema, owner_of(session, "STREAM", s.name), s.comment,
         str(s.table), "Table", str(s.table), "DELTA", "true" if s.stale else "false", s.mode,
         advanced.get(s.id, s.created) + RETENTION, "Base table dropped" if s.stale else "N/A", "ROLE")
        for s in session.engine.streams.all()
        if wanted(s.name) and sees(session, "STREAM", s.name)
    ]  # fmt: skip


def tasks(session: Session, cursor: Cursor) -> Rows:
    found = read_filter(session, cursor)
    return task_rows(session, lambda name: found.has(name))


def task_rows(session: Session, wanted: Callable[[Name], bool]) -> Rows:
    """SHOW TASKS and DESCRIBE TASK; docs.snowflake.com/en/sql-reference/sql/show-tasks."""
    columns: ColumnSpecs = [
        ("created_on", TIME),
        "name",
        "id",
        "database_name",
        "schema_name",
        "owner",
        "comment",
        "warehouse",
        "schedule",
        "predecessors",
        "state",
        "definition",
        "condition",
        "allow_overlapping_execution",
        "error_integration",
        ("last_committed_on", TIME),
        ("last_suspended_on", TIME),
        "owner_role_type",
        "config",
        "budget",
        "task_relations",
        "last_suspended_reason",
    ]
    return columns, [
        (t.created, t.name.name, t.id, t.name.database, t.name.schema, owner_of(session, "TASK", t.name), t.comment,
         t.warehouse, t.schedule, json.dumps([str(p) for p in t.predecessors]), t.state, t.definition, t.condition,
         "true" if t.overlap_policy == "ALLOW_CHILD_OVERLAP" else "false", None, t.resumed, t.suspended, "ROLE",
         t.config, None,
         json.dumps({"Predecessors": [str(p) for p in t.predecessors],
                     **({"FinalizedRootTask": str(t.finalizes)} if t.finalizes else {})}), t.suspended_reason)
        for t in session.engine.tasks.all()
        if wanted(t.name) and sees(session, "TASK", t.name)
    ]  # fmt: skip
