"""Connections to the warehouse, and which of its errors are worth another try."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import snowflake.connector
from snowflake.connector import SnowflakeConnection
from snowflake.connector import errors as snowflake_errors

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.warehouse.errors import (
    CredentialsRefusedError,
    KafkaUnreachableError,
    NotDeployedError,
    WarehouseError,
    WarehouseUnavailableError,
)

logger = logging.getLogger(__name__)

LOGIN_TIMEOUT_SECONDS = 20
LOCK_TIMEOUT_SECONDS = 60
PATIENCE_BESIDE_TASKS = 120.0
"""Seconds to try again beside a run of the task graph, whose locks a transaction may have to give way to."""

# Snowflake's numbers: a lock was not had in time, a deadlock was broken, the session is gone, its token expired, the
# transaction was rolled back because it was idle while another one waited for it.
_TRY_AGAIN = frozenset({625, 619, 90232, 90233, 390104, 390110, 390111, 390112, 390114, 390195})
# The connector's numbers: login refused by the service; a private key that cannot be used.
_LOGIN_REFUSED = frozenset({250001, 251008, 390100, 390101, 390102, 390144, 390422, 394507})
# An object is not there, an operation is not possible on it, the session has no current database or schema.
_DOES_NOT_EXIST = frozenset({2003, 2043, 90105, 90106})

_SESSION_PARAMETERS: Mapping[str, Any] = {
    "TIMEZONE": "UTC",
    "LOCK_TIMEOUT": LOCK_TIMEOUT_SECONDS,
    # A consumer that lost its connection must not load on without knowing.
    "ABORT_DETACHED_QUERY": True,
}

Result = TypeVar("Result")


@contextmanager
def connect(
    endpoint: WarehouseEndpoint,
    *,
    query_tag: str | None = None,
    network_timeout: int | None = None,
    keep_alive: bool = False,
) -> Iterator[SnowflakeConnection]:
    """A session in the endpoint's database and warehouse, in UTC, closed whatever happens.

    Statements are bound with `?` (qmark) and commit by themselves outside BEGIN ... COMMIT.

    Args:
        endpoint: where the warehouse is.
        query_tag: found in QUERY_HISTORY.QUERY_TAG; the platform puts its run ids there.
        network_timeout: seconds after which a request that gets no answer is an error; by default the connector's.
        keep_alive: renew the session while it is idle, for connections that live for hours.

    Raises:
        CredentialsRefusedError: user, password, key or account are wrong.
        WarehouseUnavailableError: nobody answers.
    """
    connection = open_connection(endpoint, query_tag=query_tag, network_timeout=network_timeout, keep_alive=keep_alive)
    try:
        yield connection
    finally:
        close_quietly(connection)


def open_connection(
    endpoint: WarehouseEndpoint,
    *,
    query_tag: str | None = None,
    network_timeout: int | None = None,
    keep_alive: bool = False,
) -> SnowflakeConnection:
    """As `connect`, for callers that keep the connection; they close it."""
    parameters = {**_SESSION_PARAMETERS, **({"QUERY_TAG": query_tag} if query_tag else {})}
    arguments: dict[str, Any] = {
        "login_timeout": LOGIN_TIMEOUT_SECONDS,
        "application": "Dropship",
        "database": endpoint.database,
        "schema": "OPS",
        "warehouse": endpoint.warehouse,
        "paramstyle": "qmark",
        "client_session_keep_alive": keep_alive,
        **({"network_timeout": network_timeout} if network_timeout else {}),
        **endpoint.connect_args,
    }
    arguments["session_parameters"] = {**parameters, **arguments.get("session_parameters", {})}
    try:
        return snowflake.connector.connect(**arguments)
    except snowflake_errors.Error as error:
        raise _login_error(endpoint, error) from error
    except OSError as error:
        raise WarehouseUnavailableError(f"The warehouse {_where(endpoint)} cannot be reached: {error}.") from error


def close_quietly(connection: SnowflakeConnection) -> None:
    """Close; a server that is gone has closed it already."""
    with suppress(snowflake_errors.Error, OSError):
        connection.close(retry=False)


def is_transient(error: BaseException) -> bool:
    """Whether the same statement may succeed on a new connection a little later."""
    if isinstance(error, WarehouseUnavailableError | KafkaUnreachableError):
        return True
    if not isinstance(error, snowflake_errors.Error):
        return isinstance(error, OSError)
    if error.errno in _TRY_AGAIN:
        return True
    return isinstance(error, snowflake_errors.OperationalError | snowflake_errors.InterfaceError)


@contextmanager
def deployed() -> Iterator[None]:
    """What is not there within was never deployed.

    Raises:
        NotDeployedError: a statement named an object that does not exist.
    """
    try:
        yield
    except snowflake_errors.ProgrammingError as error:
        if does_not_exist(error):
            raise NotDeployedError("The warehouse is not deployed yet: run `dropship deploy`.") from error
        raise


def does_not_exist(error: snowflake_errors.Error) -> bool:
    """Whether the error says that an object does not exist (or may not be seen)."""
    return error.errno in _DOES_NOT_EXIST


def message_of(error: BaseException) -> str:
    """The error in one line, without the connector's prefixes."""
    text = str(getattr(error, "raw_msg", None) or getattr(error, "msg", None) or error)
    return " ".join(text.split())


def with_retries(
    action: Callable[[], Result],
    *,
    patience_seconds: float,
    stop: threading.Event | None = None,
    on_wait: Callable[[str, float], None] | None = None,
) -> Result:
    """Run the action until it succeeds, fails for good, or has failed in passing for longer than the patience.

    Waits 0.2 s, then twice as long each time up to 15 s, with jitter so that many clients do not come back at once.

    Args:
        action: opens what it needs itself; it is run from its beginning each time.
        patience_seconds: how long to go on after the first failure.
        stop: when set, the last failure is raised instead of waiting on.
        on_wait: told the reason and the seconds before each wait.
    """
    wait, deadline = 0.2, None
    while True:
        try:
            return action()
        except (WarehouseError, snowflake_errors.Error, OSError) as error:
            if not is_transient(error):
                raise
            now = time.monotonic()
            deadline = deadline or now + patience_seconds
            pause = wait * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
            if now + pause > deadline or (stop is not None and stop.is_set()):
                raise
            reason = message_of(error)
        logger.warning("Trying again in %.1f s: %s", pause, reason)
        if on_wait:
            on_wait(reason, pause)
        _sleep(pause, stop)
        wait = min(wait * 2, 15.0)


def _sleep(seconds: float, stop: threading.Event | None) -> None:
    if stop is None:
        time.sleep(seconds)
    else:
        stop.wait(seconds)


def _where(endpoint: WarehouseEndpoint) -> str:
    host, port = endpoint.connect_args.get("host"), endpoint.connect_args.get("port")
    return f"at {host}:{port}" if host else f"of account {endpoint.account}"


def _login_error(endpoint: WarehouseEndpoint, error: snowflake_errors.Error) -> WarehouseError:
    refused = error.errno in _LOGIN_REFUSED and not isinstance(error, snowflake_errors.OperationalError)
    if refused:
        return CredentialsRefusedError(
            f"The warehouse {_where(endpoint)} refused the login: {message_of(error)} Check SNOWFLAKE_ACCOUNT, "
            "SNOWFLAKE_USER and SNOWFLAKE_PRIVATE_KEY_PATH, SNOWFLAKE_TOKEN or SNOWFLAKE_PASSWORD."
        )
    return WarehouseUnavailableError(f"The warehouse {_where(endpoint)} cannot be reached: {message_of(error)}")
