"""The first pass: names in full, and everything that is only written differently in DuckDB.

It works from the leaves up and in place, so a handler sees arguments that are DuckDB's already.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import cast

from sqlglot import exp

from local_snowflake.engine.slots import STATEMENT_TIMESTAMP
from local_snowflake.errors import invalid, refuse
from local_snowflake.translate import functions
from local_snowflake.translate.datatypes import declared, digits_cut, length_of, to_duckdb
from local_snowflake.translate.environment import Environment
from local_snowflake.translate.flatten import flatten, share_inputs, wants_seq
from local_snowflake.translate.outer_joins import asof
from local_snowflake.translate.scopes import is_common_table
from local_snowflake.translate.templates import INTERNAL, cast_to, fill, internal

_CONTEXT: dict[type[exp.Expr], str] = {
    exp.CurrentUser: "CURRENT_USER",
    exp.CurrentRole: "CURRENT_ROLE",
    exp.CurrentDatabase: "CURRENT_DATABASE",
    exp.CurrentSchema: "CURRENT_SCHEMA",
    exp.CurrentWarehouse: "CURRENT_WAREHOUSE",
    exp.CurrentAccount: "CURRENT_ACCOUNT",
    exp.CurrentSession: "CURRENT_SESSION",
    exp.CurrentAvailableRoles: "CURRENT_AVAILABLE_ROLES",
    exp.CurrentSecondaryRoles: "CURRENT_SECONDARY_ROLES",
}
_CONTEXT_NAMES = {"LAST_QUERY_ID", "CURRENT_TRANSACTION", "CURRENT_STATEMENT", *_CONTEXT.values()}

_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In)

# frames of the whole partition: Snowflake's default for these, not DuckDB's
_WHOLE_PARTITION = (exp.FirstValue, exp.LastValue, exp.NthValue)

_EPOCHS = {
    "EPOCH": "epoch", "EPOCH_SECOND": "epoch", "EPOCH_SECONDS": "epoch", "EPOCH_MILLISECOND": "epoch_ms",
    "EPOCH_MILLISECONDS": "epoch_ms", "EPOCH_MICROSECOND": "epoch_us", "EPOCH_MICROSECONDS": "epoch_us",
    "EPOCH_NANOSECOND": "epoch_ns", "EPOCH_NANOSECONDS": "epoch_ns",
}  # fmt: skip

_UNSUPPORTED: dict[type[exp.Expr], str] = {
    exp.MatchRecognize: "MATCH_RECOGNIZE",
    exp.Pivot: "PIVOT and UNPIVOT",
    exp.TableSample: "SAMPLE",
    exp.HistoricalData: "time travel (AT and BEFORE)",
    exp.Changes: "CHANGES",
    exp.Connect: "CONNECT BY",
}


_SEQUENCES: dict[type[exp.Expr], int] = {exp.Seq1: 1, exp.Seq2: 2, exp.Seq4: 4, exp.Seq8: 8}
"""SEQ1() to SEQ8(), with their bytes."""
_SLICES = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND")
_INTERVAL = re.compile(
    r"[+-]?\d+\s*((year|quarter|month|week|day|hour|minute|second|millisecond|microsecond)s?)?", re.IGNORECASE
)


def _order_by_all(order: exp.Order) -> None:
    """ORDER BY ALL: the word is no column."""
    for ordered in order.expressions:
        column = ordered.this if isinstance(ordered, exp.Ordered) else None
        if (
            isinstance(column, exp.Column)
            and not column.table
            and column.name.upper() == "ALL"
            and not column.this.quoted
        ):
            ordered.set("this", exp.Var(this="ALL"))


_AROUND_AGGREGATES = (exp.WithinGroup, exp.Window, exp.Filter, exp.Order)


# what an aggregate without any value is in Snowflake, where DuckDB has NULL
_EMPTY: dict[type[exp.Expr], str] = {
    exp.ArrayAgg: "coalesce(to_json({0}), CAST('[]' AS JSON))",
    exp.GroupConcat: "coalesce({0}, '')",
}


def _of_empty(node: exp.Expr) -> str | None:
    """The template of a node that is the whole of such an aggregate, with its WITHIN GROUP and OVER."""
    if isinstance(node.parent, _AROUND_AGGREGATES) and node.arg_key == "this":
        return None
    while isinstance(node, _AROUND_AGGREGATES) and isinstance(node.this, exp.Expr):
        node = node.this
    return _EMPTY.get(type(node))


def _split_to_table(call: exp.SplitToTable, alias: exp.TableAlias | None, *, lateral: bool) -> exp.Expr:
    """SPLIT_TO_TABLE(text, delimiter); docs.snowflake.com/en/sql-reference/functions/split_to_table."""
    query = fill(
        """SELECT _seq AS "SEQ", _index AS "INDEX", _value AS "VALUE" FROM (SELECT _seq, unnest(_list) AS _value,
           generate_subscripts(_list, 1) AS _index FROM (SELECT CAST(hash(uuid()) >> 1 AS BIGINT) AS _seq,
           CASE {1} WHEN '' THEN [{0}] ELSE str_split({0}, {1}) END AS _list))""",
        [cast_to(call.this, "VARCHAR"), cast_to(call.expression, "VARCHAR")],
    )
    name = alias or exp.TableAlias(this=exp.to_identifier("SPLIT_TO_TABLE", quoted=True))
    found = exp.Subquery(this=query)
    if lateral:
        return exp.Lateral(this=found, alias=name)
    found.set("alias", name)
    return found


class Rewriter:
    """Rewrites one statement for one session."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._handlers: dict[type[exp.Expr], Callable[..., exp.Expr]] = {
            exp.Identifier: self._identifier,
            exp.Column: self._column,
            exp.Table: self._table,
            exp.TableFromRows: self._table_function,
            exp.Lateral: self._lateral,
            exp.Select: lambda node: share_inputs(cast("exp.Select", node)),
            exp.Join: self._join,
            exp.Values: self._values,
            exp.Anonymous: self._call,
            exp.JSONExtract: self._path,
            exp.Bracket: self._bracket,
            exp.Cast: self._cast,
            exp.TryCast: self._cast,
            exp.Case: self._case,
            exp.Count: self._count,
            exp.Like: self._like,
            exp.ILike: self._like,
            exp.Interval: self._interval,
            exp.TimeSlice: self._time_slice,
            **dict.fromkeys(_SEQUENCES, self._sequence),
            exp.Localtime: lambda _: fill(f"CAST(CAST({STATEMENT_TIMESTAMP.call} AS TIMESTAMP) AS TIME)", []),
            exp.Array: lambda node: functions.build("ARRAY_CONSTRUCT", node.expressions),
            exp.Mod: lambda node: functions.build("MOD", [node.this, node.expression]),
            exp.ToBoolean: lambda node: cast_to(node.this, "BOOLEAN", safe=bool(node.args.get("safe"))),
            exp.Extract: self._extract,
            exp.Window: self._window,
            exp.Placeholder: self._placeholder,
            exp.Parameter: self._parameter,
            exp.SessionParameter: self._parameter,
            exp.HexString: lambda node: fill(f"from_hex('{node.name}')", []),
            exp.CurrentTimestamp: lambda _: fill(STATEMENT_TIMESTAMP.call, []),
            exp.CurrentDate: lambda _: fill(f"CAST({STATEMENT_TIMESTAMP.call} AS DATE)", []),
        }

    def rewrite(self, node: exp.Expr) -> exp.Expr:
        """Rewrite a tree; the result replaces it."""
        if node.meta.get(INTERNAL):
            return node
        if isinstance(node, exp.Select):
            self._name_projections(node)
        if isinstance(node, exp.Order):
            _order_by_all(node)
        for key, value in list(node.args.items()):
            if isinstance(value, exp.Expr):
                node.set(key, self.rewrite(value))
            elif isinstance(value, list) and any(isinstance(item, exp.Expr) for item in value):
                node.set(key, [self.rewrite(item) if isinstance(item, exp.Expr) else item for item in value])
        if template := _of_empty(node):
            return fill(template, [node])
        handler = self._handlers.get(type(node))
        if handler:
            return handler(node)
        if type(node) in _UNSUPPORTED:
            refuse(_UNSUPPORTED[type(node)])
        if type(node) in _CONTEXT:
            return self._context(_CONTEXT[type(node)])
        if isinstance(node, exp.Func) and type(node) not in functions.ALLOWED:
            refuse(f"the function {node.sql_name()}")
        return node

    # names ------------------------------------------------------------------------------------------------------

    def _name_projections(self, select: exp.Select) -> None:
        """Name unnamed expressions as Snowflake does: their own text in upper case."""
        if isinstance(select.parent, exp.Subquery | exp.In | exp.Exists | exp.Insert) and not isinstance(
            select.parent.parent, exp.From | exp.Join
        ):
            return
        for index, projection in enumerate(select.expressions):
            next_value = (
                isinstance(projection, exp.Column) and projection.table and projection.name.upper() == "NEXTVAL"
            )
            if isinstance(projection, exp.Alias | exp.Star | exp.Column | exp.Aliases) and not next_value:
                continue
            text = "NEXTVAL" if next_value else projection.sql("snowflake")
            text = text if isinstance(projection, exp.Literal) else text.upper()
            select.expressions[index] = exp.alias_(projection, text, quoted=True)
            select.expressions[index].parent = select

    def _identifier(self, node: exp.Identifier) -> exp.Expr:
        if not node.quoted:
            node.set("this", node.this.upper())
            node.set("quoted", True)
        return node

    def _column(self, node: exp.Column) -> exp.Expr:
        if isinstance(node.this, exp.Parameter) or not isinstance(node.this, exp.Identifier | exp.Star):
            return cast("exp.Expr", node.this)
        if node.name == "NEXTVAL" and node.table:
            parts = [part.name for part in node.parts[:-1]]
            sequence = self._environment.sequence(self._environment.qualify(parts))
            return fill("nextval({0})", [exp.Literal.string(sequence)])
        node.set("db", None)
        node.set("catalog", None)
        return node

    def _table(self, node: exp.Table) -> exp.Expr:
        for argument in ("when", "version", "changes", "sample"):
            if node.args.get(argument):
                refuse("SAMPLE" if argument == "sample" else "time travel (AT and BEFORE)")
        alias = node.args.get("alias")
        if isinstance(node.this, exp.Var):
            relation = self._environment.staged(node.this.name, node)
        elif not isinstance(node.this, exp.Identifier):
            return node
        else:
            parts = [part.name for part in node.parts]
            if len(parts) == 1 and is_common_table(node):
                return node
            if len(parts) > 1 and parts[-2] == "INFORMATION_SCHEMA":
                query = self._environment.information_schema(parts[0] if len(parts) == 3 else None, parts[-1])
                relation = exp.Subquery(this=internal(query))
            else:
                relation = self._environment.relation(self._environment.qualify(parts))
            alias = alias or exp.TableAlias(this=exp.to_identifier(parts[-1], quoted=True))
        relation.set("alias", alias)
        if node.args.get("joins"):
            relation.set("joins", node.args["joins"])
        return relation

    # relations --------------------------------------------------------------------------------------------------

    def _table_function(self, node: exp.TableFromRows) -> exp.Expr:
        call = node.this
        alias = node.args.get("alias")
        if isinstance(call, exp.Explode):
            return flatten(call, alias, lateral=isinstance(node.parent, exp.Join), seq=wants_seq(node, alias))
        if isinstance(call, exp.SplitToTable):
            return _split_to_table(call, alias, lateral=isinstance(node.parent, exp.Join))
        if isinstance(call, exp.Generator):
            given = {name.upper(): value for name, value in call.args.items() if value is not None}
            call = exp.Anonymous(
                this="GENERATOR",
                expressions=[exp.Kwarg(this=exp.var(name), expression=value) for name, value in given.items()],
            )
        if isinstance(call, exp.Dot):
            call = call.expression
        if not isinstance(call, exp.Anonymous):
            refuse(f"the table function {call.sql('snowflake')}")
        arguments = {
            argument.this.name.upper(): argument.expression
            for argument in call.expressions
            if isinstance(argument, exp.Kwarg | exp.PropertyEQ)
        }
        positional = [argument for argument in call.expressions if not isinstance(argument, exp.Kwarg | exp.PropertyEQ)]
        arguments |= {str(index): argument for index, argument in enumerate(positional)}
        query = self._environment.table_function(call.name.upper(), arguments)
        subquery = exp.Subquery(this=internal(query))
        subquery.set("alias", alias or exp.TableAlias(this=exp.to_identifier(call.name.upper(), quoted=True)))
        return subquery

    def _lateral(self, node: exp.Lateral) -> exp.Expr:
        if isinstance(node.this, exp.Explode):
            alias = node.args.get("alias")
            return flatten(node.this, alias, lateral=True, seq=wants_seq(node, alias))
        if isinstance(node.this, exp.SplitToTable):
            return _split_to_table(node.this, node.args.get("alias"), lateral=True)
        return node

    def _join(self, node: exp.Join) -> exp.Expr:
        """LEFT JOIN LATERAL FLATTEN(...) without ON keeps the rows that have no match."""
        if str(node.args.get("method") or "").upper() == "ASOF":
            return asof(node)
        if node.args.get("side") and not any(node.args.get(key) for key in ("on", "using", "method")):
            node.set("on", exp.true())
        return node

    def _values(self, node: exp.Values) -> exp.Expr:
        """VALUES as a relation calls its columns COLUMN1, COLUMN2 ..."""
        alias = node.args.get("alias")
        if isinstance(node.parent, exp.From | exp.Join | exp.Subquery) and not (alias and alias.columns):
            rows = node.expressions
            width = len(rows[0].expressions) if rows and isinstance(rows[0], exp.Tuple) else 1
            columns = [exp.to_identifier(f"COLUMN{index + 1}", quoted=True) for index in range(width)]
            name = alias.this if alias else exp.to_identifier("VALUES", quoted=True)
            node.set("alias", exp.TableAlias(this=name, columns=columns))
        return node

    # expressions ------------------------------------------------------------------------------------------------

    def _context(self, function: str) -> exp.Expr:
        value = self._environment.context(function)
        return exp.null() if value is None else exp.Literal.string(value)

    def _call(self, node: exp.Anonymous) -> exp.Expr:
        name = node.name.upper()
        if name.startswith("SYSTEM$"):
            return self._environment.system_function(name, node.expressions)
        if name in _CONTEXT_NAMES:
            if node.expressions and [argument.sql() for argument in node.expressions] != ["-1"]:
                refuse(f"{name} with an argument")
            return self._context(name)
        if name == "IS_ROLE_IN_SESSION":
            return self._is_role_in_session(node.expressions)
        if isinstance(node.parent, exp.TableFromRows | exp.Dot):
            return node
        if name in ("GETDATE", "LOCALTIMESTAMP"):
            return fill(STATEMENT_TIMESTAMP.call, [])
        return functions.build(name, node.expressions)

    def _is_role_in_session(self, arguments: Sequence[exp.Expr]) -> exp.Expr:
        if len(arguments) != 1 or not isinstance(arguments[0], exp.Literal):
            refuse("IS_ROLE_IN_SESSION of anything but a constant")
        return exp.Boolean(this=self._environment.role_in_session(str(arguments[0].name)))

    def _path(self, node: exp.JSONExtract) -> exp.Expr:
        steps: list[str | int] = []
        for part in node.expression.expressions if isinstance(node.expression, exp.JSONPath) else []:
            if isinstance(part, exp.JSONPathRoot):
                continue
            if isinstance(part, exp.JSONPathKey | exp.JSONPathSubscript) and isinstance(part.this, str | int):
                steps.append(part.this)
            else:
                refuse(f"the path {node.sql('snowflake')}")
        if not steps:
            refuse(f"the path {node.sql('snowflake')}")
        return functions.path(node.this, steps)

    def _bracket(self, node: exp.Bracket) -> exp.Expr:
        if len(node.expressions) != 1:
            refuse(f"the path {node.sql('snowflake')}")
        return functions.build("GET", [node.this, node.expressions[0]])

    def _placeholder(self, node: exp.Placeholder) -> exp.Expr:
        """A bound value. Only where nothing looks at a value may the text leave a place for it."""
        parent = node.parent
        given = isinstance(parent, exp.Select | exp.Alias | exp.Tuple)
        parsed = isinstance(parent, exp.Anonymous) and parent.name.upper() == "PARSE_JSON"
        place = None
        if given or parsed or isinstance(parent, _COMPARED):
            # a number compared with a column is a literal, because DuckDB gives that the column's type
            place = self._environment.slot(node.name, numbers=given)
        return self._environment.binding(node.name) if place is None else place

    def _parameter(self, node: exp.Expr) -> exp.Expr:
        if isinstance(node.this, exp.Literal):
            return self._position(node)
        return self._environment.variable(node.name.upper())

    def _position(self, node: exp.Expr) -> exp.Expr:
        """$1 of VALUES; that of a staged file is gone before this pass."""
        select = node.find_ancestor(exp.Select)
        from_ = select.args.get("from_") if select is not None else None
        if from_ is None or not isinstance(from_.this, exp.Values):
            refuse("$1, $2 ... of anything but VALUES and a stage; name the column")
        return exp.column(exp.to_identifier(f"COLUMN{node.name}", quoted=True))

    def _cast(self, node: exp.Cast) -> exp.Expr:
        kind = to_duckdb(node.to)
        if node.args.get("format"):
            refuse("CAST with a format")
        if kind == "BLOB" and node.to.expressions:
            refuse("a cast to BINARY(n); cast to BINARY")
        cast = cast_to(node.this, kind, safe=isinstance(node, exp.TryCast))
        if cut := digits_cut(node.to):
            return fill(cut, [cast])
        length = length_of(declared(node.to)) if kind == "VARCHAR" and node.to.expressions else None
        return fill(f'"left"({{0}}, {length})', [cast]) if length else cast

    def _case(self, node: exp.Case) -> exp.Expr:
        """CASE x WHEN y: a comparison like any other, with its implicit casts."""
        operand = node.this
        if operand is None or operand.find(exp.Rand, exp.Uuid, exp.Subquery):
            return node
        if any(call.name == "nextval" for call in operand.find_all(exp.Anonymous)):
            return node
        for branch in node.args["ifs"]:
            branch.set("this", exp.EQ(this=operand.copy(), expression=branch.this))
        node.set("this", None)
        return node

    def _count(self, node: exp.Count) -> exp.Expr:
        """COUNT(a, b): the rows in which none of them is NULL."""
        if not node.expressions:
            return node
        values = [node.this, *node.expressions]
        tests = " OR ".join(f"{{{index}}} IS NULL" for index in range(len(values)))
        return exp.Count(this=fill(f"CASE WHEN {tests} THEN NULL ELSE 1 END", values), big_int=True)

    def _like(self, node: exp.Like | exp.ILike) -> exp.Expr:
        """LIKE ANY and LIKE ALL of a list."""
        listed = node.expression
        if not (isinstance(listed, exp.Any | exp.All) and isinstance(listed.this, exp.Tuple | exp.Paren)):
            return node
        if isinstance(node.parent, exp.Not):
            refuse("NOT LIKE ANY and NOT LIKE ALL; write NOT (... LIKE ANY (...))")
        patterns = listed.this.expressions if isinstance(listed.this, exp.Tuple) else [listed.this.this]
        each = [type(node)(this=node.this.copy(), expression=pattern) for pattern in patterns]
        joined = exp.or_(*each, copy=False) if isinstance(listed, exp.Any) else exp.and_(*each, copy=False)
        return exp.Paren(this=joined)

    def _interval(self, node: exp.Interval) -> exp.Expr:
        """INTERVAL '1 day, 2 hours'."""
        if node.args.get("unit") is None and isinstance(node.this, exp.Literal) and node.this.is_string:
            parts = [part.strip() for part in node.this.name.split(",")]
            if not all(_INTERVAL.fullmatch(part) for part in parts):
                raise invalid(f"invalid interval '{node.this.name}'; it is written '1 day, 2 hours'")
            spelt = [part if part[-1].isalpha() else f"{part} seconds" for part in parts]
            node.set("this", exp.Literal.string(" ".join(spelt)))
        return node

    def _time_slice(self, node: exp.TimeSlice) -> exp.Expr:
        """TIME_SLICE(time, length, unit [, START or END]); slices are counted from 1970, weeks from their Monday."""
        unit = node.args["unit"].name.upper()
        side = node.args["kind"].name.upper() if node.args.get("kind") is not None else "START"
        length = node.expression
        if not (isinstance(length, exp.Literal) and length.is_int and int(length.name) > 0):
            raise invalid("the length of TIME_SLICE is a positive whole number, a constant")
        if unit not in _SLICES or side not in ("START", "END"):
            raise invalid(f"TIME_SLICE has no {unit} or {side}: units are {', '.join(_SLICES)}, sides START and END")
        beginning = "1969-12-29" if unit == "WEEK" else "1970-01-01"
        interval = f"INTERVAL '{length.name}' {unit}"
        begin = f"time_bucket({interval}, sf_wall({{0}}), CAST('{beginning}' AS DATE))"
        return fill(begin if side == "START" else f"{begin} + {interval}", [node.this])

    def _sequence(self, node: exp.Expr) -> exp.Expr:
        """SEQ1() and its like: numbers from 0 on, for the rows of a query."""
        size = 8 * _SEQUENCES[type(node)]
        signed = node.this is not None and node.this.name == "1"
        number = (
            f"(CAST(row_number() OVER () - 1 AS BIGINT) % {2**size})" if size < 64 else "(row_number() OVER () - 1)"
        )
        if signed and size < 64:
            number = f"(({number} + {2 ** (size - 1)}) % {2**size} - {2 ** (size - 1)})"
        return fill(number, [])

    def _extract(self, node: exp.Extract) -> exp.Expr:
        part = node.this.name.upper()
        if part in _EPOCHS:
            return fill(f"CAST(floor({_EPOCHS[part]}(sf_instant({{0}}))) AS BIGINT)", [node.expression])
        names = {"DAYOFWEEK": "DAYOFWEEK", "DOW": "DAYOFWEEK", "WEEKDAY": "DAYOFWEEK", "DW": "DAYOFWEEK"}
        name = names.get(part, part)
        if name not in functions.OWN:
            refuse(f"the date part {part}")
        return functions.build(name, [node.expression])

    def _window(self, node: exp.Window) -> exp.Expr:
        function = node.this
        while isinstance(function, exp.IgnoreNulls | exp.RespectNulls):
            function = function.this
        if isinstance(function, _WHOLE_PARTITION) and not node.args.get("spec"):
            node.set(
                "spec",
                exp.WindowSpec(
                    kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="UNBOUNDED", end_side="FOLLOWING"
                ),
            )
        if isinstance(function, exp.Div):  # RATIO_TO_REPORT: only its SUM is over the window
            node.set("this", function.expression.copy())
            return exp.Div(this=function.this.copy(), expression=node)
        return node
