"""The stream: events and their encoding, topics, the producers (replay, live) and what a consumer is made of.

Called by the warehouse's loader, assets and the command line. Takes librdkafka settings as a mapping.
"""

from dropship_dagster.stream.consumer import Assignment, FetchedBatch, PartitionReader
from dropship_dagster.stream.errors import OffsetOutOfRangeError, StreamError, UnknownTopicError
from dropship_dagster.stream.live import live, moment
from dropship_dagster.stream.membership import GroupMembership
from dropship_dagster.stream.replay import replay
from dropship_dagster.stream.report import ProduceReport, TopicCounts
from dropship_dagster.stream.topics import (
    CUSTOMERS,
    ORDERS_EVENTS,
    PRODUCTS,
    TOPICS,
    PartitionState,
    TopicOffsets,
    TopicSpec,
    TopicState,
    ensure_topics,
    partitions,
    topic_names,
    topic_specs,
)

__all__ = [
    "CUSTOMERS",
    "ORDERS_EVENTS",
    "PRODUCTS",
    "TOPICS",
    "Assignment",
    "FetchedBatch",
    "GroupMembership",
    "OffsetOutOfRangeError",
    "PartitionReader",
    "PartitionState",
    "ProduceReport",
    "StreamError",
    "TopicCounts",
    "TopicOffsets",
    "TopicSpec",
    "TopicState",
    "UnknownTopicError",
    "ensure_topics",
    "live",
    "moment",
    "partitions",
    "replay",
    "topic_names",
    "topic_specs",
]
