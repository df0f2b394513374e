"""Parsing: sqlglot's Snowflake grammar, with the functions that are translated here left as plain calls."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.errors import ParseError, TokenError
from sqlglot.parsers.snowflake import SnowflakeParser

from dropship_dagster.embedded.snowflake.errors import SnowflakeError, syntax
from dropship_dagster.embedded.snowflake.translate.functions import OWN


class EmbeddedSnowflake(Snowflake):
    """Snowflake's dialect whose calls to functions of `functions.OWN` stay `exp.Anonymous`."""

    class Parser(SnowflakeParser):
        FUNCTIONS = {name: build for name, build in SnowflakeParser.FUNCTIONS.items() if name not in OWN}  # noqa: RUF012
        FUNCTION_PARSERS = {  # noqa: RUF012
            name: parse for name, parse in SnowflakeParser.FUNCTION_PARSERS.items() if name not in OWN
        }


_DIALECT = EmbeddedSnowflake()


def parse(sql: str) -> exp.Expr:
    """The tree of exactly one statement.

    Raises:
        SnowflakeError: a syntax error, no statement (000900), or several of them (000008).
    """
    try:
        trees = [tree for tree in _DIALECT.parse(sql) if tree is not None and not isinstance(tree, exp.Semicolon)]
    except ParseError as error:
        raise syntax(_first_error(error)) from None
    except TokenError as error:
        raise syntax(f"syntax error: {error}") from None
    except RecursionError:
        raise syntax("the statement is nested too deeply") from None
    if not trees:
        raise SnowflakeError("SQL compilation error:\nEmpty SQL statement.", 900, "42601")
    if len(trees) > 1:
        raise SnowflakeError(
            f"Actual statement count {len(trees)} did not match the desired statement count 1.", 8, "0A000"
        )
    return trees[0]


def _first_error(error: ParseError) -> str:
    if not error.errors:
        return str(error)
    first = error.errors[0]
    return f"syntax error line {first['line']} at position {first['col']} unexpected '{first['highlight']}'."
