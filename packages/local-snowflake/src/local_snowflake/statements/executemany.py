"""Array bindings: executemany as one statement."""

from __future__ import annotations

import duckdb
import pyarrow as pa
from sqlglot import exp

from local_snowflake.engine.catalog import table_facts
from local_snowflake.engine.locks import Mode
from local_snowflake.engine.plans import step
from local_snowflake.errors import from_duckdb, value_count
from local_snowflake.results import INSERTED, Result, StatementType, counted
from local_snowflake.session import bindings
from local_snowflake.session.session import Session
from local_snowflake.statements.dml import dml
from local_snowflake.statements.dml.coercion import fit
from local_snowflake.statements.execution import execute
from local_snowflake.statements.targets import target_name
from local_snowflake.syntax.identifiers import identifier
from local_snowflake.syntax.names import quote
from local_snowflake.syntax.statement import Statement
from local_snowflake.translate.dialect import parse_statement

_ARROW = {"FIXED": pa.string(), "REAL": pa.float64(), "BOOLEAN": pa.bool_(), "BINARY": pa.binary(), "DATE": pa.date32(),
          "TIME": pa.time64("us"), "TIMESTAMP_NTZ": pa.timestamp("us"),
          "TIMESTAMP_LTZ": pa.timestamp("us", tz="UTC")}  # fmt: skip
_BATCH = "_batch"


def execute_many(session: Session, statement: Statement, bound: bindings.Values, query_id: str) -> Result:
    """INSERT INTO t [(...)] VALUES (?, ?, ...) with a list of values for each parameter.

    The rows go in at once. Any other statement runs once a row, in one transaction.
    """
    with_timestamp_tz = any(item["type"] == "TIMESTAMP_TZ" for item in bound.values())
    tree = None if with_timestamp_tz else _plain_insert(statement, len(bound))
    if tree is None:
        return _one_by_one(session, statement, bound, query_id)
    session.begin_statement(query_id)
    name = target_name(session, tree.this)
    dml.require_table(session, name, "INSERT")
    stored = session.stored(name)
    table_facts(session.connection, stored)
    kinds = session.probe.columns_of(stored)
    listed = [identifier(c) for c in tree.this.expressions] if isinstance(tree.this, exp.Schema) else []
    wanted = listed or [column for column, _ in kinds]
    if len(wanted) != len(bound):
        raise value_count(len(wanted), len(bound))
    rows = _table(bound)
    target = [(column, dict(kinds).get(column, "VARCHAR")) for column in wanted]
    try:
        with session.change({name: Mode.APPEND}, []):
            session.connection.register(_BATCH, rows)
            session.probe.register(_BATCH, rows.slice(0, 0))
            try:
                query = fit(session, f"SELECT * FROM {_BATCH}", target)
                columns = ", ".join(quote(column) for column in wanted)
                count = session.apply(step(f"INSERT INTO {stored.sql} ({columns}) {query}", repeatable=False))
            finally:
                session.connection.unregister(_BATCH)
    except duckdb.Error as error:
        raise from_duckdb(error) from error
    return counted(StatementType.INSERT, {INSERTED: count})


def _plain_insert(statement: Statement, parameters: int) -> exp.Insert | None:
    """The INSERT, when its VALUES are the parameters in their order and nothing else."""
    if statement.first_word != "INSERT":
        return None
    tree = parse_statement(statement)
    if not isinstance(tree, exp.Insert) or not isinstance(tree.expression, exp.Values):
        return None
    rows = tree.expression.expressions
    values = rows[0].expressions if len(rows) == 1 else []
    plain = len(values) == parameters and all(isinstance(value, exp.Placeholder) for value in values)
    return tree if plain and not tree.args.get("overwrite") else None


def _table(bound: bindings.Values) -> pa.Table:
    columns = {}
    for index in range(1, len(bound) + 1):
        kind, values = bound[str(index)]["type"], bound[str(index)]["value"]
        converted = [bindings.python_value(kind, value) for value in values]
        columns[f"c{index}"] = pa.array(converted, type=_ARROW.get(kind, pa.string()))
    return pa.table(columns)


def _one_by_one(session: Session, statement: Statement, bound: bindings.Values, query_id: str) -> Result:
    count = len(next(iter(bound.values()))["value"])
    own = session.transaction is None and session.autocommit
    if own:
        session.begin()
    totals: dict[str, int] = {}
    kind = StatementType.UNKNOWN
    try:
        for row in range(count):
            one = {name: {"type": item["type"], "value": item["value"][row]} for name, item in bound.items()}
            result = execute(session, statement, one, query_id)
            kind = result.type
            for label, value in (result.counts or {}).items():
                totals[label] = totals.get(label, 0) + value
            result.drain()
        if own:
            session.commit()
    except Exception:
        if own:
            session.rollback()
        raise
    return counted(kind, totals or {"number of rows affected": 0})
