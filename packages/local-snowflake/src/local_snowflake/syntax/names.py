"""Names of objects, and how they are written in DuckDB.

Every Snowflake database lives in one DuckDB file, because a DuckDB transaction writes one file only. The Snowflake
schema `DB.SCHEMA` is the DuckDB schema of that very name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

CONTROL = "_sf"
"""The DuckDB schema with the server's own tables: stream offsets, tasks, stages, grants."""


def quote(identifier: str) -> str:
    """An identifier for DuckDB or Snowflake, always quoted."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str | None) -> str:
    """A string constant for DuckDB (no backslash escapes there)."""
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True, order=True)
class Name:
    """A fully qualified object of a schema."""

    database: str
    schema: str
    name: str

    @property
    def schema_key(self) -> str:
        """The DuckDB schema."""
        return f"{self.database}.{self.schema}"

    @property
    def sql(self) -> str:
        """The object in DuckDB SQL."""
        return f"{quote(self.schema_key)}.{quote(self.name)}"

    def __str__(self) -> str:
        return f"{self.database}.{self.schema}.{self.name}"


def like(pattern: str | None) -> Callable[[str], bool]:
    """The case-insensitive LIKE of SHOW commands; no pattern matches everything."""
    if pattern is None:
        return lambda _: True
    translated = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    expression = re.compile(translated, re.IGNORECASE | re.DOTALL)
    return lambda text: expression.fullmatch(text) is not None
