"""SELECT, and other queries of DuckDB's whose rows go to the client."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa
from sqlglot import exp

from local_snowflake.engine.plans import Plan, Step
from local_snowflake.engine.slots import SlottedText
from local_snowflake.errors import from_duckdb
from local_snowflake.results import BATCH_ROWS, Column, Result, StatementType
from local_snowflake.session.session import Session
from local_snowflake.statements.planning import plan_for
from local_snowflake.statements.targets import streams_in
from local_snowflake.syntax.statement import Statement
from local_snowflake.translate.dialect import parse, parse_statement
from local_snowflake.translate.environment import Environment
from local_snowflake.translate.translator import render_slotted, translate


def select(session: Session, statement: Statement) -> Result:
    session.require_usable()

    def build(environment: Environment) -> Plan:
        tree = parse_statement(statement)
        streams = tuple(streams_in(session, tree))
        return Plan(StatementType.SELECT, (Step(render_slotted(translate(tree, environment))),), streams)

    plan = plan_for(session, statement.text, build)
    session.read_streams(plan.streams)
    return run_query(session, plan.steps[0].text)


def evaluate(session: Session, expressions: str) -> Result:
    """The one row of `SELECT expressions`."""
    return run_query(session, render_slotted(translate(parse(f"SELECT {expressions}"), session.environment())))


def columns_of(session: Session, tree: exp.Expr) -> Result:
    """The columns of a query, without its rows."""
    text = render_slotted(translate(tree, session.environment()))
    result = run_query(session, SlottedText(("SELECT * FROM (", *text.parts, ") LIMIT 0")))
    result.drain()
    return result


def run_query(session: Session, text: SlottedText) -> Result:
    """The result of a DuckDB query, read batch by batch."""
    relation = session.connection.sql(session.filled(text))
    columns = [Column(name, str(kind)) for name, kind in zip(relation.columns, relation.types, strict=True)]
    return Result(columns, _batches(session, relation), StatementType.SELECT)


def _batches(session: Session, relation: duckdb.DuckDBPyRelation) -> Iterator[pa.RecordBatch]:
    try:
        yield from relation.to_arrow_reader(BATCH_ROWS)
    except (duckdb.Error, OSError, pa.ArrowException) as error:  # Arrow passes an error of a later batch on
        session.undo_statement(error)
        raise from_duckdb(error) from error
