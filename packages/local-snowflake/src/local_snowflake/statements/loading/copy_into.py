"""COPY INTO <table> from Parquet and CSV files of a stage.

Source: docs.snowflake.com/en/sql-reference/sql/copy-into-table. A file that a table has loaded is known by its path and
its content's MD5 and skipped unless FORCE = TRUE; that memory, like the rows, is part of the transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlglot import exp

from local_snowflake.engine.locks import Mode
from local_snowflake.engine.plans import Plan, Step, step
from local_snowflake.engine.stages import Location
from local_snowflake.engine.store import first
from local_snowflake.errors import (
    Code,
    SnowflakeError,
    invalid,
    invalid_identifier,
    refuse,
    unsupported,
)
from local_snowflake.results import Result, StatementType, status, table
from local_snowflake.session.session import Session
from local_snowflake.statements.dml import dml
from local_snowflake.statements.dml.coercion import fit
from local_snowflake.statements.loading import stages
from local_snowflake.statements.loading.file_readers import Reader, open_reader
from local_snowflake.statements.planning import plan_for
from local_snowflake.statements.targets import target_name
from local_snowflake.syntax.identifiers import identifier
from local_snowflake.syntax.names import Name, quote
from local_snowflake.syntax.statement import Statement
from local_snowflake.translate.dialect import parse_statement
from local_snowflake.translate.environment import Environment
from local_snowflake.translate.translator import render, translate

_IGNORED = {"ENFORCE_LENGTH", "TRUNCATECOLUMNS", "LOAD_UNCERTAIN_FILES", "RETURN_FAILED_ONLY"}
_COLUMNS = [
    ("file", "VARCHAR"), ("status", "VARCHAR"), ("rows_parsed", "BIGINT"), ("rows_loaded", "BIGINT"),
    ("error_limit", "BIGINT"), ("errors_seen", "BIGINT"), ("first_error", "VARCHAR"), ("first_error_line", "BIGINT"),
    ("first_error_character", "BIGINT"), ("first_error_column_name", "VARCHAR"),
]  # fmt: skip


@dataclass
class Options:
    """The copy options; every other one is refused by name."""

    file_format: dict[str, str]
    files: list[str] | None = None
    pattern: str | None = None
    force: bool = False
    purge: bool = False
    match: str = "NONE"


def run(session: Session, statement: Statement) -> Result:
    tree = parse_statement(statement)
    if not isinstance(tree, exp.Copy) or not isinstance(tree.this, exp.Table | exp.Schema):
        raise unsupported("COPY INTO a location (unloading); only COPY INTO <table>")
    if isinstance(tree.this, exp.Table) and isinstance(tree.this.this, exp.Var):
        raise unsupported("COPY INTO a location (unloading); only COPY INTO <table>")
    name = target_name(session, tree.this)
    dml.require_table(session, name, "INSERT")
    columns = [identifier(item) for item in tree.this.expressions] if isinstance(tree.this, exp.Schema) else []
    select, reference = _source(session, tree)
    location = stages.locate(session, reference)
    options = _options(session, tree, location)
    files = _chosen(location, options)
    with session.change({name: Mode.APPEND}, []):
        rows = []
        for path, file in files:
            try:
                checksum = stages.digest(file)
            except FileNotFoundError:
                raise _not_found(f"{location.label}/{path}") from None
            known = f"{location.folder.name}/{path}"  # another stage may hold another file of this path
            if not options.force and _loaded(session, name, known, checksum):
                continue
            count = session.apply(_insertion(session, name, columns, select, options, path, file))
            session.connection.execute(
                "INSERT INTO _sf.load_history VALUES (?, ?, ?, ?, ?, ?, now())",
                [name.database, name.schema, name.name, known, checksum, count],
            )
            rows.append((f"{location.label}/{path}", "LOADED", count, count, 1, 0, None, None, None, None))
    if not rows:
        return status("Copy executed with 0 files processed.", StatementType.COPY)
    if options.purge:
        for _, file in files:
            file.unlink(missing_ok=True)
    result = table(_COLUMNS, rows)
    result.type = StatementType.COPY
    return result


def _source(session: Session, tree: exp.Copy) -> tuple[exp.Select | None, str]:
    """The SELECT over the stage, if there is one, and the stage."""
    sources = tree.args.get("files") or []
    if len(sources) != 1:
        raise invalid("COPY INTO needs FROM one stage")
    source = sources[0]
    if isinstance(source, exp.Subquery):
        select = source.this
        from_ = select.args.get("from_") if isinstance(select, exp.Select) else None
        if from_ is None or not isinstance(from_.this, exp.Table) or select.args.get("joins"):
            refuse("a COPY transformation that reads anything but one stage")
        for clause in ("where", "group", "order", "limit", "distinct", "having", "qualify"):
            if select.args.get(clause):
                refuse(f"{clause.upper()} in a COPY transformation")
        return select, _reference(session, from_.this)
    return None, _reference(session, source)


def _reference(session: Session, node: exp.Expr) -> str:
    inner = node.this if isinstance(node, exp.Table) else node
    if isinstance(inner, exp.Placeholder):
        return session.bound(inner.name).name
    return str(inner.name)


def _options(session: Session, tree: exp.Copy, location: Location) -> Options:
    options = Options(dict(location.file_format))
    for parameter in tree.args.get("params") or []:
        key, value = parameter.name.upper(), parameter.expression
        if isinstance(value, exp.Placeholder) and key != "FILE_FORMAT":
            value = session.bound(value.name)
        text = value.name.upper() if value is not None else ""
        if key == "FILE_FORMAT":
            options.file_format = _format(session, parameter)
        elif key == "FILES":
            entries = value.expressions if isinstance(value, exp.Tuple) else [value.unnest()]
            options.files = [item.name for item in entries]
        elif key == "PATTERN":
            options.pattern = value.name
        elif key in ("FORCE", "PURGE"):
            setattr(options, key.lower(), isinstance(value, exp.Boolean) and bool(value.this))
        elif key == "ON_ERROR":
            if text != "ABORT_STATEMENT":
                refuse(f"ON_ERROR = {text}; only ABORT_STATEMENT")
        elif key == "MATCH_BY_COLUMN_NAME":
            if text not in ("CASE_SENSITIVE", "CASE_INSENSITIVE", "NONE"):
                raise invalid(f"invalid value '{text}' for MATCH_BY_COLUMN_NAME")
            options.match = text
        elif key not in _IGNORED:
            refuse(f"the copy option {key}")
    return options


def _format(session: Session, parameter: exp.Expr) -> dict[str, str]:
    found: dict[str, str] = {}
    entries = list(parameter.expressions)
    if parameter.expression is not None:
        return stages.named_format(session, parameter.expression.name)
    for entry in entries:
        value = entry.args.get("value")
        key = entry.name.upper()
        if key == "FORMAT_NAME":
            found = stages.named_format(session, _format_name(session, value)) | found
        elif isinstance(value, exp.Tuple | exp.Paren):
            items = value.expressions if isinstance(value, exp.Tuple) else [value.this]
            found[key] = "(" + ", ".join(item.sql("snowflake") for item in items) + ")"
        elif isinstance(value, exp.Boolean):
            found[key] = str(value.this).upper()
        elif value is not None:
            found[key] = value.name
    return found


def _format_name(session: Session, value: exp.Expr | None) -> str:
    if value is None:
        raise invalid("FORMAT_NAME needs a value")
    if isinstance(value, exp.Placeholder):
        return session.bound(value.name).name
    return value.name if isinstance(value, exp.Literal | exp.Var) else value.sql("snowflake")


def _chosen(location: Location, options: Options) -> list[tuple[str, Path]]:
    if options.files is None:
        return stages.matching(location.files(), options.pattern)
    prefix = location.path if not location.path or location.path.endswith("/") else f"{location.path}/"
    present = dict(location.files())
    chosen = []
    for wanted in options.files:
        file = present.get(prefix + wanted)
        if file is None:
            raise _not_found(f"{location.label}/{prefix}{wanted}")
        chosen.append((prefix + wanted, file))
    return chosen


def _not_found(file: str) -> SnowflakeError:
    return SnowflakeError(
        f"Remote file '{file}' was not found. If you are running a copy command, please make sure files are not "
        "deleted when they are being loaded.",
        Code.FILE_NOT_FOUND,
        "22000",
    )


def _loaded(session: Session, name: Name, path: str, checksum: str) -> bool:
    found = first(
        session.connection,
        "SELECT 1 FROM _sf.load_history WHERE database = ? AND schema = ? AND name = ? AND file = ? AND md5 = ?",
        [name.database, name.schema, name.name, path, checksum],
    )
    return found is not None


def _insertion(
    session: Session, name: Name, columns: list[str], select: exp.Select | None, options: Options, path: str, file: Path
) -> Step:
    """The INSERT of a file; of files that have the same columns only the first is translated."""
    stored = session.stored(name)
    kinds = dict(session.probe.columns_of(stored))
    unknown = next((column for column in columns if column not in kinds), None)
    if unknown:
        raise invalid_identifier(unknown)
    wanted = columns or list(kinds)
    reader = open_reader(session, options.file_format, path, file, len(wanted))

    def build(environment: Environment) -> Plan:
        if select is not None:
            chosen, tree = wanted, reader.bind(select.copy())
        elif options.match != "NONE":
            chosen, tree = _by_name(reader, wanted, sensitive=options.match == "CASE_SENSITIVE")
        else:
            chosen, tree = wanted, reader.positional([kinds[column] for column in wanted])
        query = fit(session, render(translate(tree, environment)), [(column, kinds[column]) for column in chosen])
        listed = ", ".join(quote(column) for column in chosen)
        insertion = step(f"INSERT INTO {stored.sql} ({listed}) {reader.without_file(query)}", repeatable=False)
        return Plan(StatementType.COPY, (insertion,))

    transformation = _transformation(select)
    if "METADATA$" in transformation.upper():  # constants of this file
        plan = build(session.environment())
    else:
        plan = plan_for(session, (stored, tuple(wanted), transformation, options.match, reader.shape), build)
    return reader.with_file(plan.steps[0])


def _transformation(select: exp.Select | None) -> str:
    """The text of a SELECT over a stage, without the stage."""
    if select is None:
        return ""
    alias = select.args["from_"].this.args.get("alias")
    return ", ".join(item.sql("snowflake") for item in [*select.expressions, *([alias] if alias else [])])


def _by_name(reader: Reader, wanted: list[str], *, sensitive: bool) -> tuple[list[str], exp.Select]:
    """MATCH_BY_COLUMN_NAME: the columns that file and table have in common."""
    fold = (lambda text: text) if sensitive else str.upper
    present = {fold(column): column for column in reader.columns}
    common = [column for column in wanted if fold(column) in present]
    if not common:
        raise invalid("the file has no column of the table; look at MATCH_BY_COLUMN_NAME")
    return common, reader.select([present[fold(column)] for column in common])
