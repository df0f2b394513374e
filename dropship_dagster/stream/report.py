"""What a producer run did."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass
class TopicCounts:
    """Messages of one topic.

    sent: handed to the client; each ends as acknowledged or as failed. refused: never sent, too large for a message.
    bytes: keys and values of the sent ones.
    """

    sent: int = 0
    acknowledged: int = 0
    failed: int = 0
    refused: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class ProduceReport:
    """A run of replay or live.

    seconds: from the first message's moment to the end of the last one's slot. flush_seconds: waiting for the last
    acknowledgements. requested_rate and achieved_rate: messages a second; a requested rate of 0 means no limit.
    rejected_rows: CSV rows that broke the contract and were left out. skipped: messages an earlier run had done.
    resent: messages of an interrupted run that were sent again. stopped: whether it was asked to end early.
    shop_clock: what time it was in the shop at the end of a live run, in words.
    """

    topics: dict[str, TopicCounts]
    seconds: float
    flush_seconds: float
    requested_rate: float
    achieved_rate: float
    rejected_rows: int = 0
    skipped: int = 0
    resent: int = 0
    stopped: bool = False
    rejects_file: str | None = None
    shop_clock: str | None = None
    errors: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """Messages of all topics that were sent."""
        return sum(counts.sent for counts in self.topics.values())

    @property
    def acknowledged(self) -> int:
        """Messages of all topics that the broker acknowledged."""
        return sum(counts.acknowledged for counts in self.topics.values())

    @property
    def failed(self) -> int:
        """Messages of all topics that were sent and not acknowledged."""
        return sum(counts.failed for counts in self.topics.values())

    @property
    def refused(self) -> int:
        """Messages of all topics that were too large to send."""
        return sum(counts.refused for counts in self.topics.values())

    @property
    def bytes(self) -> int:
        """Bytes of keys and values that were sent."""
        return sum(counts.bytes for counts in self.topics.values())

    def to_dict(self) -> dict[str, object]:
        """Plain values, totals included."""
        totals = {name: getattr(self, name) for name in ("sent", "acknowledged", "failed", "refused", "bytes")}
        return {**totals, **asdict(self)}

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(self.to_dict())
