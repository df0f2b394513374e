"""Fields of a VARIANT that are read together: DuckDB parses a value once a call, so one call reads them all."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from local_snowflake.translate.templates import fill

EXTRACT, EXTRACT_TEXT = "json_extract", "json_extract_string"

# DuckDB evaluates the parts of these by need: what is shared with them would be read for rows that do not want it.
_CONDITIONAL = (exp.Case, exp.If, exp.Connector, exp.Subquery, exp.Lambda, exp.Exists)
_GROUPING = ("group", "distinct", "having", "qualify")


def share(tree: exp.Expr) -> exp.Expr:
    """Let the projections of each SELECT that read several fields of one column as text read them by one call.

    The call is repeated word for word, each with its own place in the list that it gives; DuckDB evaluates it once.
    """
    for select in list(tree.find_all(exp.Select)):
        if any(select.args.get(clause) for clause in _GROUPING):
            continue
        found = [node for projection in select.expressions for node in _reads(projection)]
        if not any(projection.find(exp.AggFunc, exp.Window) for projection in select.expressions):
            _share(found)
    return tree


def _reads(node: exp.Expr) -> Iterator[exp.Anonymous]:
    """Every json_extract_string(column, 'path') that is always evaluated."""
    if isinstance(node, _CONDITIONAL):
        return
    if isinstance(node, exp.Anonymous) and node.name == EXTRACT_TEXT and isinstance(node.expressions[0], exp.Column):
        yield node
        return
    for child in node.iter_expressions():
        yield from _reads(child)


def _share(reads: list[exp.Anonymous]) -> None:
    columns: dict[str, dict[str, int]] = {}
    for node in reads:
        places = columns.setdefault(node.expressions[0].sql("duckdb"), {})
        places.setdefault(node.expressions[1].name, len(places) + 1)
    for node in reads:
        column, path = node.expressions
        places = columns[column.sql("duckdb")]
        if len(places) > 1:
            listed = exp.Array(expressions=[exp.Literal.string(text) for text in places])
            node.replace(fill(f"list_extract({EXTRACT_TEXT}({{0}}, {{1}}), {places[path.name]})", [column, listed]))
