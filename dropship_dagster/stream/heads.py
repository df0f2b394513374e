"""Messages as records of a data set (`shop.datasets`): those that topics begin with, and those to be sent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import InvalidOperation
from typing import Any

import orjson

from dropship_dagster.shop.datasets import Record, customer, order, product
from dropship_dagster.stream import roles
from dropship_dagster.stream.client import ClientConfig
from dropship_dagster.stream.consumer import Assignment, PartitionReader
from dropship_dagster.stream.errors import UnknownTopicError
from dropship_dagster.stream.topics import partitions

_READ = 600
"""Messages of each topic: the identifiers that any folder begins with."""

_SECONDS = 10.0


def topic_heads(client_config: ClientConfig, topic_names: Mapping[str, str]) -> list[Record]:
    """Records in the first messages that the topics hold; none of topics that are empty or do not exist.

    Raises:
        StreamError: the broker does not answer.
    """
    found: list[Record] = []
    for role, topic in topic_names.items():
        try:
            held = [part for part in partitions(client_config, [topic])[topic].partitions if part.high > part.low]
        except UnknownTopicError:
            continue
        if not held:
            continue
        each = math.ceil(_READ / len(held))
        starts = [Assignment(topic, part.partition, part.low) for part in held]
        ends = {(topic, part.partition): min(part.high, part.low + each) for part in held}
        with PartitionReader(client_config, starts, group="dropship-heads") as reader:
            rows = reader.fetch(max_messages=_READ + len(held), max_seconds=_SECONDS, until=ends).rows
        found += records(role, rows["value"].to_pylist())
    return found


def records(role: str, values: Iterable[bytes | None]) -> list[Record]:
    """Records of the messages of a topic, by its role; of those that tell of none, nothing."""
    found = []
    for value in values:
        try:
            record = _record(role, orjson.loads(value or b"null"))
        except (ValueError, KeyError, TypeError, InvalidOperation):
            continue  # not an event of the contract: the warehouse rejects it with a reason
        if record is not None:
            found.append(record)
    return found


def _record(role: str, event: Mapping[str, Any]) -> Record | None:
    if role == roles.ORDERS_EVENTS:
        if event["event_type"] != "order_placed":
            return None
        return order(event["order_id"], event["customer_id"], event["event_time"], event["total"])
    version = int(event["version"])
    if role == roles.CUSTOMERS:
        fields = ("signed_up_at", "city", "country", "name", "email")
        return customer(event["customer_id"], version, *(event[field] for field in fields))
    return product(event["product_id"], version, event["created_at"], event["name"], event["price"])
