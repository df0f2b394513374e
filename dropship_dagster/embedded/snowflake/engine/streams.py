"""Streams: offsets into the change logs of tables.

Source: docs.snowflake.com/en/user-guide/streams-intro. The registry is a cache of the committed control tables; DDL
reloads it.
"""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

import duckdb

from dropship_dagster.embedded.snowflake.engine import stream_sql
from dropship_dagster.embedded.snowflake.engine.store import Store, first
from dropship_dagster.embedded.snowflake.engine.stream_sql import Window
from dropship_dagster.embedded.snowflake.errors import SnowflakeError, exists, missing, refuse
from dropship_dagster.embedded.snowflake.syntax.names import Name

RETENTION = dt.timedelta(days=14)
"""MAX_DATA_EXTENSION_TIME_IN_DAYS: a stream that is not consumed for so long is stale in Snowflake."""


@dataclass(frozen=True)
class Stream:
    """A stream as created; its offset lives in `stream_offsets`."""

    id: str
    name: Name
    log_id: str
    table: Name
    append_only: bool
    initial: bool
    start: int
    comment: str
    created: dt.datetime
    stale: bool

    @property
    def mode(self) -> str:
        return "APPEND_ONLY" if self.append_only else "DEFAULT"


@dataclass(frozen=True)
class Request:
    """What CREATE STREAM asks for."""

    name: Name
    table: Name
    replace: bool
    if_not_exists: bool
    append_only: bool
    initial: bool
    at_stream: Name | None
    comment: str


class Place(NamedTuple):
    """Where the rows begin that a log has in its table only: beyond the row id `floor`, with _seq = origin + row id."""

    floor: int
    origin: int


Columns = Sequence[stream_sql.Column]


def columns_of(connection: duckdb.DuckDBPyConnection, table: Name) -> list[stream_sql.Column]:
    """The columns of a table, in order; empty when there is no such table."""
    return connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = current_database() "
        "AND schema_name = ? AND table_name = ? ORDER BY column_index",
        [table.schema_key, table.name],
    ).fetchall()


class Streams:
    """The registry, and what DDL and DML need of it. Callers hold the locks."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._by_name: dict[Name, Stream] = {}
        self._logs: dict[Name, str] = {}
        self._tables: dict[str, Name] = {}
        self._copying: set[str] = set()
        self._highest: dict[Place, int] = {}
        self._changed = False
        self.reload()

    def reload(self) -> None:
        """Read the committed state."""
        with self._store.reading() as connection:
            self.reload_from(connection)

    def reload_if_changed(self) -> None:
        """Read the committed state after DDL that changed it."""
        if self._changed:
            self._changed = False
            self.reload()

    def reload_from(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Read the state as a connection's transaction has it."""
        streams = {}
        for row in connection.execute(
            "SELECT s.id, s.database, s.schema, s.name, s.log_id, l.database, l.schema, l.name, "
            "s.mode = 'APPEND_ONLY', s.initial, s.start_seq, s.comment, s.created, l.stale "
            "FROM _sf.streams s JOIN _sf.logs l ON l.id = s.log_id"
        ).fetchall():
            stream = Stream(row[0], Name(*row[1:4]), row[4], Name(*row[5:8]), *row[8:])
            streams[stream.name] = stream
        logs = connection.execute(
            "SELECT id, floor IS NULL, database, schema, name FROM _sf.logs WHERE NOT stale"
        ).fetchall()
        with self._guard:
            self._by_name = streams
            self._tables = {row[0]: Name(*row[2:]) for row in logs}
            self._logs = {table: log_id for log_id, table in self._tables.items()}
            self._copying = {row[0] for row in logs if row[1]}

    def find(self, name: Name) -> Stream | None:
        return self._by_name.get(name)

    def all(self) -> list[Stream]:
        return sorted(self._by_name.values(), key=lambda stream: stream.name)

    def log_of(self, table: Name) -> str | None:
        """The change log of a table that has streams."""
        return self._logs.get(table)

    # reading ----------------------------------------------------------------------------------------------------

    def window(self, connection: duckdb.DuckDBPyConnection, stream: Stream, limit: int | None) -> Window:
        """The changes to show, as the connection's snapshot has it.

        `limit` is the log's end before the own transaction wrote to the table.
        """
        self.check(stream)
        offset = self._offset(connection, stream)
        if offset < 0:
            return Window(offset, 0)  # SHOW_INITIAL_ROWS: first the rows that were there, then what changed since
        place = self._place(connection, stream.log_id)
        high = max(offset, self._end(connection, stream.log_id, stream.table, place) if limit is None else limit)
        if place is None:
            return Window(offset, high)
        after = max(place.floor, offset - place.origin)
        return Window(offset, high, after, high - place.origin, place.origin)

    def has_data(self, connection: duckdb.DuckDBPyConnection, stream: Stream) -> bool:
        """SYSTEM$STREAM_HAS_DATA: whether anything was logged since the offset; may err to TRUE only."""
        self.check(stream)
        offset = self._offset(connection, stream)
        if offset < 0:
            return True
        wanted = " AND _insert AND _pair IS NULL" if stream.append_only else ""
        log = stream_sql.log_table(stream.log_id)
        if first(connection, f"SELECT 1 FROM {log} WHERE _seq > {offset}{wanted} LIMIT 1") is not None:
            return True
        place = self._place(connection, stream.log_id)
        if place is None:
            return False
        after = max(place.floor, offset - place.origin)
        return first(connection, f"SELECT 1 FROM {stream.table.sql} WHERE rowid > {after} LIMIT 1") is not None

    def check(self, stream: Stream) -> None:
        """Refuse a stream whose table was dropped or replaced."""
        if stream.stale:
            raise SnowflakeError(
                f"Base table '{stream.table}' of stream '{stream.name.name}' dropped or replaced, cannot read from the "
                "stream; recreate it",
                91901,
                "01000",
            )

    def end(self, connection: duckdb.DuckDBPyConnection, log_id: str) -> int:
        """The last number in a log, without rows that the connection's transaction has added to its table only."""
        return self._end(connection, log_id, self._tables[log_id], self._place(connection, log_id))

    def _end(self, connection: duckdb.DuckDBPyConnection, log_id: str, table: Name, place: Place | None) -> int:
        row = first(connection, f"SELECT coalesce(max(_seq), 0) FROM {stream_sql.log_table(log_id)}")
        end = int(row[0]) if row else 0
        if place is None:
            return end
        known = self._highest.get(place, place.floor)
        for floor in dict.fromkeys((known, place.floor)):  # an older snapshot may not have what is known
            found = first(
                connection,
                f"SELECT max(rowid) FROM {table.sql} "
                f"WHERE rowid >= {floor} AND rowid > {place.floor} AND rowid < {stream_sql.OWN_ROWS}",
            )
            if found and found[0] is not None:
                self._highest[place] = max(known, found[0])
                return max(end, place.origin + int(found[0]))
        return end

    def _place(self, connection: duckdb.DuckDBPyConnection, log_id: str) -> Place | None:
        """What of a log is in its table only, as the connection's snapshot has it."""
        row = first(connection, "SELECT floor, origin FROM _sf.logs WHERE id = ? AND floor IS NOT NULL", [log_id])
        return Place(*row) if row else None

    def _offset(self, connection: duckdb.DuckDBPyConnection, stream: Stream) -> int:
        row = first(connection, "SELECT seq FROM _sf.stream_offsets WHERE stream_id = ?", [stream.id])
        return int(row[0]) if row else stream.start

    def advance(self, connection: duckdb.DuckDBPyConnection, stream: Stream, high: int) -> None:
        """Move the offset, in the transaction that consumed the rows."""
        seq = stream.start if high == 0 and stream.initial else high
        connection.execute(
            "UPDATE _sf.stream_offsets SET seq = ?, advanced = now() WHERE stream_id = ?", [seq, stream.id]
        )

    # writing ----------------------------------------------------------------------------------------------------

    def is_copying(self, log_id: str) -> bool:
        """Whether the log takes a copy of every row that is added; changes only under the table's lock."""
        return log_id in self._copying

    def sees_copying(self, connection: duckdb.DuckDBPyConnection, log_id: str) -> bool:
        """Whether the connection's snapshot is of a time when the log did, and so has the trigger for it."""
        return self._place(connection, log_id) is None

    @staticmethod
    def set_copying(log_id: str, *, copying: bool) -> str:
        """The statement that tells the table's trigger what to do for a connection."""
        return f"SET VARIABLE {stream_sql.direct_variable(log_id)} = {not copying}"

    def capture(self, connection: duckdb.DuckDBPyConnection, log_id: str) -> list[str]:
        """The statements that let the log stand without its table, whose rows are going to be changed or removed.

        They copy the rows that a stream has not consumed yet.
        """
        place, table = self._place(connection, log_id), self._tables[log_id]
        if place is None:
            return []
        after = max(place.floor, self._consumed(connection, log_id) - place.origin)
        return stream_sql.capture(log_id, table, columns_of(connection, table), after, place.origin)

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

    def create(self, connection: duckdb.DuckDBPyConnection, request: Request) -> str:
        """CREATE STREAM, in the connection's transaction. Returns the status message."""
        self._changed = True
        old = self.find(request.name)
        if old and request.if_not_exists:
            return f"{request.name.name} already exists, statement succeeded."
        if old and not request.replace:
            raise exists(request.name)
        columns = columns_of(connection, request.table)
        if not columns:
            raise missing("Table", request.table)
        log_id = self.log_of(request.table)
        if log_id is None:
            log_id = uuid.uuid4().hex[:12]
            self._create_log(connection, log_id, request.table, columns)
        stream_id = uuid.uuid4().hex[:12]
        start = self._start(connection, request, log_id)
        if request.initial:
            connection.execute(
                f"CREATE TABLE {stream_sql.initial_table(stream_id)} AS "
                f"SELECT {stream_sql.FIRST} + row_number() OVER () AS _seq, * FROM {request.table.sql}"
            )
        connection.execute(
            "INSERT INTO _sf.streams VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, now())",
            [stream_id, request.name.database, request.name.schema, request.name.name, log_id,
             "APPEND_ONLY" if request.append_only else "DEFAULT", request.initial, start, request.comment],
        )  # fmt: skip
        first = stream_sql.FIRST if request.initial else start
        connection.execute("INSERT INTO _sf.stream_offsets VALUES (?, ?, now())", [stream_id, first])
        connection.execute(
            stream_sql.create_reader(
                stream_id, log_id, request.table, columns, initial=request.initial, append_only=request.append_only
            )
        )
        if old:
            self._forget(connection, old, keep_log=old.log_id == log_id)
        return f"Stream {request.name.name} successfully created."

    def _start(self, connection: duckdb.DuckDBPyConnection, request: Request, log_id: str) -> int:
        if request.at_stream is None:
            place = self._place(connection, log_id)
            if place is not None:
                return max(self._end(connection, log_id, request.table, place), place.origin + place.floor)
            # the log may have been emptied of consumed rows: begin where the next statement will
            row = first(connection, "SELECT nextval('_sf.change_statement')")
            return int(row[0]) * stream_sql.STATEMENT if row else 0
        other = self.find(request.at_stream)
        if other is None:
            raise missing("Stream", request.at_stream)
        self.check(other)
        if other.log_id != log_id:
            refuse("AT (STREAM => ...) with a stream on another table")
        offset = self._offset(connection, other)
        if offset < 0:
            refuse("AT (STREAM => ...) with a stream whose initial rows were never read")
        return offset

    def _create_log(self, connection: duckdb.DuckDBPyConnection, log_id: str, table: Name, columns: Columns) -> None:
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

    def drop(self, connection: duckdb.DuckDBPyConnection, stream: Stream) -> None:
        """DROP STREAM; the last one of a table takes the change log with it."""
        self._changed = True
        self._forget(connection, stream, keep_log=False)

    def set_comment(self, connection: duckdb.DuckDBPyConnection, stream: Stream, text: str) -> None:
        self._changed = True
        connection.execute("UPDATE _sf.streams SET comment = ? WHERE id = ?", [text, stream.id])

    def _forget(self, connection: duckdb.DuckDBPyConnection, stream: Stream, *, keep_log: bool) -> None:
        connection.execute(f"DROP MACRO TABLE IF EXISTS _sf.{stream_sql.reader(stream.id)}")
        connection.execute(f"DROP TABLE IF EXISTS {stream_sql.initial_table(stream.id)}")
        for table in ("streams WHERE id", "stream_offsets WHERE stream_id"):
            connection.execute(f"DELETE FROM _sf.{table} = ?", [stream.id])
        others = first(connection, "SELECT 1 FROM _sf.streams WHERE log_id = ?", [stream.log_id])
        if others or keep_log:
            return
        if not stream.stale:
            for statement in stream_sql.drop_triggers(stream.log_id, stream.table):
                connection.execute(statement)
        connection.execute(f"DROP TABLE {stream_sql.log_table(stream.log_id)}")
        connection.execute("DELETE FROM _sf.logs WHERE id = ?", [stream.log_id])

    # the tracked table changes ------------------------------------------------------------------------------------

    def table_gone(self, connection: duckdb.DuckDBPyConnection, table: Name) -> None:
        """The table is dropped or replaced in this transaction: its streams become stale."""
        self._changed = True
        log_id = self.log_of(table)
        if log_id:
            for statement in stream_sql.drop_triggers(log_id, table):
                connection.execute(statement)
            connection.execute("UPDATE _sf.logs SET stale = TRUE WHERE id = ?", [log_id])

    def release(self, connection: duckdb.DuckDBPyConnection, table: Name) -> None:
        """Take the triggers away, which block ALTER TABLE, and what the log has in the table only."""
        self._changed = True
        log_id = self._logs[table]
        for statement in self.capture(connection, log_id):
            connection.execute(statement)
        for statement in stream_sql.drop_triggers(log_id, table):
            connection.execute(statement)

    def altered(
        self, connection: duckdb.DuckDBPyConnection, table: Name, renamed_to: Name, before: Columns,
        column_changes: Iterable[str],
    ) -> None:  # fmt: skip
        """Bring log, triggers and readers into line with an altered table, in the transaction of the ALTER.

        `column_changes` are the ALTER TABLE clauses that changed the columns, in DuckDB's words.
        """
        log_id = self._logs[table]
        columns = columns_of(connection, renamed_to)
        streams = [stream for stream in self.all() if stream.log_id == log_id]
        copies = [stream_sql.log_table(log_id)]
        copies += [stream_sql.initial_table(stream.id) for stream in streams if stream.initial]
        for copy in copies:
            for change in column_changes:
                connection.execute(f"ALTER TABLE {copy} {change}")
        connection.execute(
            "UPDATE _sf.logs SET database = ?, schema = ?, name = ? WHERE id = ?",
            [renamed_to.database, renamed_to.schema, renamed_to.name, log_id],
        )
        triggers = stream_sql.create_triggers(log_id, renamed_to, columns)
        for statement in [*triggers, *stream_sql.start_copying(log_id, renamed_to, columns)]:
            connection.execute(statement)
        for stream in streams:
            connection.execute(
                stream_sql.create_reader(
                    stream.id, log_id, renamed_to, columns, initial=stream.initial, append_only=stream.append_only
                )
            )

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
