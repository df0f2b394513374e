"""Connections to the warehouse: a few, kept while they are used, each read from by one query at a time."""

from __future__ import annotations

import atexit
import re
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from snowflake.connector import errors as snowflake_errors

from dropship_dagster.endpoints import ServiceError, WarehouseEndpoint, supervisor, warehouse_endpoint
from dropship_dagster.settings import Settings
from dropship_dagster.warehouse.connection import (
    close_quietly,
    does_not_exist,
    is_transient,
    message_of,
    open_connection,
)
from dropship_dagster.warehouse.errors import WarehouseError

_CONNECTIONS = 4
_IDLE_SECONDS = 300.0
_LOGIN_SECONDS = 5
_PROBE_SECONDS = 3.0
_ANSWER_SECONDS = 20

# A reader must not wait long for what does not come.
_READER = {
    "login_timeout": _LOGIN_SECONDS,
    "session_parameters": {"STATEMENT_TIMEOUT_IN_SECONDS": _ANSWER_SECONDS},
}
_NO_DATABASE = 90105  # "cannot perform this operation: the session has no current database"
_TIMED_OUT = 630  # STATEMENT_TIMEOUT_IN_SECONDS passed
_NUMBER = 0  # type code of NUMBER in a cursor's description
_PARAMETER = re.compile(r"(?<!:):([a-z_]+)\b")


class WarehouseDownError(Exception):
    """The warehouse cannot be reached or does not answer; the message is one sentence for the reader."""


class NotDeployedError(Exception):
    """The warehouse answers, but holds nothing of this project yet."""


@dataclass(frozen=True)
class _Idle:
    connection: Any
    since: float


class Warehouse:
    """Answers queries with data frames; safe to use from any number of threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: list[_Idle] = []
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(_CONNECTIONS)
        self._may_start = True
        atexit.register(self.close)

    def allow_start(self) -> None:
        """Let the next query start the local warehouse if it does not run, as the very first query may.

        Otherwise a dashboard left open would start again what its owner has just stopped.
        """
        self._may_start = True

    def query(self, sql: str, parameters: Mapping[str, Any]) -> pd.DataFrame:
        """Run one SELECT with bound `:name` parameters; columns come in lower case, NUMBERs as int or float.

        Raises:
            WarehouseDownError: no connection, or no answer in time.
            NotDeployedError: the database, or an object in it, does not exist.
        """
        statement, values = _bound(sql, parameters)
        with self._slots:
            kept = self._take()
            if kept:
                try:
                    return self._fetch(kept, statement, values)
                except WarehouseDownError:
                    self._forget()  # the server was restarted since: all of these sessions are gone
            return self._fetch(self._connect(), statement, values)

    def close(self) -> None:
        """Close the connections that no query uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for one in idle:
            close_quietly(one.connection)

    def _take(self) -> Any | None:
        """A connection used not long ago, if there is one."""
        oldest = time.monotonic() - _IDLE_SECONDS
        with self._lock:
            expired = [one for one in self._idle if one.since < oldest]
            self._idle = [one for one in self._idle if one.since >= oldest]
            recent = self._idle.pop() if self._idle else None
        for one in expired:
            close_quietly(one.connection)
        if recent is None or _answers(recent.connection):
            return recent.connection if recent else None
        self._forget()
        return None

    def _forget(self) -> None:
        """Drop the connections without a word: nobody is there to be told that these sessions end."""
        with self._lock:
            self._idle.clear()

    def _fetch(self, connection: Any, statement: str, values: list[Any]) -> pd.DataFrame:
        """Run the statement and keep the connection, or close it when that fails."""
        try:
            frame = _frame(connection, statement, values)
        except (snowflake_errors.Error, OSError) as error:
            if _answers(connection):
                close_quietly(connection)
            number = getattr(error, "errno", None)
            if isinstance(error, snowflake_errors.Error) and (does_not_exist(error) or number == _NO_DATABASE):
                raise NotDeployedError(message_of(error)) from error
            if is_transient(error) or number == _TIMED_OUT:
                raise WarehouseDownError(message_of(error)) from error
            raise
        with self._lock:
            self._idle.append(_Idle(connection, time.monotonic()))
        return frame

    def _connect(self) -> Any:
        try:
            endpoint = self._endpoint()
            patient = replace(endpoint, connect_args={**endpoint.connect_args, **_READER})
            return open_connection(patient, query_tag="dropship dashboard", network_timeout=_ANSWER_SECONDS)
        except (ServiceError, WarehouseError) as error:
            raise WarehouseDownError(str(error)) from error

    def _endpoint(self) -> WarehouseEndpoint:
        local = not self._settings.snowflake_account
        if local and not self._may_start and not supervisor(self._settings).status()["snowflake"]["running"]:
            raise WarehouseDownError("The local warehouse does not run.")
        self._may_start = False
        return warehouse_endpoint(self._settings)


def _answers(connection: Any) -> bool:
    """Whether somebody still listens there: the connector would try for long to find out."""
    try:
        socket.create_connection((connection.host, int(connection.port)), _PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def _bound(sql: str, parameters: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """`:name` (not `::TYPE`) becomes `?`, with the values in the order the statement names them."""
    names = _PARAMETER.findall(sql)
    return _PARAMETER.sub("?", sql), [parameters[name] for name in names]


def _frame(connection: Any, statement: str, values: list[Any]) -> pd.DataFrame:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        names = [column.name.lower() for column in cursor.description]
        frame = pd.DataFrame(cursor.fetchall(), columns=names)
        for name, column in zip(names, cursor.description, strict=True):
            if column.type_code == _NUMBER:
                frame[name] = frame[name].astype("float64" if column.scale else "Int64")
        return frame
