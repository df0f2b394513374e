"""What the stream says when it cannot go on."""

from __future__ import annotations

from dropship_dagster.errors import DropshipError


class StreamError(DropshipError):
    """A sentence for the user: which topic, partition or setting, and the fix."""


class UnknownTopicError(StreamError):
    """The broker has no such topic."""


class OffsetOutOfRangeError(StreamError):
    """The broker no longer, or not yet, holds the offset that was asked for: messages are missing."""

    def __init__(self, topic: str, partition: int, wanted: int, low: int, high: int) -> None:
        self.topic, self.partition, self.wanted, self.low, self.high = topic, partition, wanted, low, high
        missing = f"{wanted} to {low - 1} are lost" if wanted < low else f"it ends at {high}, data was lost"
        super().__init__(
            f"Topic {topic}, partition {partition}: offset {wanted} is asked for, "
            f"the broker holds {low} to {high - 1}; {missing}."
        )
