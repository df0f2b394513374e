"""What a loader tells whoever watches it, beside its report: its log, metrics."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from dropship_dagster.warehouse.commit import Committed

logger = logging.getLogger("dropship.loader")


class LoadObserver:
    """Told by a running loader, from its threads; returns soon and raises nothing. Override what you need."""

    def planned(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Loading (again) begins: the next offset of each of this consumer's partitions, by (topic, partition)."""

    def committed(self, committed: Committed) -> None:
        """A batch is in RAW."""

    def retrying(self, reason: str, seconds: float) -> None:
        """The warehouse or Kafka could not do something in passing; the next attempt is in so many seconds."""

    def entered(self, state: str) -> None:
        """The loader waits for the warehouse or for Kafka, or goes on ("loading")."""


class LoadLog(LoadObserver):
    """The loader's log: a line an event, with the run, the batch and its coordinates as fields of the record."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def planned(self, positions: Mapping[tuple[str, int], int]) -> None:
        places = [
            {"topic": topic, "partition": partition, "offset": offset}
            for (topic, partition), offset in sorted(positions.items())
        ]
        extra = {"run_id": self._run_id, "positions": places}
        logger.info("Loading %d partitions from the warehouse's offsets.", len(places), extra=extra)

    def committed(self, committed: Committed) -> None:
        batch = committed.batch
        ranges = [{"partition": part.partition, "from": part.start, "to": part.end} for part in batch.ranges]
        logger.info(
            "Loaded %d messages of %s (put %.2f s, transaction %.2f s).",
            batch.rows,
            batch.topic.name,
            committed.put_seconds,
            committed.copy_seconds,
            extra={
                "run_id": self._run_id,
                "batch_id": batch.batch_id,
                "topic": batch.topic.name,
                "topic_id": batch.topic.topic_id,
                "table": batch.topic.table,
                "ranges": ranges,
                "rows": batch.rows,
                "bytes": batch.size,
                "fetch_seconds": round(batch.fetch_seconds, 3),
                "encode_seconds": round(batch.encode_seconds, 3),
                "put_seconds": round(committed.put_seconds, 3),
                "copy_seconds": round(committed.copy_seconds, 3),
                "was_there": committed.was_there,
            },
        )

    def retrying(self, reason: str, seconds: float) -> None:
        extra = {"run_id": self._run_id, "wait_seconds": round(seconds, 1)}
        logger.warning("Trying again in %.0f s: %s", seconds, reason, extra=extra)

    def entered(self, state: str) -> None:
        logger.info("State: %s", state, extra={"run_id": self._run_id, "state": state})


class Observers(LoadObserver):
    """Several as one, told in their order."""

    def __init__(self, *observers: LoadObserver) -> None:
        self._observers = observers

    def planned(self, positions: Mapping[tuple[str, int], int]) -> None:
        for observer in self._observers:
            observer.planned(positions)

    def committed(self, committed: Committed) -> None:
        for observer in self._observers:
            observer.committed(committed)

    def retrying(self, reason: str, seconds: float) -> None:
        for observer in self._observers:
            observer.retrying(reason, seconds)

    def entered(self, state: str) -> None:
        for observer in self._observers:
            observer.entered(state)
