"""One client's session: its current objects and parameters, and the running of a statement."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
import uuid
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
from sqlglot import exp

from dropship_dagster.embedded.snowflake.engine.plans import Plan
from dropship_dagster.embedded.snowflake.engine.store import TEMPORARY
from dropship_dagster.embedded.snowflake.engine.stream_sql import reader, window_variables
from dropship_dagster.embedded.snowflake.engine.streams import Stream
from dropship_dagster.embedded.snowflake.errors import (
    SnowflakeError,
    from_duckdb,
    invalid,
    missing,
    no_current,
    unsupported,
)
from dropship_dagster.embedded.snowflake.results import BATCH_ROWS, Column, Result, StatementType
from dropship_dagster.embedded.snowflake.session import bindings
from dropship_dagster.embedded.snowflake.session.result_cache import KeptResults, scanned_table
from dropship_dagster.embedded.snowflake.session.transactions import Transactional
from dropship_dagster.embedded.snowflake.statements import dispatch, system_functions
from dropship_dagster.embedded.snowflake.statements.introspection import information_schema
from dropship_dagster.embedded.snowflake.statements.loading import stages
from dropship_dagster.embedded.snowflake.statements.targets import identifier
from dropship_dagster.embedded.snowflake.syntax.names import Name, literal, quote
from dropship_dagster.embedded.snowflake.translate.datatypes import limited

if TYPE_CHECKING:
    from dropship_dagster.embedded.snowflake.engine.engine import Engine


class Session(Transactional):
    """Not for two threads at once: callers hold `mutex` until they have read the result to its end."""

    def __init__(
        self, engine: Engine, *, database: str | None = None, schema: str | None = None, role: str | None = None,
        warehouse: str | None = None, parameters: Mapping[str, object] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(engine)
        self.id = uuid.uuid4().hex[:16]
        self.mutex = threading.Lock()
        self._probe = engine.store.connect()
        self.database = database if database and engine.catalog.has_database(database) else None
        wanted = schema or "PUBLIC"
        self.schema = wanted if self.database and engine.catalog.has_schema(self.database, wanted) else None
        self.role, self.warehouse = role or "ACCOUNTADMIN", warehouse
        for key, value in (parameters or {}).items():
            self.set_parameter(key, str(value))
        self.variables: dict[str, exp.Expr] = {}
        self.temporary: dict[Name, Name] = {}
        self.temporary_stages: set[Name] = set()
        self.return_value: str | None = None
        self.task_graph: dict[str, str] = {}
        self.query_id = ""
        self.previous_query_id: str | None = None
        self.last_used = time.monotonic()
        self.results = KeptResults()
        self._scanned: set[str] = set()
        self._specific = self._planning = False

    # running ----------------------------------------------------------------------------------------------------

    def begin_statement(self, query_id: str | None = None) -> None:
        """A statement begins: it has an id and can be cancelled."""
        self.last_used = time.monotonic()
        self.cancelled.clear()
        self._let_scanned_go()
        self.previous_query_id, self.query_id = self.query_id or None, query_id or str(uuid.uuid4())

    def execute(self, sql: str, bound: bindings.Values | None = None, query_id: str | None = None) -> Result:
        """Run one statement. The result has to be read to its end before the next one.

        Raises:
            SnowflakeError: whatever the user can be told.
        """
        self.begin_statement(query_id)
        self.bindings = bound or {}
        own_id = self.query_id
        try:
            result = dispatch.run(self, sql)
        except SnowflakeError as error:
            self.undo_statement(error)
            raise
        except duckdb.Error as error:
            self.undo_statement(error)
            raise from_duckdb(error) from error
        self.results.keep(own_id, result)
        return result

    def plan(self, statement: Hashable, build: Callable[[], Plan]) -> Plan:
        """The plan of a statement (its text, or what tells it apart), kept if nothing of this session is in it."""
        version = self.engine.version
        key = (statement, self.database, self.schema, bindings.signature(self.bindings))
        cached = None if self.temporary else self.engine.plans.get(key, version)
        if cached is not None:
            return cached
        self._specific, self._planning = False, True
        try:
            plan = dataclasses.replace(build(), version=version)
        finally:
            self._planning = False
        if not self._specific and not self.temporary:
            self.engine.plans.put(key, version, plan)
        return plan

    def describe(self, sql: str, bound: bindings.Values | None = None) -> Result:
        """The columns a statement would give, without running it."""
        self.bindings = bound or {}
        try:
            return dispatch.columns_only(self, sql)
        except duckdb.Error as error:
            raise from_duckdb(error) from error

    def register_probe(self, name: str, rows: pa.Table) -> None:
        """Let `types_of` know a relation that is registered on the connection."""
        self._probe.register(name, rows)

    def cancel(self) -> None:
        """Stop the statement that runs, from another thread."""
        self.cancelled.set()
        self.connection.interrupt()

    def close(self) -> None:
        """Roll back what is open and let everything go."""
        self.cancel()
        with self.mutex:
            self.rollback()
            self.engine.locks.release(self)
            self.connection.close()
            self._probe.close()
            if self.temporary:
                self.engine.store.drop_temporary(self.id)
            stages.drop_temporary(self)

    def query(self, sql: str, kind: StatementType = StatementType.SELECT) -> Result:
        """The result of a DuckDB query, read batch by batch."""
        relation = self.connection.sql(self.filled(sql))
        columns = [Column(name, str(kind_)) for name, kind_ in zip(relation.columns, relation.types, strict=True)]
        return Result(columns, self._batches(relation), kind)

    def _batches(self, relation: duckdb.DuckDBPyRelation) -> Iterator:  # type: ignore[type-arg]
        try:
            yield from relation.to_arrow_reader(BATCH_ROWS)
        except duckdb.Error as error:
            self.undo_statement(error)
            raise from_duckdb(error) from error

    # parameters and context ---------------------------------------------------------------------------------------

    def set_parameter(self, key: str, value: str) -> None:
        """ALTER SESSION SET, for the parameters that mean something here; others are kept and shown."""
        key = key.upper()
        if key == "TIMEZONE":
            for connection in (self.connection, self._probe):
                try:
                    connection.execute(f"SET TimeZone = {literal(value)}")
                except duckdb.Error as error:
                    raise invalid(f"invalid value '{value}' for parameter 'TIMEZONE'") from error
        if key == "AUTOCOMMIT" and value.upper() == "TRUE" and self.transaction is not None:
            self.commit()
        self.parameters[key] = value.upper() if key == "AUTOCOMMIT" else value

    def context(self, function: str) -> str | None:
        self._specific = True
        match function:
            case "CURRENT_USER":
                return self.engine.user
            case "CURRENT_ROLE":
                return self.role
            case "CURRENT_DATABASE":
                return self.database
            case "CURRENT_SCHEMA":
                return self.schema
            case "CURRENT_WAREHOUSE":
                return self.warehouse
            case "CURRENT_ACCOUNT":
                return self.engine.account.upper()
            case "CURRENT_SESSION":
                return self.id
            case "LAST_QUERY_ID":
                return self.previous_query_id
            case "CURRENT_TRANSACTION":
                return self.id if self.transaction is not None else None
        raise unsupported(f"the function {function}")

    def variable(self, name: str) -> exp.Expr:
        self._specific = True
        if name not in self.variables:
            raise SnowflakeError(
                f"SQL compilation error: error line 1 at position 0\nSession variable '${name}' does not exist",
                2211,
                "02000",
            )
        return self.variables[name].copy()

    def binding(self, name: str) -> exp.Expr:
        self._specific = True
        return bindings.constant(self.bindings, name)

    def slot(self, name: str, *, numbers: bool) -> exp.Expr | None:
        return bindings.slot(self.bindings, name, numbers=numbers) if self._planning else None

    # names ------------------------------------------------------------------------------------------------------

    def qualify(self, parts: Sequence[str]) -> Name:
        if len(parts) > 3 or any("." in part for part in parts[:-1]):
            raise invalid(f"invalid name '{'.'.join(parts)}': it has at most three parts, without dots in them")
        database = parts[-3] if len(parts) > 2 else self.database
        if database is None:
            raise no_current("database")
        schema = parts[-2] if len(parts) > 1 else self.schema
        if schema is None:
            raise no_current("schema")
        return Name(database, schema, parts[-1])

    def stored(self, name: Name) -> Name:
        """Where a table is in DuckDB: a temporary one hides a permanent one of its name."""
        return self.temporary.get(name, name)

    def temporary_home(self, name: Name) -> Name:
        """Where a temporary table of this name is put."""
        key = TEMPORARY + self.id
        self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(key)}")
        return Name(TEMPORARY.rstrip("."), self.id, str(name))

    def relation(self, name: Name) -> exp.Expr:
        stream = self.engine.streams.find(name)
        if stream is not None and name not in self.temporary:
            self.engine.streams.check(stream)
            bounds = [
                exp.Anonymous(this="getvariable", expressions=[exp.Literal.string(variable)])
                for variable in window_variables(stream.id)
            ]
            return exp.Table(this=exp.Anonymous(this=reader(stream.id), expressions=bounds))
        self._specific |= name in self.temporary
        stored = self.stored(name)
        if not self.engine.catalog.has_schema(name.database, name.schema):
            raise missing("Schema" if self.engine.catalog.has_database(name.database) else "Database", name.schema_key)
        return exp.Table(
            this=exp.to_identifier(stored.name, quoted=True), db=exp.to_identifier(stored.schema_key, quoted=True)
        )

    def streams_in(self, tree: exp.Expr) -> list[Stream]:
        """The streams a parsed, untranslated statement reads."""
        found: dict[str, Stream] = {}
        for table in tree.find_all(exp.Table):
            if not isinstance(table.this, exp.Identifier):
                continue
            parts = [identifier(part) for part in table.parts]
            if len(parts) > 1 or (self.database and self.schema):
                stream = self.engine.streams.find(self.qualify(parts)) if len(parts) < 4 else None
                if stream is not None:
                    found[stream.id] = stream
        return list(found.values())

    def information_schema(self, database: str | None, view: str) -> str:
        chosen = database or self.database
        if chosen is None:
            raise no_current("database")
        return information_schema.view(chosen, view)

    def table_function(self, name: str, arguments: Mapping[str, exp.Expr]) -> str:
        self._specific = True
        if name == "RESULT_SCAN":
            return self._result_scan(arguments.get("0"))
        return information_schema.table_function(self, name, arguments)

    def _result_scan(self, query_id: exp.Expr | None) -> str:
        if not isinstance(query_id, exp.Literal):
            raise invalid("RESULT_SCAN needs the id of a query, a constant")
        query, rows = self.results.scan(query_id.name)
        if rows is not None:
            table = scanned_table(query_id.name)
            for connection in (self.connection, self._probe):
                connection.register(table, rows)
            self._scanned.add(table)
        return query

    def _let_scanned_go(self) -> None:
        """Forget the rows that the statement before has scanned."""
        while self._scanned:
            table = self._scanned.pop()
            for connection in (self.connection, self._probe):
                with contextlib.suppress(duckdb.Error):  # the end of its transaction may have taken it away
                    connection.unregister(table)

    def staged(self, location: str, table: exp.Table) -> exp.Expr:
        raise unsupported("SELECT FROM @stage outside COPY INTO; load the file into a table first")

    def system_function(self, name: str, arguments: Sequence[exp.Expr]) -> exp.Expr:
        self._specific = True
        return system_functions.call(self, name, arguments)

    def columns_of(self, stored: Name) -> list[tuple[str, str]]:
        """Name and DuckDB type of a table's columns, texts and binaries with their declared length: VARCHAR(20).

        Raises:
            SnowflakeError: 002003, it does not exist.
        """
        version = self.engine.version
        known = self.engine.columns.get(stored, version)
        if known is None:
            rows = self._probe.execute(
                "SELECT column_name, data_type, comment ->> '$.type' FROM duckdb_columns() "
                "WHERE database_name = current_database() AND schema_name = ? AND table_name = ? ORDER BY column_index",
                [stored.schema_key, stored.name],
            ).fetchall()
            if not rows:
                raise missing("Table", stored)
            known = [(name, limited(kind, shown)) for name, kind, shown in rows]
            self.engine.columns.put(stored, version, known)
        return known

    def describe_query(self, query: str) -> list[tuple[str, str]]:
        """Name and type of the columns of a DuckDB query; raises DuckDB's error when it cannot be bound."""
        described = self._probe.execute(f"DESCRIBE {query}").fetchall()
        return [(str(row[0]), str(row[1])) for row in described]

    def columns_of_query(self, select: str) -> list[tuple[str, str]] | None:
        try:
            return self.describe_query(select)
        except duckdb.Error:
            return None

    def types_of(self, select: str) -> list[str] | None:
        columns = self.columns_of_query(select)
        return None if columns is None else [kind for _, kind in columns]
