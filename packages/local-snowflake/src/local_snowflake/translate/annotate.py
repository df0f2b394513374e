"""The second pass: what depends on the types of its operands, which DuckDB is asked for; the rules are in rules.py.

For every SELECT (innermost first) the operands' types come from describing them over the same FROM; a node whose
operands cannot be described alone (a correlated subquery) keeps DuckDB's own behaviour or is refused, never guessed.
A common table expression that is done is described once: later ones see NULLs of its columns' types in its place, so
that a statement of many of them is not bound anew from its beginning for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import cast as cast_type

from sqlglot import exp

from local_snowflake.translate import relations, timestamp_tz
from local_snowflake.translate.environment import Environment
from local_snowflake.translate.rules import INTERESTING, operands_of, retyped, static_type
from local_snowflake.translate.templates import INTERNAL, USER_CAST

DONE = "annotated"
"""Marks a node that needs no (further) look."""
_OPERANDS = "__operands__"
_UNTYPED = '"NULL"'
_READ_FIRST = {"with_": 0, "from_": 1, "joins": 2, "laterals": 3}
_READERS = (exp.ReadCSV, exp.ReadParquet)
"""What has options that look like comparisons."""
_SCOPES = (exp.Select, exp.Update, exp.Delete)


def apply(tree: exp.Expr, environment: Environment) -> exp.Expr:
    """Rewrite a tree that the first pass has made, in place; the result replaces it."""
    root = exp.Paren(this=tree)  # so that the top node can be replaced like any other
    tables = _CommonTables(environment)
    for scope in _innermost_first(root):
        if isinstance(scope, exp.SetOperation):
            relations.align_union(scope, tables.describe)
        elif isinstance(scope, exp.Values):
            relations.align_values(scope)
        else:
            _Scope(scope, environment, tables).rewrite()
    _Scope(root, environment, tables).rewrite()
    return cast_type("exp.Expr", root.this)


def _innermost_first(node: exp.Expr) -> Iterator[exp.Expr]:
    """The scopes, each after those that it reads."""
    if node.meta.get(INTERNAL):
        return
    for key in sorted(node.args, key=lambda key: _READ_FIRST.get(key, len(_READ_FIRST))):
        value = node.args[key]
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, exp.Expr):
                yield from _innermost_first(item)
    if isinstance(node, (*_SCOPES, exp.SetOperation, exp.Values)):
        yield node


class _CommonTables:
    """The common table expressions of one statement, as they stand before the text of a query that may read them."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._texts: dict[int, str] = {}

    def visible_to(self, scope: exp.Expr) -> str:
        """The WITH clause of what a scope may read, outermost first, or nothing."""
        return _with_clause(list(map(self._text, _visible_ctes(scope))))

    def describe(self, query: exp.Expr) -> list[tuple[str, str]] | None:
        """Name and type of the columns of a query in the statement."""
        inner = query.this if isinstance(query, exp.Subquery) else query
        return self._environment.columns_of_query(self.visible_to(query) + inner.sql("duckdb", identify=True))

    def _text(self, cte: exp.Expr) -> str:
        text = self._texts.get(id(cte))
        if text is None:
            text = self._texts[id(cte)] = self._columns(cte) or cte.sql("duckdb", identify=True)
        return text

    def _columns(self, cte: exp.Expr) -> str | None:
        """The expression with nothing but its columns; None when it cannot be described."""
        name = exp.to_identifier(cte.alias, quoted=True).sql("duckdb")
        texts = [*map(self._text, _visible_ctes(cte)), cte.sql("duckdb", identify=True)]
        recursive = bool(cte.parent and cte.parent.args.get("recursive"))
        query = f"{_with_clause(texts, recursive=recursive)}SELECT * FROM {name}"
        columns = self._environment.columns_of_query(query)
        if columns is None:
            return None
        # a column of NULLs alone has no type that can be written
        typed = ", ".join(
            f"{'NULL' if kind == _UNTYPED else f'CAST(NULL AS {kind})'} AS "
            f"{exp.to_identifier(column, quoted=True).sql('duckdb')}"
            for column, kind in columns
        )
        return f"{name} AS (SELECT {typed})"


def _with_clause(texts: Sequence[str], *, recursive: bool = False) -> str:
    return f"WITH {'RECURSIVE ' if recursive else ''}{', '.join(texts)} " if texts else ""


class _Scope:
    """One SELECT, UPDATE or DELETE, without what is nested in it."""

    def __init__(self, scope: exp.Expr, environment: Environment, tables: _CommonTables) -> None:
        self._scope, self._environment, self._tables = scope, environment, tables
        self._frames: dict[bool, str] = {}  # the queries over this scope's sources, as text

    def rewrite(self) -> None:
        """Rewrite level by level: a node's operands are final before its own turn."""
        while ready := self._ready():
            self._align_subqueries(ready)
            wanted: list[exp.Expr] = []
            for node in ready:
                wanted.extend(operand for operand in operands_of(node) if static_type(operand) is None)
            known = self._types(wanted)
            for node in ready:
                kinds = [static_type(operand) or known.get(id(operand)) for operand in operands_of(node)]
                node.meta[DONE] = True
                replacement = retyped(node, kinds)
                if replacement is not node:
                    node.replace(replacement)
                    for part in replacement.walk():
                        part.meta[DONE] = True
        if isinstance(self._scope, exp.Select):
            self._check_using()
            timestamp_tz.refuse_grouping(self._scope, self._kinds)
            timestamp_tz.order_by_instant(self._scope, self._kinds)

    def _align_subqueries(self, nodes: Iterable[exp.Expr]) -> None:
        for node in nodes:
            query = relations.subquery_of(node)
            if query is not None:
                kind = static_type(node.this) or self._types([node.this]).get(id(node.this))
                relations.align_subquery(node.this, kind, query, self._tables.describe)

    def _check_using(self) -> None:
        joins = self._scope.args.get("joins") or []
        for index, join in enumerate(joins):
            if join.args.get("using"):
                before = exp.Select(expressions=[exp.Star()], from_=self._scope.args["from_"].copy())
                before.set("joins", [each.copy() for each in joins[:index]])
                joined = exp.Select(expressions=[exp.Star()], from_=exp.From(this=join.this.copy()))
                visible = self._tables.visible_to(self._scope)
                found = [
                    self._environment.columns_of_query(visible + select.sql("duckdb", identify=True))
                    for select in (before, joined)
                ]
                relations.refuse_using(join, found[0] or [], found[1] or [])

    def _own(self) -> Iterator[exp.Expr]:
        """The nodes of this scope that are to be looked at, leaves first."""
        found: list[exp.Expr] = []
        stack = [self._scope]
        while stack:
            node = stack.pop()
            if node is not self._scope and (isinstance(node, (*_SCOPES, *_READERS)) or node.meta.get(INTERNAL)):
                continue
            if not node.meta.get(DONE) and (
                isinstance(node, INTERESTING)
                or (isinstance(node, exp.Cast) and node.meta.get(USER_CAST))
                or timestamp_tz.is_mark(node)
            ):
                found.append(node)
            stack.extend(node.iter_expressions())
        return reversed(found)

    def _ready(self) -> list[exp.Expr]:
        pending = list(self._own())
        waiting: set[int] = set()
        for node in pending:
            parent = node.parent
            while parent is not None and parent is not self._scope:
                waiting.add(id(parent))
                parent = parent.parent
        return [node for node in pending if id(node) not in waiting]

    def _types(self, operands: list[exp.Expr]) -> dict[int, str]:
        if not operands:
            return {}
        kinds = self._describe(operands) or self._describe([self._without_aliases(operand) for operand in operands])
        if kinds is not None:
            return {id(operand): kind for operand, kind in zip(operands, kinds, strict=True)}
        found: dict[int, str] = {}
        for operand in operands:
            single = (
                self._describe([operand])
                or self._describe([self._without_aliases(operand)])
                or self._describe([operand], outer=True)
            )
            if single:
                found[id(operand)] = single[0]
        return found

    def _describe(self, operands: list[exp.Expr], *, outer: bool = False) -> list[str] | None:
        """The operands' types over this scope's sources; `outer` adds those of the enclosing queries."""
        listed = ", ".join(
            f"{_windowed(operand).sql('duckdb', identify=True)} AS _{index}" for index, operand in enumerate(operands)
        )
        return self._environment.types_of(self._query(listed, outer=outer))

    def _query(self, listed: str, *, outer: bool) -> str:
        """A SELECT of expressions over this scope's sources."""
        if outer not in self._frames:
            select = exp.Select(expressions=[exp.column(exp.to_identifier(_OPERANDS, quoted=True))])
            self._add_sources(select)
            if outer:
                self._add_outer_sources(select)
            self._frames[outer] = self._tables.visible_to(self._scope) + select.sql("duckdb", identify=True)
        return self._frames[outer].replace(f'"{_OPERANDS}"', listed, 1)

    @cached_property
    def _source_columns(self) -> set[str]:
        """The columns of this scope's sources, as far as they can be described."""
        columns = self._environment.columns_of_query(self._query("*", outer=False))
        return {name for name, _ in columns or ()}

    def _kinds(self, operands: list[exp.Expr]) -> list[str]:
        """Types of operands that may be stars, as far as they can be told."""
        told = [kind for operand in operands if (kind := static_type(operand)) is not None]
        asked = [operand for operand in operands if not operand.is_star and static_type(operand) is None]
        found = told + list(self._types(asked).values())
        if any(operand.is_star for operand in operands):
            found += self._environment.types_of(self._query("*", outer=False)) or []
        return found

    def _add_sources(self, select: exp.Select) -> None:
        scope = self._scope
        if isinstance(scope, exp.Select):
            for part in ("from_", "joins", "laterals"):
                value = scope.args.get(part)
                if isinstance(value, list):
                    select.set(part, [item.copy() for item in value])
                elif value is not None:
                    select.set(part, value.copy())
        elif isinstance(scope, exp.Update | exp.Delete):
            select.set("from_", exp.From(this=scope.this.copy()))
            from_ = scope.args.get("from_")
            others = [from_.this] if from_ is not None else (scope.args.get("using") or [])
            select.set("joins", [exp.Join(this=other.copy()) for other in others])

    def _add_outer_sources(self, select: exp.Select) -> None:
        """For a correlated subquery: what the queries around it read."""
        node = self._scope.parent
        while node is not None:
            if isinstance(node, exp.Select) and node.args.get("from_") is not None:
                sources = [node.args["from_"].this, *(join.this for join in node.args.get("joins") or [])]
                if select.args.get("from_") is None:
                    select.set("from_", exp.From(this=sources.pop(0).copy()))
                select.set("joins", [*(select.args.get("joins") or []), *(exp.Join(this=s.copy()) for s in sources)])
            node = node.parent

    def _without_aliases(self, operand: exp.Expr) -> exp.Expr:
        """The operand with references to this SELECT's own aliases replaced by what they stand for.

        A column of the sources comes before an alias of the same name.
        """
        if not isinstance(self._scope, exp.Select):
            return operand
        aliases = {
            item.alias: item.this
            for item in self._scope.expressions
            if isinstance(item, exp.Alias) and item.alias not in self._source_columns
        }

        def inline(node: exp.Expr) -> exp.Expr:
            if isinstance(node, exp.Column) and not node.table and node.name in aliases:
                return exp.Paren(this=aliases[node.name].copy())
            return node

        return operand.copy().transform(inline)


def _visible_ctes(scope: exp.Expr) -> Iterator[exp.Expr]:
    """The common table expressions a scope may read, outermost first."""
    chains: list[list[exp.Expr]] = []
    child: exp.Expr = scope
    node: exp.Expr | None = scope
    while node is not None:
        with_ = node.args.get("with_")
        if with_ is not None:
            ctes: list[exp.Expr] = []
            for cte in with_.expressions:
                if cte is child:
                    break
                ctes.append(cte)
            chains.append(ctes)
        if isinstance(node, exp.CTE):
            child = node
        node = node.parent
    for chain in reversed(chains):
        yield from chain


def _windowed(operand: exp.Expr) -> exp.Expr:
    """The operand with its aggregates made window functions: of the same type, and free of GROUP BY."""

    def wrap(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.AggFunc) and not isinstance(
            node.parent, exp.Window | exp.WithinGroup | exp.Filter | exp.IgnoreNulls | exp.RespectNulls
        ):
            return exp.Window(this=node.copy())
        return node

    return operand.copy().transform(wrap) if operand.find(exp.AggFunc) else operand
