"""Parsing: sqlglot's Snowflake grammar, with the functions that are translated here left as plain calls."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.errors import ParseError, TokenError
from sqlglot.parsers.snowflake import SnowflakeParser
from sqlglot.tokenizer_core import Token

from local_snowflake.errors import Code, SnowflakeError, statement_count, syntax
from local_snowflake.syntax.lexer import tokenize
from local_snowflake.syntax.statement import Statement
from local_snowflake.translate.functions import OWN
from local_snowflake.translate.outer_joins import with_outer_joins


class LocalSnowflake(Snowflake):
    """Snowflake's dialect whose calls to functions of `functions.OWN` stay `exp.Anonymous`."""

    class Parser(SnowflakeParser):
        FUNCTIONS = {name: build for name, build in SnowflakeParser.FUNCTIONS.items() if name not in OWN}  # noqa: RUF012
        FUNCTION_PARSERS = {  # noqa: RUF012
            name: parse for name, parse in SnowflakeParser.FUNCTION_PARSERS.items() if name not in OWN
        }


_DIALECT = LocalSnowflake()


def parse(sql: str) -> exp.Expr:
    """The tree of exactly one statement.

    Raises:
        SnowflakeError: a syntax error, no statement (000900), or several of them (000008).
    """
    return _parsed(sql, tokenize(sql))


def _parsed(sql: str, tokens: list[Token]) -> exp.Expr:
    try:
        found = _DIALECT.parser().parse(tokens, sql)
        trees = [tree for tree in found if tree is not None and not isinstance(tree, exp.Semicolon)]
    except ParseError as error:
        raise syntax(_first_error(error)) from None
    except TokenError as error:  # a path inside the text
        raise syntax(f"syntax error: {error}") from None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):  # how sqlglot answers some wrong calls
        raise SnowflakeError(
            "SQL compilation error:\nnot enough arguments for a function, or arguments that it does not take",
            Code.TOO_FEW_ARGUMENTS,
            "22023",
        ) from None
    except RecursionError:
        raise syntax("the statement is nested too deeply") from None
    if not trees:
        raise SnowflakeError("SQL compilation error:\nEmpty SQL statement.", Code.EMPTY_STATEMENT, "42601")
    if len(trees) > 1:
        raise statement_count(len(trees), 1)
    return with_outer_joins(trees[0], sql)


def parse_statement(statement: Statement) -> exp.Expr:
    """The tree of a statement, from its tokens. Raises what `parse` does."""
    return _parsed(statement.text, statement.tokens)


def _first_error(error: ParseError) -> str:
    if not error.errors:
        return str(error)
    first = error.errors[0]
    return f"syntax error line {first['line']} at position {first['col']} unexpected '{first['highlight']}'."
