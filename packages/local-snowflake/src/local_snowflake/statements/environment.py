"""What the translation of one statement knows of its session."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlglot import exp

from local_snowflake.engine.access import SELECT, USAGE, Need, in_schema
from local_snowflake.engine.stream_sql import reader, window_variables
from local_snowflake.errors import Code, SnowflakeError, invalid, missing, unsupported
from local_snowflake.session import bindings
from local_snowflake.session.session import Session
from local_snowflake.statements import system_functions
from local_snowflake.statements.ddl import views
from local_snowflake.statements.introspection import information_schema
from local_snowflake.syntax.names import Name


class SessionEnvironment:
    """The Environment (translate/environment.py) of one translation.

    Attributes:
        session_specific: something of this session alone has gone into the text, so that it is not kept.
    """

    def __init__(self, session: Session, cached: bool) -> None:
        self._session, self._cached = session, cached
        self.session_specific = False
        self.needs: list[Need] = []

    def qualify(self, parts: Sequence[str]) -> Name:
        return self._session.qualify(parts)

    def relation(self, name: Name) -> exp.Expr:
        session = self._session
        stream = session.engine.streams.find(name)
        if stream is not None and name not in session.temporary:
            self._reads(Need(SELECT, in_schema("STREAM", name)), Need(SELECT, in_schema("TABLE", stream.table)))
            session.engine.streams.check(stream)
            bounds = [
                exp.Anonymous(this="getvariable", expressions=[exp.Literal.string(variable)])
                for variable in window_variables(stream.id)
            ]
            return exp.Table(this=exp.Anonymous(this=reader(stream.id), expressions=bounds))
        self.session_specific |= name in session.temporary
        catalog = session.engine.catalog
        if not catalog.has_schema(name.database, name.schema):
            raise missing("Schema" if catalog.has_database(name.database) else "Database", name.schema_key)
        stored = session.stored(name)
        if name not in session.temporary:
            self._reads(Need(SELECT, in_schema("TABLE", name)), *views.reads(session, name))
        return exp.Table(
            this=exp.to_identifier(stored.name, quoted=True), db=exp.to_identifier(stored.schema_key, quoted=True)
        )

    def sequence(self, name: Name) -> str:
        self._reads(Need(USAGE, in_schema("SEQUENCE", name)))
        return name.sql

    def _reads(self, *needs: Need) -> None:
        self._session.rights.require(needs)
        self.needs.extend(needs)

    def information_schema(self, database: str | None, view: str) -> str:
        session = self._session
        self.session_specific |= not session.rights.unrestricted
        return information_schema.view(session, database or session.require_database(), view)

    def table_function(self, name: str, arguments: Mapping[str, exp.Expr]) -> str:
        # who waits for a graph asks for TASK_HISTORY again and again
        self.session_specific |= name != "TASK_HISTORY" or not self._session.rights.unrestricted
        if name == "RESULT_SCAN":
            query_id = arguments.get("0")
            if not isinstance(query_id, exp.Literal):
                raise invalid("RESULT_SCAN needs the id of a query, a constant")
            return self._session.scan_result(query_id.name)
        return information_schema.table_function(self._session, self, name, arguments)

    def staged(self, location: str, table: exp.Table) -> exp.Expr:
        raise unsupported("SELECT FROM @stage outside COPY INTO; load the file into a table first")

    def context(self, function: str) -> str | None:
        self.session_specific = True
        session = self._session
        match function:
            case "CURRENT_USER":
                return session.user
            case "CURRENT_AVAILABLE_ROLES":
                return json.dumps(sorted(session.rights.available()))
            case "CURRENT_SECONDARY_ROLES":
                roles = ",".join(session.rights.secondary_roles())
                return json.dumps({"roles": roles, "value": ",".join(session.rights.secondary)})
            case "CURRENT_ROLE":
                return session.role
            case "CURRENT_DATABASE":
                return session.database
            case "CURRENT_SCHEMA":
                return session.schema
            case "CURRENT_WAREHOUSE":
                return session.warehouse
            case "CURRENT_ACCOUNT":
                return session.engine.account.upper()
            case "CURRENT_SESSION":
                return session.id
            case "LAST_QUERY_ID":
                return session.previous_query_id
            case "CURRENT_TRANSACTION":
                return session.id if session.transaction is not None else None
        raise unsupported(f"the function {function}")

    def role_in_session(self, role: str) -> bool:
        self.session_specific = True
        return role in self._session.rights.active()

    def system_function(self, name: str, arguments: Sequence[exp.Expr]) -> exp.Expr:
        self.session_specific = True
        return system_functions.call(self._session, name, arguments)

    def variable(self, name: str) -> exp.Expr:
        self.session_specific = True
        if name not in self._session.variables:
            raise SnowflakeError(
                f"SQL compilation error: error line 1 at position 0\nSession variable '${name}' does not exist",
                Code.NO_VARIABLE,
                "02000",
            )
        return self._session.variables[name].copy()

    def binding(self, name: str) -> exp.Expr:
        self.session_specific = True
        return self._session.bound(name)

    def slot(self, name: str, *, numbers: bool) -> exp.Expr | None:
        return bindings.slot(self._session.bindings, name, numbers=numbers) if self._cached else None

    def columns_of_query(self, select: str) -> list[tuple[str, str]] | None:
        return self._session.probe.columns_of_query(select)

    def types_of(self, select: str) -> list[str] | None:
        return self._session.probe.types_of(select)
