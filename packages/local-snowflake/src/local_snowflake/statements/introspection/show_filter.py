"""What a SHOW command is limited to: LIKE 'pattern' IN DATABASE | SCHEMA | TABLE name STARTS WITH ... LIMIT n."""

from __future__ import annotations

from dataclasses import dataclass

from local_snowflake.engine.catalog import kind_of
from local_snowflake.errors import unusable
from local_snowflake.session.session import Session
from local_snowflake.syntax.lexer import Cursor
from local_snowflake.syntax.names import Name, like


@dataclass(frozen=True)
class ShowFilter:
    """Database, schema and table to look in, None for all of them; and which names to show."""

    pattern: str | None = None
    database: str | None = None
    schema: str | None = None
    table: str | None = None
    starts_with: str = ""
    limit: int | None = None

    def has(self, name: Name) -> bool:
        """Whether an object of a schema is shown."""
        return self.database in (None, name.database) and self.schema in (None, name.schema) and self.matches(name.name)

    def matches(self, name: str) -> bool:
        return like(self.pattern)(name) and name.startswith(self.starts_with)


def read_filter(session: Session, cursor: Cursor, *, of_databases: bool = False, of_tables: bool = False) -> ShowFilter:
    """Read the clauses; without IN it is the current schema, or the current database, or the account.

    Args:
        of_databases: schemas are shown, so that a bare name after IN is a database.
        of_tables: columns or keys are shown, so that it is a table.

    Raises:
        SnowflakeError: 002043, IN names what is not there.
    """
    cursor.accept("HISTORY")
    pattern = cursor.value() if cursor.accept("LIKE") else None
    database, schema, table = session.database, None if of_databases else session.schema, None
    if cursor.accept("IN"):
        if cursor.accept("ACCOUNT"):
            database = schema = None
        elif cursor.accept("DATABASE"):
            database, schema = (cursor.name()[0] if not _ended(cursor) else session.database), None
        elif cursor.accept("TABLE") or cursor.accept("VIEW") or (of_tables and _is_name(cursor)):
            name = session.qualify(cursor.name())
            if kind_of(session.connection, session.stored(name)) is None:
                raise unusable()
            database, schema, table = name.database, name.schema, name.name
        else:
            cursor.accept("SCHEMA")
            parts = cursor.name() if not _ended(cursor) else [part for part in (database, schema) if part]
            if of_databases or (len(parts) == 1 and session.engine.catalog.has_database(parts[0])
                                and not session.engine.catalog.has_schema(database or "", parts[0])):  # fmt: skip
                database, schema = parts[0], None
            else:
                database, schema = (parts[-2] if len(parts) > 1 else database), parts[-1]
        known = session.engine.catalog
        present = schema in (None, "INFORMATION_SCHEMA") or known.has_schema(database or "", schema or "")
        if (database and not known.has_database(database)) or not present:
            raise unusable()
    starts = cursor.value() if cursor.accept("STARTS", "WITH") else ""
    limit = int(cursor.value()) if cursor.accept("LIMIT") else None
    if cursor.accept("FROM"):
        cursor.value()
    cursor.end()
    return ShowFilter(pattern, database, schema, table, starts, limit)


def _is_name(cursor: Cursor) -> bool:
    return not _ended(cursor) and cursor.word() not in ("SCHEMA", "DATABASE", "ACCOUNT")


def _ended(cursor: Cursor) -> bool:
    return cursor.done or cursor.word() in ("STARTS", "LIMIT")
