"""Event ids are UUID5 as everybody else computes it."""

from __future__ import annotations

import uuid

import pyarrow as pa
import pytest

from dropship_dagster.stream.ids import EVENT_NAMESPACE, event_ids


@pytest.mark.parametrize("topic", ["orders_events", "a-topic-whose-name-does-not-fit-into-one-block-of-sha-1"])
def test_ids_are_those_of_the_standard_library(topic: str) -> None:
    rows = 20_000  # more than are hashed at once
    ids = [f"O{number:08d}" for number in range(rows)]
    ids[5], ids[-1] = "O123456789012", "P1"
    versions = [1 + number % 12 for number in range(rows)]
    found = event_ids(topic, pa.array(ids), pa.array(versions)).to_pylist()
    for number in (*range(40), rows - 2, rows - 1):
        assert found[number] == str(uuid.uuid5(EVENT_NAMESPACE, f"{topic}/{ids[number]}/{versions[number]}"))
    assert len(set(found)) == rows


def test_a_slice_has_its_own_ids() -> None:
    ids, versions = pa.array(["O00000001", "O00000002", "O00000003"]), pa.array(["1", "2", "3"])
    assert event_ids("t", ids[1:], versions[1:]).to_pylist() == event_ids("t", ids, versions).to_pylist()[1:]
    assert event_ids("t", ids[:0], versions[:0]).to_pylist() == []
