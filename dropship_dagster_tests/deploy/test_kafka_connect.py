"""The Snowflake Connector for Kafka and our loader write the same rows: the contract of RAW.

The connector needs an account; what is tried here is what is ours: the pipe's transformation, on records of the shape
that the connector's source gives them (SnowflakeSinkRecord, KafkaRecordConverter, release 4.1), and the handover.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster.stream import partitions
from dropship_dagster.warehouse.statements import split_statements
from dropship_dagster_tests.warehouse.conftest import emptied, emptied_database, own_database, own_pipeline
from dropship_dagster_tests.warehouse.events import Order
from dropship_dagster_tests.warehouse.pipeline import Pipeline

__all__ = ["emptied", "emptied_database", "own_database", "own_pipeline"]

FOLDER = PROJECT_ROOT / "deploy/kafka-connect"
CONNECTOR: dict[str, str] = json.loads((FOLDER / "dropship-raw.json").read_text())["config"]
COMPARED = "TOPIC, TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, KEY, VALUE, PAYLOAD::VARCHAR, KAFKA_TIMESTAMP"


def statements(file: Path, **variables: str) -> list[str]:
    text = re.sub(r"<%\s*(\w+)\s*%>", lambda match: variables[match[1]], file.read_text())
    return split_statements(text)


def consumed(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Every message of the orders' topic as a record of the connector."""
    consumer = Consumer({**pipeline.client_config, "group.id": "connect", "enable.partition.eof": "true"})
    consumer.assign([TopicPartition(pipeline.orders, partition, 0) for partition in range(pipeline.partitions)])
    records, ended = [], 0
    while ended < pipeline.partitions:
        for message in consumer.consume(100, 5):
            if message.error():
                ended += 1
                continue
            key, value, headers = message.key(), message.value(), message.headers()
            metadata = {
                "topic": message.topic(),
                "partition": message.partition(),
                "offset": message.offset(),
                "CreateTime": message.timestamp()[1],
                "SnowflakeConnectorPushTime": int(time.time() * 1000),
                **({"key": key.decode()} if key is not None else {}),
                **({"headers": {name: text.decode() for name, text in headers}} if headers else {}),
            }
            records.append({"VALUE": None if value is None else value.decode(), "RECORD_METADATA": metadata})
    consumer.close()
    return records


def not_loaded(pipeline: Pipeline) -> list[dict[str, Any]]:
    """The records from the warehouse's offsets on: where the connector is made to begin."""
    rows = pipeline.rows("SELECT KAFKA_PARTITION, NEXT_OFFSET FROM OPS.KAFKA_OFFSETS WHERE TOPIC = ?", pipeline.orders)
    begin = dict(rows)
    return [
        record
        for record in consumed(pipeline)
        if record["RECORD_METADATA"]["offset"] >= begin[record["RECORD_METADATA"]["partition"]]
    ]


def stream_in(pipeline: Pipeline, records: list[dict[str, Any]]) -> None:
    """What the pipe does with records: its own SELECT, over a table of them instead of the channel."""
    ids = {f"{topic}_topic_id": "" for topic in ("customers", "products")}
    ids["orders_events_topic_id"] = str(partitions(pipeline.client_config, [pipeline.orders])[pipeline.orders].topic_id)
    pipe = next(
        statement
        for statement in statements(FOLDER / "raw_pipes.sql", database=pipeline.endpoint.database, **ids)
        if "PIPE RAW.ORDERS_EVENTS" in statement and statement.startswith("CREATE")
    )
    copied = re.search(r"COPY INTO (RAW\.ORDERS_EVENTS \([^)]*\))\s*FROM \(\s*(SELECT.*)\)\s*$", pipe, re.DOTALL)
    assert copied
    select = copied[2].replace("$1:", "RECORD:").replace("TABLE(DATA_SOURCE(TYPE => 'STREAMING'))", "OPS.CHANNEL")
    assert "$1" not in select
    pipeline.rows("CREATE OR REPLACE TABLE OPS.CHANNEL (RECORD VARIANT)")
    for record in records:
        pipeline.rows("INSERT INTO OPS.CHANNEL SELECT PARSE_JSON(?)", json.dumps(record))
    pipeline.rows(f"INSERT INTO {copied[1]} {select}")


@pytest.fixture
def sent(own_pipeline: Pipeline) -> Pipeline:
    """Orders, a message that is no JSON, a tombstone, keys that are none and headers."""
    orders = [Order(own_pipeline.id(number)) for number in range(12)]
    own_pipeline.send(own_pipeline.orders, [order.placed() for order in orders], headers=[("source", b"shop")])
    own_pipeline.send(own_pipeline.orders, [orders[0].paid(), b"no JSON: \xc3\xa9\xe2\x82\xac", None])
    return own_pipeline


def test_both_writers_leave_the_same_rows_and_the_same_shop(
    sent: Pipeline, emptied_database: WarehouseEndpoint
) -> None:
    by_connector = Pipeline(sent.client_config, emptied_database, name=sent.name)
    assert sent.load().events == 15
    # The loader has registered the partitions before the connector takes over.
    by_connector.load(max_events=1)
    stream_in(by_connector, not_loaded(by_connector))
    rows = f"SELECT {COMPARED} FROM RAW.ORDERS_EVENTS ORDER BY KAFKA_PARTITION, KAFKA_OFFSET"
    assert by_connector.rows(rows) == sent.rows(rows)
    assert by_connector.value("SELECT COUNT(*) FROM RAW.ORDERS_EVENTS WHERE HEADERS:source = 'shop'") >= 11
    for pipeline in (sent, by_connector):
        assert pipeline.value("SELECT COUNT_IF(BATCH_ID IS NULL OR INGESTED_AT IS NULL) FROM RAW.ORDERS_EVENTS") == 0
        pipeline.refresh()
    shop = "SELECT ORDER_ID, STATUS, TOTAL, VERSION FROM PROD.ORDERS ORDER BY ORDER_ID"
    assert by_connector.rows(shop) == sent.rows(shop)
    rejected = "SELECT KAFKA_PARTITION, KAFKA_OFFSET, REJECT_REASON FROM STAGING.REJECTED_EVENTS ORDER BY 1, 2"
    assert by_connector.rows(rejected) == sent.rows(rejected)


def test_the_loader_takes_over_where_the_connector_got(sent: Pipeline) -> None:
    sent.load(max_events=2)
    stream_in(sent, not_loaded(sent))
    for statement in statements(FOLDER / "offsets.sql"):
        sent.rows(statement)
    assert sent.load().events == 0
    sent.send(sent.orders, [Order(sent.id(99)).placed()])
    assert sent.load().events == 1
    sent.refresh()
    sent.assert_sound(events=16)


def test_the_connector_is_told_what_the_pipes_expect() -> None:
    assert CONNECTOR["connector.class"] == "com.snowflake.kafka.connector.SnowflakeStreamingSinkConnector"
    assert CONNECTOR["transforms.whole.field"] == "VALUE"
    tables = dict(entry.split(":") for entry in CONNECTOR["snowflake.topic2table.map"].split(","))
    assert sorted(tables) == sorted(CONNECTOR["topics"].split(","))
    pipes = re.findall(r"PIPE RAW\.(\w+) COMMENT", (FOLDER / "raw_pipes.sql").read_text())
    assert sorted(tables.values()) == sorted(pipes)
    assert {CONNECTOR[f"{part}.converter"] for part in ("key", "value", "header")} == {
        "org.apache.kafka.connect.storage.StringConverter"
    }
    secret = CONNECTOR["snowflake.private.key"]
    assert secret.startswith("${env:"), "no secret in the file"
