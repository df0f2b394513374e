"""What a topic's settings ask of its logs."""

from __future__ import annotations

from typing import NamedTuple


class RollRules(NamedTuple):
    """When a new segment is begun: at a size (bytes), or an age by the timestamps of its records (ms)."""

    most_bytes: int
    most_ms: int


class Retention(NamedTuple):
    """How long records are kept (ms), and how many bytes of them; -1 stands for no limit."""

    ms: int
    most_bytes: int


class CleanRules(NamedTuple):
    """A topic's settings of compaction; times in milliseconds."""

    min_dirty_ratio: float
    min_lag_ms: int
    max_lag_ms: int
    delete_retention_ms: int
