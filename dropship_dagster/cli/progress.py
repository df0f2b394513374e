"""How far a load got, for the line that says why it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dropship_dagster.warehouse import LoadObserver
from dropship_dagster.warehouse.commit import Committed


class LoadedSoFar(LoadObserver):
    """Remembers the newest batch that was committed, and where each partition goes on."""

    def __init__(self) -> None:
        self._batch_id: str | None = None
        self._next: dict[tuple[str, int], int] = {}

    def planned(self, positions: Mapping[tuple[str, int], int]) -> None:
        self._next = dict(positions)

    def committed(self, committed: Committed) -> None:
        batch = committed.batch
        self._batch_id = batch.batch_id
        self._next |= {(batch.topic.name, part.partition): part.end for part in batch.ranges}

    def facts(self) -> dict[str, Any]:
        """The last batch of this run in RAW, and the offsets up to which it, or a run before it, has loaded all."""
        positions = [
            {"topic": topic, "partition": partition, "offset": offset}
            for (topic, partition), offset in sorted(self._next.items())
        ]
        return {"last_batch_id": self._batch_id, "positions": positions}
