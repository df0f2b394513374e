"""Which module runs which statement, by its first words."""

from __future__ import annotations

from collections.abc import Callable

from local_snowflake.errors import Code, SnowflakeError, statement_count, syntax, unsupported
from local_snowflake.results import Result
from local_snowflake.session.session import Session
from local_snowflake.statements import scripting, session_commands
from local_snowflake.statements.ddl import account, grants, schemas, streams, tasks
from local_snowflake.statements.dml import dml
from local_snowflake.statements.introspection import describe, show
from local_snowflake.statements.loading import copy_into, stages
from local_snowflake.statements.placeholders import number_placeholders
from local_snowflake.statements.query import evaluate, select
from local_snowflake.statements.scripting import Execute
from local_snowflake.syntax.blocks import is_block
from local_snowflake.syntax.lexer import Cursor
from local_snowflake.syntax.script import parts
from local_snowflake.syntax.statement import Statement


def run(session: Session, statement: Statement, execute: Execute) -> Result:
    """Run one statement for a session.

    Args:
        execute: runs the statements of a block.

    Raises:
        SnowflakeError: whatever the user can be told; duckdb.Error is left to the caller.
    """
    word = statement.first_word
    if word in ("PUT", "GET"):
        return stages.transfer(session, statement.text)
    if "?" in statement.text and session.bindings:
        statement = number_placeholders(session, statement)
    if not word and statement.cursor.done:
        raise SnowflakeError("SQL compilation error:\nEmpty SQL statement.", Code.EMPTY_STATEMENT, "42601")
    if word not in _PARSED_WHOLE and (count := len(parts(statement.text))) > 1:
        raise statement_count(count, 1)
    if word in ("UNDROP", "EXPLAIN", "LOCK"):
        raise unsupported(word)
    if word == "BEGIN" and is_block(statement):
        return scripting.run(session, statement, execute)
    if word == "EXECUTE":
        return _execute(session, statement, execute)
    if handler := _OF_STATEMENTS.get(word):
        return handler(session, statement)
    if reader := _OF_TOKENS.get(word):
        return reader(session, statement.cursor)
    raise syntax(f"syntax error line 1 at position 0 unexpected '{statement.cursor.near()}'.")


def _create(session: Session, statement: Statement) -> Result:
    cursor = statement.cursor
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
    return schemas.create(session, statement)


def _alter(session: Session, statement: Statement) -> Result:
    cursor = statement.cursor
    cursor.expect("ALTER")
    if cursor.accept("SESSION"):
        return session_commands.alter_session(session, cursor)
    if cursor.accept("STREAM"):
        return streams.alter(session, cursor)
    if cursor.accept("TASK"):
        return tasks.alter(session, cursor)
    if cursor.word() in ("TABLE", "VIEW", "SCHEMA", "DATABASE", "STAGE") and cursor.word(1) != "ROLE":
        return schemas.alter(session, statement)
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


def _execute(session: Session, statement: Statement, execute: Execute) -> Result:
    cursor = Cursor(statement.text[statement.tokens[0].end + 1 :])  # sqlglot has what follows as one token
    if cursor.accept("TASK"):
        return tasks.execute(session, cursor)
    if cursor.accept("IMMEDIATE"):
        return scripting.run(session, Statement(cursor.value()), execute)
    raise unsupported(f"EXECUTE {cursor.near()}")


def _call(session: Session, statement: Statement) -> Result:
    text = statement.text.split(None, 1)[1]
    if text.upper().startswith("SYSTEM$"):
        return evaluate(session, text)
    raise unsupported(f"the procedure {text.split('(')[0]}; stored procedures do not exist here")


_OF_STATEMENTS: dict[str, Callable[[Session, Statement], Result]] = {
    **dict.fromkeys(("SELECT", "WITH", "VALUES"), select),
    "INSERT": dml.insert,
    "UPDATE": dml.update,
    "DELETE": dml.delete,
    "MERGE": dml.merge,
    "COPY": copy_into.run,
    "CREATE": _create,
    "ALTER": _alter,
    "CALL": _call,
}
"""Statements whose text, or tree, is needed as a whole."""

_PARSED_WHOLE = frozenset({"SELECT", "WITH", "VALUES", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY"})
"""Statements whose parser sees what follows a semicolon; a plan may be kept for them."""

_OF_TOKENS: dict[str, Callable[[Session, Cursor], Result]] = {
    "TRUNCATE": dml.truncate,
    **dict.fromkeys(("BEGIN", "START"), session_commands.begin),
    **dict.fromkeys(("COMMIT", "ROLLBACK"), session_commands.end),
    "USE": session_commands.use,
    "SET": session_commands.set_variable,
    "UNSET": session_commands.unset_variable,
    "DROP": _drop,
    "COMMENT": schemas.comment,
    **dict.fromkeys(("GRANT", "REVOKE"), grants.run),
    "SHOW": show.run,
    **dict.fromkeys(("DESC", "DESCRIBE"), describe.run),
    **dict.fromkeys(("LIST", "LS"), stages.list_files),
    **dict.fromkeys(("REMOVE", "RM"), stages.remove),
}
"""Statements that are read token by token."""
