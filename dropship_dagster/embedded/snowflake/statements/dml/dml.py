"""INSERT, UPDATE, DELETE, TRUNCATE; MERGE and multi-table INSERT by way of `merge`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from dropship_dagster.embedded.snowflake.engine.catalog import forget_loads
from dropship_dagster.embedded.snowflake.engine.locks import Mode
from dropship_dagster.embedded.snowflake.engine.plans import Plan, Step
from dropship_dagster.embedded.snowflake.errors import SnowflakeError, missing, refuse, unsupported
from dropship_dagster.embedded.snowflake.results import DONE, Result, StatementType, counted, status
from dropship_dagster.embedded.snowflake.statements.dml.coercion import fit
from dropship_dagster.embedded.snowflake.statements.dml.merge import merge_steps, multi_insert_steps, table_exists
from dropship_dagster.embedded.snowflake.statements.targets import identifier, target_name
from dropship_dagster.embedded.snowflake.syntax.lexer import Cursor
from dropship_dagster.embedded.snowflake.syntax.names import Name, quote
from dropship_dagster.embedded.snowflake.translate import annotate
from dropship_dagster.embedded.snowflake.translate.datatypes import limit_of
from dropship_dagster.embedded.snowflake.translate.dialect import parse
from dropship_dagster.embedded.snowflake.translate.rewriter import Rewriter, invalid_identifier
from dropship_dagster.embedded.snowflake.translate.templates import cast_to, fill
from dropship_dagster.embedded.snowflake.translate.translator import render, translate

if TYPE_CHECKING:
    from dropship_dagster.embedded.snowflake.session.session import Session


def require_table(session: Session, name: Name) -> None:
    """Refuse DML on a stream, which would otherwise fail with an odd message."""
    if session.engine.streams.find(name) is not None and name not in session.temporary:
        refuse(f"DML on the stream {name}")
    if not session.engine.catalog.has_schema(name.database, name.schema):
        raise missing("Table", name)


def run(session: Session, sql: str, build: Callable[[], Plan]) -> Result:
    """Run a plan for DML with everything it needs: locks, a transaction, its streams, its counts.

    Raises:
        SnowflakeError: 100090, rows that a MERGE would update twice; whatever `Session.change` raises.
    """
    plan = session.plan(sql, build)
    with session.change(plan.targets, plan.streams):
        if plan.version != session.engine.version:  # a definition changed while this waited for its locks
            plan = session.plan(sql, build)
        counts: dict[str, int] = {step.label: 0 for step in plan.steps if step.label}
        for step in plan.steps:
            count = session.apply(step.sql)
            if step.guard and count:
                raise SnowflakeError("Duplicate row detected during DML action", 100090, "42P18")
            if step.label:
                counts[step.label] += count
    return counted(plan.kind, counts)


def insert(session: Session, cursor: Cursor) -> Result:
    return run(session, cursor.sql, lambda: _insert(session, parse(cursor.sql)))


def _insert(session: Session, tree: exp.Expr) -> Plan:
    if isinstance(tree, exp.MultitableInserts):
        return _multi_insert(session, tree)
    if not isinstance(tree, exp.Insert):
        raise unsupported(tree.sql("snowflake")[:60])
    name = target_name(session, tree.this)
    require_table(session, name)
    streams = tuple(session.streams_in(tree))
    columns = [identifier(column) for column in tree.this.expressions] if isinstance(tree.this, exp.Schema) else []
    source = tree.expression
    if source is None:
        raise unsupported("INSERT without VALUES or a query")
    defaults = _keep_defaults(source)
    query = render(translate(source, session))
    target = _target(session, name, columns)
    if not defaults:
        query = fit(session, query, target, loading=False)
    stored = session.stored(name).sql
    listed = f" ({', '.join(quote(column) for column in columns)})" if columns else ""
    steps = [Step(f"INSERT INTO {stored}{listed} {query}", "number of rows inserted")]
    if tree.args.get("overwrite"):
        steps.insert(0, Step(f"DELETE FROM {stored}"))
    mode = Mode.CHANGE if len(steps) > 1 else Mode.APPEND
    return Plan(StatementType.INSERT, tuple(steps), streams, {name: mode})


def _target(session: Session, name: Name, columns: list[str]) -> list[tuple[str, str]]:
    """Name and type of the columns that an INSERT writes."""
    every = session.columns_of(session.stored(name))
    kinds = dict(every)
    unknown = next((column for column in columns if column not in kinds), None)
    if unknown is not None:
        raise invalid_identifier(unknown)
    return [(column, kinds[column]) for column in columns] if columns else every


def _keep_defaults(source: exp.Expr) -> bool:
    """VALUES (DEFAULT, ...): the word is no column. Whether there was any."""
    found = False
    if isinstance(source, exp.Values):
        for column in source.find_all(exp.Column):
            if column.name.upper() == "DEFAULT" and not column.this.quoted:
                column.replace(exp.Var(this="DEFAULT"))
                found = True
    return found


def update(session: Session, cursor: Cursor) -> Result:
    result = run(session, cursor.sql, lambda: _update(session, parse(cursor.sql)))
    counts = {**(result.counts or {}), "number of multi-joined rows updated": 0}
    return counted(StatementType.UPDATE, counts)


def _update(session: Session, tree: exp.Expr) -> Plan:
    name = target_name(session, tree.this)
    require_table(session, name)
    streams = tuple(session.streams_in(tree))
    kinds = dict(session.columns_of(session.stored(name)))
    for assignment in tree.expressions:
        assignment.this.set("table", None)
        column = identifier(assignment.this)
        if column not in kinds:
            raise invalid_identifier(column)
    rewritten = Rewriter(session).rewrite(tree)
    for assignment in rewritten.expressions:
        kind = kinds[assignment.this.name].replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
        plain, fitting = limit_of(kind) or (kind, "{0}")
        assignment.meta[annotate.DONE] = True  # it is no comparison
        assignment.set("expression", fill(fitting, [cast_to(assignment.expression, plain)]))
    step = Step(render(annotate.apply(rewritten, session)), "number of rows updated")
    return Plan(StatementType.UPDATE, (step,), streams, {name: Mode.CHANGE})


def delete(session: Session, cursor: Cursor) -> Result:
    return run(session, cursor.sql, lambda: _delete(session, parse(cursor.sql)))


def _delete(session: Session, tree: exp.Expr) -> Plan:
    name = target_name(session, tree.this)
    require_table(session, name)
    streams = tuple(session.streams_in(tree))
    step = Step(render(translate(tree, session)), "number of rows deleted")
    return Plan(StatementType.DELETE, (step,), streams, {name: Mode.CHANGE})


def truncate(session: Session, cursor: Cursor) -> Result:
    """TRUNCATE TABLE, which the streams of the table see as a DELETE.

    Its files can be loaded again afterwards (docs.snowflake.com/en/sql-reference/sql/truncate-table).
    """
    cursor.expect("TRUNCATE")
    cursor.accept("TABLE")
    if_exists = cursor.accept("IF", "EXISTS")
    name = session.qualify(cursor.name())
    cursor.end()
    if if_exists and not table_exists(session, name):
        return status(DONE)
    require_table(session, name)
    with session.change({name: Mode.CHANGE}, []):
        session.apply(f"DELETE FROM {session.stored(name).sql}")
        session.apply(forget_loads(name))
    return status(DONE)


def merge(session: Session, cursor: Cursor) -> Result:
    return run(session, cursor.sql, lambda: _merge(session, parse(cursor.sql)))


def _merge(session: Session, tree: exp.Expr) -> Plan:
    if not isinstance(tree, exp.Merge):
        raise unsupported(tree.sql("snowflake")[:60])
    name = target_name(session, tree.this)
    require_table(session, name)
    streams = tuple(session.streams_in(tree))
    return Plan(StatementType.MERGE, merge_steps(session, name, tree), streams, {name: Mode.CHANGE})


def _multi_insert(session: Session, tree: exp.MultitableInserts) -> Plan:
    names = [target_name(session, branch.this.this) for branch in tree.expressions]
    for name in names:
        require_table(session, name)
    mode = Mode.CHANGE if tree.args.get("overwrite") else Mode.APPEND
    streams = tuple(session.streams_in(tree))
    steps = multi_insert_steps(session, names, tree)
    return Plan(StatementType.MULTI_INSERT, steps, streams, dict.fromkeys(names, mode))
