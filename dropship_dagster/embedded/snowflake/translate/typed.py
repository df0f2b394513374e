"""The second pass: what depends on the types of its operands, which DuckDB is asked for; the rules are in rules.py.

For every SELECT (innermost first) the operands' types come from describing them over the same FROM; a node whose
operands cannot be described alone (a correlated subquery) keeps DuckDB's own behaviour or is refused, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast as cast_type

from sqlglot import exp

from . import zoned
from .environment import Environment
from .rules import INTERESTING, operands_of, retyped, static_type
from .templates import USER_CAST

DONE = "typed"
"""Marks a node that needs no (further) look."""
_OPERANDS = "__operands__"
_SCOPES = (exp.Select, exp.Update, exp.Delete)


def apply(tree: exp.Expr, environment: Environment) -> exp.Expr:
    """Rewrite a tree that the first pass has made, in place; the result replaces it."""
    root = exp.Paren(this=tree)  # so that the top node can be replaced like any other
    scopes = [node for node in root.dfs() if isinstance(node, _SCOPES)]
    for scope in reversed(scopes):
        _Scope(scope, environment).rewrite()
    _Scope(root, environment).rewrite()
    return cast_type("exp.Expr", root.this)


class _Scope:
    """One SELECT, UPDATE or DELETE, without what is nested in it."""

    def __init__(self, scope: exp.Expr, environment: Environment) -> None:
        self._scope, self._environment = scope, environment
        self._frames: dict[bool, str] = {}  # the queries over this scope's sources, as text

    def rewrite(self) -> None:
        """Rewrite level by level: a node's operands are final before its own turn."""
        while ready := self._ready():
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
            zoned.refuse_grouping(self._scope, self._kinds)
            zoned.order_by_instant(self._scope, self._kinds)

    def _own(self) -> Iterator[exp.Expr]:
        """The nodes of this scope that are to be looked at, leaves first."""
        found: list[exp.Expr] = []
        stack = [self._scope]
        while stack:
            node = stack.pop()
            if node is not self._scope and isinstance(node, _SCOPES):
                continue
            if not node.meta.get(DONE) and (
                isinstance(node, INTERESTING)
                or (isinstance(node, exp.Cast) and node.meta.get(USER_CAST))
                or zoned.is_mark(node)
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
        kinds = self._describe(operands)
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
        if outer not in self._frames:
            select = exp.Select(expressions=[exp.column(exp.to_identifier(_OPERANDS, quoted=True))])
            self._add_sources(select)
            if outer:
                self._add_outer_sources(select)
            self._frames[outer] = select.sql("duckdb", identify=True)
        listed = ", ".join(
            f"{_windowed(operand).sql('duckdb', identify=True)} AS _{index}" for index, operand in enumerate(operands)
        )
        return self._environment.types_of(self._frames[outer].replace(f'"{_OPERANDS}"', listed, 1))

    def _kinds(self, operands: list[exp.Expr]) -> list[str]:
        """Types of operands that may be stars, as far as they can be told."""
        told = [kind for operand in operands if (kind := static_type(operand)) is not None]
        asked = [operand for operand in operands if not operand.is_star and static_type(operand) is None]
        found = told + list(self._types(asked).values())
        if any(operand.is_star for operand in operands):
            self._describe([])
            found += self._environment.types_of(self._frames[False].replace(f'"{_OPERANDS}"', "*", 1)) or []
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
        expressions = list(_visible_ctes(scope))
        if expressions:
            select.set("with_", exp.With(expressions=[cte.copy() for cte in expressions]))

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
        """The operand with references to this SELECT's own aliases replaced by what they stand for."""
        if not isinstance(self._scope, exp.Select):
            return operand
        aliases = {item.alias: item.this for item in self._scope.expressions if isinstance(item, exp.Alias)}

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
