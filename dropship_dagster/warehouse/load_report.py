"""What the loader says it has loaded."""

from __future__ import annotations

from dataclasses import dataclass, field

from dropship_dagster.warehouse.batch import EncodedBatch, LoadedTopic
from dropship_dagster.warehouse.reports import Report


@dataclass(frozen=True)
class TopicLoad:
    """What was loaded of a topic in a run."""

    topic: str
    topic_id: str
    table: str
    events: int
    bytes: int


@dataclass(frozen=True)
class LoadReport(Report):
    """What a run loaded.

    Attributes:
        run_id: OPS.LOADS.RUN_ID.
        events, bytes, batches: committed.
        seconds, events_per_second: from the first fetch to the last commit.
        ended: "caught up", "max events", "max seconds" or "stopped".
        topics: by topic.
        gaps: offsets that were recorded as lost.
    """

    run_id: str
    events: int
    bytes: int
    batches: int
    seconds: float
    events_per_second: float
    ended: str
    topics: tuple[TopicLoad, ...]
    gaps: int = 0


@dataclass(frozen=True)
class LoadProgress:
    """After each commit: messages committed in this run, and of how many known at its start (None when following)."""

    events: int
    expected: int | None
    seconds: float


@dataclass
class Totals:
    """What has been committed so far, counted by topic."""

    batches: int = 0
    gaps: int = 0
    by_topic: dict[LoadedTopic, tuple[int, int]] = field(default_factory=dict)

    def add(self, batch: EncodedBatch) -> None:
        events, size = self.by_topic.get(batch.topic, (0, 0))
        self.by_topic[batch.topic] = (events + batch.rows, size + batch.size)
        self.batches += 1

    @property
    def events(self) -> int:
        return sum(events for events, _ in self.by_topic.values())

    def report(self, run_id: str, ended: str, seconds: float) -> LoadReport:
        """The report of a run that took so long and ended for this reason."""
        topics = tuple(
            TopicLoad(topic.name, topic.topic_id, topic.table, events, size)
            for topic, (events, size) in sorted(self.by_topic.items(), key=lambda item: item[0].name)
        )
        return LoadReport(
            run_id=run_id,
            events=self.events,
            bytes=sum(topic.bytes for topic in topics),
            batches=self.batches,
            seconds=round(seconds, 3),
            events_per_second=round(self.events / seconds, 1) if seconds else 0.0,
            ended=ended,
            topics=topics,
            gaps=self.gaps,
        )
