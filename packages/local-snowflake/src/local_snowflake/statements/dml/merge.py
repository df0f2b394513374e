"""MERGE and multi-table INSERT: materialise the joined rows with their action, then run one statement per branch.

All conditions and values are evaluated in one query over the state before the statement, as Snowflake does, into a
DuckDB temporary table; UPDATE, DELETE and INSERT then address rows by DuckDB's row id. Tables with triggers (streams)
cannot take DuckDB's own MERGE.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlglot import exp

from local_snowflake.engine.catalog import kind_of
from local_snowflake.engine.plans import Step, step
from local_snowflake.errors import invalid_identifier, refuse, value_count
from local_snowflake.results import DELETED, INSERTED, UPDATED
from local_snowflake.session.session import Session
from local_snowflake.statements.dml.coercion import converted
from local_snowflake.syntax.identifiers import identifier
from local_snowflake.syntax.names import Name, quote
from local_snowflake.translate.annotate import DONE
from local_snowflake.translate.datatypes import limit_of
from local_snowflake.translate.environment import Environment
from local_snowflake.translate.repeatable import is_repeatable
from local_snowflake.translate.translator import render, translate

_TABLE = "temp.main._joined"
_ROW, _BRANCH = "_ROW", "_BRANCH"


@dataclass(frozen=True)
class Branch:
    """One WHEN of a MERGE.

    Attributes:
        label: the column of the result with its count of rows.
        columns: the columns of the target that it writes; empty for all of them.
        values: the columns of the joined rows with their values.
    """

    number: int
    label: str
    columns: list[str]
    values: list[str]


def table_exists(session: Session, name: Name) -> bool:
    return kind_of(session.connection, session.stored(name)) is not None


def _only_in(branch: int, value: exp.Expr) -> exp.Expr:
    """A value that is evaluated for the rows of its branch alone, so that it cannot fail for others."""
    test = exp.EQ(this=exp.column(_BRANCH), expression=exp.Literal.number(branch))
    test.meta[DONE] = True
    return exp.Case(ifs=[exp.If(this=test, true=value.copy())])


def _materialise(session: Session, environment: Environment, select: exp.Select) -> tuple[Step, dict[str, str]]:
    """The step that materialises the joined rows, and the DuckDB types of their columns."""
    query = translate(select, environment)
    return _materialised(query), dict(session.probe.describe(render(query)))


def _materialised(query: exp.Expr) -> Step:
    created = f"CREATE OR REPLACE TEMPORARY TABLE {_TABLE} AS {render(query)}"
    return step(created, repeatable=is_repeatable(query))


def merge_steps(session: Session, environment: Environment, target: Name, tree: exp.Merge) -> tuple[Step, ...]:
    """The steps of a MERGE, its counts labelled by Snowflake's column names."""
    alias = tree.this.alias_or_name
    row = exp.column(exp.to_identifier("rowid"), table=exp.to_identifier(alias, quoted=_quoted(tree.this)))
    matched = exp.Not(this=exp.Is(this=row.copy(), expression=exp.null()))
    unmatched = exp.Is(this=row.copy(), expression=exp.null())
    case = exp.Case()
    outputs: list[exp.Expr] = []
    branches: list[Branch] = []
    for number, when in enumerate(_whens(tree)):
        if when.args.get("source"):
            refuse("WHEN NOT MATCHED BY SOURCE")
        condition: exp.Expr = matched.copy() if when.args.get("matched") else unmatched.copy()
        if when.args.get("condition") is not None:
            given = when.args["condition"].copy()
            given = given if when.args.get("matched") else _of_source(given, tree.args["using"])
            condition = exp.and_(condition, exp.paren(given))
        case.append("ifs", exp.If(this=condition, true=exp.Literal.number(number)))
        branch, values = _branch(number, when)
        if branch.label == INSERTED:
            values = [_of_source(value.copy(), tree.args["using"]) for value in values]
        branches.append(branch)
        outputs.extend(
            exp.alias_(_only_in(number, value), name) for name, value in zip(branch.values, values, strict=True)
        )
    inserts = any(branch.label == INSERTED for branch in branches)
    select = exp.Select(expressions=[exp.alias_(row, _ROW), exp.alias_(case, _BRANCH), *outputs])
    select.set("from_", exp.From(this=tree.args["using"].copy()))
    join = exp.Join(this=tree.this.copy(), on=tree.args["on"].copy())
    if inserts:
        join.set("side", "LEFT")
    select.set("joins", [join])
    if tree.args.get("with_"):
        select.set("with_", tree.args["with_"].copy())
    made, kinds = _materialise(session, environment, select)
    stored = session.stored(target)
    changes = sorted(
        (_change(session, stored, branch, kinds) for branch in branches),
        key=lambda change: _COUNT_ORDER.index(change.label or ""),
    )
    return (made, *_guard(branches), *changes)


_COUNT_ORDER = [INSERTED, UPDATED, DELETED]


def _of_source(value: exp.Expr, source: exp.Expr) -> exp.Expr:
    """What WHEN NOT MATCHED has: its columns are the source's, for there is no row of the target."""
    if not source.alias_or_name:
        return value

    def qualified(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and not node.table and node.find_ancestor(exp.Select) is None:
            node.set("table", exp.to_identifier(source.alias_or_name, quoted=_quoted(source)))
        return node

    return value.transform(qualified)


def _quoted(table: exp.Expr) -> bool:
    alias = table.args.get("alias")
    identifier = alias.this if alias is not None else table.this
    return bool(identifier.args.get("quoted"))


def _whens(tree: exp.Merge) -> list[exp.When]:
    whens = tree.args["whens"]
    return list(whens.expressions) if isinstance(whens, exp.Whens) else list(whens)


def _branch(number: int, when: exp.When) -> tuple[Branch, list[exp.Expr]]:
    then = when.args["then"]
    if isinstance(then, exp.Update):
        columns = [identifier(assignment.this) for assignment in then.expressions]
        values = [assignment.expression for assignment in then.expressions]
        label = UPDATED
    elif isinstance(then, exp.Insert):
        if not isinstance(then.expression, exp.Tuple):
            refuse("MERGE with INSERT ALL BY NAME")
        columns = [identifier(column) for column in then.this.expressions] if then.this else []
        values = list(then.expression.expressions)
        label = INSERTED
        if columns and len(columns) != len(values):
            raise value_count(len(columns), len(values))
    else:
        columns, values, label = [], [], DELETED
    return Branch(number, label, columns, [f"_V{number}_{index}" for index in range(len(values))]), values


def _guard(branches: list[Branch]) -> list[Step]:
    """Counts the target rows that several source rows change, one of them by an update."""
    updates = [branch.number for branch in branches if branch.label == UPDATED]
    changes = [branch.number for branch in branches if branch.label != INSERTED]
    if not updates:
        return []
    query = (
        f"SELECT count(*) FROM (SELECT {_ROW} FROM {_TABLE} WHERE {_BRANCH} IN ({_numbers(changes)}) GROUP BY {_ROW} "
        f"HAVING count(*) > 1 AND count_if({_BRANCH} IN ({_numbers(updates)})) > 0)"
    )
    return [step(query, guard=True)]


def _numbers(values: list[int]) -> str:
    return ", ".join(str(value) for value in values)


def _values(session: Session, target: Name, columns: list[str], values: list[str], kinds: dict[str, str]) -> list[str]:
    """The columns of the joined rows as expressions of the types that the target's columns want."""
    every = session.probe.columns_of(target)
    wanted = dict(every)
    names = columns or [column for column, _ in every]
    unknown = next((column for column in names if column not in wanted), None)
    if unknown is not None:
        raise invalid_identifier(unknown)
    if len(names) != len(values):
        raise value_count(len(names), len(values))
    return [
        converted(_read(value), kinds[value], column, wanted[column], loading=False)
        for column, value in zip(names, values, strict=True)
    ]


def _read(column: str) -> str:
    """A column of the joined rows, in the statement of a branch."""
    return f"c.{quote(column)}"


def _change(session: Session, target: Name, branch: Branch, kinds: dict[str, str]) -> Step:
    """The statement of one branch of a MERGE."""
    table, where, label = target.sql, f"c.{_BRANCH} = {branch.number}", branch.label
    if branch.label == DELETED:
        return step(f"DELETE FROM {table} AS t USING {_TABLE} AS c WHERE t.rowid = c.{_ROW} AND {where}", label)
    values = _values(session, target, branch.columns, branch.values, kinds)
    if branch.label == UPDATED:
        pairs = zip(branch.columns, values, strict=True)
        assignments = ", ".join(f"{quote(column)} = {value}" for column, value in pairs)
        return step(
            f"UPDATE {table} AS t SET {assignments} FROM {_TABLE} AS c WHERE t.rowid = c.{_ROW} AND {where}", label
        )
    columns = f"({', '.join(quote(column) for column in branch.columns)})" if branch.columns else ""
    return step(f"INSERT INTO {table} {columns} SELECT {', '.join(values)} FROM {_TABLE} AS c WHERE {where}", label)


@dataclass
class Target:
    """One INTO of a multi-table INSERT: the rows that it takes, and which columns of the joined rows hold its values.

    Attributes:
        values: None for all columns of the source.
    """

    name: Name
    columns: list[str]
    where: exp.Expr
    values: list[str] | None


@dataclass(frozen=True)
class Taken:
    """A value that targets take, as a column of the joined rows.

    Attributes:
        where: the rows of the only target that takes it, if it is a column of the source: in others it takes no room.
    """

    column: exp.Expr
    where: exp.Expr | None


def multi_insert_steps(
    session: Session, environment: Environment, names: list[Name], tree: exp.MultitableInserts
) -> tuple[Step, ...]:
    """INSERT ALL and INSERT FIRST; docs.snowflake.com/en/sql-reference/sql/insert-multi-table.

    "The value must be compatible with the data type of the column [...] even for rows that would be filtered out by the
    condition in the WHEN clause" (usage notes; whether they fail is left open): here they always fail.
    """
    tests, targets, outputs = _targets(names, tree)
    alias = exp.TableAlias(this=exp.to_identifier("SOURCE"))
    whole = any(target.values is None for target in targets)
    select = exp.Select(expressions=[*([exp.Star()] if whole else []), *tests, *(taken.column for taken in outputs)])
    select.set("from_", exp.From(this=exp.Subquery(this=tree.args["source"].copy(), alias=alias)))
    query = translate(select, environment)
    kinds = dict(session.probe.describe(render(query)))
    extra = {column.alias for column in [*tests, *(taken.column for taken in outputs)]}
    needed = {value for target in targets for value in _conversions(session, target, kinds, extra)}
    _keep_for_their_targets(query, {taken.column.alias: taken.where for taken in outputs if taken.where}, needed)
    steps = [_materialised(query)]
    for target in targets:
        made_fit = ", ".join(_conversions(session, target, kinds, extra).values())
        if made_fit and not isinstance(target.where, exp.Boolean):
            steps.append(
                step(
                    f"SELECT count(*) FROM (SELECT hash({made_fit}) AS h FROM {_TABLE} AS c "
                    f"WHERE NOT coalesce({target.where.sql('duckdb')}, FALSE)) WHERE h = 0"
                )
            )
    if tree.args.get("overwrite"):
        steps.extend(step(f"DELETE FROM {session.stored(name).sql}") for name in dict.fromkeys(names))
    for target in targets:
        listed = f"({', '.join(quote(column) for column in target.columns)})" if target.columns else ""
        chosen = ", ".join(_results(session, target, kinds, extra))
        inserted = (
            f"INSERT INTO {session.stored(target.name).sql} {listed} SELECT {chosen} FROM {_TABLE} AS c "
            f"WHERE {target.where.sql('duckdb')}"
        )
        steps.append(step(inserted, f"number of rows inserted into {target.name.name}"))
    return tuple(steps)


def _keep_for_their_targets(query: exp.Expr, wheres: Mapping[str, exp.Expr], needed: Collection[str]) -> None:
    """Leave a column empty in rows that its only target does not take, unless all its rows are `needed`."""
    for projection in query.expressions:
        where = wheres.get(projection.alias)
        if where is not None and projection.alias not in needed:
            projection.set("this", exp.Case(ifs=[exp.If(this=where.copy(), true=projection.this)]))


def _taken(target: Target, kinds: dict[str, str], extra: set[str]) -> list[str]:
    """The columns of the joined rows that a target takes."""
    return target.values if target.values is not None else [column for column in kinds if column not in extra]


def _results(session: Session, target: Target, kinds: dict[str, str], extra: set[str]) -> list[str]:
    """The values of a target as its columns want them."""
    return _values(session, session.stored(target.name), target.columns, _taken(target, kinds, extra), kinds)


def _conversions(session: Session, target: Target, kinds: dict[str, str], extra: set[str]) -> dict[str, str]:
    """The columns of the joined rows of a target that are of another type than its columns, and what makes them fit."""
    every = session.probe.columns_of(session.stored(target.name))
    wanted = dict(every)
    columns = target.columns or [column for column, _ in every]
    found = zip(_taken(target, kinds, extra), _results(session, target, kinds, extra), columns, strict=True)
    return {
        value: f"CAST({result} AS {(limit_of(wanted[column]) or (wanted[column],))[0]})"
        for value, result, column in found
        if kinds[value] != wanted[column]
    }


def _targets(names: list[Name], tree: exp.MultitableInserts) -> tuple[list[exp.Expr], list[Target], list[Taken]]:
    """The outcomes of the conditions, the targets, and the values they take, each as columns of the joined rows.

    A column of the source that several targets take is one column of them.
    """
    first = str(tree.args.get("kind")).upper() == "FIRST"
    tests: list[exp.Expr] = []
    targets: list[Target] = []
    taken: dict[str, tuple[str, exp.Expr, list[exp.Expr]]] = {}
    for index, (name, branch) in enumerate(zip(names, tree.expressions, strict=True)):
        if branch.expression is not None:
            condition = exp.Coalesce(this=exp.paren(branch.expression.copy()), expressions=[exp.false()])
            tests.append(exp.alias_(condition, f"_W{len(tests)}"))
        where = _condition([test.alias for test in tests], first=first, otherwise=bool(branch.args.get("else_")))
        insert = branch.this
        columns = [identifier(item) for item in insert.this.expressions] if isinstance(insert.this, exp.Schema) else []
        given = insert.expression.expressions[0].expressions if insert.expression is not None else []
        values = []
        for number, value in enumerate(given):
            key = value.sql("snowflake") if isinstance(value, exp.Column) else f"{index} {number}"
            column, _, wheres = taken.setdefault(key, (f"_V{len(taken)}", value, []))
            wheres.append(where)
            values.append(column)
        targets.append(Target(name, columns, where, values if given else None))
    outputs = [
        Taken(
            exp.alias_(value.copy(), column), wheres[0] if len(wheres) == 1 and isinstance(value, exp.Column) else None
        )
        for column, value, wheres in taken.values()
    ]
    return tests, targets, outputs


def _condition(tests: list[str], *, first: bool, otherwise: bool) -> exp.Expr:
    """Which of the joined rows a branch takes, given the conditions up to and including its own."""
    columns: list[exp.Expr] = [exp.column(test) for test in tests]
    if otherwise:
        return exp.and_(*(exp.not_(column) for column in columns))
    if not columns:
        return exp.true()
    before = [exp.not_(column) for column in columns[:-1]] if first else []
    return exp.and_(columns[-1], *before)
