"""One client's session: its current objects and parameters, its transaction, and the running of a statement."""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
from sqlglot import exp

from . import bindings, information_schema, stages, statements, system_functions
from .errors import SnowflakeError, from_duckdb, invalid, missing, no_current, unsupported
from .locks import Mode
from .names import Name, literal, quote
from .plans import Plan
from .results import BATCH_ROWS, Column, Result, StatementType
from .store import TEMPORARY
from .stream_sql import reader, window_variables
from .streams import Stream
from .targets import identifier
from .transaction import Transaction
from .translate.functions import fill

if TYPE_CHECKING:
    from .engine import Engine

LOCK_TIMEOUT_SECONDS = 43_200
"""Snowflake's default of the parameter LOCK_TIMEOUT."""
_CONFLICT_RETRIES = 20


class Session:
    """Not for two threads at once: callers hold `mutex` until they have read the result to its end."""

    def __init__(
        self, engine: Engine, *, database: str | None = None, schema: str | None = None, role: str | None = None,
        warehouse: str | None = None, parameters: Mapping[str, object] | None = None,
    ) -> None:  # fmt: skip
        self.engine = engine
        self.id = uuid.uuid4().hex[:16]
        self.mutex = threading.Lock()
        self.cancelled = threading.Event()
        self.connection = engine.store.connect()
        self._probe = engine.store.connect()
        self.database = database if database and engine.catalog.has_database(database) else None
        wanted = schema or "PUBLIC"
        self.schema = wanted if self.database and engine.catalog.has_schema(self.database, wanted) else None
        self.role, self.warehouse = role or "ACCOUNTADMIN", warehouse
        self.parameters: dict[str, str] = {"TIMEZONE": "UTC", "AUTOCOMMIT": "TRUE"}
        for key, value in (parameters or {}).items():
            self.set_parameter(key, str(value))
        self.variables: dict[str, exp.Expr] = {}
        self.temporary: dict[Name, Name] = {}
        self.temporary_stages: set[Name] = set()
        self.transaction: Transaction | None = None
        self.bindings: bindings.Values = {}
        self.return_value: str | None = None
        self.task_graph: dict[str, str] = {}
        self.query_id = ""
        self.previous_query_id: str | None = None
        self.last_used = time.monotonic()
        self._specific = False

    # running ----------------------------------------------------------------------------------------------------

    def begin_statement(self, query_id: str | None = None) -> None:
        """A statement begins: it has an id and can be cancelled."""
        self.last_used = time.monotonic()
        self.cancelled.clear()
        self.previous_query_id, self.query_id = self.query_id or None, query_id or str(uuid.uuid4())

    def execute(self, sql: str, bound: bindings.Values | None = None, query_id: str | None = None) -> Result:
        """Run one statement. The result has to be read to its end before the next one.

        Raises:
            SnowflakeError: whatever the user can be told.
        """
        self.begin_statement(query_id)
        self.bindings = bound or {}
        try:
            return statements.run(self, sql)
        except duckdb.Error as error:
            raise from_duckdb(error) from error

    def plan(self, sql: str, build: Callable[[], Plan]) -> Plan:
        """The plan of a statement, from the cache if nothing of this session is in it."""
        version, key = self.engine.version, (sql, self.database, self.schema)
        cached = None if self.temporary else self.engine.plans.get(key, version)
        if cached is not None:
            return cached
        self._specific = False
        plan = dataclasses.replace(build(), version=version)
        if not self._specific and not self.temporary:
            self.engine.plans.put(key, plan)
        return plan

    def describe(self, sql: str, bound: bindings.Values | None = None) -> Result:
        """The columns a statement would give, without running it."""
        self.bindings = bound or {}
        try:
            return statements.columns_only(self, sql)
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
        relation = self.connection.sql(sql)
        columns = [Column(name, str(kind_)) for name, kind_ in zip(relation.columns, relation.types, strict=True)]
        return Result(columns, self._batches(relation), kind)

    def _batches(self, relation: duckdb.DuckDBPyRelation) -> Iterator:  # type: ignore[type-arg]
        try:
            yield from relation.to_arrow_reader(BATCH_ROWS)
        except duckdb.Error as error:
            self.failed(error)
            raise from_duckdb(error) from error

    # transactions -----------------------------------------------------------------------------------------------

    @property
    def autocommit(self) -> bool:
        return self.parameters.get("AUTOCOMMIT", "TRUE").upper() == "TRUE"

    def begin(self) -> None:
        """BEGIN; inside a transaction it does nothing, as in Snowflake."""
        if self.transaction is None:
            self.transaction = Transaction(explicit=True)

    def commit(self) -> None:
        """COMMIT: the data and the offsets of the consumed streams together, or nothing."""
        transaction = self.transaction
        if transaction is None:
            return
        if transaction.aborted:
            self.rollback()
            raise SnowflakeError(
                f"The transaction was rolled back, because a statement in it had failed: {transaction.aborted}",
                90233,
                "25P02",
            )
        try:
            if transaction.open:
                for stream in transaction.consumed.values():
                    self.engine.streams.advance(self.connection, stream, transaction.windows[stream.id][1])
                self.connection.execute("COMMIT")
                self.engine.committed(transaction.written)
                transaction.open = False
        finally:
            self.rollback()

    def rollback(self) -> None:
        """End the transaction without its changes; also the end of every transaction."""
        transaction, self.transaction = self.transaction, None
        try:
            if transaction is not None and transaction.open:
                self.connection.execute("ROLLBACK")
        finally:
            self.engine.locks.release(self)

    def abandon(self, reason: str) -> None:
        """Roll back a transaction that its client has left; a later COMMIT is an error, not a success."""
        self.rollback()
        self.transaction = Transaction(explicit=True, aborted=reason)

    def failed(self, error: Exception) -> None:
        """Note that DuckDB has given the open transaction up."""
        if self.transaction is not None and self.transaction.open and self.transaction.aborted is None:
            self.transaction.aborted = str(error).split("\n")[0]

    def require_usable(self) -> None:
        """Refuse statements in a transaction that an error has ended."""
        if self.transaction is not None and self.transaction.aborted:
            raise SnowflakeError(
                "The transaction cannot go on after an error (the embedded warehouse has no rollback of a single "
                f"statement); ROLLBACK it and begin again. The error was: {self.transaction.aborted}",
                90232,
                "25P02",
            )

    def _open(self, transaction: Transaction) -> None:
        if not transaction.open:
            transaction.snapshot = self.engine.commits
            self.connection.execute("BEGIN")
            self.connection.execute("SELECT 1 FROM _sf.databases LIMIT 0").fetchall()
            transaction.open = True

    @contextmanager
    def change(self, targets: Mapping[Name, Mode], streams: Sequence[Stream]) -> Iterator[None]:
        """Everything DML needs: locks, a transaction, the windows of the streams it reads, and a commit at its end.

        Raises:
            SnowflakeError: lock time-outs and deadlocks; a table that was changed after this transaction's snapshot.
        """
        self.require_usable()
        own = self.transaction is None and self.autocommit
        transaction = self.transaction or Transaction(explicit=not own)
        self.transaction = transaction
        try:
            for stream in sorted(streams, key=lambda stream: stream.id):
                self.lock(f"stream {stream.name}", Mode.CHANGE)
            for target, mode in sorted(targets.items()):
                tracked = self.engine.streams.log_of(target)
                self.lock(target, Mode.CHANGE if tracked else mode)
            self._open(transaction)
            for target, mode in targets.items():
                self._note_write(transaction, target, mode)
            for stream in streams:
                self.set_window(stream, self._window(transaction, stream))
                transaction.consumed[stream.id] = stream
            yield
        except Exception as error:
            if own:
                self.rollback()
            elif isinstance(error, duckdb.Error):
                self.failed(error)
            raise
        if own:
            self.commit()

    def _note_write(self, transaction: Transaction, target: Name, mode: Mode) -> None:
        if mode is not Mode.APPEND and self.engine.last_write(target) > transaction.snapshot:
            raise SnowflakeError(
                f"Table '{target}' was changed by another transaction after this one had taken its snapshot; "
                "ROLLBACK and repeat the transaction",
                625,
                "57014",
            )
        log = self.engine.streams.log_of(target)
        if log and log not in transaction.limits:
            transaction.limits[log] = self.engine.streams.end(self.connection, log)
        transaction.written.add(target)

    @contextmanager
    def define(self, *objects: Name) -> Iterator[duckdb.DuckDBPyConnection]:
        """A transaction for DDL, which first commits the open one; definitions are made one at a time.

        The objects' locks come first: whoever waits for one must not keep others from defining.
        """
        self.commit()
        try:
            for name in sorted(objects):
                self.lock(name, Mode.DEFINE)
            with self.engine.definitions:
                self.connection.execute("BEGIN")
                try:
                    yield self.connection
                    self.connection.execute("COMMIT")
                except BaseException:
                    self.connection.execute("ROLLBACK")
                    raise
                self.engine.streams.reload_if_changed()
                self.engine.defined()
                self.engine.committed(objects)
        finally:
            self.engine.locks.release(self)

    def lock(self, key: Name | str, mode: Mode) -> None:
        timeout = float(self.parameters.get("LOCK_TIMEOUT", LOCK_TIMEOUT_SECONDS))
        self.engine.locks.acquire(self, key, mode, timeout, self.cancelled)

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
        if key == "AUTOCOMMIT" and value.upper() == "TRUE" and getattr(self, "transaction", None) is not None:
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

    def now(self) -> exp.Expr:
        if self.transaction is None or not self.transaction.explicit:
            return fill("now()", [])
        self._specific = True
        moment = dt.datetime.now(dt.UTC).isoformat(sep=" ")
        return fill(f"CAST('{moment}' AS TIMESTAMPTZ)", [])

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

    def read_streams(self, streams: Sequence[Stream]) -> None:
        """Fix what a query sees of the streams: newly, or as the transaction has already seen them."""
        for stream in streams:
            if self.transaction is None:
                self.set_window(stream, self.engine.streams.window(self.connection, stream, None))
            else:
                self._open(self.transaction)
                self.set_window(stream, self._window(self.transaction, stream))

    def set_window(self, stream: Stream, window: tuple[int, int]) -> None:
        """Let the next statement see these changes of a stream."""
        for variable, value in zip(window_variables(stream.id), window, strict=True):
            self.connection.execute(f"SET VARIABLE {variable} = {value}")

    def _window(self, transaction: Transaction, stream: Stream) -> tuple[int, int]:
        if stream.id not in transaction.windows:
            limit = transaction.limits.get(stream.log_id)
            transaction.windows[stream.id] = self.engine.streams.window(self.connection, stream, limit)
        return transaction.windows[stream.id]

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
        return information_schema.table_function(self, name, arguments)

    def staged(self, location: str, table: exp.Table) -> exp.Expr:
        raise unsupported("SELECT FROM @stage outside COPY INTO; load the file into a table first")

    def system_function(self, name: str, arguments: Sequence[exp.Expr]) -> exp.Expr:
        self._specific = True
        return system_functions.call(self, name, arguments)

    def columns_of(self, stored: Name) -> list[tuple[str, str]]:
        """Name and DuckDB type of a table's columns.

        Raises:
            SnowflakeError: 002003, it does not exist.
        """
        try:
            described = self._probe.execute(f"DESCRIBE {stored.sql}").fetchall()
        except duckdb.Error as error:
            raise missing("Table", stored) from error
        return [(str(row[0]), str(row[1])) for row in described]

    def describe_query(self, query: str) -> list[tuple[str, str]]:
        """Name and type of the columns of a DuckDB query; raises DuckDB's error when it cannot be bound."""
        described = self._probe.execute(f"DESCRIBE {query}").fetchall()
        return [(str(row[0]), str(row[1])) for row in described]

    def types_of(self, select: str) -> list[str] | None:
        try:
            described = self._probe.execute(f"DESCRIBE {select}").fetchall()
        except duckdb.Error:
            return None
        return [str(row[1]) for row in described]
