"""One client's session: its current objects, parameters and variables. What runs in it is in `statements`."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
from sqlglot import exp

from local_snowflake.engine.access import ADMINISTRATOR, USAGE, Securable
from local_snowflake.engine.engine import Engine
from local_snowflake.engine.store import TEMPORARY
from local_snowflake.errors import invalid, no_current, no_warehouse
from local_snowflake.session import bindings
from local_snowflake.session.probe import Probe
from local_snowflake.session.result_cache import ResultCache, scanned_table
from local_snowflake.session.rights import Rights
from local_snowflake.session.transactions import Transactional
from local_snowflake.syntax.names import Name, literal, quote
from local_snowflake.translate.environment import Environment


@dataclass(frozen=True)
class TaskContext:
    """The task that a session runs: its name, and what its predecessors have returned, by their names."""

    name: str = ""
    returned: Mapping[str, str] = field(default_factory=dict)


class Session(Transactional):
    """Not thread-safe: hold `mutex` until the result is exhausted.

    Attributes:
        variables: the session variables, as constants.
        temporary: temporary tables, by the name they hide, with where they are stored.
        return_value: what SYSTEM$SET_RETURN_VALUE has set.
        results: the results that RESULT_SCAN can read.
        probe: tells types.
        rights: its roles, and what they may do.
        last_used: when a statement last began or ended, by the monotonic clock.
    """

    def __init__(
        self, engine: Engine, environment: Callable[[Session, bool], Environment], *, database: str | None = None,
        schema: str | None = None, user: str | None = None, role: str | None = None, secondary: Sequence[str] = (),
        warehouse: str | None = None, parameters: Mapping[str, object] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(engine)
        self.rights = Rights(engine, user, role or ADMINISTRATOR, secondary)
        self._environment = environment
        self.id = uuid.uuid4().hex[:16]
        self.mutex = threading.Lock()
        self.probe = Probe(engine)
        self.database = database if database and self._usable(database) else None
        wanted = schema or "PUBLIC"
        self.schema = wanted if self.database and self._usable(self.database, wanted) else None
        self.warehouse = warehouse
        for key, value in (parameters or {}).items():
            self.set_parameter(key, str(value))
        self.variables: dict[str, exp.Expr] = {}
        self.temporary: dict[Name, Name] = {}
        self.temporary_stages: set[Name] = set()
        self.return_value: str | None = None
        self.task = TaskContext()
        self.query_id = ""
        self.previous_query_id: str | None = None
        self.last_used = time.monotonic()
        self.results = ResultCache()
        self._scanned: set[str] = set()

    @property
    def role(self) -> str:
        return self.rights.role

    @property
    def user(self) -> str:
        """The user's name; that of the server's own sessions is SYSTEM."""
        return self.rights.user or "SYSTEM"

    def _usable(self, database: str, *schema: str) -> bool:
        """Whether there is such a database, or schema in it, and the session's roles may use it."""
        known = self.engine.catalog
        present = known.has_schema(database, *schema) if schema else known.has_database(database)
        return present and self.rights.sees(Securable("SCHEMA" if schema else "DATABASE", (database, *schema)))

    def begin_statement(self, query_id: str | None = None) -> None:
        """A statement begins: it has an id and can be cancelled."""
        self.last_used = time.monotonic()
        self.cancelled.clear()
        self._unregister_scanned()
        self.previous_query_id, self.query_id = self.query_id or None, query_id or str(uuid.uuid4())

    def environment(self, *, cached: bool = False) -> Environment:
        """What a translation may know of the session; `cached`: its text may be kept and run again."""
        return self._environment(self, cached)

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
            self.probe.close()
            if self.temporary:
                self.engine.store.drop_temporary(self.id)
            self.engine.stages.drop_temporary(self.temporary_stages)

    # parameters and bound values ----------------------------------------------------------------------------------

    def set_parameter(self, key: str, value: str) -> None:
        """ALTER SESSION SET, for the parameters that mean something here; others are kept and shown."""
        key = key.upper()
        if key == "TIMEZONE":
            try:
                self.connection.execute(f"SET TimeZone = {literal(value)}")
                self.probe.set_time_zone(value)
            except duckdb.Error as error:
                raise invalid(f"invalid value '{value}' for parameter 'TIMEZONE'") from error
        if key == "AUTOCOMMIT":  # docs.snowflake.com/en/sql-reference/parameters#autocommit
            self.commit()
        self.parameters[key] = value.upper() if key == "AUTOCOMMIT" else value

    def bound(self, name: str) -> exp.Expr:
        """The value of a bound parameter, as a constant of its type."""
        return bindings.constant(self.bindings, name)

    # names --------------------------------------------------------------------------------------------------------

    def require_database(self) -> str:
        """The current database.

        Raises:
            SnowflakeError: 090105, there is none.
        """
        if self.database is None:
            raise no_current("database")
        return self.database

    def require_warehouse(self) -> None:
        """Refuse to compute with a warehouse that the session's roles may not use; without one, the server computes.

        Raises:
            SnowflakeError: 000606, the current warehouse is not theirs to use.
        """
        name = self.warehouse
        if name is None or self.rights.may(USAGE, Securable("WAREHOUSE", (name,))):
            return
        if self.engine.objects.find("WAREHOUSE", name) is not None:
            raise no_warehouse()

    def qualify(self, parts: Sequence[str]) -> Name:
        """A name of one to three parts in full, by the current database and schema."""
        if len(parts) > 3 or any("." in part for part in parts[:-1]):
            raise invalid(f"invalid name '{'.'.join(parts)}': it has at most three parts, without dots in them")
        database = parts[-3] if len(parts) > 2 else self.require_database()
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

    # results that are read again ----------------------------------------------------------------------------------

    def scan_result(self, query_id: str) -> str:
        """The DuckDB query of a kept result, whose rows can be read until the next statement begins."""
        query, rows = self.results.scan(query_id)
        if rows is not None:
            table = scanned_table(query_id)
            self.connection.register(table, rows)
            self.probe.register(table, rows)
            self._scanned.add(table)
        return query

    def _unregister_scanned(self) -> None:
        while self._scanned:
            table = self._scanned.pop()
            with contextlib.suppress(duckdb.Error):  # the end of its transaction may have taken it away
                self.connection.unregister(table)
            self.probe.unregister(table)
