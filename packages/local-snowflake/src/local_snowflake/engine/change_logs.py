"""Change logs: what was added to and removed from the tables that have streams.

What a log is in DuckDB is told in stream_sql.py. The registry is a cache of the committed control tables; Streams
reloads it after DDL.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import duckdb

from local_snowflake.engine import stream_sql
from local_snowflake.engine.catalog import table_columns
from local_snowflake.engine.store import Store, first
from local_snowflake.syntax.names import Name


class Tail(NamedTuple):
    """The rows that a log has in its table only: beyond the row id `floor`, with _seq = origin + row id."""

    floor: int
    origin: int


Columns = Sequence[stream_sql.Column]


def columns_of(connection: duckdb.DuckDBPyConnection, table: Name) -> list[stream_sql.Column]:
    """The columns of a table, in order; empty when there is no such table."""
    return [(column.name, column.kind) for column in table_columns(connection, table)]


class ChangeLogs:
    """The logs of the tables that are not stale. Callers hold the tables' locks."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._logs: dict[Name, str] = {}
        self._tables: dict[str, Name] = {}
        self._copying: set[str] = set()
        self._highest: dict[Tail, int] = {}

    def reload_from(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Read the state as a connection's transaction has it."""
        rows = connection.execute(
            "SELECT id, floor IS NULL, database, schema, name FROM _sf.logs WHERE NOT stale"
        ).fetchall()
        with self._guard:
            self._tables = {row[0]: Name(*row[2:]) for row in rows}
            self._logs = {table: log_id for log_id, table in self._tables.items()}
            self._copying = {row[0] for row in rows if row[1]}

    def log_of(self, table: Name) -> str | None:
        """The change log of a table that has streams."""
        return self._logs.get(table)

    # reading ----------------------------------------------------------------------------------------------------

    def end(self, connection: duckdb.DuckDBPyConnection, log_id: str) -> int:
        """The last number in a log, without rows that the connection's transaction has added to its table only."""
        return self.end_of(connection, log_id, self._tables[log_id], self.tail(connection, log_id))

    def end_of(self, connection: duckdb.DuckDBPyConnection, log_id: str, table: Name, tail: Tail | None) -> int:
        """The same of a log whose table and tail are known."""
        row = first(connection, f"SELECT coalesce(max(_seq), 0) FROM {stream_sql.log_table(log_id)}")
        end = int(row[0]) if row else 0
        if tail is None:
            return end
        known = self._highest.get(tail, tail.floor)
        for floor in dict.fromkeys((known, tail.floor)):  # an older snapshot may not have what is known
            found = first(
                connection,
                f"SELECT max(rowid) FROM {table.sql} "
                f"WHERE rowid >= {floor} AND rowid > {tail.floor} AND rowid < {stream_sql.OWN_ROWS}",
            )
            if found and found[0] is not None:
                self._highest[tail] = max(known, found[0])
                return max(end, tail.origin + int(found[0]))
        return end

    def tail(self, connection: duckdb.DuckDBPyConnection, log_id: str) -> Tail | None:
        """What of a log is in its table only, as the connection's snapshot has it."""
        row = first(connection, "SELECT floor, origin FROM _sf.logs WHERE id = ? AND floor IS NOT NULL", [log_id])
        return Tail(*row) if row else None

    # writing ----------------------------------------------------------------------------------------------------

    def is_copying(self, log_id: str) -> bool:
        """Whether the log takes a copy of every row that is added; changes only under the table's lock."""
        return log_id in self._copying

    def sees_copying(self, connection: duckdb.DuckDBPyConnection, log_id: str) -> bool:
        """Whether the connection's snapshot is of a time when the log did, and so has the trigger for it."""
        return self.tail(connection, log_id) is None

    @staticmethod
    def set_copying(log_id: str, *, copying: bool) -> str:
        """The statement that tells the table's trigger what to do for a connection."""
        return f"SET VARIABLE {stream_sql.direct_variable(log_id)} = {not copying}"

    def capture(self, connection: duckdb.DuckDBPyConnection, log_id: str) -> list[str]:
        """The statements that let the log stand without its table, whose rows are going to be changed or removed.

        They copy the rows that a stream has not consumed yet.
        """
        tail, table = self.tail(connection, log_id), self._tables[log_id]
        if tail is None:
            return []
        after = max(tail.floor, self._consumed(connection, log_id) - tail.origin)
        return stream_sql.capture(log_id, table, columns_of(connection, table), after, tail.origin)

    def copy_own(self, connection: duckdb.DuckDBPyConnection, log_id: str) -> str:
        """The statement that copies into a log what the connection's transaction has added to its table."""
        table = self._tables[log_id]
        return stream_sql.copy_own(log_id, table, columns_of(connection, table))

    def captured(self, log_ids: Iterable[str]) -> None:
        """Their transaction has committed."""
        with self._guard:
            self._copying.update(log_ids)

    def _consumed(self, connection: duckdb.DuckDBPyConnection, log_id: str) -> int:
        """Up to where every stream of a log has consumed it."""
        row = first(
            connection,
            "SELECT min(greatest(o.seq, s.start_seq)) FROM _sf.streams s JOIN _sf.stream_offsets o "
            "ON o.stream_id = s.id WHERE s.log_id = ?",
            [log_id],
        )
        return int(row[0]) if row and row[0] is not None else 0

    def _last_row(self, connection: duckdb.DuckDBPyConnection, table: Name) -> int | None:
        """The last row id of a table whose row ids cannot move, because there are no gaps to close; -1 for no rows."""
        row = first(
            connection,
            "SELECT found.rows, found.last, estimated_size "
            f"FROM (SELECT count(*) AS rows, coalesce(max(rowid), -1) AS last FROM {table.sql}) AS found, "
            "duckdb_tables() WHERE database_name = current_database() AND schema_name = ? AND table_name = ?",
            [table.schema_key, table.name],
        )
        return int(row[1]) if row is not None and row[0] == row[1] + 1 == row[2] else None

    def _spare(self, connection: duckdb.DuckDBPyConnection, log_id: str, table: Name) -> bool:
        """Let the log have the rows that are added from now on in the table only, if they will stay where they are."""
        last = self._last_row(connection, table)
        if last is None:
            return False
        start = first(connection, "SELECT nextval('_sf.change_statement')")
        origin = (int(start[0]) if start else 0) * stream_sql.STATEMENT + stream_sql.ADDITION - last
        connection.execute("UPDATE _sf.logs SET floor = ?, origin = ? WHERE id = ?", [last, origin, log_id])
        connection.execute(stream_sql.stop_copying(log_id, table))
        return True

    # definition -------------------------------------------------------------------------------------------------

    def id_of(self, table: Name) -> str:
        """The change log of a table that is known to have one."""
        return self._logs[table]

    def create(self, connection: duckdb.DuckDBPyConnection, log_id: str, table: Name, columns: Columns) -> None:
        """A log for a table, in the connection's transaction."""
        connection.execute(
            "INSERT INTO _sf.logs VALUES (?, ?, ?, ?, FALSE, NULL, NULL)",
            [log_id, table.database, table.schema, table.name],
        )
        connection.execute(stream_sql.create_log(log_id, columns))
        for statement in stream_sql.create_triggers(log_id, table, columns):
            connection.execute(statement)
        if not self._spare(connection, log_id, table):
            for statement in stream_sql.start_copying(log_id, table, columns):
                connection.execute(statement)

    @staticmethod
    def drop(connection: duckdb.DuckDBPyConnection, log_id: str, table: Name | None) -> None:
        """Drop a log, and the triggers of its table unless that is gone."""
        if table is not None:
            for statement in stream_sql.drop_triggers(log_id, table):
                connection.execute(statement)
        connection.execute(f"DROP TABLE {stream_sql.log_table(log_id)}")
        connection.execute("DELETE FROM _sf.logs WHERE id = ?", [log_id])

    def mark_stale(self, connection: duckdb.DuckDBPyConnection, table: Name) -> None:
        """The table is dropped or replaced in this transaction."""
        log_id = self.log_of(table)
        if log_id:
            for statement in stream_sql.drop_triggers(log_id, table):
                connection.execute(statement)
            connection.execute("UPDATE _sf.logs SET stale = TRUE WHERE id = ?", [log_id])

    def release(self, connection: duckdb.DuckDBPyConnection, table: Name) -> None:
        """Take the triggers away, which block ALTER TABLE, and what the log has in the table only."""
        log_id = self._logs[table]
        for statement in self.capture(connection, log_id):
            connection.execute(statement)
        for statement in stream_sql.drop_triggers(log_id, table):
            connection.execute(statement)

    def follow(self, connection: duckdb.DuckDBPyConnection, log_id: str, table: Name, columns: Columns) -> None:
        """Let a log that was released go on with its altered table, which may have another name."""
        connection.execute(
            "UPDATE _sf.logs SET database = ?, schema = ?, name = ? WHERE id = ?",
            [table.database, table.schema, table.name, log_id],
        )
        triggers = stream_sql.create_triggers(log_id, table, columns)
        for statement in [*triggers, *stream_sql.start_copying(log_id, table, columns)]:
            connection.execute(statement)

    def vacuum(self, alone: Callable[[Name], AbstractContextManager[bool]]) -> None:
        """Remove what every stream of a log has consumed, and take no more copies where none are needed.

        Args:
            alone: locks a table if nobody uses it, and says whether it did; its block is a commit that changes it.
        """
        for log_id, table in list(self._tables.items()):
            with self._store.control() as connection:
                log = stream_sql.log_table(log_id)
                connection.execute(f"DELETE FROM {log} WHERE _seq <= {self._consumed(connection, log_id)}")
                spare = self.is_copying(log_id) and self._last_row(connection, table) is not None
            if spare:
                with alone(table) as locked:
                    if locked and self._tables.get(log_id) == table:
                        self._stop_copying(log_id, table)

    def _stop_copying(self, log_id: str, table: Name) -> None:
        with self._store.control() as connection:
            spared = self._spare(connection, log_id, table)
        if spared:
            with self._guard:
                self._copying.discard(log_id)
