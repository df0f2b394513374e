"""Kafka into DuckDB by dlt with an Arrow resource: what the loader is compared with. Prints a line of JSON.

Runs in an environment of its own that has dlt[duckdb], confluent-kafka and pyarrow, and imports nothing else. The
events stay bytes, as the loader's do, in chunks of 100,000. dlt keeps no offsets here. With "whole" it reads all that
the loader keeps of a message, otherwise only what it takes to tell messages apart: partition, offset, key and value.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import pyarrow as pa
from confluent_kafka import Consumer, Message, TopicPartition

CHUNK = 100_000
FEW = pa.schema([("partition", pa.int32()), ("offset", pa.int64()), ("key", pa.binary()), ("value", pa.binary())])
WHOLE = pa.schema([*FEW, ("topic", pa.string()), ("timestamp", pa.timestamp("ms")), ("headers", pa.string())])


def chunks(client_config: dict[str, str], topic: str, *, whole: bool) -> Iterator[pa.Table]:
    """The topic from its beginning to its end of now."""
    schema, row = (WHOLE, _whole) if whole else (FEW, _few)
    consumer = Consumer({
        **client_config, "group.id": "dlt", "enable.auto.commit": False, "fetch.queue.backoff.ms": 5,
    })  # fmt: skip
    numbers = consumer.list_topics(topic, 10).topics[topic].partitions
    ends = {number: consumer.get_watermark_offsets(TopicPartition(topic, number), 10)[1] for number in numbers}
    consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
    left, rows = sum(ends.values()), []
    while left:
        messages = [message for message in consumer.consume(1_000, 1.0) if message.error() is None]
        left -= len(messages)
        rows += [row(message) for message in messages]
        if len(rows) >= CHUNK or not left:
            columns = zip(schema, zip(*rows, strict=True), strict=True)
            yield pa.table([pa.array(list(column), field.type) for field, column in columns], schema=schema)
            rows = []
    consumer.close()


def _few(message: Message) -> tuple[Any, ...]:
    return message.partition(), message.offset(), message.key(), message.value()


def _whole(message: Message) -> tuple[Any, ...]:
    return *_few(message), message.topic(), message.timestamp()[1], _json(tuple(message.headers() or ()))


@cache
def _json(headers: tuple[tuple[str, bytes], ...]) -> str:
    return json.dumps([(name, value.decode()) for name, value in headers])


def main() -> None:
    import dlt

    request: dict[str, Any] = json.load(sys.stdin)
    pipeline = dlt.pipeline(
        "peer", destination=dlt.destinations.duckdb(request["database"]), pipelines_dir=request["folder"]
    )
    resource = dlt.resource(chunks(request["client_config"], request["topic"], whole=request["whole"]), name="events")
    began = time.monotonic()
    pipeline.run(resource, loader_file_format="parquet").raise_on_failed_jobs()
    seconds = time.monotonic() - began
    with pipeline.sql_client() as client:
        rows = client.execute_sql("SELECT count(*) FROM events")[0][0]
    print(json.dumps({"events": rows, "seconds": seconds, "dlt": dlt.__version__}))


if __name__ == "__main__":
    main()
