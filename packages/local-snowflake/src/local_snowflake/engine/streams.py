"""Streams: offsets into the change logs of tables.

Source: docs.snowflake.com/en/user-guide/streams-intro. The registry is a cache of the committed control tables; DDL
reloads it, with that of the logs.
"""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from local_snowflake.engine import stream_sql
from local_snowflake.engine.change_logs import ChangeLogs, columns_of
from local_snowflake.engine.store import Store, first
from local_snowflake.engine.stream_sql import Window
from local_snowflake.errors import Code, SnowflakeError, exists, missing, refuse
from local_snowflake.syntax.names import Name

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


class Streams:
    """The registry, and what DDL and DML need of it. Callers hold the locks."""

    def __init__(self, store: Store, logs: ChangeLogs) -> None:
        self._store, self._logs = store, logs
        self._guard = threading.Lock()
        self._by_name: dict[Name, Stream] = {}
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
        with self._guard:
            self._by_name = streams
        self._logs.reload_from(connection)

    def find(self, name: Name) -> Stream | None:
        return self._by_name.get(name)

    def all(self) -> list[Stream]:
        return sorted(self._by_name.values(), key=lambda stream: stream.name)

    # reading ----------------------------------------------------------------------------------------------------

    def window(self, connection: duckdb.DuckDBPyConnection, stream: Stream, limit: int | None) -> Window:
        """The changes to show, as the connection's snapshot has it.

        `limit` is the log's end before the own transaction wrote to the table.
        """
        self.check(stream)
        offset = self._offset(connection, stream)
        if offset < 0:
            return Window(offset, 0)  # SHOW_INITIAL_ROWS: first the rows that were there, then what changed since
        tail = self._logs.tail(connection, stream.log_id)
        high = max(offset, self._logs.end_of(connection, stream.log_id, stream.table, tail) if limit is None else limit)
        if tail is None:
            return Window(offset, high)
        after = max(tail.floor, offset - tail.origin)
        return Window(offset, high, after, high - tail.origin, tail.origin)

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
        tail = self._logs.tail(connection, stream.log_id)
        if tail is None:
            return False
        after = max(tail.floor, offset - tail.origin)
        return first(connection, f"SELECT 1 FROM {stream.table.sql} WHERE rowid > {after} LIMIT 1") is not None

    def check(self, stream: Stream) -> None:
        """Refuse a stream whose table was dropped or replaced."""
        if stream.stale:
            raise SnowflakeError(
                f"Base table '{stream.table}' of stream '{stream.name.name}' dropped or replaced, cannot read from the "
                "stream; recreate it",
                Code.STREAM_STALE,
                "01000",
            )

    def _offset(self, connection: duckdb.DuckDBPyConnection, stream: Stream) -> int:
        row = first(connection, "SELECT seq FROM _sf.stream_offsets WHERE stream_id = ?", [stream.id])
        return int(row[0]) if row else stream.start

    def advance(self, connection: duckdb.DuckDBPyConnection, stream: Stream, high: int) -> None:
        """Move the offset, in the transaction that consumed the rows."""
        seq = stream.start if high == 0 and stream.initial else high
        connection.execute(
            "UPDATE _sf.stream_offsets SET seq = ?, advanced = now() WHERE stream_id = ?", [seq, stream.id]
        )

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
        log_id = self._logs.log_of(request.table)
        if log_id is None:
            log_id = uuid.uuid4().hex[:12]
            self._logs.create(connection, log_id, request.table, columns)
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
            tail = self._logs.tail(connection, log_id)
            if tail is not None:
                return max(self._logs.end_of(connection, log_id, request.table, tail), tail.origin + tail.floor)
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
        self._logs.drop(connection, stream.log_id, None if stream.stale else stream.table)

    # the tracked table changes ------------------------------------------------------------------------------------

    def table_gone(self, connection: duckdb.DuckDBPyConnection, table: Name) -> None:
        """The table is dropped or replaced in this transaction: its streams become stale."""
        self._changed = True
        self._logs.mark_stale(connection, table)

    def release(self, connection: duckdb.DuckDBPyConnection, table: Name) -> None:
        """Let go of a table that is going to be altered: `altered` has to follow."""
        self._changed = True
        self._logs.release(connection, table)

    def altered(
        self, connection: duckdb.DuckDBPyConnection, table: Name, renamed_to: Name,
        column_changes: Iterable[str],
    ) -> None:  # fmt: skip
        """Bring log, triggers and readers into line with an altered table, in the transaction of the ALTER.

        `column_changes` are the ALTER TABLE clauses that changed the columns, in DuckDB's words.
        """
        log_id = self._logs.id_of(table)
        columns = columns_of(connection, renamed_to)
        streams = [stream for stream in self.all() if stream.log_id == log_id]
        copies = [stream_sql.log_table(log_id)]
        copies += [stream_sql.initial_table(stream.id) for stream in streams if stream.initial]
        for copy in copies:
            for change in column_changes:
                connection.execute(f"ALTER TABLE {copy} {change}")
        self._logs.follow(connection, log_id, renamed_to, columns)
        for stream in streams:
            connection.execute(
                stream_sql.create_reader(
                    stream.id, log_id, renamed_to, columns, initial=stream.initial, append_only=stream.append_only
                )
            )
