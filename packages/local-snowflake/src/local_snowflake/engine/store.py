"""The one DuckDB file with all databases, and the server's own tables in it."""

from __future__ import annotations

import contextlib
import importlib.resources
import logging
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from local_snowflake.engine import variants
from local_snowflake.errors import SnowflakeError, full
from local_snowflake.syntax.names import literal, quote

log = logging.getLogger("warehouse.store")

RESERVE_BYTES = 64 << 20
"""Of the disk, kept free for checkpoints: several times DuckDB's write-ahead log."""

ROW_GROUP_ROWS = 16_384
"""Rows of DuckDB's row groups. A transaction that adds so many to a table writes them compressed and once, past the
write-ahead log; fewer go through the log and are compressed again at each checkpoint until their row group is full.
DuckDB's own 122,880 are more than a batch of a loader has."""

_CATALOG = "warehouse"
_OWN_SCHEMA = f"{_CATALOG}._sf"

TEMPORARY = "_temporary."
"""DuckDB schemas that begin so hold the temporary tables of one session each."""


def first(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
    """The first row; everything is fetched, or the connection stays busy with the rest."""
    rows = connection.execute(sql, list(parameters)).fetchall()
    return rows[0] if rows else None


def _open(file: str, config: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    """The database, with the server's own tables and macros brought up to date."""
    root = duckdb.connect(config=config)
    try:
        root.execute(f"ATTACH {literal(file)} AS {_CATALOG} (ROW_GROUP_SIZE {ROW_GROUP_ROWS}); USE {_CATALOG}")
        _require_format(root)
        variants.register(root)
        for script in ("control.sql", "macros.sql"):
            root.execute(importlib.resources.files(__package__).joinpath(script).read_text())
    except BaseException:
        root.close()
        raise
    return root


def _require_format(root: duckdb.DuckDBPyConnection) -> None:
    """Refuse a file of an earlier version, whose change logs are others.

    Raises:
        OSError: it is one.
    """
    columns = root.execute(
        "SELECT column_name FROM duckdb_columns() WHERE schema_name = '_sf' AND table_name = 'logs'"
    ).fetchall()
    if columns and ("origin",) not in columns:
        raise OSError("it was written by an earlier version of this server")


class Store:
    """Opens the file, hands out connections, and reads and writes the control tables."""

    def __init__(self, folder: Path, memory_limit: str, threads: int) -> None:
        self.stages = folder / "stages"
        self.results = folder / "results"
        spill = folder / "spill"
        for leftover in (self.results, spill):
            shutil.rmtree(leftover, ignore_errors=True)
        for needed in (self.stages, self.results):
            needed.mkdir(mode=0o700, exist_ok=True)
        config: dict[str, Any] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": str(spill),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        self._control = threading.RLock()
        file = str(folder / "warehouse.duckdb")
        try:
            self._root = _open(file, config)
        except duckdb.Error as error:
            # a checkpoint after reading the log failed, most likely on a full disk: go on with the log alone
            log.warning("no checkpoints until there is room: %s", str(error).split("\n")[0])
            self._root = _open(file, config | {"checkpoint_threshold": "1TB"})
        self.drop_temporary("")
        self._root.execute("SET TimeZone = 'UTC'")

    def resume_checkpoints(self) -> None:
        """Write checkpoints again, if a failed one had stopped them and there is room now."""
        with contextlib.suppress(SnowflakeError):
            self.require_room()
            with self.reading() as connection:
                connection.execute("RESET GLOBAL checkpoint_threshold")

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own for a session or a probe; macros are found without a schema."""
        connection = self._root.cursor()
        connection.execute(
            f"SET search_path = '{_OWN_SCHEMA}'; SET TimeZone = 'UTC'; SET preserve_insertion_order = true"
        )
        return connection

    @contextmanager
    def control(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction on the control tables, apart from any session's; one at a time."""
        with self._control, self._root.cursor() as connection:
            connection.execute(f"SET search_path = '{_OWN_SCHEMA}'; BEGIN")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for reads of the control tables, as committed."""
        with self._root.cursor() as connection:
            connection.execute(f"SET search_path = '{_OWN_SCHEMA}'; SET TimeZone = 'UTC'")
            yield connection

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a read of the control tables, as committed."""
        with self.reading() as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """One write to the control tables."""
        with self.control() as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def usable(self) -> bool:
        """Whether DuckDB serves the file: an error in a checkpoint (a full disk) makes it give the file up for good."""
        try:
            with self._root.cursor() as connection:
                connection.execute(f"SELECT 1 FROM {_OWN_SCHEMA}.databases LIMIT 0").fetchall()
        except (duckdb.FatalException, duckdb.IOException):
            return False
        return True

    def require_room(self) -> None:
        """Refuse what makes the data grow while there is hardly any room: a checkpoint that fails is fatal.

        Raises:
            SnowflakeError: 000604, the disk is (nearly) full.
        """
        room = os.statvfs(self.stages)
        free = room.f_bavail * room.f_frsize
        if free < RESERVE_BYTES:
            raise full(f"{free >> 20} MB are free, {RESERVE_BYTES >> 20} MB are kept for its own work")

    def drop_temporary(self, session: str) -> None:
        """Drop the temporary tables of a session, or of all of them."""
        with self.reading() as connection:
            found = connection.execute(
                "SELECT schema_name FROM duckdb_schemas() WHERE database_name = current_database() "
                f"AND starts_with(schema_name, {literal(TEMPORARY + session)})"
            )
            for (schema,) in found.fetchall():
                connection.execute(f"DROP SCHEMA IF EXISTS {quote(schema)} CASCADE")

    def close(self) -> None:
        """Write everything into the file and let it go."""
        try:
            self._root.execute("CHECKPOINT")
        except duckdb.Error as error:  # everything is in the write-ahead log, which the next start reads
            log.warning("no checkpoint at the end: %s", str(error).split("\n")[0])
        self._root.close()
