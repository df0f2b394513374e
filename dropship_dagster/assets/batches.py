"""What the batches of a load took, for the page of the tables they went to. Imports the warehouse: only steps do."""

from __future__ import annotations

from typing import Any

from dropship_dagster.assets import metadata
from dropship_dagster.warehouse import LoadObserver
from dropship_dagster.warehouse.commit import Committed

_SHOWN = 12
"""Batches of a chart: the last ones."""


class Batches(LoadObserver):
    """Remembers the seconds of each committed batch."""

    def __init__(self) -> None:
        self._seconds: dict[str, list[tuple[float, float, float]]] = {}

    def committed(self, committed: Committed) -> None:
        """A batch is in RAW: fetched, encoded and uploaded, copied and committed."""
        batch = committed.batch
        prepared = batch.fetch_seconds + batch.encode_seconds + committed.put_seconds
        self._seconds.setdefault(batch.topic.table, []).append((prepared, committed.copy_seconds, float(batch.rows)))

    def metadata(self, table: str) -> dict[str, Any]:
        """How many batches went to a table of RAW, and their timings when any did."""
        seconds = self._seconds.get(table)
        if not seconds:
            return {"batches": 0}
        chart = {
            f"batch {number}, events/s": rows / (prepared + copied or 1)
            for number, (prepared, copied, rows) in enumerate(seconds, 1)
        }
        return {
            "batches": len(seconds),
            "prepare_seconds": metadata.seconds(sum(prepared for prepared, _, _ in seconds)),
            "commit_seconds": metadata.seconds(sum(copied for _, copied, _ in seconds)),
            "slowest_commit_seconds": metadata.seconds(max(copied for _, copied, _ in seconds)),
            "events_per_second_by_batch": metadata.bars(dict(list(chart.items())[-_SHOWN:])),
        }
