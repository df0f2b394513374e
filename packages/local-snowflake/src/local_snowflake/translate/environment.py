"""What a translation has to know of the session it is made for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlglot import exp

from local_snowflake.engine.access import Need
from local_snowflake.syntax.names import Name


class Environment(Protocol):
    """The session, as one translation sees it.

    Attributes:
        session_specific: something of this session alone has gone into the text.
        needs: the privileges that reading what was asked for takes.
    """

    session_specific: bool
    needs: list[Need]

    def qualify(self, parts: Sequence[str]) -> Name:
        """A name of one to three parts in full, by the current database and schema."""

    def relation(self, name: Name) -> exp.Expr:
        """What to read for a table, view or stream, without an alias.

        Raises:
            SnowflakeError: 002003, it does not exist.
        """

    def sequence(self, name: Name) -> str:
        """A sequence in DuckDB SQL."""

    def information_schema(self, database: str | None, view: str) -> str:
        """The DuckDB query of an INFORMATION_SCHEMA view."""

    def table_function(self, name: str, arguments: Mapping[str, exp.Expr]) -> str:
        """The DuckDB query of TABLE(name(argument => value))."""

    def staged(self, location: str, table: exp.Table) -> exp.Expr:
        """The relation of FROM @stage/path."""

    def context(self, function: str) -> str | None:
        """The value of CURRENT_ROLE() and its like."""

    def role_in_session(self, role: str) -> bool:
        """Whether a role is active in the session, as its primary or secondary role or by inheritance."""

    def system_function(self, name: str, arguments: Sequence[exp.Expr]) -> exp.Expr:
        """The value of SYSTEM$name(...), as a constant."""

    def variable(self, name: str) -> exp.Expr:
        """The value of a session variable, as a constant."""

    def binding(self, name: str) -> exp.Expr:
        """The value of a bound parameter, as a constant of its type."""

    def slot(self, name: str, *, numbers: bool) -> exp.Expr | None:
        """A slot for a bound parameter in a text that is kept, if there may be one; `numbers`: also for a number."""

    def columns_of_query(self, select: str) -> list[tuple[str, str]] | None:
        """Name and DuckDB type of a query's columns; None when it cannot be bound by itself."""

    def types_of(self, select: str) -> list[str] | None:
        """The DuckDB types of a query's columns; None when it cannot be bound by itself."""
