"""Which topic goes to which RAW table, and what Kafka says of the topics while they are loaded."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from dropship_dagster.settings import Settings
from dropship_dagster.stream.client import ClientConfig, admin_config, consumer_config
from dropship_dagster.stream.topics import topic_names, topic_uuid
from dropship_dagster.warehouse.errors import KafkaUnreachableError
from dropship_dagster.warehouse.model import TOPICS

logger = logging.getLogger(__name__)

GROUP = "dropship"
"""Consumer group under which tools find the loader's lag. Nothing joins it and nothing depends on it."""

MEMBERS_GROUP = "dropship-members"
"""Consumer group that shares out the partitions. Not GROUP, for which Kafka would take offsets from members alone."""

_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Identity:
    """A topic as it is now; `topic_id` changes when it is deleted and made again (KIP-516)."""

    topic_id: str
    partitions: tuple[int, ...]


def raw_tables(settings: Settings) -> dict[str, str]:
    """RAW table, without schema, by topic."""
    names = topic_names(settings)
    return {names[topic.role]: topic.raw for topic in TOPICS}


class TopicWatch:
    """Asks for the identity of topics over one connection, cheaply enough to ask before every commit."""

    def __init__(self, client_config: ClientConfig) -> None:
        self._client_config = client_config
        self._admin = self._connect()

    def identities(self, topics: Iterable[str]) -> dict[str, Identity]:
        """The topics that exist, by name.

        Raises:
            KafkaUnreachableError: the brokers do not answer.
        """
        found = {}
        for name, future in self._admin.describe_topics(
            TopicCollection(list(topics)), request_timeout=_TIMEOUT_SECONDS
        ).items():
            try:
                description = future.result()
            except KafkaException as error:
                if error.args[0].code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
                    continue
                # librdkafka sends this to the broker it took for the controller, and goes on asking that one after its
                # death until it looks at the cluster again, after five minutes; a new client looks at once.
                self._admin = self._connect()
                reason = error.args[0].str()
                raise KafkaUnreachableError(f"Kafka does not describe topic {name}: {reason}.") from error
            partitions = tuple(sorted(partition.id for partition in description.partitions))
            found[name] = Identity(str(topic_uuid(description.topic_id)), partitions)
        return found

    def _connect(self) -> AdminClient:
        return AdminClient(admin_config(self._client_config), logger=logger)


class LagReporter:
    """Commits what the warehouse has to Kafka, so that tools show the true lag."""

    def __init__(self, client_config: ClientConfig) -> None:
        settings = {**consumer_config(client_config, GROUP), "socket.timeout.ms": "5000"}
        self._consumer = Consumer(settings, logger=logger)
        self._offsets: list[TopicPartition] = []

    def report(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Tell Kafka, without waiting for it."""
        self._offsets = [TopicPartition(topic, partition, at) for (topic, partition), at in positions.items()]
        self._commit(wait=False)

    def close(self) -> None:
        """Tell Kafka the last positions once more, wait for it a few seconds, and leave."""
        self._commit(wait=True)
        self._consumer.close()

    def _commit(self, *, wait: bool) -> None:
        if self._offsets:
            # Only tools read these offsets: a broker that does not take them now is told again with the next batch.
            with suppress(KafkaException):
                self._consumer.commit(offsets=self._offsets, asynchronous=not wait)
