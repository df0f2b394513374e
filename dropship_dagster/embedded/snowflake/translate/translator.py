"""All passes, and the DuckDB text."""

from __future__ import annotations

import logging

from sqlglot import exp

from . import paths, typed
from .environment import Environment
from .rewriter import Rewriter

logging.getLogger("sqlglot").setLevel(logging.ERROR)


def translate(tree: exp.Expr, environment: Environment) -> exp.Expr:
    """The DuckDB tree of a query, or of an INSERT, UPDATE or DELETE. The given tree is used up.

    Raises:
        SnowflakeError: names that do not exist, and what is not supported, by name.
    """
    return paths.share(typed.apply(Rewriter(environment).rewrite(tree), environment))


def render(tree: exp.Expr) -> str:
    """The DuckDB text of a translated tree."""
    return tree.sql("duckdb", identify=True)
