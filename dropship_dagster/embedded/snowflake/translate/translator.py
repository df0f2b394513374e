"""All passes, and the DuckDB text."""

from __future__ import annotations

import logging

from sqlglot import exp

from dropship_dagster.embedded.snowflake.translate import annotate, paths
from dropship_dagster.embedded.snowflake.translate.environment import Environment
from dropship_dagster.embedded.snowflake.translate.rewriter import Rewriter
from dropship_dagster.embedded.snowflake.translate.templates import MOMENT

logging.getLogger("sqlglot").setLevel(logging.ERROR)


def translate(tree: exp.Expr, environment: Environment) -> exp.Expr:
    """The DuckDB tree of a query, or of an INSERT, UPDATE or DELETE. The given tree is used up.

    Raises:
        SnowflakeError: names that do not exist, and what is not supported, by name.
    """
    return paths.share(annotate.apply(Rewriter(environment).rewrite(tree), environment))


def render(tree: exp.Expr) -> str:
    """The DuckDB text of a translated tree, to be run at a moment; without comments, which may hold anything."""
    return tree.sql("duckdb", identify=True, comments=False)


def at(moment: str, sql: str) -> str:
    """A text to run now: `moment` is the TIMESTAMPTZ of the statement's start."""
    return sql.replace(MOMENT, moment)


def lasting(tree: exp.Expr) -> str:
    """The DuckDB text of a definition, which has a moment of its own each time it is used."""
    return at("now()", render(tree))
