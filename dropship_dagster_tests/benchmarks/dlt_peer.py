"""Kafka into DuckDB by dlt with an Arrow resource: what the loader is compared with. Prints a line of JSON.

Runs in an environment of its own that has dlt[duckdb], confluent-kafka and pyarrow, and imports nothing else. The
events stay bytes, as the loader's do, in chunks of 100,000, the size of its batches. dlt keeps no offsets here.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from confluent_kafka import Consumer, TopicPartition

CHUNK = 100_000


def chunks(client_config: dict[str, str], topic: str) -> Iterator[pa.Table]:
    """The topic from its beginning to its end of now."""
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
        rows += [(m.partition(), m.offset(), m.key(), m.value()) for m in messages]
        if len(rows) >= CHUNK or not left:
            columns = zip(*rows, strict=True)
            yield pa.table([list(column) for column in columns], names=["partition", "offset", "key", "value"])
            rows = []
    consumer.close()


def main() -> None:
    import dlt

    request: dict[str, Any] = json.load(sys.stdin)
    pipeline = dlt.pipeline(
        "peer", destination=dlt.destinations.duckdb(request["database"]), pipelines_dir=request["folder"]
    )
    resource = dlt.resource(chunks(request["client_config"], request["topic"]), name="events")
    began = time.monotonic()
    pipeline.run(resource, loader_file_format="parquet").raise_on_failed_jobs()
    seconds = time.monotonic() - began
    with pipeline.sql_client() as client:
        rows = client.execute_sql("SELECT count(*) FROM events")[0][0]
    print(json.dumps({"events": rows, "seconds": seconds, "dlt": dlt.__version__}))


if __name__ == "__main__":
    main()
