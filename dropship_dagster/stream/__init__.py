"""The stream: events and their encoding, topics, the producers (replay, live) and what a consumer is made of.

Called by the warehouse's loader, assets and the command line. Takes librdkafka settings as a mapping. Names are loaded
when they are first used: the process that reads a folder needs no Kafka, and starts in half the time without.
"""

from typing import TYPE_CHECKING

from dropship_dagster.lazy import loader

if TYPE_CHECKING:
    from dropship_dagster.stream.consumer import Assignment as Assignment
    from dropship_dagster.stream.consumer import FetchedBatch as FetchedBatch
    from dropship_dagster.stream.consumer import PartitionReader as PartitionReader
    from dropship_dagster.stream.continuous import live as live
    from dropship_dagster.stream.continuous import moment as moment
    from dropship_dagster.stream.continuous import opening as opening
    from dropship_dagster.stream.errors import OffsetOutOfRangeError as OffsetOutOfRangeError
    from dropship_dagster.stream.errors import StreamError as StreamError
    from dropship_dagster.stream.errors import UnknownTopicError as UnknownTopicError
    from dropship_dagster.stream.heads import topic_heads as topic_heads
    from dropship_dagster.stream.membership import GroupMembership as GroupMembership
    from dropship_dagster.stream.replaying import replay as replay
    from dropship_dagster.stream.report import ProduceReport as ProduceReport
    from dropship_dagster.stream.report import TopicCounts as TopicCounts
    from dropship_dagster.stream.roles import CUSTOMERS as CUSTOMERS
    from dropship_dagster.stream.roles import ORDERS_EVENTS as ORDERS_EVENTS
    from dropship_dagster.stream.roles import PRODUCTS as PRODUCTS
    from dropship_dagster.stream.topics import TOPICS as TOPICS
    from dropship_dagster.stream.topics import PartitionState as PartitionState
    from dropship_dagster.stream.topics import TopicOffsets as TopicOffsets
    from dropship_dagster.stream.topics import TopicSpec as TopicSpec
    from dropship_dagster.stream.topics import TopicState as TopicState
    from dropship_dagster.stream.topics import ensure_topics as ensure_topics
    from dropship_dagster.stream.topics import partitions as partitions
    from dropship_dagster.stream.topics import topic_names as topic_names
    from dropship_dagster.stream.topics import topic_specs as topic_specs
else:
    __getattr__ = loader(
        __name__,
        {
            "consumer": ("Assignment", "FetchedBatch", "PartitionReader"),
            "continuous": ("live", "moment", "opening"),
            "errors": ("OffsetOutOfRangeError", "StreamError", "UnknownTopicError"),
            "heads": ("topic_heads",),
            "membership": ("GroupMembership",),
            "replaying": ("replay",),
            "report": ("ProduceReport", "TopicCounts"),
            "roles": ("CUSTOMERS", "ORDERS_EVENTS", "PRODUCTS"),
            "topics": (
                "TOPICS",
                "PartitionState",
                "TopicOffsets",
                "TopicSpec",
                "TopicState",
                "ensure_topics",
                "partitions",
                "topic_names",
                "topic_specs",
            ),
        },
    )
