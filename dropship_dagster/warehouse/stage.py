"""The loader's stage: files on their way into RAW. PUT and REMOVE are not part of any transaction."""

from __future__ import annotations

import datetime as dt
import io
import logging
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

from snowflake.connector import SnowflakeConnection
from snowflake.connector import errors as snowflake_errors

from dropship_dagster.warehouse.connection import close_quietly, message_of
from dropship_dagster.warehouse.errors import WarehouseError

logger = logging.getLogger(__name__)

STAGE = "@OPS.LOADER"

_ABANDONED_AFTER = dt.timedelta(days=1)


@dataclass(frozen=True)
class Staged:
    """A file in the stage: its path, and how many seconds the upload took."""

    path: str
    seconds: float


class Stager:
    """Uploads the files of batches while the one before is committed, in a thread and a session of its own.

    Use it in a `with`. What cannot be uploaded is left to the commit, which uploads it itself and knows how to wait.
    """

    def __init__(self, connect: Callable[[], SnowflakeConnection]) -> None:
        """`connect` opens the session, when the first file comes and after each failure."""
        self._connect = connect
        self._connection: SnowflakeConnection | None = None
        self._thread = ThreadPoolExecutor(1, "stage")

    def submit(self, folder: str, name: str, content: bytes) -> Future[Staged | None]:
        """Upload a file as `put` does; None when that failed."""
        return self._thread.submit(self._put, folder, name, content)

    def _put(self, folder: str, name: str, content: bytes) -> Staged | None:
        try:
            if self._connection is None:
                self._connection = self._connect()
            return put(self._connection, folder, name, content)
        except (WarehouseError, snowflake_errors.Error, OSError) as error:
            logger.info("The file of batch %s is left to its commit: %s", name, message_of(error))
            self._close()
            return None

    def _close(self) -> None:
        if self._connection is not None:
            close_quietly(self._connection)
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()
        self._close()


def put(connection: SnowflakeConnection, folder: str, name: str, content: bytes) -> Staged:
    """Upload a Parquet file under a name of its own."""
    began = time.monotonic()
    file = f"{name}.{uuid.uuid4().hex[:8]}.parquet"
    # Closed, because the connector's objects of an upload refer to each other and to the stream, and stay for long.
    with io.BytesIO(content) as stream:
        connection.cursor().execute(
            f"PUT 'file://{file}' {STAGE}/{folder} AUTO_COMPRESS = FALSE OVERWRITE = TRUE", file_stream=stream
        )
    return Staged(f"{folder}/{file}", time.monotonic() - began)


def remove(connection: SnowflakeConnection, path: str) -> None:
    """Remove a file. One that stays takes room only and is removed as abandoned later, so a failure is only logged."""
    try:
        connection.cursor().execute(f"REMOVE {STAGE}/{path}")
    except (snowflake_errors.Error, OSError) as error:
        logger.warning("The staged file %s was not removed: %s", path, message_of(error))


def remove_abandoned(connection: SnowflakeConnection) -> int:
    """Remove the files of loaders that died a day ago or longer; how many."""
    now = dt.datetime.now(dt.UTC)
    # docs.snowflake.com/en/sql-reference/sql/list: name begins with the stage's own name; last_modified is RFC 5322.
    listed = connection.cursor().execute(f"LIST {STAGE}").fetchall()
    old = [str(row[0]) for row in listed if now - parsedate_to_datetime(str(row[3])) > _ABANDONED_AFTER]
    for name in old:
        remove(connection, name.split("/", 1)[1])
    return len(old)
