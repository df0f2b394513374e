"""INSERT, UPDATE, DELETE, TRUNCATE; MERGE and multi-table INSERT by way of `merge`."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from local_snowflake.engine.access import SELECT, Need, in_schema
from local_snowflake.engine.catalog import forget_loads
from local_snowflake.engine.locks import Mode
from local_snowflake.engine.plans import Plan, step
from local_snowflake.errors import (
    Code,
    SnowflakeError,
    invalid_identifier,
    missing,
    refuse,
    unsupported,
)
from local_snowflake.results import (
    DELETED,
    DONE,
    INSERTED,
    MULTI_JOINED,
    UPDATED,
    Result,
    StatementType,
    counted,
    status,
)
from local_snowflake.session.session import Session
from local_snowflake.statements.dml.coercion import fit
from local_snowflake.statements.dml.merge import merge_steps, multi_insert_steps, table_exists
from local_snowflake.statements.planning import plan_for
from local_snowflake.statements.targets import streams_in, target_name
from local_snowflake.syntax.identifiers import identifier
from local_snowflake.syntax.lexer import Cursor
from local_snowflake.syntax.names import Name, quote
from local_snowflake.syntax.statement import Statement
from local_snowflake.translate import annotate
from local_snowflake.translate.datatypes import limit_of
from local_snowflake.translate.dialect import parse_statement
from local_snowflake.translate.environment import Environment
from local_snowflake.translate.repeatable import is_repeatable
from local_snowflake.translate.rewriter import Rewriter
from local_snowflake.translate.templates import OF_COLUMN, cast_to, fill
from local_snowflake.translate.translator import render, translate


def require_table(session: Session, name: Name, *privileges: str) -> tuple[Need, ...]:
    """Refuse DML on a stream, which would otherwise fail with an odd message, or without its privileges.

    Returns:
        What a plan for it needs, whoever runs it.
    """
    if session.engine.streams.find(name) is not None and name not in session.temporary:
        refuse(f"DML on the stream {name}")
    if not session.engine.catalog.has_schema(name.database, name.schema):
        raise missing("Table", name)
    if name in session.temporary:
        return ()
    needs = tuple(Need(privilege, in_schema("TABLE", name)) for privilege in privileges)
    session.rights.require(needs)
    return needs


def run(session: Session, sql: str, build: Callable[[Environment], Plan]) -> Result:
    """Run a plan for DML with everything it needs: locks, a transaction, its streams, its counts.

    Raises:
        SnowflakeError: 100090, rows that a MERGE would update twice; whatever `Session.change` raises.
    """
    plan = plan_for(session, sql, build)
    with session.change(plan.targets, plan.streams):
        if plan.version != session.engine.version:  # a definition changed while this waited for its locks
            plan = plan_for(session, sql, build)
        counts: dict[str, int] = {each.label: 0 for each in plan.steps if each.label}
        for each in plan.steps:
            count = session.apply(each)
            if each.guard and count:
                raise SnowflakeError("Duplicate row detected during DML action", Code.DUPLICATE_ROW, "42P18")
            if each.label:
                counts[each.label] += count
    return counted(plan.kind, counts)


def insert(session: Session, statement: Statement) -> Result:
    return run(session, statement.text, lambda environment: _insert(session, environment, parse_statement(statement)))


def _insert(session: Session, environment: Environment, tree: exp.Expr) -> Plan:
    if isinstance(tree, exp.MultitableInserts):
        return _multi_insert(session, environment, tree)
    if not isinstance(tree, exp.Insert):
        raise unsupported(tree.sql("snowflake")[:60])
    name = target_name(session, tree.this)
    needs = require_table(session, name, *(("INSERT", "DELETE") if tree.args.get("overwrite") else ("INSERT",)))
    streams = tuple(streams_in(session, tree))
    columns = [identifier(column) for column in tree.this.expressions] if isinstance(tree.this, exp.Schema) else []
    source = tree.expression
    if source is None:
        raise unsupported("INSERT without VALUES or a query")
    defaults = _keep_defaults(source)
    translated = translate(source, environment)
    query, repeatable = render(translated), is_repeatable(translated)
    target = _target(session, name, columns)
    if not defaults:
        query = fit(session, query, target, loading=False)
    stored = session.stored(name).sql
    listed = f" ({', '.join(quote(column) for column in columns)})" if columns else ""
    steps = [step(f"INSERT INTO {stored}{listed} {query}", INSERTED, repeatable=repeatable)]
    if tree.args.get("overwrite"):
        steps.insert(0, step(f"DELETE FROM {stored}"))
    mode = Mode.CHANGE if len(steps) > 1 else Mode.APPEND
    return Plan(StatementType.INSERT, tuple(steps), streams, {name: mode}, needs=needs)


def _target(session: Session, name: Name, columns: list[str]) -> list[tuple[str, str]]:
    """Name and type of the columns that an INSERT writes."""
    every = session.probe.columns_of(session.stored(name))
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


def update(session: Session, statement: Statement) -> Result:
    result = run(session, statement.text, lambda environment: _update(session, environment, parse_statement(statement)))
    counts = {**(result.counts or {}), MULTI_JOINED: 0}
    return counted(StatementType.UPDATE, counts)


def _update(session: Session, environment: Environment, tree: exp.Expr) -> Plan:
    name = target_name(session, tree.this)
    needs = require_table(session, name, "UPDATE")
    streams = tuple(streams_in(session, tree))
    kinds = dict(session.probe.columns_of(session.stored(name)))
    for assignment in tree.expressions:
        assignment.this.set("table", None)
        column = identifier(assignment.this)
        if column not in kinds:
            raise invalid_identifier(column)
    rewritten = Rewriter(environment).rewrite(tree)
    for assignment in rewritten.expressions:
        kind = kinds[assignment.this.name].replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
        plain, fitting = limit_of(kind) or (kind, "{0}")
        assignment.meta[annotate.DONE] = True  # it is no comparison
        value = cast_to(assignment.expression, plain)
        value.meta[OF_COLUMN] = assignment.this.name
        assignment.set("expression", fill(fitting, [value]))
    translated = annotate.apply(rewritten, environment)
    change = step(render(translated), UPDATED, repeatable=is_repeatable(translated))
    return Plan(StatementType.UPDATE, (change,), streams, {name: Mode.CHANGE}, needs=needs)


def delete(session: Session, statement: Statement) -> Result:
    return run(session, statement.text, lambda environment: _delete(session, environment, parse_statement(statement)))


def _delete(session: Session, environment: Environment, tree: exp.Expr) -> Plan:
    name = target_name(session, tree.this)
    needs = require_table(session, name, "DELETE")
    streams = tuple(streams_in(session, tree))
    translated = translate(tree, environment)
    change = step(render(translated), DELETED, repeatable=is_repeatable(translated))
    return Plan(StatementType.DELETE, (change,), streams, {name: Mode.CHANGE}, needs=needs)


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
    require_table(session, name, "TRUNCATE")
    with session.change({name: Mode.CHANGE}, []):
        session.apply(step(f"DELETE FROM {session.stored(name).sql}"))
        session.apply(step(forget_loads(name)))
    return status(DONE)


def merge(session: Session, statement: Statement) -> Result:
    return run(session, statement.text, lambda environment: _merge(session, environment, parse_statement(statement)))


def _merge(session: Session, environment: Environment, tree: exp.Expr) -> Plan:
    if not isinstance(tree, exp.Merge):
        raise unsupported(tree.sql("snowflake")[:60])
    name = target_name(session, tree.this)
    needs = require_table(session, name, SELECT, *_merged(tree))
    streams = tuple(streams_in(session, tree))
    steps = merge_steps(session, environment, name, tree)
    return Plan(StatementType.MERGE, steps, streams, {name: Mode.CHANGE}, needs=needs)


def _merged(tree: exp.Merge) -> list[str]:
    """The privileges that the clauses of a MERGE take."""
    actions = [clause.args["then"] for clause in tree.args["whens"].expressions]
    kinds = {"INSERT": exp.Insert, "UPDATE": exp.Update}
    found = {name for name, kind in kinds.items() if any(isinstance(action, kind) for action in actions)}
    if any(not isinstance(action, tuple(kinds.values())) for action in actions):
        found.add("DELETE")
    return sorted(found)


def _multi_insert(session: Session, environment: Environment, tree: exp.MultitableInserts) -> Plan:
    names = [target_name(session, branch.this.this) for branch in tree.expressions]
    overwrite = bool(tree.args.get("overwrite"))
    privileges = ("INSERT", "DELETE") if overwrite else ("INSERT",)
    needs = tuple(need for name in names for need in require_table(session, name, *privileges))
    mode = Mode.CHANGE if overwrite else Mode.APPEND
    streams = tuple(streams_in(session, tree))
    steps = multi_insert_steps(session, environment, names, tree)
    return Plan(StatementType.MULTI_INSERT, steps, streams, dict.fromkeys(names, mode), needs=needs)
