"""CREATE, ALTER, DROP and COMMENT for databases, schemas, sequences and views.

What belongs to tables and views alone is in `tables` and `views`.
"""

from __future__ import annotations

from sqlglot import exp

from local_snowflake.engine.access import ACCOUNT, OWNERSHIP, Securable, in_schema
from local_snowflake.engine.catalog import kind_of, set_table_facts, table_facts
from local_snowflake.engine.store import first
from local_snowflake.errors import exists, missing, refuse, unsupported
from local_snowflake.results import DONE, Result, status
from local_snowflake.session.session import Session
from local_snowflake.statements.ddl import tables, views
from local_snowflake.syntax.lexer import Cursor
from local_snowflake.syntax.names import Name, literal, quote
from local_snowflake.syntax.statement import Statement
from local_snowflake.translate.dialect import parse_statement


def create_database(session: Session, cursor: Cursor, replace: bool, *, transient: bool = False) -> Result:
    if_not_exists = cursor.accept("IF", "NOT", "EXISTS")
    name = cursor.name()[-1]
    properties = cursor.properties()
    catalog = session.engine.catalog
    session.rights.need("CREATE DATABASE", ACCOUNT)
    with session.engine.definitions:
        if catalog.has_database(name):
            if if_not_exists:
                return status(f"{name} already exists, statement succeeded.")
            if not replace:
                raise exists(name)
            session.rights.need(OWNERSHIP, Securable("DATABASE", (name,)))
            _drop_database(session, name)
        with session.define() as connection:
            for created in (Securable("DATABASE", (name,)), Securable("SCHEMA", (name, "PUBLIC"))):
                session.engine.access.created(connection, created, session.role)
            catalog.create_database(connection, name, comment=properties.get("COMMENT", ""), transient=transient)
        catalog.reload()
    session.database, session.schema = name, "PUBLIC"
    return status(f"Database {name} successfully created.")


def create_schema(session: Session, cursor: Cursor, replace: bool, *, transient: bool = False) -> Result:
    if_not_exists = cursor.accept("IF", "NOT", "EXISTS")
    parts = cursor.name()
    cursor.accept("WITH", "MANAGED", "ACCESS")
    cursor.accept("MANAGED", "ACCESS")
    properties = cursor.properties()
    database = parts[-2] if len(parts) > 1 else session.require_database()
    name, catalog = parts[-1], session.engine.catalog
    if not catalog.has_database(database):
        raise missing("Database", database)
    created = Securable("SCHEMA", (database, name))
    session.rights.need("CREATE SCHEMA", Securable("DATABASE", (database,)))
    with session.engine.definitions:
        if catalog.has_schema(database, name):
            if if_not_exists:
                return status(f"{name} already exists, statement succeeded.")
            if not replace:
                raise exists(f"{database}.{name}")
            session.rights.need(OWNERSHIP, created)
            _drop_schema(session, database, name)
        with session.define() as connection:
            session.engine.access.created(connection, created, session.role)
            comment_ = properties.get("COMMENT", "")
            catalog.create_schema(connection, database, name, comment=comment_, transient=transient)
        catalog.reload()
    session.database, session.schema = database, name
    return status(f"Schema {name} successfully created.")


def create_sequence(session: Session, cursor: Cursor, replace: bool) -> Result:
    if_not_exists = cursor.accept("IF", "NOT", "EXISTS")
    name = session.qualify(cursor.name())
    start = increment = 1
    comment = ""
    while not cursor.done:
        if cursor.accept("START"):
            _ = cursor.accept("WITH") or cursor.accept("=")
            start = int(cursor.value())
        elif cursor.accept("INCREMENT"):
            _ = cursor.accept("BY") or cursor.accept("=")
            increment = int(cursor.value())
        elif cursor.accept("COMMENT"):
            cursor.expect("=")
            comment = cursor.value()
        elif cursor.accept("WITH") or cursor.accept("ORDER") or cursor.accept("NOORDER"):
            continue
        else:
            refuse(f"CREATE SEQUENCE ... {cursor.near()}")
    session.engine.catalog.require_schema(name.database, name.schema)
    key = [name.database, name.schema, name.name]
    where = "database = ? AND schema = ? AND name = ?"
    session.rights.need("CREATE SEQUENCE", Securable("SCHEMA", (name.database, name.schema)))
    with session.define() as connection:
        if first(connection, f"SELECT 1 FROM _sf.sequences WHERE {where}", key):
            if if_not_exists:
                return status(f"{name.name} already exists, statement succeeded.")
            if not replace:
                raise exists(name)
            session.rights.need(OWNERSHIP, in_schema("SEQUENCE", name))
        session.engine.access.created(connection, in_schema("SEQUENCE", name), session.role)
        connection.execute(f"DROP SEQUENCE IF EXISTS {name.sql}")
        connection.execute(f"DELETE FROM _sf.sequences WHERE {where}", key)
        connection.execute(
            f"CREATE SEQUENCE {name.sql} START {start} INCREMENT {increment} MINVALUE {-(2**62)} MAXVALUE {2**62}"
        )
        connection.execute(
            "INSERT INTO _sf.sequences VALUES (?, ?, ?, ?, ?, ?, now())", [*key, start, increment, comment]
        )
    return status(f"Sequence {name.name} successfully created.")


def create(session: Session, statement: Statement) -> Result:
    """CREATE TABLE and CREATE VIEW, which sqlglot parses."""
    tree = parse_statement(statement)
    kind = str(tree.args.get("kind") or "").upper() if isinstance(tree, exp.Create) else ""
    if kind == "TABLE" and isinstance(tree, exp.Create):
        return tables.create(session, tree)
    if kind == "VIEW" and isinstance(tree, exp.Create):
        return views.create(session, tree, statement.text)
    raise unsupported(" ".join(statement.text.split()[:4]))


def alter(session: Session, statement: Statement) -> Result:
    cursor = statement.cursor
    cursor.expect("ALTER")
    if cursor.word() == "TABLE":
        return tables.alter(session, statement)
    kind = cursor.identifier()
    if_exists = cursor.accept("IF", "EXISTS")
    parts = cursor.name()
    cursor.expect("SET")
    properties = cursor.properties()
    unknown = set(properties) - {"COMMENT", "DATA_RETENTION_TIME_IN_DAYS", "MAX_DATA_EXTENSION_TIME_IN_DAYS"}
    if unknown:
        refuse(f"ALTER {kind} ... SET {unknown.pop()}")
    if "COMMENT" in properties:
        _comment(session, kind, parts, properties["COMMENT"], if_exists=if_exists)
    return status(DONE)


def comment(session: Session, cursor: Cursor) -> Result:
    """COMMENT [IF EXISTS] ON TABLE | VIEW | COLUMN | SCHEMA | DATABASE name IS 'text'."""
    cursor.expect("COMMENT")
    if_exists = cursor.accept("IF", "EXISTS")
    cursor.expect("ON")
    kind = cursor.identifier()
    parts = cursor.name()
    cursor.expect("IS")
    _comment(session, kind, parts, cursor.value(), if_exists=if_exists)
    return status(DONE)


def _comment(session: Session, kind: str, parts: list[str], text: str, *, if_exists: bool) -> None:
    if kind == "DATABASE":
        session.rights.need(OWNERSHIP, Securable("DATABASE", (parts[-1],)))
        session.engine.store.execute("UPDATE databases SET comment = ? WHERE name = ?", [text, parts[-1]])
    elif kind == "SCHEMA":
        database = parts[-2] if len(parts) > 1 else session.require_database()
        session.rights.need(OWNERSHIP, Securable("SCHEMA", (database, parts[-1])))
        session.engine.store.execute(
            "UPDATE schemas SET comment = ? WHERE database = ? AND name = ?", [text, database, parts[-1]]
        )
    elif kind == "COLUMN":
        tables.comment_column(session, session.qualify(parts[:-1]), parts[-1], text)
    elif kind in ("TABLE", "VIEW"):
        named = session.qualify(parts)
        name = session.stored(named)
        if not (if_exists and kind_of(session.connection, name) is None):
            tables.require_owned(session, named)
        with session.define(name) as connection:
            found = kind_of(connection, name)
            if found is None and not if_exists:
                raise missing("Object", name)
            if found:
                facts = table_facts(connection, name) | {"comment": text}
                set_table_facts(connection, name, facts, found)
    else:
        refuse(f"COMMENT ON {kind}")


def drop(session: Session, cursor: Cursor) -> Result:
    kind = cursor.identifier()
    if_exists = cursor.accept("IF", "EXISTS")
    parts = cursor.name()
    _ = cursor.accept("CASCADE") or cursor.accept("RESTRICT")
    cursor.end()
    catalog = session.engine.catalog
    if kind == "DATABASE":
        if catalog.has_database(parts[-1]):
            session.rights.need(OWNERSHIP, Securable("DATABASE", (parts[-1],)))
            _drop_database(session, parts[-1])
        elif not if_exists:
            raise missing("Database", parts[-1])
    elif kind == "SCHEMA":
        database = parts[-2] if len(parts) > 1 else session.require_database()
        if catalog.has_schema(database, parts[-1]):
            session.rights.need(OWNERSHIP, Securable("SCHEMA", (database, parts[-1])))
            _drop_schema(session, database, parts[-1])
        elif not if_exists:
            raise missing("Schema", f"{database}.{parts[-1]}")
    elif kind == "SEQUENCE":
        _drop_sequence(session, session.qualify(parts), if_exists=if_exists)
    else:
        tables.drop(session, kind, session.qualify(parts), if_exists=if_exists)
    return status(f"{parts[-1]} successfully dropped.")


def _drop_sequence(session: Session, name: Name, *, if_exists: bool) -> None:
    with session.define() as connection:
        gone = connection.execute(
            "DELETE FROM _sf.sequences WHERE database = ? AND schema = ? AND name = ? RETURNING 1",
            [name.database, name.schema, name.name],
        ).fetchall()
        if not gone and not if_exists:
            raise missing("Sequence", name)
        if gone:
            session.rights.need(OWNERSHIP, in_schema("SEQUENCE", name))
            session.engine.access.dropped(connection, in_schema("SEQUENCE", name))
        connection.execute(f"DROP SEQUENCE IF EXISTS {name.sql}")


def _drop_database(session: Session, database: str) -> None:
    for schema in session.engine.catalog.schemas_of(database):
        _drop_schema(session, database, schema)
    with session.define() as connection:
        connection.execute("DELETE FROM _sf.databases WHERE name = ?", [database])
        session.engine.access.dropped(connection, Securable("DATABASE", (database,)))
    session.engine.catalog.reload()
    if session.database == database:
        session.database = session.schema = None


def _drop_schema(session: Session, database: str, schema: str) -> None:
    """Drop a schema with everything in it."""
    streams = session.engine.streams
    tracked = [stream for stream in streams.all() if (stream.name.database, stream.name.schema) == (database, schema)]
    with session.define() as connection:
        for stream in tracked:
            streams.drop(connection, stream)
        streams.reload_from(connection)
        key = f"{database}.{schema}"
        found = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ?", [key]
        ).fetchall()
        for (table,) in found:
            streams.table_gone(connection, Name(database, schema, table))
        connection.execute(f"DROP SCHEMA {quote(key)} CASCADE")
        for control in ("stages", "file_formats", "sequences", "tasks"):
            connection.execute(
                f"DELETE FROM _sf.{control} WHERE database = {literal(database)} AND schema = {literal(schema)}"
            )
        session.engine.access.dropped(connection, Securable("SCHEMA", (database, schema)))
        connection.execute(f"DELETE FROM _sf.schemas WHERE database = {literal(database)} AND name = {literal(schema)}")
    session.engine.catalog.reload()
    if (session.database, session.schema) == (database, schema):
        session.schema = None
