"""How far and how the loader loads."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dropship_dagster.warehouse.errors import LoadError

# Snowflake loads files of 100 MB and more best (docs.snowflake.com/en/user-guide/data-load-considerations-prepare), the
# loader is to stay below 400 MB.
BATCH_EVENTS = 500_000
BATCH_BYTES = 96 << 20
FLUSH_SECONDS = 1.0
# Longer than the five minutes after which Snowflake rolls back the idle transaction of a client that died
# (docs.snowflake.com/en/sql-reference/transactions).
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True)
class LoadOptions:
    """How far and how to load.

    Attributes:
        max_events: stop after this many messages.
        max_seconds: stop after this long.
        follow: go on after the end of the topics, until stopped.
        batch_events, batch_bytes, flush_seconds: a batch is committed at the first of these; the seconds count when
            following, a bounded run rather fills its batches.
        share: (index, count): of several consumers, this one takes the partitions p with p % count == index.
        group: the same, but Kafka's consumer group shares out the partitions among those that are there; with
            `follow` only.
        refresh: when following, run the task graph after each load instead of waiting for its schedule.
        resume_after_conflict: without `follow`: go on from where another consumer of the same partitions got,
            instead of ending.
        accept_gaps: load on behind messages that Kafka has lost, and record the loss in OPS.KAFKA_GAPS.
        patience_seconds: how long to wait for a warehouse or broker that is away; without end when following.
    """

    max_events: int | None = None
    max_seconds: float | None = None
    follow: bool = False
    batch_events: int = BATCH_EVENTS
    batch_bytes: int = BATCH_BYTES
    flush_seconds: float = FLUSH_SECONDS
    share: tuple[int, int] = (0, 1)
    group: bool = False
    refresh: bool = False
    resume_after_conflict: bool = False
    accept_gaps: bool = False
    patience_seconds: float | None = None

    def __post_init__(self) -> None:
        index, count = self.share
        if not 0 <= index < count:
            raise LoadError(f"A share is index/count with index from 0 to before count, not {index}/{count}.")
        if self.group and (not self.follow or count > 1):
            raise LoadError(
                "A group shares out its partitions among consumers that follow, without a share of their own."
            )

    @property
    def patience(self) -> float:
        """`patience_seconds` with its default."""
        if self.patience_seconds is not None:
            return self.patience_seconds
        return math.inf if self.follow else PATIENCE_SECONDS
