"""Topics against RAW: what is there once, what is missing, what still waits in Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from dropship_dagster.stream.topics import PartitionState, TopicOffsets

Kafka = Mapping[str, TopicOffsets]
"""What the broker says of topics, by their names."""

LOADED_PARTITIONS = """
SELECT
  p.TOPIC, p.TOPIC_ID, p.KAFKA_PARTITION, p.FIRST_OFFSET, p.NEXT_OFFSET, p.RAW_ROWS, p.DUPLICATES, p.GAPS, p.KNOWN_GAPS
FROM OPS.LOADED_PARTITIONS p
JOIN OPS.KAFKA_OFFSETS k ON k.TOPIC_ID = p.TOPIC_ID AND k.KAFKA_PARTITION = p.KAFKA_PARTITION
ORDER BY p.TOPIC, MAX(k.UPDATED_AT) OVER (PARTITION BY p.TOPIC_ID) DESC, p.TOPIC_ID, p.KAFKA_PARTITION
"""


@dataclass(frozen=True)
class TopicVerdict:
    """A topic and what RAW has of it, summed over its partitions.

    Attributes:
        topic_id: Kafka's.
        partitions: those that Kafka or OPS.KAFKA_OFFSETS has.
        first_offset, next_offset: where loading began and where it goes on.
        broker_end: where Kafka's partitions end; None when no broker was asked, as the next three.
        lag: messages that Kafka holds and RAW does not have yet.
        lost: messages that were not loaded and that Kafka no longer has.
        beyond: messages that are loaded and that lie behind the end of Kafka's partitions.
        raw_rows, duplicates: rows in RAW, and those that are there once more.
        gaps: offsets missing from RAW.
        known_gaps: those recorded in OPS.KAFKA_GAPS.
    """

    topic_id: str
    partitions: int
    first_offset: int
    next_offset: int
    broker_end: int | None
    lag: int | None
    raw_rows: int
    duplicates: int
    gaps: int
    known_gaps: int
    lost: int | None = None
    beyond: int | None = None


@dataclass(frozen=True)
class LoadedPartition:
    """A row of LOADED_PARTITIONS."""

    topic: str
    topic_id: str
    partition: int
    first_offset: int
    next_offset: int
    raw_rows: int
    duplicates: int
    gaps: int
    known_gaps: int


@dataclass
class _Sums:
    topic: str
    topic_id: str
    partitions: int = 0
    first_offset: int = 0
    next_offset: int = 0
    raw_rows: int = 0
    duplicates: int = 0
    gaps: int = 0
    known_gaps: int = 0
    seen: set[int] = field(default_factory=set)
    broker_end: int | None = None
    lag: int = 0
    lost: int = 0
    beyond: int = 0

    def add(self, loaded: LoadedPartition) -> None:
        self.partitions += 1
        self.seen.add(loaded.partition)
        for name in ("first_offset", "next_offset", "raw_rows", "duplicates", "gaps", "known_gaps"):
            setattr(self, name, getattr(self, name) + getattr(loaded, name))

    def compare(self, state: PartitionState, loaded_to: int | None, end_now: Callable[[], int]) -> None:
        if loaded_to is None:  # nothing of it was ever loaded: loading will begin with what Kafka has
            self.partitions += 1
            self.first_offset += state.low
            self.next_offset += state.low
            loaded_to = state.low
        end = state.high
        if loaded_to > end:  # loaded since Kafka was asked, or Kafka lost it
            end = max(end, end_now())
            self.beyond += max(0, loaded_to - end)
        self.broker_end = (self.broker_end or 0) + end
        self.lost += max(0, state.low - loaded_to)
        self.lag += max(0, end - max(loaded_to, state.low))

    def verdict(self) -> TopicVerdict:
        asked = self.broker_end is not None
        return TopicVerdict(
            topic_id=self.topic_id,
            partitions=self.partitions,
            first_offset=self.first_offset,
            next_offset=self.next_offset,
            broker_end=self.broker_end,
            lag=self.lag if asked else None,
            raw_rows=self.raw_rows,
            duplicates=self.duplicates,
            gaps=self.gaps,
            known_gaps=self.known_gaps,
            lost=self.lost if asked else None,
            beyond=self.beyond if asked else None,
        )


def compare_topics(
    loaded: Iterable[LoadedPartition], kafka: Kafka, ask_again: Callable[[], Kafka]
) -> dict[str, TopicVerdict]:
    """A verdict for each topic of RAW and of Kafka, by name; of several with one name, the others' ids stand behind it.

    Args:
        loaded: partitions of RAW, topics that were loaded last first.
        kafka: the topics as they were before RAW was counted.
        ask_again: the topics as they are now, for partitions that were loaded beyond the end that was told before.
    """
    sums: dict[str, _Sums] = {}
    loaded_to: dict[tuple[str, int], int] = {}
    for row in loaded:
        sums.setdefault(row.topic_id, _Sums(row.topic, row.topic_id)).add(row)
        loaded_to[row.topic_id, row.partition] = row.next_offset
    again: list[Kafka] = []

    def end_now(name: str, state: PartitionState) -> int:
        if not again:
            again.append(ask_again())
        topic = again[0].get(name)
        states = topic.partitions if topic and topic.topic_id == kafka[name].topic_id else ()
        return next((now.high for now in states if now.partition == state.partition), state.high)

    for name, topic in kafka.items():
        topic_id = str(topic.topic_id)
        sum_of = sums.setdefault(topic_id, _Sums(name, topic_id))
        sum_of.broker_end = 0
        for state in topic.partitions:
            at = loaded_to.get((topic_id, state.partition))
            sum_of.compare(state, at, partial(end_now, name, state))
    return _named(sums.values(), {str(topic.topic_id) for topic in kafka.values()})


def _named(sums: Iterable[_Sums], in_kafka: set[str]) -> dict[str, TopicVerdict]:
    """By topic; the plain name is that of the topic that Kafka has, or else of the one loaded last."""
    named: dict[str, TopicVerdict] = {}
    for each in sorted(sums, key=lambda each: (each.topic, each.topic_id not in in_kafka)):
        name = each.topic if each.topic not in named else f"{each.topic} ({each.topic_id})"
        named[name] = each.verdict()
    return named
