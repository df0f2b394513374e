"""One batch into RAW, exactly once.

    PUT the file                          outside the transaction, which it is not part of
    BEGIN
      UPDATE the offset rows              locks them
      SELECT them                         they must be where the batch begins
      COPY the file into RAW              every row must arrive
      UPDATE the offsets                  every row must move
      INSERT into OPS.LOADS
    COMMIT

The offsets are the only guard: COPY's own memory of loaded files is not part of the transaction by the documentation,
so each attempt has a file of its own. Whatever dies at whatever line, either all of it happened or none. When a COMMIT
is in doubt, the next attempt waits for the lock, so it finds the offsets settled: moved by this batch, or not at all.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor

from dropship_dagster.warehouse.batch import EncodedBatch
from dropship_dagster.warehouse.errors import LoadError, OffsetsMovedError
from dropship_dagster.warehouse.offsets import record_gaps, transaction
from dropship_dagster.warehouse.stage import STAGE, Staged, put, remove

# Nothing but what the documentation lists for COPY transformations: TRY_PARSE_JSON, SYSDATE and COALESCE are not there
# (docs.snowflake.com/en/user-guide/data-load-transform, supported functions). The time is that at which the file was
# scanned, a TIMESTAMP_LTZ (.../user-guide/querying-metadata). NULL_IF is empty whatever its default is: a message that
# is the text \N stays one. USE_VECTORIZED_SCANNER is named because its default is to change, and the other scanner
# reads some types otherwise (.../sql-reference/sql/copy-into-table, TYPE = PARQUET).
COPY = """
COPY INTO RAW.{table} (
  TOPIC, TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, KEY, VALUE, PAYLOAD, HEADERS, KAFKA_TIMESTAMP, BATCH_ID, INGESTED_AT
)
FROM (
  SELECT
    $1:TOPIC::VARCHAR,
    $1:TOPIC_ID::VARCHAR,
    $1:KAFKA_PARTITION::NUMBER(10, 0),
    $1:KAFKA_OFFSET::NUMBER(19, 0),
    $1:KEY::BINARY,
    NVL2($1:VALUE_TEXT::VARCHAR, TO_BINARY($1:VALUE_TEXT::VARCHAR, 'UTF-8'), $1:VALUE_BYTES::BINARY),
    IFF(CHECK_JSON($1:VALUE_TEXT::VARCHAR) IS NULL, PARSE_JSON($1:VALUE_TEXT::VARCHAR), NULL),
    PARSE_JSON($1:HEADERS::VARCHAR),
    TO_TIMESTAMP_NTZ($1:KAFKA_TIMESTAMP::NUMBER(19, 0), 3),
    $1:BATCH_ID::VARCHAR,
    CONVERT_TIMEZONE('UTC', METADATA$START_SCAN_TIME)::TIMESTAMP_NTZ(3)
  FROM {stage}/{file}
)
FILE_FORMAT = (TYPE = PARQUET BINARY_AS_TEXT = FALSE NULL_IF = () USE_VECTORIZED_SCANNER = FALSE)
ON_ERROR = ABORT_STATEMENT
"""

_LOG = """
INSERT INTO OPS.LOADS (
  BATCH_ID, RUN_ID, TOPIC, TOPIC_ID, TABLE_NAME, RANGES, ROWS_LOADED, BYTES, FETCH_SECONDS, ENCODE_SECONDS, PUT_SECONDS,
  COPY_SECONDS, LOADED_AT
)
SELECT ?, ?, ?, ?, ?, PARSE_JSON(?), ?, ?, ?, ?, ?, ?, SYSDATE()
"""


@dataclass(frozen=True)
class Committed:
    """What loading a batch took.

    Attributes:
        batch: the batch.
        put_seconds, copy_seconds: the upload; the whole transaction.
        was_there: an earlier attempt whose COMMIT was in doubt had succeeded.
    """

    batch: EncodedBatch
    put_seconds: float
    copy_seconds: float
    was_there: bool = False


def commit_batch(
    connection: SnowflakeConnection, batch: EncodedBatch, run_id: str, staged: Staged | None = None
) -> Committed:
    """Load the batch and move the offsets, all or nothing.

    Args:
        connection: a session without a transaction.
        batch: what to load.
        run_id: OPS.LOADS.RUN_ID.
        staged: the batch's file where it is uploaded already, for a first attempt only; uploaded here without it.

    Raises:
        OffsetsMovedError: another consumer loaded some of these offsets.
        LoadError: COPY did not load every row.
        snowflake.connector.errors.Error: a statement failed; nothing was loaded, or (COMMIT) perhaps all of it was:
            call again with the same batch.
    """
    file = staged
    if file is None and batch.rows:
        file = put(connection, batch.topic.table.lower(), batch.batch_id, batch.parquet)
    put_seconds = file.seconds if file else 0.0
    began = time.monotonic()
    with transaction(connection) as cursor:
        was_there = _is_loaded(cursor, batch, run_id)
        if not was_there:
            if file:
                _copy(cursor, batch, file.path)
            _advance(cursor, batch)
            gaps = [(gap.partition, gap.start, gap.end) for gap in batch.gaps]
            record_gaps(cursor, batch.topic.name, batch.topic.topic_id, gaps, "empty", run_id)
            _log(cursor, batch, run_id, put_seconds, time.monotonic() - began)
    copy_seconds = time.monotonic() - began
    if file:
        remove(connection, file.path)
    return Committed(batch, put_seconds, copy_seconds, was_there)


def _is_loaded(cursor: SnowflakeCursor, batch: EncodedBatch, run_id: str) -> bool:
    """Lock the batch's offset rows and compare: False where the batch fits, True when it is in already."""
    partitions = ", ".join(str(covered.partition) for covered in batch.ranges)
    where = f"WHERE TOPIC_ID = ? AND KAFKA_PARTITION IN ({partitions})"
    cursor.execute(f"UPDATE OPS.KAFKA_OFFSETS SET CLAIMED_BY = ? {where}", (run_id, batch.topic.topic_id))
    locked = cursor.rowcount
    rows = cursor.execute(
        f"SELECT KAFKA_PARTITION, NEXT_OFFSET, LAST_BATCH_ID FROM OPS.KAFKA_OFFSETS {where}", (batch.topic.topic_id,)
    ).fetchall()
    found = {int(partition): (int(after), last_batch) for partition, after, last_batch in rows}
    if not locked == len(rows) == len(found) == len(batch.ranges):
        raise LoadError(
            f"OPS.KAFKA_OFFSETS has not exactly one row for each of the partitions {partitions} of topic "
            f"{batch.topic.name}; somebody changed it by hand."
        )
    if all(found[covered.partition] == (covered.end, batch.batch_id) for covered in batch.ranges):
        return True
    for covered in batch.ranges:
        after = found[covered.partition][0]
        if after != covered.start:
            raise OffsetsMovedError(
                f"Partition {covered.partition} of topic {batch.topic.name} is loaded to offset {after}, this consumer "
                f"({run_id}) was at {covered.start}: another consumer is loading it. This batch was refused, nothing "
                "of it was loaded. Run one consumer a partition (--share)."
            )
    return False


def _copy(cursor: SnowflakeCursor, batch: EncodedBatch, file: str) -> None:
    result = cursor.execute(COPY.format(table=batch.topic.table, stage=STAGE, file=file)).fetchall()
    columns = [column.name.lower() for column in cursor.description]
    loaded = sum(int(row[columns.index("rows_loaded")]) for row in result) if "rows_loaded" in columns else 0
    if loaded != batch.rows:
        raise LoadError(f"COPY loaded {loaded} of {batch.rows} rows into RAW.{batch.topic.table}; nothing was kept.")


def _advance(cursor: SnowflakeCursor, batch: EncodedBatch) -> None:
    moves = [number for covered in batch.ranges for number in (covered.partition, covered.start, covered.end)]
    cursor.execute(
        f"""
        UPDATE OPS.KAFKA_OFFSETS
        SET NEXT_OFFSET = moves.NEXT_OFFSET, LAST_BATCH_ID = ?, UPDATED_AT = SYSDATE()
        FROM (
          SELECT column1 AS KAFKA_PARTITION, column2 AS EXPECTED, column3 AS NEXT_OFFSET
          FROM VALUES {", ".join(["(?, ?, ?)"] * len(batch.ranges))}
        ) moves
        WHERE OPS.KAFKA_OFFSETS.TOPIC_ID = ?
          AND OPS.KAFKA_OFFSETS.KAFKA_PARTITION = moves.KAFKA_PARTITION
          AND OPS.KAFKA_OFFSETS.NEXT_OFFSET = moves.EXPECTED
        """,
        (batch.batch_id, *moves, batch.topic.topic_id),
    )
    if cursor.rowcount != len(batch.ranges):
        raise LoadError(f"{cursor.rowcount} of {len(batch.ranges)} offset rows moved; nothing was kept.")


def _log(cursor: SnowflakeCursor, batch: EncodedBatch, run_id: str, put_seconds: float, copy_seconds: float) -> None:
    ranges = [
        {"partition": covered.partition, "from": covered.start, "to": covered.end, "rows": covered.rows}
        for covered in batch.ranges
    ]
    cursor.execute(
        _LOG,
        (
            batch.batch_id,
            run_id,
            batch.topic.name,
            batch.topic.topic_id,
            batch.topic.table,
            json.dumps(ranges),
            batch.rows,
            batch.size,
            round(batch.fetch_seconds, 3),
            round(batch.encode_seconds, 3),
            round(put_seconds, 3),
            round(copy_seconds, 3),
        ),
    )
