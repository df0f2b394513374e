"""INFORMATION_SCHEMA: its views, and its table functions, as DuckDB queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from local_snowflake.engine.access import ACCOUNT, Securable, in_schema, objects_of
from local_snowflake.engine.store import TEMPORARY
from local_snowflake.errors import Code, SnowflakeError, invalid, unsupported
from local_snowflake.session.session import Session
from local_snowflake.statements.loading import stages
from local_snowflake.statements.loading.file_readers import open_reader
from local_snowflake.syntax.lexer import Cursor
from local_snowflake.syntax.names import literal
from local_snowflake.translate import annotate
from local_snowflake.translate.datatypes import TIMESTAMP_TZ, from_duckdb
from local_snowflake.translate.environment import Environment
from local_snowflake.translate.translator import render

_KINDS = ("BIGINT", "HUGEINT", "INTEGER", "VARCHAR", "DOUBLE", "BLOB", "JSON", "TIME", "TIMESTAMP", "TIMESTAMP_MS",
          "TIMESTAMP_S", "TIMESTAMP WITH TIME ZONE", TIMESTAMP_TZ)  # fmt: skip
DATABASE = "split_part(schema_name, '.', 1)"
SCHEMA = "substr(schema_name, strpos(schema_name, '.') + 1)"
_FACT = "coalesce(comment ->> '$.{}', '')"
OURS = (
    "database_name = current_database() AND contains(schema_name, '.') "
    f"AND NOT starts_with(schema_name, {literal(TEMPORARY)})"
)
"""DuckDB objects that are Snowflake's, in queries of duckdb_tables() and its like."""

_SHOWN = " ".join(f"WHEN {literal(kind)} THEN {literal(from_duckdb(kind))}" for kind in _KINDS)
DECLARED = (
    "coalesce(comment ->> '$.type', CASE WHEN starts_with(data_type, 'DECIMAL') "
    f"THEN replace(data_type, 'DECIMAL', 'NUMBER') ELSE CASE data_type {_SHOWN} ELSE data_type END END)"
)
"""The type of a row of duckdb_columns() as DESCRIBE TABLE shows it."""


_NAME = "schema_name || '.' || {}"


def _owner(name: str, kind: str) -> str:
    """The owner of an object of this name, ACCOUNTADMIN if none is recorded."""
    owners = "(SELECT any_value(g.grantee) FROM _sf.grants g WHERE g.privilege = 'OWNERSHIP'"
    return f"coalesce({owners} AND g.granted_on = {literal(kind)} AND g.name = {name}), 'ACCOUNTADMIN')"


def _tables(database: str) -> str:
    return f"""
    SELECT {DATABASE} AS TABLE_CATALOG, {SCHEMA} AS TABLE_SCHEMA, table_name AS TABLE_NAME,
        {_owner(_NAME.format("table_name"), "TABLE")} AS TABLE_OWNER, 'BASE TABLE' AS TABLE_TYPE,
        CASE comment ->> '$.kind' WHEN 'TRANSIENT' THEN 'YES' ELSE 'NO' END AS IS_TRANSIENT,
        comment ->> '$.cluster_by' AS CLUSTERING_KEY, estimated_size::BIGINT AS ROW_COUNT, NULL::BIGINT AS BYTES,
        1::BIGINT AS RETENTION_TIME, TRY_CAST(comment ->> '$.created' AS TIMESTAMPTZ) AS CREATED,
        TRY_CAST(comment ->> '$.created' AS TIMESTAMPTZ) AS LAST_ALTERED, comment ->> '$.comment' AS COMMENT
    FROM duckdb_tables() WHERE {OURS} AND {DATABASE} = {literal(database)}
    UNION ALL
    SELECT {DATABASE}, {SCHEMA}, view_name, {_owner(_NAME.format("view_name"), "VIEW")}, 'VIEW', 'NO', NULL, NULL,
        NULL, NULL, NULL, NULL, comment ->> '$.comment'
    FROM duckdb_views() WHERE {OURS} AND {DATABASE} = {literal(database)}"""


def _columns(database: str) -> str:
    return f"""
    SELECT TABLE_CATALOG, TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, COLUMN_DEFAULT, IS_NULLABLE,
        CASE regexp_extract(shown, '^\\w+') WHEN 'VARCHAR' THEN 'TEXT' ELSE regexp_extract(shown, '^\\w+') END
            AS DATA_TYPE,
        CASE WHEN starts_with(shown, 'VARCHAR') THEN TRY_CAST(regexp_extract(shown, '(\\d+)', 1) AS BIGINT) END
            AS CHARACTER_MAXIMUM_LENGTH,
        CASE WHEN starts_with(shown, 'NUMBER') THEN TRY_CAST(regexp_extract(shown, '(\\d+),', 1) AS BIGINT) END
            AS NUMERIC_PRECISION,
        CASE WHEN starts_with(shown, 'NUMBER') THEN TRY_CAST(regexp_extract(shown, ',(\\d+)', 1) AS BIGINT) END
            AS NUMERIC_SCALE,
        CASE WHEN starts_with(shown, 'TIME') THEN TRY_CAST(regexp_extract(shown, '(\\d+)', 1) AS BIGINT) END
            AS DATETIME_PRECISION,
        COMMENT
    FROM (SELECT {DATABASE} AS TABLE_CATALOG, {SCHEMA} AS TABLE_SCHEMA, table_name AS TABLE_NAME,
        column_name AS COLUMN_NAME, column_index::BIGINT AS ORDINAL_POSITION, column_default AS COLUMN_DEFAULT,
        CASE WHEN is_nullable THEN 'YES' ELSE 'NO' END AS IS_NULLABLE, {DECLARED} AS shown,
        comment ->> '$.comment' AS COMMENT
        FROM duckdb_columns() WHERE {OURS} AND {DATABASE} = {literal(database)})"""


def _views(database: str) -> str:
    return f"""
    SELECT {DATABASE} AS TABLE_CATALOG, {SCHEMA} AS TABLE_SCHEMA, view_name AS TABLE_NAME,
        {_owner(_NAME.format("view_name"), "VIEW")} AS TABLE_OWNER, comment ->> '$.text' AS VIEW_DEFINITION,
        'NO' AS IS_SECURE,
        comment ->> '$.comment' AS COMMENT
    FROM duckdb_views() WHERE {OURS} AND {DATABASE} = {literal(database)}"""


def _schemata(database: str) -> str:
    owned = "_sf.schemas.database || '.' || _sf.schemas.name"
    return f"""
    SELECT database AS CATALOG_NAME, name AS SCHEMA_NAME, {_owner(owned, "SCHEMA")} AS SCHEMA_OWNER,
        CASE WHEN transient THEN 'YES' ELSE 'NO' END AS IS_TRANSIENT, created AS CREATED, comment AS COMMENT
    FROM _sf.schemas WHERE database = {literal(database)}
    UNION ALL SELECT {literal(database)}, 'INFORMATION_SCHEMA', '', 'NO', NULL, NULL"""


def _databases(_: str) -> str:
    return f"""
    SELECT name AS DATABASE_NAME, {_owner("_sf.databases.name", "DATABASE")} AS DATABASE_OWNER,
        CASE WHEN transient THEN 'YES' ELSE 'NO' END AS IS_TRANSIENT, comment AS COMMENT, created AS CREATED
    FROM _sf.databases"""


def _load_history(database: str) -> str:
    return f"""
    SELECT schema AS SCHEMA_NAME, substr(file, strpos(file, '/') + 1) AS FILE_NAME, name AS TABLE_NAME,
        loaded AS LAST_LOAD_TIME, 'LOADED' AS STATUS,
        rows_loaded AS ROW_COUNT, rows_loaded AS ROW_PARSED, 0::BIGINT AS ERROR_COUNT
    FROM _sf.load_history WHERE database = {literal(database)}"""


_VIEWS: dict[str, Callable[[str], str]] = {
    "TABLES": _tables,
    "COLUMNS": _columns,
    "VIEWS": _views,
    "SCHEMATA": _schemata,
    "DATABASES": _databases,
    "LOAD_HISTORY": _load_history,
}


_KEYS = {
    "TABLES": ("TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME"),
    "COLUMNS": ("TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME"),
    "VIEWS": ("TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME"),
    "LOAD_HISTORY": (None, "SCHEMA_NAME", "TABLE_NAME"),
    "SCHEMATA": ("CATALOG_NAME", "SCHEMA_NAME"),
    "DATABASES": ("DATABASE_NAME",),
}
"""The columns with the parts of the name of what a row tells of."""


def view(session: Session, database: str, name: str) -> str:
    """The query of a view of the schema, which shows what the session's roles have any privilege on."""
    build = _VIEWS.get(name)
    if build is None:
        raise unsupported(f"INFORMATION_SCHEMA.{name}; there are {', '.join(sorted(_VIEWS))}")
    session.rights.need(None, Securable("DATABASE", (database,)))
    if session.rights.unrestricted:
        return build(database)
    keys = [literal(database) if column is None else column for column in _KEYS[name]]
    seen = _seen(session, database, len(keys))
    condition = f"({', '.join(keys)}) IN ({', '.join(seen)})" if seen else "FALSE"
    if name == "SCHEMATA":
        condition += " OR SCHEMA_NAME = 'INFORMATION_SCHEMA'"
    return f"SELECT * FROM ({build(database)}) WHERE {condition}"


def _seen(session: Session, database: str, depth: int) -> list[str]:
    """The databases, the schemas, or the tables and views that the session sees, as rows of constants."""
    catalog, store = session.engine.catalog, session.engine.store
    if depth == 1:
        found = [Securable("DATABASE", (name,)) for (name,) in store.query("SELECT name FROM databases")]
    elif depth == 2:
        found = [Securable("SCHEMA", (database, schema)) for schema in catalog.schemas_of(database)]
    else:
        with store.reading() as connection:
            found = [
                each for schema in catalog.schemas_of(database) for kind in ("TABLE", "VIEW")
                for each in objects_of(connection, kind, database, schema)
            ]  # fmt: skip
    return [f"({', '.join(literal(part) for part in on.parts)})" for on in found if session.rights.sees(on)]


def _text(arguments: Mapping[str, exp.Expr], name: str) -> str | None:
    value = arguments.get(name)
    if value is None or isinstance(value, exp.Null):
        return None
    if not isinstance(value, exp.Literal):
        raise invalid(f"{name} must be a constant")
    return str(value.name)


def table_function(session: Session, environment: Environment, name: str, arguments: Mapping[str, exp.Expr]) -> str:
    """The query of TABLE(INFORMATION_SCHEMA.name(...)), and of GENERATOR."""
    match name:
        case "TASK_HISTORY":
            return _task_history(session, environment, arguments)
        case "CURRENT_TASK_GRAPHS" | "COMPLETE_TASK_GRAPHS":
            raise unsupported(f"{name}; read TASK_HISTORY")
        case "TASK_DEPENDENTS":
            return _task_dependents(session, arguments)
        case "INFER_SCHEMA":
            return _infer_schema(session, arguments)
        case "GENERATOR":
            count = _text(arguments, "ROWCOUNT")
            if count is None:
                raise unsupported("GENERATOR without ROWCOUNT")
            return f"SELECT * EXCLUDE (range) FROM (SELECT range, 1 AS _ FROM range({int(count)}))"
    raise unsupported(f"the table function {name}")


_RESULT_LIMIT, _RESULT_LIMIT_MAX = 100, 10_000


def _history_seen(session: Session) -> list[str]:
    """Whose history is shown: of all tasks by MONITOR EXECUTION, else by OWNERSHIP or MONITOR of a task."""
    if session.rights.unrestricted or session.rights.may("MONITOR EXECUTION", ACCOUNT):
        return []
    names = [task.name for task in session.engine.tasks.all()]
    seen = [
        f"({literal(name.database)}, {literal(name.schema)}, {literal(name.name)})"
        for name in names
        if session.rights.may("MONITOR", in_schema("TASK", name))
    ]
    return [f"(database_name, schema_name, name) IN ({', '.join(seen)})" if seen else "FALSE"]


def _task_history(session: Session, environment: Environment, arguments: Mapping[str, exp.Expr]) -> str:
    """docs.snowflake.com/en/sql-reference/functions/task_history; the last 7 days."""
    known = {"SCHEDULED_TIME_RANGE_START", "SCHEDULED_TIME_RANGE_END", "RESULT_LIMIT", "TASK_NAME", "ERROR_ONLY",
             "ROOT_TASK_ID", "DATABASE_NAME", "SCHEMA_NAME"}  # fmt: skip
    if set(arguments) - known:
        raise invalid(f"unknown argument {(set(arguments) - known).pop()} of TASK_HISTORY")
    conditions = ["coalesce(query_start_time, scheduled_time) > now() - INTERVAL 7 DAY", *_history_seen(session)]
    for name, operator in (("SCHEDULED_TIME_RANGE_START", ">="), ("SCHEDULED_TIME_RANGE_END", "<=")):
        if name in arguments:
            time = render(annotate.apply(arguments[name].copy(), environment))
            conditions.append(f"scheduled_time {operator} CAST({time} AS TIMESTAMPTZ)")
    task = _text(arguments, "TASK_NAME")
    if task is not None:
        if "." in task and not task.startswith('"'):
            raise invalid(f"TASK_NAME of TASK_HISTORY is a name without database and schema, not {task}")
        conditions.append(f"name = {literal(Cursor(task).name()[-1])}")
    if "SCHEMA_NAME" in arguments and "DATABASE_NAME" not in arguments:
        raise invalid("SCHEMA_NAME of TASK_HISTORY needs DATABASE_NAME beside it")
    for name in ("DATABASE_NAME", "SCHEMA_NAME"):
        place = _text(arguments, name)
        if place is not None:
            conditions.append(f"{name.lower()} = {literal(Cursor(place).name()[-1])}")
    root = _text(arguments, "ROOT_TASK_ID")
    if root is not None:
        conditions.append(f"root_task_id = {literal(root)}")
    error_only = arguments.get("ERROR_ONLY")
    if isinstance(error_only, exp.Boolean) and error_only.this:
        conditions.append("state IN ('FAILED', 'FAILED_AND_AUTO_SUSPENDED', 'CANCELLED')")
    limit = int(_text(arguments, "RESULT_LIMIT") or _RESULT_LIMIT)
    if not 1 <= limit <= _RESULT_LIMIT_MAX:
        raise SnowflakeError(f"RESULT_LIMIT must be between 1 and {_RESULT_LIMIT_MAX}", Code.INVALID_VALUE, "22023")
    return f"""
    SELECT query_id AS QUERY_ID, name AS NAME, database_name AS DATABASE_NAME, schema_name AS SCHEMA_NAME,
        query_text AS QUERY_TEXT, condition_text AS CONDITION_TEXT, state AS STATE, error_code AS ERROR_CODE,
        error_message AS ERROR_MESSAGE, scheduled_time AS SCHEDULED_TIME, query_start_time AS QUERY_START_TIME,
        NULL::TIMESTAMPTZ AS NEXT_SCHEDULED_TIME, completed_time AS COMPLETED_TIME, root_task_id AS ROOT_TASK_ID,
        1::BIGINT AS GRAPH_VERSION, run_id AS RUN_ID, return_value AS RETURN_VALUE, scheduled_from AS SCHEDULED_FROM,
        attempt_number AS ATTEMPT_NUMBER, config AS CONFIG, graph_run_group_id AS GRAPH_RUN_GROUP_ID
    FROM _sf.task_history WHERE {" AND ".join(conditions)}
    ORDER BY scheduled_time DESC, completed_time DESC NULLS FIRST LIMIT {limit}"""


def _task_dependents(session: Session, arguments: Mapping[str, exp.Expr]) -> str:
    name = _text(arguments, "TASK_NAME")
    if name is None:
        raise invalid("TASK_DEPENDENTS needs TASK_NAME")
    root = session.engine.tasks.find(session.qualify(Cursor(name).name()))
    session.rights.need(None, in_schema("TASK", root.name))
    names = [root, *session.engine.tasks.descendants(root)]
    ids = ", ".join(literal(task.id) for task in names)
    return f"""
    SELECT created AS CREATED_ON, name AS NAME, database AS DATABASE_NAME, schema AS SCHEMA_NAME,
        warehouse AS WAREHOUSE, schedule AS SCHEDULE, to_json(predecessors) AS PREDECESSORS, state AS STATE,
        definition AS DEFINITION, condition AS CONDITION
    FROM _sf.tasks WHERE id IN ({ids})"""


def _infer_schema(session: Session, arguments: Mapping[str, exp.Expr]) -> str:
    """INFER_SCHEMA of Parquet files, which write_pandas calls to make a table."""
    location = stages.locate(session, _text(arguments, "LOCATION") or "")
    options = stages.named_format(session, _text(arguments, "FILE_FORMAT") or "")
    files = location.files()
    if not files:
        raise invalid(f"there is no file in {_text(arguments, 'LOCATION')}")
    reader = open_reader(session, options, files[0][0], files[0][1], 1)
    rows = ", ".join(
        f"({literal(column)}, {literal(_inferred(kind))}, TRUE, {literal(f'$1:{column}::{_inferred(kind)}')}, "
        f"{literal(files[0][0])}, {index})"
        for index, (column, kind) in enumerate(zip(reader.columns, reader.kinds, strict=True))
    )
    return f"SELECT * FROM (VALUES {rows}) AS v(COLUMN_NAME, TYPE, NULLABLE, EXPRESSION, FILENAMES, ORDER_ID)"


def _inferred(kind: str) -> str:
    shown = from_duckdb(kind)
    return {"FLOAT": "REAL", "VARIANT": "TEXT"}.get(shown, "TEXT" if shown.startswith("VARCHAR") else shown)
