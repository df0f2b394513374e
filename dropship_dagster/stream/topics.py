"""The topics: their names, and making sure that they exist as configured."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition, Uuid
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourceType

from dropship_dagster.settings import TOPIC_SETTINGS, Settings
from dropship_dagster.stream.client import ADMIN_TIMEOUT_SECONDS, ClientConfig, admin_config
from dropship_dagster.stream.errors import StreamError, UnknownTopicError

T = TypeVar("T")

Partition = tuple[str, int]
"""The name of a topic, and the number of a partition of it."""

_UINT64 = (1 << 64) - 1
# What brokers say while a partition moves from one to another, or was made a moment ago.
_LEADER_MOVES = (
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
)
_SETTLE_STEP_SECONDS = 0.02

TOPICS = tuple(str(Settings.model_fields[name].default) for name in TOPIC_SETTINGS)
"""The roles of all topics, in the order of `Settings.topics`."""


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it should be.

    `retention_ms` of -1 keeps messages for ever. Their timestamps are the events' times, which may lie years back, so
    a retention by time is counted from there and not from when they were sent.
    """

    name: str
    partitions: int = 3
    replication: int = 1
    retention_ms: int = -1
    config: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TopicState:
    """A topic as ensure_topics found or left it. `differs` says in words what is not as configured."""

    name: str
    topic_id: uuid.UUID
    partitions: int
    created: bool
    differs: tuple[str, ...]


@dataclass(frozen=True)
class PartitionState:
    """A partition: the first offset the broker holds, and the next one it will give."""

    partition: int
    low: int
    high: int


@dataclass(frozen=True)
class TopicOffsets:
    """A topic with its id, which a topic deleted and made again does not keep (KIP-516), and its partitions."""

    name: str
    topic_id: uuid.UUID
    partitions: tuple[PartitionState, ...]

    @property
    def partition_count(self) -> int:
        """How many partitions there are."""
        return len(self.partitions)


def topic_names(settings: Settings) -> dict[str, str]:
    """The topics' names by role, from the settings."""
    return dict(zip(TOPICS, settings.topics, strict=True))


def topic_specs(settings: Settings) -> list[TopicSpec]:
    """The topics as the settings want them."""
    return [
        TopicSpec(name, settings.topic_partitions, settings.topic_replication, settings.topic_retention_ms)
        for name in settings.topics
    ]


def ensure_topics(client_config: ClientConfig, specs: Sequence[TopicSpec]) -> list[TopicState]:
    """Create the topics that are missing; add partitions that are missing; name every other difference.

    Raises:
        StreamError: the broker does not answer, or refuses.
    """
    admin = AdminClient(admin_config(client_config))
    created = {spec.name for spec in specs if _create(admin, spec)}
    descriptions = _when_served(admin, {spec.name: spec.partitions if spec.name in created else 1 for spec in specs})
    grown = {spec.name: spec.partitions for spec in specs if len(descriptions[spec.name].partitions) < spec.partitions}
    for spec in specs:
        if spec.name in grown:
            _add_partitions(admin, spec)
    descriptions |= _when_served(admin, grown)
    states = []
    for spec in specs:
        description = descriptions[spec.name]
        partitions = len(description.partitions)
        differs = []
        if partitions > spec.partitions:
            differs.append(f"has {partitions} partitions, {spec.partitions} are configured: partitions never shrink")
        if spec.name not in created:
            differs += _config_differences(admin, spec)
        states.append(
            TopicState(spec.name, topic_uuid(description.topic_id), partitions, spec.name in created, tuple(differs))
        )
    return states


def partitions(client_config: ClientConfig, topics: Iterable[str]) -> dict[str, TopicOffsets]:
    """Topic ids, partitions and watermarks of the topics, by name.

    Raises:
        UnknownTopicError: a topic does not exist.
        StreamError: the broker does not answer.
    """
    admin = AdminClient(admin_config(client_config))
    names = list(topics)
    return _when_settled(lambda: _topic_offsets(admin, names), _LEADER_MOVES)


def _topic_offsets(admin: AdminClient, topics: list[str]) -> dict[str, TopicOffsets]:
    descriptions = _describe(admin, topics)
    places = [TopicPartition(entry.name, part.id) for entry in descriptions for part in entry.partitions]
    low = _offsets(admin, places, OffsetSpec.earliest())
    high = _offsets(admin, places, OffsetSpec.latest())
    states = {}
    for entry in descriptions:
        ids = sorted(part.id for part in entry.partitions)
        parts = tuple(PartitionState(number, low[entry.name, number], high[entry.name, number]) for number in ids)
        states[entry.name] = TopicOffsets(entry.name, topic_uuid(entry.topic_id), parts)
    return states


def _create(admin: AdminClient, spec: TopicSpec) -> bool:
    """Whether the topic was made now; False when it was there."""
    config = {"retention.ms": str(spec.retention_ms), **spec.config}
    topic = NewTopic(spec.name, spec.partitions, spec.replication, config=config)
    future = admin.create_topics([topic], request_timeout=ADMIN_TIMEOUT_SECONDS)[spec.name]
    try:
        future.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise StreamError(f"Topic {spec.name} cannot be created: {_said(error)}.") from error
    return True


def _add_partitions(admin: AdminClient, spec: TopicSpec) -> None:
    request = [NewPartitions(spec.name, spec.partitions)]
    _result(admin.create_partitions(request, request_timeout=ADMIN_TIMEOUT_SECONDS)[spec.name], f"Topic {spec.name}")


def _when_served(admin: AdminClient, least: Mapping[str, int]) -> dict[str, Any]:
    """Descriptions of topics that exist, by name, once brokers serve at least so many partitions of each.

    Kafka acknowledges a change when its controllers have agreed on it; each broker learns of it a moment later.
    """

    def described() -> dict[str, Any]:
        found = {entry.name: entry for entry in _describe(admin, list(least))}
        places = [TopicPartition(name, number) for name, count in least.items() for number in range(count)]
        _offsets(admin, places, OffsetSpec.latest())
        return found

    unknown = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION)
    return _when_settled(described, (*unknown, *_LEADER_MOVES))


def _when_settled(read: Callable[[], T], passing: Sequence[int]) -> T:
    """What is read, once none of these passing errors stands in the way any more.

    Raises:
        StreamError: another error, or one of these after the time that admin requests have.
    """
    deadline = time.monotonic() + ADMIN_TIMEOUT_SECONDS
    while True:
        try:
            return read()
        except StreamError as error:
            cause = error.__cause__
            passes = isinstance(cause, KafkaException) and cause.args[0].code() in passing
            if not passes or time.monotonic() > deadline:
                raise
        time.sleep(_SETTLE_STEP_SECONDS)


def _config_differences(admin: AdminClient, spec: TopicSpec) -> list[str]:
    wanted = {"retention.ms": str(spec.retention_ms), **spec.config}
    resource = ConfigResource(ResourceType.TOPIC, spec.name)
    future = admin.describe_configs([resource], request_timeout=ADMIN_TIMEOUT_SECONDS)[resource]
    entries = _result(future, f"Topic {spec.name}")
    found = {name: entries[name].value for name in wanted if name in entries}
    return [
        f"has {name}={found.get(name)}, {value} is configured"
        for name, value in sorted(wanted.items())
        if found.get(name) != value
    ]


def _describe(admin: AdminClient, names: list[str]) -> list[Any]:
    if not names:
        return []
    futures = admin.describe_topics(TopicCollection(names), request_timeout=ADMIN_TIMEOUT_SECONDS)
    return [_result(futures[name], f"Topic {name}") for name in names]


def _offsets(admin: AdminClient, places: list[TopicPartition], which: OffsetSpec) -> dict[tuple[str, int], int]:
    if not places:
        return {}
    futures = admin.list_offsets(dict.fromkeys(places, which), request_timeout=ADMIN_TIMEOUT_SECONDS)
    found = {}
    for place, future in futures.items():
        what = f"Topic {place.topic}, partition {place.partition}"
        found[place.topic, place.partition] = int(_result(future, what).offset)
    return found


def _result(future: Future[Any], what: str) -> Any:
    try:
        return future.result()
    except KafkaException as error:
        unknown = error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART
        raise (UnknownTopicError if unknown else StreamError)(f"{what}: {_said(error)}.") from error


def _said(error: KafkaException) -> str:
    """The broker's own words, and what to do about the most common ones."""
    cause = error.args[0]
    text = str(cause.str()).rstrip(".")
    if cause.code() in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
        return f"{text}; check that the broker runs and that KAFKA_BOOTSTRAP_SERVERS names it"
    if cause.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return "the broker has no such topic: create it with `dropship produce`, or name an existing one"
    return text


def topic_uuid(topic_id: Uuid) -> uuid.UUID:
    """librdkafka's topic id, two signed halves, as the UUID that Kafka shows."""
    high = topic_id.get_most_significant_bits() & _UINT64
    low = topic_id.get_least_significant_bits() & _UINT64
    return uuid.UUID(int=high << 64 | low)
