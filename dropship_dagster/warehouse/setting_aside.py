"""`rejected set-aside`: an accepted event taken out of STAGING and PROD again, by hand and with a reason.

The way out for an event that was accepted and should not have been, or that a task cannot merge after all: it becomes a
rejected message, which can be corrected and retried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.warehouse.connection import PATIENCE_BESIDE_TASKS, connect, deployed, with_retries
from dropship_dagster.warehouse.errors import WarehouseError
from dropship_dagster.warehouse.model import PROD, TOPICS
from dropship_dagster.warehouse.offsets import transaction
from dropship_dagster.warehouse.refold import Source, run_task, statements_of
from dropship_dagster.warehouse.rejected import RejectedMessage, show_rejected


@dataclass(frozen=True)
class _Entity:
    """What the events of a topic are about.

    Attributes:
        events: the table of STAGING.
        key: column of the entity in it, and in the tables.
        tables: tables of PROD that its events fill, by that key.
    """

    events: str
    key: str
    tables: tuple[str, ...]


_ENTITIES: Mapping[str, _Entity] = {
    topic.raw: _Entity(
        topic.events,
        topic.key,
        tuple(table.name for table in PROD if table.sources == (f"STAGING.{topic.events}",) and topic.key in table.key),
    )
    for topic in TOPICS
}
_PLACE = "TOPIC_ID = ? AND KAFKA_PARTITION = ? AND KAFKA_OFFSET = ?"
_STAGED = " UNION ALL ".join(
    f"SELECT '{source}', {entity.key}, TOPIC_ID FROM STAGING.{entity.events} "
    f"WHERE TOPIC_ID IN (SELECT TOPIC_ID FROM OPS.KAFKA_OFFSETS WHERE TOPIC = ?) "
    "AND KAFKA_PARTITION = ? AND KAFKA_OFFSET = ?"
    for source, entity in _ENTITIES.items()
)
_REJECT = """
INSERT INTO STAGING.REJECTED_EVENTS (
  SOURCE, TOPIC, TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, KEY, VALUE, PAYLOAD, HEADERS, KAFKA_TIMESTAMP, BATCH_ID,
  INGESTED_AT, REJECT_REASON, ATTEMPT, REJECTED_AT
)
SELECT '{source}', ?, e.TOPIC_ID, e.KAFKA_PARTITION, e.KAFKA_OFFSET, r.KEY, r.VALUE, e.PAYLOAD, r.HEADERS,
  r.KAFKA_TIMESTAMP, e.BATCH_ID, e.INGESTED_AT, ?, 1, SYSDATE()
FROM STAGING.{events} e
LEFT JOIN RAW.{source} r
  ON r.TOPIC_ID = e.TOPIC_ID AND r.KAFKA_PARTITION = e.KAFKA_PARTITION AND r.KAFKA_OFFSET = e.KAFKA_OFFSET
WHERE e.TOPIC_ID = ? AND e.KAFKA_PARTITION = ? AND e.KAFKA_OFFSET = ?
"""


def set_aside(
    endpoint: WarehouseEndpoint, topic: str, partition: int, offset: int, reason: str, *, topic_id: str | None = None
) -> RejectedMessage:
    """Move an accepted event to the rejected ones and compute what it was part of without it, in one transaction.

    Args:
        endpoint: the deployed warehouse.
        topic: the message's topic.
        partition: its partition.
        offset: its offset.
        reason: kept in REJECT_REASON, behind "set aside: ".
        topic_id: which of several topics that have had this name.

    Raises:
        WarehouseError: no accepted event is at that place, topics of one name have one each, or no reason is given.
    """
    if not reason.strip():
        raise WarehouseError("Say why the event is set aside: --reason TEXT.")
    found_id = with_retries(
        lambda: _move(endpoint, topic, partition, offset, reason, topic_id), patience_seconds=PATIENCE_BESIDE_TASKS
    )
    return show_rejected(endpoint, topic, partition, offset, topic_id=found_id)


def _move(
    endpoint: WarehouseEndpoint, topic: str, partition: int, offset: int, reason: str, topic_id: str | None
) -> str:
    """The transaction; the topic id of the event."""
    with deployed(), connect(endpoint, query_tag="dropship rejected set-aside") as connection:
        source, key, found_id = _find(connection, topic, partition, offset, topic_id)
        statements = statements_of(connection, endpoint.database)
        entity, place = _ENTITIES[source], (found_id, partition, offset)
        with transaction(connection) as cursor:
            cursor.execute(_REJECT.format(source=source, events=entity.events), (topic, f"set aside: {reason}", *place))
            if cursor.rowcount != 1:
                raise WarehouseError("The event was set aside by somebody else meanwhile.")
            cursor.execute(
                "INSERT INTO STAGING.SET_ASIDE_EVENTS (TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, REASON, SET_ASIDE_AT) "
                "SELECT ?, ?, ?, ?, SYSDATE()",
                (*place, reason),
            )
            suppliers = _suppliers(cursor, place) if source == "PRODUCTS" else []
            cursor.execute(f"DELETE FROM STAGING.{entity.events} WHERE {_PLACE}", place)
            _refold(cursor, statements, entity, key)
            for supplier in suppliers:
                _refold(cursor, statements, _Entity("PRODUCT_EVENTS", "SUPPLIER_ID", ("SUPPLIERS",)), supplier)
    return found_id


def _find(
    connection: SnowflakeConnection, topic: str, partition: int, offset: int, topic_id: str | None
) -> tuple[str, str, str]:
    """Source, entity and topic id of the accepted event."""
    bound = (topic, partition, offset) * len(_ENTITIES)
    rows = connection.cursor().execute(_STAGED, bound).fetchall()
    found = [(str(row[0]), str(row[1]), str(row[2])) for row in rows if topic_id in (None, str(row[2]))]
    if not found:
        raise WarehouseError(
            f"No event of topic {topic}, partition {partition}, offset {offset} is accepted in STAGING. "
            f"`dropship rejected show {topic} {partition} {offset}` says whether it is rejected already."
        )
    if len(found) > 1:
        ids = " or ".join(f"--topic-id {each}" for _, _, each in sorted(found))
        raise WarehouseError(
            f"{len(found)} topics have had the name {topic}, and each has an accepted event at partition {partition}, "
            f"offset {offset}. Say which one: {ids}"
        )
    return found[0]


def _suppliers(cursor: SnowflakeCursor, place: tuple[str, int, int]) -> list[str]:
    rows = cursor.execute(f"SELECT SUPPLIER_ID FROM STAGING.PRODUCT_EVENTS WHERE {_PLACE}", place).fetchall()
    return [str(row[0]) for row in rows if row[0] is not None]


def _refold(cursor: SnowflakeCursor, statements: Mapping[str, list[str]], entity: _Entity, key: str) -> None:
    """Compute the rows of one entity anew from the events that are left."""
    events = Source(f"(SELECT * FROM STAGING.{entity.events} WHERE {entity.key} = ?)", (key,))
    days, customers = _touched(cursor, key) if "ORDERS" in entity.tables else ([], [])
    for day in days:  # before the tables, as the tasks do: locks are taken in one order
        cursor.execute(
            "INSERT INTO OPS.CHANGED_ORDERS (ORDER_ID, PLACED_ON, CHANGED_BY, CHANGED_AT) "
            "SELECT ?, TO_DATE(?), 'set-aside', SYSDATE()",
            (key, day),
        )
    for table in entity.tables:
        cursor.execute(f"DELETE FROM PROD.{table} WHERE {entity.key} = ?", (key,))
        run_task(cursor, statements[table], {f"STAGING.{table}_STREAM": events})
    for customer in customers:
        cursor.execute("DELETE FROM PROD.CUSTOMER_FIRST_ORDERS WHERE CUSTOMER_ID = ?", (customer,))
        orders = Source("(SELECT * FROM PROD.ORDERS WHERE CUSTOMER_ID = ?)", (customer,))
        run_task(cursor, statements["CUSTOMER_FIRST_ORDERS"], {"OPS.CUSTOMER_FIRST_ORDERS_STREAM": orders})


def _touched(cursor: SnowflakeCursor, order_id: str) -> tuple[list[str], list[str]]:
    """The days and customers that an order counts for now."""
    rows = cursor.execute(
        "SELECT TO_DATE(PLACED_AT)::VARCHAR, CUSTOMER_ID FROM PROD.ORDERS WHERE ORDER_ID = ? AND PLACED_AT IS NOT NULL "
        "UNION SELECT TO_DATE(ORDERED_AT)::VARCHAR, NULL FROM PROD.ORDER_LINES WHERE ORDER_ID = ?",
        (order_id, order_id),
    ).fetchall()
    return sorted({str(day) for day, _ in rows}), sorted({str(customer) for _, customer in rows if customer})
