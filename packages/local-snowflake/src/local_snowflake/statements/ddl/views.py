"""CREATE VIEW, and the views of a file that other code has written.

A view is kept twice: as its statement, and as what that was translated into. The second is only good for the macros and
the libraries that it was made for.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import duckdb
from sqlglot import exp

from local_snowflake.engine.access import OWNERSHIP, Need, Securable, in_schema
from local_snowflake.engine.catalog import column_facts, kind_of, set_column_facts, set_table_facts, table_facts
from local_snowflake.engine.catalog import facts as facts_of
from local_snowflake.engine.store import first
from local_snowflake.errors import SnowflakeError, exists, refuse
from local_snowflake.results import Result, status
from local_snowflake.session.session import Session
from local_snowflake.statements.targets import streams_in, target_name
from local_snowflake.syntax.identifiers import identifier
from local_snowflake.syntax.names import Name, quote
from local_snowflake.syntax.statement import Statement
from local_snowflake.translate.dialect import parse_statement
from local_snowflake.translate.translator import render_definition, translate

log = logging.getLogger("warehouse.views")


def create(session: Session, tree: exp.Create, text: str) -> Result:
    name = target_name(session, tree.this)
    session.engine.catalog.require_schema(name.database, name.schema)
    if streams_in(session, tree):
        refuse("a view over a stream")
    comment = ""
    temporary = False
    for entry in _entries(tree):
        if isinstance(entry, exp.SchemaCommentProperty):
            comment = entry.this.name
        elif isinstance(entry, exp.MaterializedProperty):
            refuse("a materialized view")
        elif isinstance(entry, exp.TemporaryProperty):
            temporary = True
        elif not isinstance(entry, exp.SecureProperty | exp.CopyGrantsProperty):
            refuse(f"the view property {entry.sql('snowflake')}")
    if not temporary:
        session.rights.need("CREATE VIEW", Securable("SCHEMA", (name.database, name.schema)))
    if tree.args.get("replace") and kind_of(session.connection, name):
        session.rights.need(OWNERSHIP, in_schema("VIEW", name))
    query, needs = _translated(session, tree)
    home = session.temporary_home(name) if temporary else name
    with session.define(home) as connection:
        present = kind_of(connection, home)
        if present and tree.args.get("exists"):
            return status(f"{name.name} already exists, statement succeeded.")
        if present == "TABLE" or (present and not tree.args.get("replace")):
            raise exists(name)
        connection.execute(f"CREATE OR REPLACE VIEW {home.sql}{query}")
        if temporary:
            session.temporary[name] = home
        else:
            copy = any(isinstance(entry, exp.CopyGrantsProperty) for entry in _entries(tree))
            session.engine.access.created(connection, in_schema("VIEW", name), session.role, copy_grants=copy)
        made_in = [session.database, session.schema]
        facts = {"comment": comment, "text": text.strip().rstrip(";"), "made_in": made_in, "reads": _kept(needs)}
        set_table_facts(connection, home, facts, "VIEW")
    return status(f"View {name.name} successfully created.")


def _entries(tree: exp.Create) -> list[exp.Expr]:
    return list(tree.args["properties"].expressions) if tree.args.get("properties") else []


def _kept(needs: Sequence[Need]) -> list[list[Any]]:
    """What a view reads by itself, as its record has it; the views that it reads have records of their own."""
    return [[need.privilege, need.on.kind, need.on.parts] for need in needs if need.view is None]


def reads(session: Session, name: Name) -> tuple[Need, ...]:
    """What the owner of a view has to be allowed to read, for anybody to read the view; nothing for a table."""
    engine, version = session.engine, session.engine.version
    known = engine.view_reads.get(name, version)
    if known is None:
        row = first(
            session.connection,
            "SELECT comment FROM duckdb_views() WHERE database_name = current_database() AND schema_name = ? "
            "AND view_name = ?",
            [name.schema_key, name.name],
        )
        found: list[Need] = []
        for privilege, kind, parts in facts_of(row[0]).get("reads", []) if row else []:
            found.append(Need(privilege, Securable(kind, tuple(parts)), in_schema("VIEW", name)))
            if kind == "TABLE":
                found.extend(reads(session, Name(*parts)))
        known = tuple(found)
        engine.view_reads.put(name, version, known)
    return known


def _translated(session: Session, tree: exp.Create) -> tuple[str, list[Need]]:
    """What follows the name of the view in DuckDB's statement, and what reading it takes."""
    listed = ""
    if isinstance(tree.this, exp.Schema):
        names = [quote(identifier(item)) for item in tree.this.expressions]
        listed = f" ({', '.join(names)})"
    environment = session.environment()
    return f"{listed} AS {render_definition(translate(tree.expression, environment))}", environment.needs


def translate_again(session: Session) -> bool:
    """Give all views of the file what this code makes of their statements.

    Returns:
        Whether all could be made. The others, whose tables were dropped, stay as they are.
    """
    left = _views(session)
    while left:
        failed: dict[Name, Exception] = {}
        for name in left:
            try:
                _make_again(session, name)
            except (SnowflakeError, duckdb.Error) as error:
                failed[name] = error
        if len(failed) == len(left):
            for name, reason in failed.items():
                log.warning("%s stays as another version has made it: %s", name, reason)
            return False
        left = list(failed)  # a view of views can be made after these
    return True


def _views(session: Session) -> list[Name]:
    schemas = {Name(*parts, "").schema_key: parts for parts in session.engine.catalog.schemas()}
    rows = session.connection.execute(
        "SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = current_database() AND NOT internal"
    ).fetchall()
    return sorted(Name(*schemas[schema], view) for schema, view in rows if schema in schemas)


def _make_again(session: Session, name: Name) -> None:
    facts = table_facts(session.connection, name)
    session.database, session.schema = facts.get("made_in", [name.database, name.schema])
    of_columns = column_facts(session.connection, name)
    tree = parse_statement(Statement(facts["text"]))
    assert isinstance(tree, exp.Create)
    query, needs = _translated(session, tree)
    facts["reads"] = _kept(needs)
    with session.define(name) as connection:
        connection.execute(f"CREATE OR REPLACE VIEW {name.sql}{query}")
        set_table_facts(connection, name, facts, "VIEW")
        for column, found in of_columns.items():
            set_column_facts(connection, name, column, found)
