"""Whether a statement certainly gives the same when it runs again on the same data."""

from __future__ import annotations

from sqlglot import exp

_VARIABLE = (
    exp.Rand, exp.Uuid, exp.CurrentTimestamp, exp.NextValueFor, exp.Limit, exp.Fetch, exp.Window, exp.AnyValue,
    exp.ArgMax, exp.ArgMin, exp.First, exp.Last, exp.ArrayAgg, exp.Mode, exp.GroupConcat, exp.ApproxDistinct,
    exp.ApproxQuantile, exp.ReadCSV, exp.ReadParquet,
)  # fmt: skip
"""Chance, the clock, sequences, files, and what hangs on an order that DuckDB leaves open."""

_VARIABLE_CALLS = {"random", "uuid", "now", "nextval", "any_value", "first", "last", "list", "json_group_array",
                   "json_group_object", "json_group_structure"}  # fmt: skip

RESULT_PREFIX = "_result_"
"""Relations that begin so are earlier results (session/result_cache.py), which a later statement cannot read."""


def is_repeatable(tree: exp.Expr) -> bool:
    """Judge a translated tree; what only looks as if it may vary counts as varying."""
    return not any(map(_varies, tree.walk()))


def _varies(node: exp.Expr) -> bool:
    if isinstance(node, exp.Table):
        # the server's own tables, like DuckDB's catalogue below, change without a commit of a user's
        return node.db == "_sf" or node.name.startswith(RESULT_PREFIX)
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        return name in _VARIABLE_CALLS or name.startswith("duckdb_")
    return isinstance(node, _VARIABLE)
