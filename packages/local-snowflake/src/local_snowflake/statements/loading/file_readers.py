"""How the files of COPY INTO are read: the relation, and what $1, $1:column and METADATA$... mean in it."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
from sqlglot import exp

from local_snowflake.engine.plans import Step
from local_snowflake.engine.slots import STAGED_FILE, STATEMENT_TIMESTAMP
from local_snowflake.errors import Code, SnowflakeError, invalid, refuse
from local_snowflake.session.session import Session
from local_snowflake.syntax.lexer import Cursor
from local_snowflake.syntax.names import literal, quote
from local_snowflake.translate.functions import path as variant_path
from local_snowflake.translate.templates import INTERNAL, internal

_ROW_NUMBER = "_file_row_number"
_NULL_IF = "('\\\\N')"  # the default: the text \N
_PARQUET_OPTIONS = {"TYPE", "COMPRESSION", "BINARY_AS_TEXT", "USE_LOGICAL_TYPE", "USE_VECTORIZED_SCANNER", "TRIM_SPACE",
                    "SNAPPY_COMPRESSION", "NULL_IF", "REPLACE_INVALID_CHARACTERS"}  # fmt: skip


@dataclass
class Reader:
    """A file as a relation.

    Attributes:
        path: the file's in its stage.
        changed: when it was put there.
        file: its place, as a string of DuckDB.
        relation: DuckDB SQL of the rows, all columns quoted as in `columns`.
        columns: the names of the file's columns.
        kinds: their DuckDB types.
        by_position: $1, $2 ... are columns (CSV); otherwise $1 is the row and $1:name a column (Parquet).
        as_text: binary columns are UTF-8 text (BINARY_AS_TEXT).
    """

    path: str
    changed: dt.datetime
    file: str
    relation: str
    columns: list[str]
    kinds: list[str]
    by_position: bool
    as_text: bool = False

    @property
    def shape(self) -> Hashable:
        """What a query over the file depends on, apart from the file."""
        relation = self.without_file(self.relation)
        return relation, tuple(self.columns), tuple(self.kinds), self.by_position, self.as_text

    def without_file(self, query: str) -> str:
        """The text of a query over the file, for any file of this shape."""
        return query.replace(self.file, STAGED_FILE.call)

    def with_file(self, step: Step) -> Step:
        """A step of a plan for files of this shape, for this one."""
        return replace(step, text=step.text.fill_one(STAGED_FILE, self.file))

    def bind(self, select: exp.Select) -> exp.Select:
        """A SELECT over the stage as one over the file."""
        from_ = select.args["from_"]
        alias = from_.this.args.get("alias")
        table = alias.this.name.upper() if alias is not None else None
        for node in list(select.dfs()):
            parameter = _parameter(node, table)
            if parameter is not None and not isinstance(node.parent, exp.Column):
                self._bind(node, parameter)
            elif isinstance(node, exp.Column) and node.name.upper().startswith("METADATA$"):
                node.replace(self._metadata(node.name.upper()))
        from_.set("this", internal(f"SELECT * FROM {self.relation}").args["from_"].this)
        from_.this.meta[INTERNAL] = True
        return select

    def _bind(self, node: exp.Expr, number: int) -> None:
        parent = node.parent
        if self.by_position:
            if not 1 <= number <= len(self.columns):
                node.replace(exp.null())
            else:
                node.replace(self._column(number - 1))
            return
        if number != 1:
            raise invalid(f"${number}: a Parquet file has one column, $1")
        if not isinstance(parent, exp.JSONExtract):
            refuse("$1 of a Parquet file as a whole; name its columns: $1:name")
        steps = [step.this for step in parent.expression.expressions if not isinstance(step, exp.JSONPathRoot)]
        if steps[0] not in self.columns:
            parent.replace(exp.null())
            return
        column = self._column(self.columns.index(steps[0]))
        if len(steps) > 1:
            column = variant_path(exp.Anonymous(this="to_json", expressions=[column]), steps[1:])
            column.meta[INTERNAL] = True
        parent.replace(column)

    def _column(self, index: int) -> exp.Expr:
        name = quote(self.columns[index])
        if self.as_text and self.kinds[index] == "BLOB":
            return internal(f"decode({name})")
        return exp.column(exp.to_identifier(self.columns[index], quoted=True))

    def _metadata(self, name: str) -> exp.Expr:
        match name:
            case "METADATA$FILENAME":
                return exp.Literal.string(self.path)
            case "METADATA$FILE_ROW_NUMBER":
                return internal(f"CAST({quote(_ROW_NUMBER)} + 1 AS BIGINT)")
            case "METADATA$FILE_LAST_MODIFIED":
                return internal(f"CAST({literal(self.changed.isoformat(sep=' '))} AS TIMESTAMP)")
            case "METADATA$START_SCAN_TIME":
                return internal(STATEMENT_TIMESTAMP.call)
        return refuse(name)

    def select(self, columns: list[str]) -> exp.Select:
        """The named columns of the file."""
        select = exp.Select(expressions=[self._column(self.columns.index(column)) for column in columns])
        source = internal(f"SELECT * FROM {self.relation}").args["from_"].this
        source.meta[INTERNAL] = True
        select.set("from_", exp.From(this=source))
        return select

    def positional(self, kinds: list[str]) -> exp.Select:
        """The columns in order, as COPY without a SELECT loads them."""
        if not self.by_position:
            if kinds != ["JSON"]:
                raise SnowflakeError(
                    "SQL compilation error:\nPARQUET file format can produce one and only one column of type variant, "
                    "object, or array. Load data into separate columns using the MATCH_BY_COLUMN_NAME copy option or "
                    "copy with transformation.",
                    Code.TYPE_MISMATCH,
                    "22000",
                )
            columns = ", ".join(quote(column) for column in self.columns)
            tree = internal(f"SELECT to_json(struct_pack({columns})) FROM {self.relation}")
            if isinstance(tree, exp.Select):
                return tree
        return self.select(self.columns)


def _parameter(node: exp.Expr, table: str | None) -> int | None:
    """The n of $n or t.$n."""
    if isinstance(node, exp.Column) and isinstance(node.this, exp.Parameter):
        return int(node.this.name) if node.table.upper() in ("", table) else None
    if isinstance(node, exp.Parameter) and isinstance(node.this, exp.Literal):
        return int(node.name)
    return None


def open_reader(session: Session, options: dict[str, str], path: str, file: Path, width: int) -> Reader:
    """A reader for a file by its format.

    Raises:
        SnowflakeError: a format or option that is not supported, or a file that is not of the format.
    """
    kind, place = options.get("TYPE", "CSV").upper(), literal(str(file))
    changed = dt.datetime.fromtimestamp(file.stat().st_mtime, dt.UTC).replace(tzinfo=None)
    if kind == "PARQUET":
        unknown = set(options) - _PARQUET_OPTIONS
        if unknown:
            refuse(f"the Parquet option {unknown.pop()}")
        relation = f"read_parquet({place}, file_row_number = true)"
        found = _describe(session, relation, path)
        columns = [column for column, _ in found if column != "file_row_number"]
        kinds = [kind for column, kind in found if column != "file_row_number"]
        as_text = options.get("BINARY_AS_TEXT", "TRUE").upper() == "TRUE"
        replaced = _without_nulls(columns, kinds, options, as_text=as_text)
        relation = f"(SELECT * {replaced} RENAME (file_row_number AS {_ROW_NUMBER}) FROM {relation})"
        return Reader(path, changed, place, relation, columns, kinds, by_position=False, as_text=as_text)
    if kind == "CSV":
        relation, columns = _csv(session, options, file, width)
        return Reader(path, changed, place, relation, columns, ["VARCHAR"] * len(columns), by_position=True)
    return refuse(f"files of TYPE = {kind}; only PARQUET and CSV")


def _without_nulls(columns: list[str], kinds: list[str], options: dict[str, str], *, as_text: bool) -> str:
    """NULL_IF of a Parquet file: the REPLACE clause for the columns that may hold such a text."""
    nulls = _list(options.get("NULL_IF", _NULL_IF))
    values = {"VARCHAR": ", ".join(literal(value) for value in nulls)}
    if as_text:
        values["BLOB"] = ", ".join(f"encode({literal(value)})" for value in nulls)
    fields = [
        _null_if(quote(column), values[kind], column)
        for column, kind in zip(columns, kinds, strict=True)
        if kind in values
    ]
    return f"REPLACE ({', '.join(fields)})" if nulls and fields else ""


def _null_if(field: str, values: str, column: str) -> str:
    return f"CASE WHEN {field} IN ({values}) THEN NULL ELSE {field} END AS {quote(column)}"


def _describe(session: Session, relation: str, path: str) -> list[tuple[str, str]]:
    try:
        with session.engine.store.reading() as connection:
            return [(row[0], row[1]) for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]
    except duckdb.Error as error:
        raise SnowflakeError(
            f"Error parsing the parquet file: {str(error).splitlines()[0]}, file '{path}'", Code.NOT_PARQUET, "22000"
        ) from error


_CSV_DEFAULTS = {"DATE_FORMAT": "AUTO", "TIMESTAMP_FORMAT": "AUTO", "TIME_FORMAT": "AUTO", "BINARY_FORMAT": "HEX",
                 "ENCODING": "UTF8", "RECORD_DELIMITER": "\\n", "VALIDATE_UTF8": "TRUE",
                 "ERROR_ON_COLUMN_COUNT_MISMATCH": "TRUE", "SKIP_BLANK_LINES": "FALSE"}  # fmt: skip
_CSV_KNOWN = {"TYPE", "COMPRESSION", "FIELD_DELIMITER", "SKIP_HEADER", "PARSE_HEADER", "TRIM_SPACE", "NULL_IF",
              "FIELD_OPTIONALLY_ENCLOSED_BY", "EMPTY_FIELD_AS_NULL", "ESCAPE", "ESCAPE_UNENCLOSED_FIELD"}  # fmt: skip


def _csv(session: Session, options: dict[str, str], file: Path, width: int) -> tuple[str, list[str]]:
    for option, value in options.items():
        if option in _CSV_DEFAULTS:
            if value.upper() not in (_CSV_DEFAULTS[option], "UTF-8", "NONE", "\n"):
                refuse(f"the CSV option {option} = {value}")
        elif option not in _CSV_KNOWN:
            refuse(f"the CSV option {option}")
    header = options.get("PARSE_HEADER", "FALSE").upper() == "TRUE"
    enclosed = options.get("FIELD_OPTIONALLY_ENCLOSED_BY", "NONE")
    enclosed = "" if enclosed.upper() == "NONE" else '"' if enclosed in ("0x22", '\\"') else enclosed
    nulls = _list(options.get("NULL_IF", _NULL_IF))
    arguments = {
        "header": "true" if header else "false",
        "skip": options.get("SKIP_HEADER", "0"),
        "delim": literal(options.get("FIELD_DELIMITER", ",").replace("\\t", "\t")),
        "quote": literal(enclosed),
        "escape": literal(enclosed),
        "all_varchar": "true",
        "auto_detect": "true" if header else "false",
        "strict_mode": "false",
    }
    columns = [f"c{index + 1}" for index in range(width)]
    if not header:
        width = max(width, _csv_width(file, options, enclosed))
        columns = [f"c{index + 1}" for index in range(width)]
        declared = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in columns)
        arguments["columns"] = f"{{{declared}}}"
    settings = ", ".join(f"{key} = {value}" for key, value in arguments.items())
    relation = f"read_csv({literal(str(file))}, {settings})"
    if header:
        columns = [column for column, _ in _describe(session, relation, file.name)]
    return (
        f"(SELECT {_fields(columns, nulls, options)}, row_number() OVER () - 1 AS {_ROW_NUMBER} FROM {relation})",
        columns,
    )


def _fields(columns: list[str], nulls: list[str], options: dict[str, str]) -> str:
    trim = options.get("TRIM_SPACE", "FALSE").upper() == "TRUE"
    empty = options.get("EMPTY_FIELD_AS_NULL", "TRUE").upper() == "TRUE"
    fields = []
    for column in columns:
        field = f"trim({quote(column)})" if trim else quote(column)
        values = ", ".join(literal(value) for value in ([*nulls, ""] if empty else nulls))
        fields.append(_null_if(field, values, column))
    return ", ".join(fields)


def _csv_width(file: Path, options: dict[str, str], enclosed: str) -> int:
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        for _ in range(int(options.get("SKIP_HEADER", "0"))):
            text.readline()
        delimiter = options.get("FIELD_DELIMITER", ",").replace("\\t", "\t")
        if enclosed:
            first = next(csv.reader(text, delimiter=delimiter, quotechar=enclosed), [])
        else:
            first = next(csv.reader(text, delimiter=delimiter, quoting=csv.QUOTE_NONE), [])
    return len(first)


def _list(text: str) -> list[str]:
    inner = text.strip()
    if not inner.startswith("("):
        return [inner]
    cursor = Cursor(inner[1:-1])
    found = []
    while not cursor.done:
        found.append(cursor.value())
        cursor.accept(",")
    return found
