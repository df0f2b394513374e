"""All passes, and the DuckDB text."""

from __future__ import annotations

import logging

from sqlglot import exp
from sqlglot.errors import ErrorLevel, UnsupportedError

from local_snowflake.engine.slots import STATEMENT_TIMESTAMP, Slot, SlottedText
from local_snowflake.errors import refuse
from local_snowflake.translate import annotate, paths
from local_snowflake.translate.environment import Environment
from local_snowflake.translate.rewriter import Rewriter

logging.getLogger("sqlglot").setLevel(logging.ERROR)


def translate(tree: exp.Expr, environment: Environment) -> exp.Expr:
    """The DuckDB tree of a query, or of an INSERT, UPDATE or DELETE. The given tree is used up.

    Raises:
        SnowflakeError: names that do not exist, and what is not supported, by name.
    """
    return paths.share(annotate.apply(Rewriter(environment).rewrite(tree), environment))


def render(tree: exp.Expr) -> str:
    """The DuckDB text of a translated tree, with its slots; without comments, which may hold anything.

    Raises:
        SnowflakeError: 000002, a part of the statement that DuckDB has no form for, and that would be left out.
    """
    try:
        return tree.sql("duckdb", identify=True, comments=False, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        refuse(str(error).split("\n")[0].partition(" when targeting")[0])


def render_slotted(tree: exp.Expr) -> SlottedText:
    """The same as a statement to be run."""
    return SlottedText.of(render(tree))


def render_definition(tree: exp.Expr) -> str:
    """The DuckDB text of a definition (a default, a view), which has the time of each statement that uses it."""
    return render_slotted(tree).fill(_in_definition)


def _in_definition(slot: Slot) -> str:
    if slot != STATEMENT_TIMESTAMP:
        raise ValueError(f"a definition has no place for {slot}")
    return "now()"
