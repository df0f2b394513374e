"""SYSTEM$ functions. They are evaluated when the statement is translated."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from local_snowflake.engine.access import in_schema
from local_snowflake.errors import invalid, missing, unsupported
from local_snowflake.session.session import Session
from local_snowflake.syntax.lexer import Cursor


def _text(arguments: Sequence[exp.Expr], index: int, function: str) -> str:
    if index >= len(arguments) or not isinstance(arguments[index], exp.Literal):
        raise invalid(f"argument {index + 1} of {function} must be a constant")
    return str(arguments[index].name)


def call(session: Session, name: str, arguments: Sequence[exp.Expr]) -> exp.Expr:
    """The value of a SYSTEM$ function, as a constant.

    Raises:
        SnowflakeError: an unknown function, by name.
    """
    match name:
        case "SYSTEM$STREAM_HAS_DATA":
            stream_name = session.qualify(Cursor(_text(arguments, 0, name)).name())
            stream = session.engine.streams.find(stream_name)
            session.rights.need(None, in_schema("STREAM", stream_name))
            if stream is None:
                raise missing("Stream", stream_name)
            return exp.Boolean(this=session.engine.streams.has_data(session.connection, stream))
        case "SYSTEM$SET_RETURN_VALUE":
            session.return_value = _text(arguments, 0, name)
            return exp.Literal.string(session.return_value)
        case "SYSTEM$GET_PREDECESSOR_RETURN_VALUE":
            return _predecessor(session, arguments, name)
        case "SYSTEM$TASK_DEPENDENTS_ENABLE":
            task = session.engine.tasks.find(session.qualify(Cursor(_text(arguments, 0, name)).name()))
            for each in [task, *session.engine.tasks.descendants(task)]:
                session.rights.need("OPERATE", in_schema("TASK", each.name))
            session.engine.tasks.resume_graph(task)
            return exp.Boolean(this=True)
        case "SYSTEM$CURRENT_USER_TASK_NAME":
            return exp.Literal.string(session.task.name)
        case "SYSTEM$TYPEOF":
            raise unsupported("SYSTEM$TYPEOF")
        case "SYSTEM$WAIT":
            session.cancelled.wait(float(_text(arguments, 0, name)))
            return exp.Literal.string(f"waited {_text(arguments, 0, name)} seconds")
    raise unsupported(f"the function {name}")


def _predecessor(session: Session, arguments: Sequence[exp.Expr], name: str) -> exp.Expr:
    values = session.task.returned
    if arguments:
        wanted = _text(arguments, 0, name).split(".")[-1].upper()
    elif len(values) == 1:
        wanted = next(iter(values))
    else:
        raise invalid(f"{name} needs the name of a predecessor")
    return exp.Literal.string(values[wanted]) if values.get(wanted) else exp.null()
