"""CREATE VIEW, and the views of a file that other code has written.

A view is kept twice: as its statement, and as what that was translated into. The second is only good for the macros and
the libraries that it was made for.
"""

from __future__ import annotations

import logging

import duckdb
from sqlglot import exp

from local_snowflake.engine.catalog import column_facts, kind_of, set_column_facts, set_table_facts, table_facts
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
    for entry in tree.args["properties"].expressions if tree.args.get("properties") else []:
        if isinstance(entry, exp.SchemaCommentProperty):
            comment = entry.this.name
        elif isinstance(entry, exp.MaterializedProperty):
            refuse("a materialized view")
        elif isinstance(entry, exp.TemporaryProperty):
            temporary = True
        elif not isinstance(entry, exp.SecureProperty | exp.CopyGrantsProperty):
            refuse(f"the view property {entry.sql('snowflake')}")
    query = _translated(session, tree)
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
        made_in = [session.database, session.schema]
        facts = {"comment": comment, "text": text.strip().rstrip(";"), "made_in": made_in}
        set_table_facts(connection, home, facts, "VIEW")
    return status(f"View {name.name} successfully created.")


def _translated(session: Session, tree: exp.Create) -> str:
    """What follows the name of the view in DuckDB's statement."""
    listed = ""
    if isinstance(tree.this, exp.Schema):
        names = [quote(identifier(item)) for item in tree.this.expressions]
        listed = f" ({', '.join(names)})"
    return f"{listed} AS {render_definition(translate(tree.expression, session.environment()))}"


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
    query = _translated(session, tree)
    with session.define(name) as connection:
        connection.execute(f"CREATE OR REPLACE VIEW {name.sql}{query}")
        set_table_facts(connection, name, facts, "VIEW")
        for column, found in of_columns.items():
            set_column_facts(connection, name, column, found)
