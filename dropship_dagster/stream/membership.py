"""Which partitions a consumer of several is to read, decided by Kafka's consumer group.

Only the membership is Kafka's: nothing is fetched or committed through it. Two consumers may believe for a moment that
a partition is theirs (one was asleep while the group went on); the warehouse's offsets refuse the second.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from dropship_dagster.stream.client import ClientConfig, consumer_config
from dropship_dagster.stream.errors import StreamError

_POLL_SECONDS = 0.2
# A member that was killed is noticed after this long; the group then gives its partitions to the others.
_SESSION_MS = 10_000


class GroupMembership:
    """A member of a consumer group, from its making until `close`."""

    def __init__(self, client_config: ClientConfig, topics: Iterable[str], group: str) -> None:
        """Join; the first partitions come a little later.

        Raises:
            StreamError: the settings are not accepted.
        """
        self._lock = threading.Lock()
        self._assigned: frozenset[tuple[str, int]] = frozenset()
        self._generation = 0
        self._closing = threading.Event()
        settings = {
            "session.timeout.ms": str(_SESSION_MS),
            "heartbeat.interval.ms": str(_SESSION_MS // 5),
            **consumer_config(client_config, group),
            "auto.offset.reset": "latest",  # of no meaning here: nothing is fetched
            "enable.partition.eof": "false",
        }
        try:
            self._consumer = Consumer(settings)
            self._consumer.subscribe(
                list(topics), on_assign=self._given, on_revoke=self._taken_back, on_lost=self._taken_back
            )
        except KafkaException as error:
            raise StreamError(f"The consumer's settings are not accepted: {error.args[0].str()}.") from error
        self._thread = threading.Thread(target=self._run, name="membership", daemon=True)
        self._thread.start()

    @property
    def generation(self) -> int:
        """Changes whenever the partitions do."""
        with self._lock:
            return self._generation

    def assigned(self) -> tuple[int, frozenset[tuple[str, int]]]:
        """The generation, and the (topic, partition) pairs that are this member's in it."""
        with self._lock:
            return self._generation, self._assigned

    def close(self) -> None:
        """Leave the group, so that the others take over at once."""
        self._closing.set()
        self._thread.join()
        self._consumer.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            # Errors come as messages; librdkafka mends them by itself, and the loader asks Kafka for its own.
            self._consumer.poll(_POLL_SECONDS)

    def _given(self, consumer: Any, places: list[TopicPartition]) -> None:
        consumer.assign(places)
        consumer.pause(places)
        self._change(frozenset((place.topic, place.partition) for place in places))

    def _taken_back(self, consumer: Any, places: list[TopicPartition]) -> None:
        consumer.unassign()
        self._change(frozenset())

    def _change(self, assigned: frozenset[tuple[str, int]]) -> None:
        with self._lock:
            self._assigned = assigned
            self._generation += 1
