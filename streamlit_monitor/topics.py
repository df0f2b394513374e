"""How many messages the topics hold, and how many are not loaded. Asked in the background: no page waits for a broker.

Looking starts no broker: a local one that does not run is not asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from dropship_dagster import stream
from dropship_dagster.endpoints import ServiceError, kafka_endpoint, supervisor
from dropship_dagster.settings import Settings

Partition = tuple[str, int]
"""Topic id and partition."""
Ends = Mapping[Partition, tuple[int, int]]
"""The first offset that the broker holds and the one after the last."""

_ANSWER_SECONDS = 4.0


@dataclass(frozen=True)
class Held:
    """Messages of all topics.

    Offsets that a transaction or compaction has taken count as messages, as they do for Kafka's own tools.
    """

    messages: int
    waiting: int
    """Not loaded yet."""


class Topics:
    """Where the topics of these settings end; one for all sessions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="topics")
        self._lock = threading.Lock()
        self._asked: Future[Ends | None] | None = None
        self._asked_at = 0.0
        self._known: Ends | None = None

    def held(self, loaded: Mapping[Partition, int]) -> Held | None:
        """As of a few seconds ago; None while the broker has not answered or does not answer any more.

        Args:
            loaded: the next offset to load, by place; a partition that is not there has not been begun.
        """
        ends = self._ends()
        if ends is None:
            return None
        messages = sum(high - low for low, high in ends.values())
        waiting = sum(max(high - max(loaded.get(place, low), low), 0) for place, (low, high) in ends.items())
        return Held(messages, waiting)

    def _ends(self) -> Ends | None:
        with self._lock:
            if self._asked and self._asked.done():
                self._known, self._asked = self._asked.result(), None
            if self._asked is None and time.monotonic() - self._asked_at > _ANSWER_SECONDS:
                self._asked, self._asked_at = self._worker.submit(self._ask), time.monotonic()
            return self._known

    def _ask(self) -> Ends | None:
        try:
            local = not self._settings.kafka_bootstrap_servers
            if local and not supervisor(self._settings).status()["kafka"]["running"]:
                return None
            found = stream.partitions(kafka_endpoint(self._settings).client_config, self._settings.topics)
        except (ServiceError, stream.StreamError):  # the page says that there is no answer
            return None
        return {
            (str(topic.topic_id), part.partition): (part.low, part.high)
            for topic in found.values()
            for part in topic.partitions
        }
