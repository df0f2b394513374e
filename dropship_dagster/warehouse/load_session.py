"""The loader's connection to the warehouse: opened when it is needed, closed after an error, and patient."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from snowflake.connector import SnowflakeConnection
from snowflake.connector import errors as snowflake_errors

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.warehouse.connection import close_quietly, open_connection, with_retries

_REQUEST_SECONDS = 120

Result = TypeVar("Result")


class LoadSession:
    """One connection for planning and committing. Used by one thread at a time."""

    def __init__(
        self,
        endpoint: WarehouseEndpoint,
        run_id: str,
        *,
        keep_alive: bool,
        patience_seconds: float,
        stop: threading.Event,
        on_wait: Callable[[str, float], None],
    ) -> None:
        """Nothing is opened yet.

        Args:
            endpoint: the deployed warehouse.
            run_id: the query tag names it.
            keep_alive: the session outlives hours without a statement.
            patience_seconds: how long `retrying` goes on trying.
            stop: ends the waiting between two attempts.
            on_wait: told the reason and the seconds until the next attempt.
        """
        self._endpoint, self._run_id, self._keep_alive = endpoint, run_id, keep_alive
        self._patience_seconds, self._stop, self._on_wait = patience_seconds, stop, on_wait
        self._connection: SnowflakeConnection | None = None

    def connection(self) -> SnowflakeConnection:
        """The open connection."""
        if self._connection is None:
            self._connection = self.open()
        return self._connection

    def open(self) -> SnowflakeConnection:
        """A connection of the caller's own."""
        return open_connection(
            self._endpoint,
            query_tag=f"dropship consume {self._run_id}",
            network_timeout=_REQUEST_SECONDS,
            keep_alive=self._keep_alive,
        )

    def close(self) -> None:
        """Close the connection. The next use opens another one."""
        if self._connection is not None:
            close_quietly(self._connection)
            self._connection = None

    def retrying(self, action: Callable[[], Result]) -> Result:
        """The action's result, repeated over a new connection while the warehouse is away.

        Raises:
            WarehouseUnavailableError: it was away for longer than `patience_seconds`, or the run is to stop.
            Exception: whatever else the action raises.
        """

        def attempt() -> Result:
            try:
                return action()
            except (snowflake_errors.Error, OSError):
                # Its transaction is rolled back by the server; what it was doing is settled under the next one's lock.
                self.close()
                raise

        return with_retries(attempt, patience_seconds=self._patience_seconds, stop=self._stop, on_wait=self._on_wait)
