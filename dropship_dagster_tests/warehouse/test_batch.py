"""What a batch covers."""

from __future__ import annotations

import datetime as dt
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropship_dagster.stream import FetchedBatch
from dropship_dagster.stream.consumer import FETCHED
from dropship_dagster.warehouse.batch import EncodedBatch, Encoder, Gap, LoadedTopic, Range

TOPIC = LoadedTopic("orders", "11111111-2222-3333-4444-555555555555", "ORDERS_EVENTS")


def fetched(places: list[tuple[str, int, int]], ends: dict[tuple[str, int], int]) -> FetchedBatch:
    rows = [
        {
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "timestamp": dt.datetime(2026, 3, 1, tzinfo=dt.UTC).replace(tzinfo=None),
            "key": b"k",
            "value": b"\xff" if offset % 2 else b"{}",
            "headers": None,
        }
        for topic, partition, offset in places
    ]
    return FetchedBatch(pa.Table.from_pylist(rows, schema=FETCHED), ends, 0, False)


def encode(fetched: FetchedBatch, expected: dict[int, int]) -> EncodedBatch | None:
    encoder = Encoder(TOPIC, expected)
    encoder.add(fetched)
    return encoder.finish(0.0)


def test_offsets_that_hold_no_message_are_recorded_as_gaps() -> None:
    batch = encode(
        fetched([("orders", 0, 5), ("orders", 0, 8), ("orders", 1, 3)], {("orders", 0): 10, ("orders", 1): 4}),
        {0: 4, 1: 3},
    )
    assert batch is not None
    assert batch.ranges == (Range(0, 4, 10, 2), Range(1, 3, 4, 1))
    assert batch.gaps == (Gap(0, 4, 5), Gap(0, 6, 8), Gap(0, 9, 10))


def test_a_partition_of_nothing_but_markers_moves_on() -> None:
    batch = encode(fetched([], {("orders", 0): 7}), {0: 4})
    assert batch is not None
    assert (batch.ranges, batch.gaps, batch.rows) == ((Range(0, 4, 7, 0),), (Gap(0, 4, 7),), 0)


def test_partitions_that_did_not_move_make_no_batch() -> None:
    assert encode(fetched([], {("orders", 0): 4}), {0: 4}) is None


def test_only_the_topics_own_messages_are_taken() -> None:
    batch = encode(fetched([("orders", 0, 0), ("other", 0, 0)], {("orders", 0): 1, ("other", 0): 1}), {0: 0})
    assert batch is not None
    table = pq.read_table(io.BytesIO(batch.parquet))
    assert table["TOPIC"].to_pylist() == ["orders"]


@pytest.mark.parametrize(
    ("offsets", "text", "other"),
    [([0, 2], ["{}", "{}"], [None, None]), ([0, 1], ["{}", None], [None, b"\xff"]), ([1], [None], [b"\xff"])],
)
def test_a_value_is_written_once_as_text_where_it_is_utf8(
    offsets: list[int], text: list[str | None], other: list[bytes | None]
) -> None:
    batch = encode(fetched([("orders", 0, offset) for offset in offsets], {("orders", 0): 3}), {0: 0})
    assert batch is not None
    table = pq.read_table(io.BytesIO(batch.parquet))
    assert (table["VALUE_TEXT"].to_pylist(), table["VALUE_BYTES"].to_pylist()) == (text, other)
    assert table["KAFKA_TIMESTAMP"].to_pylist() == [1772323200000] * len(offsets)
    assert (batch.rows, batch.size) == (
        len(offsets),
        sum(len(b"k\xff" if offset % 2 else b"k{}") for offset in offsets),
    )
