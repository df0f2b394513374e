"""What a SHOW command gives: its columns and rows; which objects the session sees, and whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from local_snowflake.engine.access import Securable, in_schema
from local_snowflake.session.session import Session
from local_snowflake.syntax.names import Name

ColumnSpecs = Sequence[str | tuple[str, str]]
"""Names of the columns, with DuckDB's type where it is not text."""

Rows = tuple[ColumnSpecs, list[Sequence[Any]]]
TIME = "TIMESTAMP WITH TIME ZONE"


def owner(session: Session, kind: str, *parts: str) -> str:
    """The role that owns an object."""
    return session.engine.access.now.owner(Securable(kind, parts))


def owner_of(session: Session, kind: str, name: Name) -> str:
    """The role that owns an object of a schema; a temporary table is the session's."""
    return session.role if name in session.temporary else session.engine.access.now.owner(in_schema(kind, name))


def sees(session: Session, kind: str, name: Name) -> bool:
    """Whether an object of a schema is shown to the session's roles."""
    return name in session.temporary or session.rights.sees(in_schema(kind, name))
