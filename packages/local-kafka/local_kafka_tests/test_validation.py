"""The check of records in vectors, beside the walk record by record and beside kafka-python's parser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import decode_varint

from local_kafka.storage.validation import (
    InvalidRecordsError,
    Times,
    record_times,
    walk_records,
)
from local_kafka_tests.raw import sealed, varint

FIRST = 1_700_000_000_000
# More than are checked in one vector, and few enough to be walked.
COUNTS = (1, 5, 127, 128, 300, 16_384, 16_385, 40_000)

field = st.none() | st.binary(max_size=30) | st.integers(100, 20_000).map(bytes)
headers = st.lists(st.tuples(st.text(max_size=3).map(str.encode), st.none() | st.binary(max_size=9)), max_size=3)
shape = st.tuples(st.integers(-(2**40), 2**40), field, field, headers)


def encoded(value: bytes | None) -> bytes:
    return varint(-1) if value is None else varint(len(value)) + value


def record(number: int, delta: int, key: bytes | None, value: bytes | None, pairs: list[tuple[bytes, bytes]]) -> bytes:
    content = b"\0" + varint(delta) + varint(number) + encoded(key) + encoded(value) + varint(len(pairs))
    content += b"".join(encoded(name) + encoded(data) for name, data in pairs)
    return varint(len(content)) + content


def answers(records: bytes, count: int) -> list[Times | None]:
    """What both ways say; None where they refuse."""
    found: list[Times | None] = []
    for check in (record_times, walk_records):
        try:
            found.append(check(records, count, FIRST))
        except InvalidRecordsError:
            found.append(None)
    return found


def kafka_python(records: bytes, count: int) -> Times | None:
    """What kafka-python says, which does not check the order of the offsets: that is done here."""
    try:
        read = list(DefaultRecordBatch(sealed(records, count, times=(FIRST, FIRST))))
    except CorruptRecordError as error:
        # Kafka takes any bytes for the name of a header.
        assume(not isinstance(error.__context__, UnicodeDecodeError))
        return None
    if [each.offset for each in read] != list(range(count)):
        return None
    return Times(min(each.timestamp for each in read), max(each.timestamp for each in read))


@settings(deadline=None)
@given(shapes=st.lists(shape, min_size=1, max_size=20), count=st.sampled_from(COUNTS[:5]))
def test_right_records_of_any_shape_are_read_alike(shapes: list[tuple], count: int) -> None:  # type: ignore[type-arg]
    records = b"".join(record(number, *shapes[number % len(shapes)]) for number in range(count))
    times = kafka_python(records, count)
    assert times is not None
    assert answers(records, count) == [times, times]


@settings(deadline=None)
@given(
    shapes=st.lists(shape, min_size=1, max_size=3),
    count=st.sampled_from((3, 130)),
    where=st.floats(0, 1, exclude_max=True),
    byte=st.integers(0, 255),
    what=st.sampled_from(("set", "insert", "delete", "cut")),
)
def test_damaged_records_are_refused_or_read_alike(
    shapes: list[tuple],
    count: int,
    where: float,
    byte: int,
    what: str,  # type: ignore[type-arg]
) -> None:
    right = b"".join(record(number, *shapes[number % len(shapes)]) for number in range(count))
    at = int(where * len(right))
    changed = {
        "set": right[:at] + bytes((byte,)) + right[at + 1 :],
        "insert": right[:at] + bytes((byte,)) + right[at:],
        "delete": right[:at] + right[at + 1 :],
        "cut": right[:at],
    }[what]
    vectors, walk = answers(changed, count)
    assert vectors == walk
    if walk is not None:
        # kafka-python takes a record's byte of attributes for a number of any length.
        assume(all(attributes < 0x80 for attributes in attributes_of(changed)))
        assert walk == kafka_python(changed, count)


def attributes_of(records: bytes) -> Iterator[int]:
    position = 0
    while position < len(records):
        size, position = decode_varint(records, position)
        yield records[position]
        position += size


@pytest.mark.parametrize("count", COUNTS)
def test_one_wrong_record_among_any_number_is_found(count: int) -> None:
    records = [record(number, number, None, b"v" * 20, []) for number in range(count)]
    right = Times(FIRST, FIRST + count - 1)
    assert answers(b"".join(records), count) == [right, right]
    for number in {0, count // 2, count - 1}:
        wrong = [*records]
        wrong[number] = record(number + 1, number, None, b"v" * 20, [])
        assert answers(b"".join(wrong), count) == [None, None]
        # A value one byte shorter than it says, in a record that is as long as it says.
        wrong[number] = records[number].replace(varint(20) + b"v", varint(21) + b"v")
        assert answers(b"".join(wrong), count) == [None, None]
    assert answers(b"".join(records), count + 1) == [None, None]
    assert answers(b"".join(records) + b"\0", count) == [None, None]
