"""Which module runs which statement, by its first words."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlglot import exp

from dropship_dagster.embedded.snowflake.engine import account
from dropship_dagster.embedded.snowflake.engine.plans import Plan, Step
from dropship_dagster.embedded.snowflake.errors import SnowflakeError, invalid, refuse, syntax, unsupported, unusable
from dropship_dagster.embedded.snowflake.results import DONE, Column, Result, StatementType, status
from dropship_dagster.embedded.snowflake.statements import scripting
from dropship_dagster.embedded.snowflake.statements.ddl import schemas, streams, tasks
from dropship_dagster.embedded.snowflake.statements.dml import dml
from dropship_dagster.embedded.snowflake.statements.introspection import describe, show
from dropship_dagster.embedded.snowflake.statements.loading import copy_into, stages
from dropship_dagster.embedded.snowflake.syntax.lexer import Cursor, tokenize
from dropship_dagster.embedded.snowflake.syntax.names import quote
from dropship_dagster.embedded.snowflake.translate.dialect import parse
from dropship_dagster.embedded.snowflake.translate.translator import render, translate

if TYPE_CHECKING:
    from dropship_dagster.embedded.snowflake.session.session import Session

Handler = Callable[["Session", Cursor], Result]

_LEADING = re.compile(r"(?:\s|--[^\n]*\n|//[^\n]*\n|/\*.*?\*/|\()*(\w+)?", re.DOTALL)

# parameters that may be set because they change nothing here, or are honoured (session.set_parameter)
_PARAMETERS = {
    "ABORT_DETACHED_QUERY",
    "AUTOCOMMIT",
    "BINARY_INPUT_FORMAT",
    "BINARY_OUTPUT_FORMAT",
    "ERROR_ON_NONDETERMINISTIC_MERGE",
    "ERROR_ON_NONDETERMINISTIC_UPDATE",
    "LOCK_TIMEOUT",
    "MULTI_STATEMENT_COUNT",
    "QUERY_TAG",
    "ROWS_PER_RESULTSET",
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS",
    "STATEMENT_TIMEOUT_IN_SECONDS",
    "STRICT_JSON_OUTPUT",
    "TIMEZONE",
    "TIMESTAMP_TYPE_MAPPING",
    "TRANSACTION_ABORT_ON_ERROR",
    "USE_CACHED_RESULT",
    "WEEK_START",
    "QUOTED_IDENTIFIERS_IGNORE_CASE",
    "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT",
    "DATE_OUTPUT_FORMAT",
    "TIMESTAMP_OUTPUT_FORMAT",
    "TIMESTAMP_NTZ_OUTPUT_FORMAT",
}
_ONLY = {
    "TIMESTAMP_TYPE_MAPPING": {"TIMESTAMP_NTZ"},
    "WEEK_START": {"0"},
    "QUOTED_IDENTIFIERS_IGNORE_CASE": {"FALSE"},
    "ROWS_PER_RESULTSET": {"0"},
    "ERROR_ON_NONDETERMINISTIC_MERGE": {"TRUE"},
    "TIMESTAMP_OUTPUT_FORMAT": {""},
    "TIMESTAMP_NTZ_OUTPUT_FORMAT": {"", "YYYY-MM-DD HH24:MI:SS.FF3"},
    "DATE_OUTPUT_FORMAT": {"", "YYYY-MM-DD"},
    "BINARY_INPUT_FORMAT": {"HEX"},
    "BINARY_OUTPUT_FORMAT": {"HEX"},
}


def run(session: Session, sql: str) -> Result:
    """Run one statement for a session.

    Raises:
        SnowflakeError: whatever the user can be told; duckdb.Error is left to the caller.
    """
    session.moment = f"CAST('{dt.datetime.now(dt.UTC).isoformat(sep=' ')}' AS TIMESTAMPTZ)"
    found = _LEADING.match(sql)
    word = (found.group(1) or "").upper() if found else ""
    if word in ("PUT", "GET"):
        return stages.transfer(session, sql)
    if "?" in sql and session.bindings:
        sql = number_placeholders(session, sql)
    cursor = Cursor(sql)
    if not word and cursor.done:
        raise SnowflakeError("SQL compilation error:\nEmpty SQL statement.", 900, "42601")
    handler = _HANDLERS.get(word)
    if word in ("UNDROP", "EXPLAIN", "LOCK"):
        raise unsupported(word)
    if handler is None:
        raise syntax(f"syntax error line 1 at position 0 unexpected '{cursor.near()}'.")
    return handler(session, cursor)


def columns_only(session: Session, sql: str) -> Result:
    """The columns of a query; other statements are described by their status or counts."""
    if "?" in sql:
        sql = number_placeholders(session, sql)
        session.bindings = session.bindings or _Unbound()
    found = _LEADING.match(sql)
    word = (found.group(1) or "").upper() if found else ""
    if word in ("SELECT", "WITH", "VALUES"):
        relation = session.query(f"SELECT * FROM ({render(translate(parse(sql), session))}) LIMIT 0")
        relation.drain()
        return relation
    kind = {"INSERT": StatementType.INSERT, "UPDATE": StatementType.UPDATE, "DELETE": StatementType.DELETE,
            "MERGE": StatementType.MERGE}.get(word)  # fmt: skip
    if kind is not None:
        return Result([Column(f"number of rows {word.lower()}ed".replace("eed", "ed"), "BIGINT")], type=kind)
    return Result([Column("status", "VARCHAR")], type=StatementType.DDL)


class _Unbound(dict):  # type: ignore[type-arg]
    """Every parameter as NULL, for descriptions."""

    def get(self, key: object, default: object = None) -> object:
        return {"type": "TEXT", "value": None}


def number_placeholders(session: Session, sql: str) -> str:
    """`?` as `:1`, `:2` ..., because the order of a tree is not that of its text; IDENTIFIER(?) as the bound name."""
    out, at = [], 0
    for number, (start, end, is_name) in enumerate(_placeholders(sql), 1):
        out.append(sql[at:start])
        if is_name:
            name = Cursor(session.binding(str(number)).name).name()
            out.append(".".join(quote(part) for part in name))
        else:
            out.append(f":{number}")
        at = end
    return "".join([*out, sql[at:]])


@lru_cache(maxsize=512)
def _placeholders(sql: str) -> tuple[tuple[int, int, bool], ...]:
    """Where each `?` begins and ends; for IDENTIFIER(?) that call does, and the third is true."""
    tokens = tokenize(sql)
    found = []
    for index, token in enumerate(tokens):
        if token.text != "?" or sql[token.start] != "?":
            continue
        if [item.text.upper() for item in tokens[max(index - 2, 0) : index]] == ["IDENTIFIER", "("]:
            found.append((tokens[index - 2].start, tokens[index + 1].end + 1, True))
        else:
            found.append((token.start, token.end + 1, False))
    return tuple(found)


def _query(session: Session, cursor: Cursor) -> Result:
    session.require_usable()

    def build() -> Plan:
        tree = parse(cursor.sql)
        streams = tuple(session.streams_in(tree))
        return Plan(StatementType.SELECT, (Step(render(translate(tree, session))),), streams)

    plan = session.plan(cursor.sql, build)
    session.read_streams(plan.streams)
    return session.query(plan.steps[0].sql)


def _begin(session: Session, cursor: Cursor) -> Result:
    if cursor.word() == "BEGIN" and cursor.word(1) not in ("", ";", "TRANSACTION", "WORK", "NAME"):
        return scripting.run(session, cursor.sql)
    session.begin()
    return status(DONE, StatementType.TRANSACTION)


def _end(session: Session, cursor: Cursor) -> Result:
    if cursor.word() == "COMMIT":
        session.commit()
    else:
        session.rollback()
    return status(DONE, StatementType.TRANSACTION)


def _use(session: Session, cursor: Cursor) -> Result:
    cursor.expect("USE")
    if cursor.accept("WAREHOUSE"):
        session.warehouse = _usable(session, "WAREHOUSE", cursor.identifier())
    elif cursor.accept("ROLE"):
        session.role = _usable(session, "ROLE", cursor.identifier())
    elif cursor.accept("SECONDARY"):
        cursor.rest()
    elif cursor.accept("SCHEMA"):
        parts = cursor.name()
        database = parts[-2] if len(parts) > 1 else session.database
        if database is None:
            raise invalid("there is no current database; name it: USE SCHEMA database.schema")
        if not session.engine.catalog.has_schema(database, parts[-1]):
            raise unusable()
        session.database, session.schema = database, parts[-1]
    else:
        cursor.accept("DATABASE")
        parts = cursor.name()
        schema = parts[1] if len(parts) > 1 else "PUBLIC"
        known = session.engine.catalog
        if not known.has_database(parts[0]) or (len(parts) > 1 and not known.has_schema(parts[0], schema)):
            raise unusable()
        session.database = parts[0]
        session.schema = schema if session.engine.catalog.has_schema(parts[0], schema) else None
    return status(DONE, StatementType.USE)


def _usable(session: Session, kind: str, name: str) -> str:
    """The name of a role or warehouse, if there is one of it.

    Raises:
        SnowflakeError: 002043, there is none.
    """
    if not (kind == "ROLE" and name in account.SYSTEM_ROLES) and session.engine.objects.find(kind, name) is None:
        raise unusable()
    return name


def _set(session: Session, cursor: Cursor) -> Result:
    cursor.expect("SET")
    name = cursor.identifier()
    cursor.expect("=")
    tree = parse(f"SELECT {cursor.rest()}")
    rows = session.query(render(translate(tree, session))).rows()
    session.variables[name] = _constant(rows[0][0])
    return status(DONE)


def _unset(session: Session, cursor: Cursor) -> Result:
    cursor.expect("UNSET")
    session.variables.pop(cursor.identifier(), None)
    return status(DONE)


def _constant(value: object) -> exp.Expr:
    if value is None:
        return exp.null()
    if isinstance(value, dict):
        refuse("a session variable of the type TIMESTAMP_TZ; cast it to VARCHAR")
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, int | float) or type(value).__name__ == "Decimal":
        number = exp.Literal.number(str(abs(value)))  # type: ignore[arg-type]
        return exp.Paren(this=exp.Neg(this=number)) if str(value).startswith("-") else number
    return exp.Literal.string(str(value))


def _alter_session(session: Session, cursor: Cursor) -> Result:
    if cursor.accept("UNSET"):
        while not cursor.done:
            session.parameters.pop(cursor.identifier(), None)
            cursor.accept(",")
        return status(DONE)
    cursor.expect("SET")
    for key, value in cursor.properties().items():
        if key not in _PARAMETERS:
            raise unsupported(f"the session parameter {key}")
        allowed = _ONLY.get(key)
        if allowed and value.upper() not in {item.upper() for item in allowed}:
            raise unsupported(f"{key} = {value}")
        session.set_parameter(key, value)
    return status(DONE)


def _create(session: Session, cursor: Cursor) -> Result:
    cursor.expect("CREATE")
    replace = cursor.accept("OR", "REPLACE")
    for keyword, handler in (
        ("STREAM", streams.create),
        ("TASK", tasks.create),
        ("DATABASE", schemas.create_database),
        ("SCHEMA", schemas.create_schema),
        ("SEQUENCE", schemas.create_sequence),
    ):
        if cursor.word() == keyword and (keyword != "DATABASE" or cursor.word(1) != "ROLE"):
            cursor.accept(keyword)
            return handler(session, cursor, replace)
    if stages.is_creation(cursor):
        return stages.create(session, cursor, replace)
    kind = account.kind(cursor)
    if kind:
        return account.create(session, kind, cursor, replace)
    if cursor.accept("TRANSIENT", "DATABASE"):
        return schemas.create_database(session, cursor, replace, transient=True)
    if cursor.accept("TRANSIENT", "SCHEMA"):
        return schemas.create_schema(session, cursor, replace, transient=True)
    return schemas.create(session, cursor)


def _alter(session: Session, cursor: Cursor) -> Result:
    cursor.expect("ALTER")
    if cursor.accept("SESSION"):
        return _alter_session(session, cursor)
    if cursor.accept("STREAM"):
        return streams.alter(session, cursor)
    if cursor.accept("TASK"):
        return tasks.alter(session, cursor)
    if cursor.word() in ("TABLE", "VIEW", "SCHEMA", "DATABASE", "STAGE") and cursor.word(1) != "ROLE":
        return schemas.alter(session, cursor)
    kind = account.kind(cursor)
    if kind:
        return account.alter(session, kind, cursor)
    raise unsupported(f"ALTER {cursor.near()}")


def _drop(session: Session, cursor: Cursor) -> Result:
    cursor.expect("DROP")
    if cursor.accept("STREAM"):
        return streams.drop(session, cursor)
    if cursor.accept("TASK"):
        return tasks.drop(session, cursor)
    if cursor.word() in ("STAGE", "FILE"):
        return stages.drop(session, cursor)
    if cursor.word() in ("TABLE", "VIEW", "SCHEMA", "DATABASE", "SEQUENCE") and cursor.word(1) != "ROLE":
        return schemas.drop(session, cursor)
    kind = account.kind(cursor)
    if kind:
        return account.drop(session, kind, cursor)
    raise unsupported(f"DROP {cursor.near()}")


def _execute(session: Session, cursor: Cursor) -> Result:
    inner = Cursor(cursor.sql[cursor.tokens[0].end + 1 :])  # the tokenizer keeps what follows EXECUTE as one token
    if inner.accept("TASK"):
        return tasks.execute(session, inner)
    if inner.accept("IMMEDIATE"):
        return scripting.run(session, inner.value())
    raise unsupported(f"EXECUTE {inner.near()}")


def _call(session: Session, cursor: Cursor) -> Result:
    text = cursor.sql.split(None, 1)[1]
    if text.upper().startswith("SYSTEM$"):
        return session.query(render(translate(parse(f"SELECT {text}"), session)))
    raise unsupported(f"the procedure {text.split('(')[0]}; stored procedures do not exist here")


def _copy(session: Session, cursor: Cursor) -> Result:
    return copy_into.run(session, cursor)


_HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("SELECT", "WITH", "VALUES"), _query),
    "INSERT": dml.insert,
    "UPDATE": dml.update,
    "DELETE": dml.delete,
    "MERGE": dml.merge,
    "TRUNCATE": dml.truncate,
    "COPY": _copy,
    "BEGIN": _begin,
    "START": _begin,
    "COMMIT": _end,
    "ROLLBACK": _end,
    "USE": _use,
    "SET": _set,
    "UNSET": _unset,
    "CREATE": _create,
    "ALTER": _alter,
    "DROP": _drop,
    "COMMENT": schemas.comment,
    "GRANT": account.grant,
    "REVOKE": account.grant,
    "EXECUTE": _execute,
    "CALL": _call,
    "SHOW": show.run,
    **dict.fromkeys(("DESC", "DESCRIBE"), describe.run),
    **dict.fromkeys(("LIST", "LS"), stages.list_files),
    **dict.fromkeys(("REMOVE", "RM"), stages.remove),
}
