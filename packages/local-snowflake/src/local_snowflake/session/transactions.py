"""A session's transactions: locks, DuckDB's snapshot, the windows of streams, and the undoing of one statement.

An error ends DuckDB's transaction, which has no savepoints, where Snowflake undoes the failed statement alone. So the
transaction is restarted and its journal of statements replayed, if every statement is repeatable and nothing was
committed since its snapshot. Otherwise it is over: everything but ROLLBACK is refused, and COMMIT is an error.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb

from local_snowflake.engine.engine import Engine
from local_snowflake.engine.locks import Mode
from local_snowflake.engine.plans import Step
from local_snowflake.engine.slots import STATEMENT_TIMESTAMP, Slot, SlottedText
from local_snowflake.engine.store import first
from local_snowflake.engine.stream_sql import Window, window_variables
from local_snowflake.engine.streams import Stream
from local_snowflake.errors import Code, SnowflakeError
from local_snowflake.session.bindings import Values, slot_value
from local_snowflake.session.transaction import Transaction
from local_snowflake.syntax.names import Name

LOCK_TIMEOUT_SECONDS = 43_200
"""Snowflake's default of the parameter LOCK_TIMEOUT."""

_KEPT_BYTES = 8 << 20
"""Of the statements of a transaction, kept for a replay."""


class Transactional:
    """What a session needs to change data. Not thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.cancelled = threading.Event()
        self.connection = engine.store.connect()
        self.parameters: dict[str, str] = {"TIMEZONE": "UTC", "AUTOCOMMIT": "TRUE"}
        self.transaction: Transaction | None = None
        self.statement_timestamp = "now()"
        self.bindings: Values = {}

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
                Code.TRANSACTION_ROLLED_BACK,
                "25P02",
            )
        try:
            if transaction.open:
                for stream in transaction.consumed.values():
                    self.engine.streams.advance(self.connection, stream, transaction.windows[stream.id][1])
                for log in transaction.late:
                    self.connection.execute(self.engine.change_logs.copy_own(self.connection, log))
                with self.engine.committing(transaction.written):
                    self.connection.execute("COMMIT")
                self.engine.change_logs.captured(transaction.captured)
                transaction.open = False
        finally:
            self.rollback()

    def rollback(self) -> None:
        """End the transaction without its changes; also the end of every transaction."""
        transaction, self.transaction = self.transaction, None
        try:
            if transaction is not None and transaction.open:
                self._abort()
        finally:
            self.engine.locks.release(self)

    def _abort(self) -> None:
        # a COMMIT that failed, and a database that DuckDB has given up, leave nothing to roll back
        with contextlib.suppress(duckdb.Error):
            self.connection.execute("ROLLBACK")

    def abandon(self, reason: str) -> None:
        """Roll back a transaction that its client has left; a later COMMIT is an error, not a success."""
        self.rollback()
        self.transaction = Transaction(explicit=True, aborted=reason)

    def require_usable(self) -> None:
        """Refuse statements in a transaction that an error has ended."""
        if self.transaction is not None and self.transaction.aborted:
            raise SnowflakeError(
                "The transaction cannot go on after an error (the local warehouse could not undo the failed "
                f"statement alone); ROLLBACK it and begin again. The error was: {self.transaction.aborted}",
                Code.TRANSACTION_ABORTED,
                "25P02",
            )

    def _open(self, transaction: Transaction) -> None:
        if transaction.open:
            return
        transaction.snapshot = self.engine.commits
        self.connection.execute("BEGIN")
        transaction.open = True
        self.connection.execute("SELECT 1 FROM _sf.databases LIMIT 0").fetchall()
        transaction.exact = transaction.snapshot == self.engine.begun

    @contextmanager
    def change(self, targets: Mapping[Name, Mode], streams: Sequence[Stream]) -> Iterator[None]:
        """Everything DML needs: locks, a transaction, the windows of the streams it reads, and a commit at its end.

        Raises:
            SnowflakeError: lock time-outs and deadlocks; a table that was changed after this transaction's snapshot.
        """
        self.require_usable()
        self.engine.store.require_room()
        own = self.transaction is None and self.autocommit
        transaction = self.transaction or Transaction(explicit=not own)
        self.transaction = transaction
        done, consumed, written = len(transaction.journal), dict(transaction.consumed), set(transaction.written)
        try:
            for stream in sorted(streams, key=lambda stream: stream.id):
                self.lock(f"stream {stream.name}", Mode.CHANGE)
            for target, mode in sorted(targets.items()):
                tracked = self.engine.change_logs.log_of(target)
                self.lock(target, Mode.CHANGE if tracked else mode)
            self._open(transaction)
            for target, mode in targets.items():
                self._note_write(transaction, target, mode)
                self._keep_log(transaction, target, mode)
            for stream in streams:
                self.set_window(stream, self._window(transaction, stream))
                transaction.consumed[stream.id] = stream
            yield
        except Exception as error:
            if own:
                self.rollback()
            else:
                transaction.consumed, transaction.written = consumed, written
                self.undo_statement(error, done)
            raise
        if own:
            self.commit()

    def filled(self, text: SlottedText) -> str:
        """A text with what belongs to this statement alone in its slots: its timestamp and its bound values."""
        return text.fill(self._slot_value)

    def _slot_value(self, slot: Slot) -> str:
        return self.statement_timestamp if slot == STATEMENT_TIMESTAMP else slot_value(self.bindings, slot.name)

    def apply(self, step: Step) -> int:
        """Run a DuckDB statement that changes rows, inside `change`; how many rows it counts."""
        sql = self.filled(step.text)
        row = first(self.connection, sql)
        count = int(row[0]) if row else 0
        transaction = self.transaction
        if transaction is not None and transaction.explicit:
            transaction.kept += len(sql)
            kept = transaction.kept < _KEPT_BYTES and step.repeatable
            transaction.journal.append((sql if kept else None, count))
        return count

    def undo_statement(self, error: Exception, done: int | None = None) -> None:
        """Bring the open transaction back to where it was before the statement that failed.

        Args:
            error: why it failed.
            done: the length of the transaction's journal before the statement; None for one that changes nothing.
        """
        transaction = self.transaction
        if transaction is None or not transaction.open or transaction.aborted:
            return
        done = len(transaction.journal) if done is None else done
        if len(transaction.journal) == done and self._alive():
            return
        self._abort()
        transaction.open = False
        del transaction.journal[done:]
        for log in transaction.captured:
            self.connection.execute(self.engine.change_logs.set_copying(log, copying=False))
        transaction.captured = {log: at for log, at in transaction.captured.items() if at < done}
        if transaction.journal and not self._replayed(transaction):
            if transaction.open:
                self._abort()
            transaction.open, transaction.aborted = False, str(error).split("\n")[0]

    def _alive(self) -> bool:
        """Whether DuckDB goes on with the transaction after an error."""
        try:
            self.connection.execute("SELECT 1").fetchall()
        except duckdb.Error:
            return False
        return True

    def _replayed(self, transaction: Transaction) -> bool:
        """Replay the journal in a new transaction of DuckDB; whether everything gave what it had given."""
        statements = [sql for sql, _ in transaction.journal if sql is not None]
        if len(statements) < len(transaction.journal) or not transaction.exact or self.cancelled.is_set():
            return False
        before = transaction.snapshot
        try:
            self._open(transaction)
            if not transaction.exact or transaction.snapshot != before:
                return False
            for sql, count in transaction.journal:
                row = first(self.connection, str(sql))
                if (int(row[0]) if row else 0) != count:
                    return False
        except duckdb.Error:
            return False
        return True

    def _note_write(self, transaction: Transaction, target: Name, mode: Mode) -> None:
        if mode is not Mode.APPEND and self.engine.last_write(target) > transaction.snapshot:
            raise SnowflakeError(
                f"Table '{target}' was changed by another transaction after this one had taken its snapshot; "
                "ROLLBACK and repeat the transaction",
                Code.CONFLICT,
                "57014",
            )
        log = self.engine.change_logs.log_of(target)
        if log and log not in transaction.limits:
            transaction.limits[log] = self.engine.change_logs.end(self.connection, log)
        transaction.written.add(target)

    def _keep_log(self, transaction: Transaction, target: Name, mode: Mode) -> None:
        """Rows that are only added need no copy in the log of their table; rows that are changed or removed do."""
        logs = self.engine.change_logs
        log = logs.log_of(target)
        if log is None:
            return
        copying = log in transaction.captured or logs.is_copying(log)
        late = copying and not logs.sees_copying(self.connection, log)
        if late:
            transaction.late.add(log)
        self.connection.execute(logs.set_copying(log, copying=copying and not late))
        if copying or mode is Mode.APPEND:
            return
        transaction.captured[log] = len(transaction.journal)
        for sql in [*logs.capture(self.connection, log), logs.set_copying(log, copying=True)]:
            row = first(self.connection, sql)
            transaction.journal.append((sql, int(row[0]) if row else 0))

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
                    self.engine.catalog.changed(self.connection)
                    with self.engine.committing(objects):
                        self.connection.execute("COMMIT")
                except BaseException:
                    self._abort()
                    raise
                self.engine.streams.reload_if_changed()
                self.engine.access.reload_if_changed()
                self.engine.defined()
        finally:
            self.engine.locks.release(self)

    def lock(self, key: Name | str, mode: Mode) -> None:
        """Take a lock that the end of the transaction gives back."""
        timeout = float(self.parameters.get("LOCK_TIMEOUT", LOCK_TIMEOUT_SECONDS))
        self.engine.locks.acquire(self, key, mode, timeout, self.cancelled)

    # streams ----------------------------------------------------------------------------------------------------

    def read_streams(self, streams: Sequence[Stream]) -> None:
        """Fix what a query sees of the streams: newly, or as the transaction has already seen them."""
        for stream in streams:
            if self.transaction is None:
                self.set_window(stream, self.engine.streams.window(self.connection, stream, None))
            else:
                self._open(self.transaction)
                self.set_window(stream, self._window(self.transaction, stream))

    def set_window(self, stream: Stream, window: Window) -> None:
        """Let the next statement see these changes of a stream."""
        for variable, value in zip(window_variables(stream.id), window, strict=True):
            self.connection.execute(f"SET VARIABLE {variable} = {value}")

    def _window(self, transaction: Transaction, stream: Stream) -> Window:
        if stream.id not in transaction.windows:
            limit = transaction.limits.get(stream.log_id)
            transaction.windows[stream.id] = self.engine.streams.window(self.connection, stream, limit)
        return transaction.windows[stream.id]
