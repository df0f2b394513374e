"""CREATE, ALTER and DROP TABLE."""

from __future__ import annotations

import datetime as dt
from typing import Any

import duckdb
from sqlglot import exp

from local_snowflake.engine.access import OWNERSHIP, SELECT, Securable, in_schema
from local_snowflake.engine.catalog import (
    column_facts,
    forget_loads,
    kind_of,
    set_column_facts,
    set_table_facts,
    table_columns,
    table_facts,
)
from local_snowflake.engine.change_logs import columns_of
from local_snowflake.errors import exists, missing, refuse
from local_snowflake.results import DONE, Result, status
from local_snowflake.session.session import Session
from local_snowflake.statements.ddl.columns import Definition, Key, definition, table_keys
from local_snowflake.statements.dml.coercion import converted
from local_snowflake.statements.targets import streams_in, target_name
from local_snowflake.syntax.identifiers import identifier
from local_snowflake.syntax.names import Name, quote
from local_snowflake.syntax.statement import Statement
from local_snowflake.translate.datatypes import declared, limited, to_duckdb
from local_snowflake.translate.dialect import parse_statement
from local_snowflake.translate.translator import render_definition, translate

_KEPT_PROPERTIES = {
    "DATA_RETENTION_TIME_IN_DAYS", "MAX_DATA_EXTENSION_TIME_IN_DAYS", "CHANGE_TRACKING", "COMMENT",
    "DEFAULT_DDL_COLLATION",
}  # fmt: skip


def create(session: Session, tree: exp.Create) -> Result:
    """CREATE [OR REPLACE] [TRANSIENT | TEMPORARY] TABLE, also AS SELECT, LIKE and CLONE."""
    name = target_name(session, tree.this)
    session.engine.catalog.require_schema(name.database, name.schema)
    recorded, temporary = _properties(tree)
    home = session.temporary_home(name) if temporary else name
    streams = streams_in(session, tree.expression) if tree.expression is not None else []
    if not temporary:
        session.rights.need("CREATE TABLE", Securable("SCHEMA", (name.database, name.schema)))
    if tree.args.get("replace") and not temporary and kind_of(session.connection, name):
        session.rights.need(OWNERSHIP, in_schema("TABLE", name))
    with session.define(home) as connection:
        present = kind_of(connection, home)
        if present and tree.args.get("exists"):
            return status(f"{name.name} already exists, statement succeeded.")
        if present == "VIEW" or (present and not tree.args.get("replace")):
            raise exists(name)
        if present:
            _drop_table(session, connection, home)
        if temporary:
            session.temporary[name] = home
        else:
            copy = tree.find(exp.CopyGrantsProperty) is not None
            session.engine.access.created(connection, in_schema("TABLE", name), session.role, copy_grants=copy)
        like = tree.args.get("clone") or next(iter(tree.find_all(exp.LikeProperty)), None)
        if like is not None:
            _copy_definition(session, connection, home, like.this, with_rows=isinstance(like, exp.Clone))
        elif tree.expression is not None:
            for stream in streams:
                session.set_window(stream, session.engine.streams.window(connection, stream, None))
            _create_as(session, connection, home, tree, recorded)
        else:
            _create_columns(session, connection, home, tree, recorded)
        for stream in streams:  # CREATE TABLE AS SELECT consumes them
            high = session.engine.streams.window(connection, stream, None)[1]
            session.engine.streams.advance(connection, stream, high)
    return status(f"Table {name.name} successfully created.")


def _properties(tree: exp.Create) -> tuple[dict[str, Any], bool]:
    """What is recorded of the table, and whether it is temporary."""
    recorded: dict[str, Any] = {"created": dt.datetime.now(dt.UTC).isoformat(), "kind": "TABLE", "keys": []}
    temporary = False
    for entry in tree.args["properties"].expressions if tree.args.get("properties") else []:
        match entry:
            case exp.TransientProperty():
                recorded["kind"] = "TRANSIENT"
            case exp.TemporaryProperty():
                temporary = True
                recorded["kind"] = "TEMPORARY"
            case exp.SchemaCommentProperty():
                recorded["comment"] = entry.this.name
            case exp.ClusterProperty() | exp.Cluster():
                recorded["cluster_by"] = ", ".join(item.sql("snowflake").upper() for item in entry.expressions)
            case exp.LikeProperty() | exp.CopyGrantsProperty():
                continue
            case exp.Property() if entry.name.upper() in _KEPT_PROPERTIES:
                recorded[entry.name.lower()] = entry.args["value"].name
            case _:
                refuse(f"the table property {entry.sql('snowflake')}")
    return recorded, temporary


def _create_columns(
    session: Session, connection: duckdb.DuckDBPyConnection, name: Name, tree: exp.Create, recorded: dict[str, Any]
) -> None:
    keys: list[Key] = recorded["keys"]
    items = tree.this.expressions if isinstance(tree.this, exp.Schema) else []
    definitions = [definition(session, item, keys) for item in items if isinstance(item, exp.ColumnDef)]
    keys.extend(table_keys(session, [item for item in items if not isinstance(item, exp.ColumnDef)]))
    primary = {column for key in keys if key["kind"] == "PRIMARY KEY" for column in key["columns"]}
    clauses = []
    for column in definitions:
        column.not_null |= column.name in primary
        clauses.append(column.sql(_identity(connection, name, column)))
    connection.execute(f"CREATE TABLE {name.sql} ({', '.join(clauses)})")
    _record(connection, name, recorded, definitions)


def _identity(connection: duckdb.DuckDBPyConnection, table: Name, column: Definition) -> str | None:
    """The default of an AUTOINCREMENT column: the next value of a sequence of its own."""
    if column.identity is None:
        return None
    start, increment = column.identity
    sequence = Name(table.database, table.schema, f"{table.name}.{column.name}.identity")
    connection.execute(f"CREATE OR REPLACE SEQUENCE {sequence.sql} START {start} INCREMENT {increment}")
    column.facts["identity"] = sequence.name
    quoted = sequence.sql.replace("'", "''")
    return f"nextval('{quoted}')"


def _record(
    connection: duckdb.DuckDBPyConnection, name: Name, recorded: dict[str, Any], definitions: list[Definition]
) -> None:
    set_table_facts(connection, name, recorded, "TABLE")
    for column in definitions:
        set_column_facts(connection, name, column.name, column.facts)


_PLAIN_TYPES = {
    "INTEGER": "BIGINT", "SMALLINT": "BIGINT", "TINYINT": "BIGINT", "UBIGINT": "BIGINT", "UINTEGER": "BIGINT",
    "USMALLINT": "BIGINT", "UTINYINT": "BIGINT", "HUGEINT": "DECIMAL(38,0)", '"NULL"': "VARCHAR", "FLOAT": "DOUBLE",
}  # fmt: skip


def _create_as(
    session: Session, connection: duckdb.DuckDBPyConnection, name: Name, tree: exp.Create, recorded: dict[str, Any]
) -> None:
    """CREATE TABLE AS SELECT; given columns rename and cast those of the query."""
    query = render_definition(translate(tree.expression, session.environment()))
    relation = connection.sql(query)
    found = list(zip(relation.columns, (str(kind) for kind in relation.types), strict=True))
    items = tree.this.expressions if isinstance(tree.this, exp.Schema) else []
    definitions: list[Definition] = []
    if items:
        keys: list[Key] = recorded["keys"]
        if len(items) != len(found):
            refuse("CREATE TABLE AS SELECT with another number of columns than the query has")
        for item, (_, kind) in zip(items, found, strict=True):
            if isinstance(item, exp.ColumnDef) and item.args.get("kind") is not None:
                definitions.append(definition(session, item, keys))
            else:
                definitions.append(Definition(identifier(item), _PLAIN_TYPES.get(kind, kind)))
    else:
        definitions = [Definition(column, _PLAIN_TYPES.get(kind, kind)) for column, kind in found]
    columns = ", ".join(
        f"{_as_defined(column, kind, wanted)} AS {quote(wanted.name)}"
        for (column, kind), wanted in zip(found, definitions, strict=True)
    )
    connection.execute(f"CREATE TABLE {name.sql} AS SELECT {columns} FROM ({query})")
    for column in definitions:
        if column.not_null:
            connection.execute(f"ALTER TABLE {name.sql} ALTER COLUMN {quote(column.name)} SET NOT NULL")
    _record(connection, name, recorded, definitions)


def _as_defined(column: str, kind: str, wanted: Definition) -> str:
    """A column of the query as the new table has it; text and binaries have to fit in."""
    limit = limited(wanted.kind, wanted.facts.get("type"))
    value = converted(quote(column), kind, wanted.name, limit, loading=False)
    return f"CAST({value} AS {wanted.kind})"


def _copy_definition(
    session: Session, connection: duckdb.DuckDBPyConnection, name: Name, source: exp.Expr, *, with_rows: bool
) -> None:
    """CREATE TABLE LIKE and CLONE: columns, defaults and what is recorded of them; CLONE also the rows."""
    named = target_name(session, source)
    origin = session.stored(named)
    if named not in session.temporary:
        session.rights.need(SELECT, in_schema("TABLE", named))
    if kind_of(connection, origin) != "TABLE":
        raise missing("Table", origin)
    definitions = [
        Definition(column.name, column.kind, column.default, not column.nullable, facts=column.facts)
        for column in table_columns(connection, origin)
    ]
    connection.execute(f"CREATE TABLE {name.sql} ({', '.join(column.sql() for column in definitions)})")
    about = table_facts(connection, origin) | {"created": dt.datetime.now(dt.UTC).isoformat()}
    _record(connection, name, about, definitions)
    if with_rows:
        connection.execute(f"INSERT INTO {name.sql} SELECT * FROM {origin.sql}")


def drop(session: Session, kind: str, name: Name, *, if_exists: bool) -> None:
    """DROP TABLE or DROP VIEW."""
    stored = session.stored(name)
    if name not in session.temporary and not (if_exists and kind_of(session.connection, stored) is None):
        session.rights.need(OWNERSHIP, in_schema(kind, name))
    with session.define(stored) as connection:
        present = kind_of(connection, stored)
        if present is None:
            if not if_exists:
                raise missing(kind.capitalize(), name)
            return
        if present != kind:
            refuse(f"DROP {kind} of the {present.lower()} {name}")
        if kind == "VIEW":
            connection.execute(f"DROP VIEW {stored.sql}")
        else:
            _drop_table(session, connection, stored)
        if name not in session.temporary:
            session.engine.access.dropped(connection, in_schema(kind, name))
    session.temporary.pop(name, None)


def _drop_table(session: Session, connection: duckdb.DuckDBPyConnection, name: Name) -> None:
    session.engine.streams.table_gone(connection, name)
    sequences = [found["identity"] for found in column_facts(connection, name).values() if "identity" in found]
    connection.execute(f"DROP TABLE {name.sql}")
    connection.execute(forget_loads(name))
    for sequence in sequences:
        connection.execute(f"DROP SEQUENCE IF EXISTS {Name(name.database, name.schema, sequence).sql}")


def comment_column(session: Session, name: Name, column: str, text: str) -> None:
    stored = session.stored(name)
    require_owned(session, name)
    with session.define(stored) as connection:
        found = column_facts(connection, stored)
        if column not in found:
            raise missing("Column", f"{name}.{column}")
        set_column_facts(connection, stored, column, found[column] | {"comment": text})


def require_owned(session: Session, name: Name) -> None:
    """Refuse to change a table or view of another role."""
    if name not in session.temporary:
        session.rights.need(OWNERSHIP, in_schema("TABLE", name))


def alter(session: Session, statement: Statement) -> Result:
    """ALTER TABLE. Properties are read here, changes of columns and names by sqlglot."""
    cursor = statement.cursor
    cursor.expect("ALTER", "TABLE")
    if_exists = cursor.accept("IF", "EXISTS")
    name = session.qualify(cursor.name())
    stored = session.stored(name)
    if kind_of(session.connection, stored) != "TABLE":
        if if_exists:
            return status(DONE)
        raise missing("Table", name)
    require_owned(session, name)
    if cursor.accept("SET"):
        return _set_properties(session, stored, cursor.properties())
    if cursor.accept("CLUSTER", "BY"):
        return _set_properties(session, stored, {"CLUSTER_BY": cursor.value().strip("()").upper()})
    if cursor.accept("DROP", "CLUSTERING", "KEY"):
        return _set_properties(session, stored, {"CLUSTER_BY": ""})
    if cursor.accept("SUSPEND", "RECLUSTER") or cursor.accept("RESUME", "RECLUSTER"):
        return status(DONE)
    tree = parse_statement(statement)
    if not isinstance(tree, exp.Alter):
        refuse(f"ALTER TABLE {name} ... {cursor.near()}")
    with session.define(stored) as connection:
        _alter_columns(session, connection, stored, tree)
    return status(DONE)


def _set_properties(session: Session, name: Name, properties: dict[str, str]) -> Result:
    unknown = set(properties) - _KEPT_PROPERTIES - {"CLUSTER_BY"}
    if unknown:
        refuse(f"ALTER TABLE ... SET {unknown.pop()}")
    with session.define(name) as connection:
        found = table_facts(connection, name) | {key.lower(): value for key, value in properties.items()}
        set_table_facts(connection, name, found, "TABLE")
    return status(DONE)


def _alter_columns(session: Session, connection: duckdb.DuckDBPyConnection, name: Name, tree: exp.Alter) -> None:
    streams = session.engine.streams
    tracked = session.engine.change_logs.log_of(name) is not None
    if tracked:
        streams.release(connection, name)
    renamed = name
    changes: list[str] = []
    for action in tree.args["actions"]:
        if isinstance(action, exp.AlterRename):
            target = action.this
            parts = [identifier(part) for part in target.parts]
            renamed = session.qualify(parts) if len(parts) > 1 else Name(name.database, name.schema, parts[0])
            if renamed.schema_key != name.schema_key:
                refuse("ALTER TABLE ... RENAME TO another schema")
            if kind_of(connection, renamed):
                raise exists(renamed)
            connection.execute(f"ALTER TABLE {name.sql} RENAME TO {quote(renamed.name)}")
            session.engine.access.renamed(connection, in_schema("TABLE", name), in_schema("TABLE", renamed))
        elif isinstance(action, exp.AddConstraint):
            found = table_facts(connection, name)
            found["keys"] = [*found.get("keys", []), *table_keys(session, list(action.expressions))]
            set_table_facts(connection, name, found, "TABLE")
        else:
            changes.extend(_column_change(session, connection, name, action))
    if tracked:
        streams.altered(connection, name, renamed, changes)


def _column_change(session: Session, connection: duckdb.DuckDBPyConnection, name: Name, action: exp.Expr) -> list[str]:
    """Make one change of a column; the clauses that have to be repeated on copies of the table."""
    present = {column for column, _ in columns_of(connection, name)}
    clauses: list[str] = []
    match action:
        case exp.ColumnDef():
            column = definition(session, action, [])
            if column.name in present:
                if action.args.get("exists"):
                    return []
                raise exists(f"{name}.{column.name}")
            if column.identity:
                refuse("ALTER TABLE ADD COLUMN with AUTOINCREMENT")
            plain = Definition(column.name, column.kind, column.default)
            connection.execute(f"ALTER TABLE {name.sql} ADD COLUMN {plain.sql()}")
            set_column_facts(connection, name, column.name, column.facts)
            if column.not_null:
                connection.execute(f"ALTER TABLE {name.sql} ALTER COLUMN {quote(column.name)} SET NOT NULL")
            return [f"ADD COLUMN {plain.sql()}"]
        case exp.RenameColumn():
            old, new = identifier(action.this), identifier(action.args["to"])
            clauses = [f"RENAME COLUMN {quote(old)} TO {quote(new)}"]
        case exp.Drop():
            for item in action.args["tables"]:
                column_name = identifier(item)
                if column_name not in present and action.args.get("exists"):
                    continue
                clauses.append(f"DROP COLUMN {quote(column_name)}")
        case exp.AlterColumn():
            return _alter_column(connection, name, action)
        case _:
            refuse(f"ALTER TABLE ... {action.sql('snowflake')}")
    for clause in clauses:
        connection.execute(f"ALTER TABLE {name.sql} {clause}")
    return clauses


def _alter_column(connection: duckdb.DuckDBPyConnection, name: Name, action: exp.AlterColumn) -> list[str]:
    column = identifier(action.this)
    recorded = column_facts(connection, name)
    if column not in recorded:
        raise missing("Column", f"{name}.{column}")
    head = f"ALTER TABLE {name.sql} ALTER COLUMN {quote(column)}"
    if action.args.get("dtype") is not None:
        kind = to_duckdb(action.args["dtype"])
        clause = f"ALTER COLUMN {quote(column)} TYPE {kind}"
        connection.execute(f"ALTER TABLE {name.sql} {clause}")
        set_column_facts(connection, name, column, recorded[column] | {"type": declared(action.args["dtype"])})
        return [clause]
    if action.args.get("comment") is not None:
        set_column_facts(connection, name, column, recorded[column] | {"comment": action.args["comment"].name})
    elif action.args.get("allow_null") is not None:
        connection.execute(f"{head} {'DROP' if action.args['allow_null'] else 'SET'} NOT NULL")
    elif action.args.get("drop"):
        connection.execute(f"{head} DROP DEFAULT")
    else:
        refuse(f"ALTER TABLE ... {action.sql('snowflake')}")
    return []
