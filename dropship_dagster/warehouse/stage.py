"""The loader's stage: files on their way into RAW. PUT and REMOVE are not part of any transaction."""

from __future__ import annotations

import datetime as dt
import io
import logging
import uuid
from email.utils import parsedate_to_datetime

from snowflake.connector import SnowflakeConnection
from snowflake.connector import errors as snowflake_errors

from dropship_dagster.warehouse.connection import message_of

logger = logging.getLogger(__name__)

STAGE = "@OPS.LOADER"

_ABANDONED_AFTER = dt.timedelta(days=1)


def put(connection: SnowflakeConnection, folder: str, name: str, content: bytes) -> str:
    """Upload a Parquet file under a name of its own; its path in the stage."""
    file = f"{name}.{uuid.uuid4().hex[:8]}.parquet"
    connection.cursor().execute(
        f"PUT 'file://{file}' {STAGE}/{folder} AUTO_COMPRESS = FALSE OVERWRITE = TRUE", file_stream=io.BytesIO(content)
    )
    return f"{folder}/{file}"


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
