"""The producer itself: idempotent, counted to the message, bounded in memory, drained when asked to stop."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Producer

from dropship_dagster.errors import listing
from dropship_dagster.stream.client import ClientConfig, producer_config
from dropship_dagster.stream.errors import StreamError
from dropship_dagster.stream.events import Messages
from dropship_dagster.stream.report import TopicCounts
from local_service import privacy

DRAIN_SECONDS = 8.0
"""How long a stopped producer waits for acknowledgements; SIGTERM must end within ten seconds."""

_ANY_PARTITION = -1
_SERVE_EVERY = 1_000
_FULL_WAIT_SECONDS = 0.05
_ERRORS_KEPT = 20
_SHOWN_BYTES = 1_000


class Sender:
    """Sends messages of several topics, one topic after the other or mixed.

    Acknowledged are those that the client no longer holds and did not report as failed: librdkafka reports every
    failure, and holds a message until it was acknowledged or failed.
    """

    def __init__(
        self,
        client_config: ClientConfig,
        *,
        origin: str,
        stop: threading.Event,
        rejects: Path | None = None,
        topic_names: Mapping[str, str] | None = None,
    ) -> None:
        """`origin` is the `producer` header; `rejects` a file for refused messages; `topic_names` other topic names."""
        self.counts: dict[str, TopicCounts] = {}
        self.errors: list[str] = []
        self._stop = stop
        self._names = dict(topic_names or {})
        self._headers = {"content-type": b"application/json", "producer": origin.encode()}
        self._rejects_path = rejects
        self._rejects: IO[str] | None = None
        self._fatal: KafkaError | None = None
        # Only failures call back into Python: that is most of the cost of a message.
        config: dict[str, Any] = {**producer_config(client_config), "delivery.report.only.error": True}
        config["on_delivery"] = self._delivered
        config["error_cb"] = self._client_error
        if rejects is not None:
            rejects.unlink(missing_ok=True)
        try:
            self._producer = Producer(config)
        except KafkaException as error:
            raise StreamError(f"The producer's settings are not accepted: {error.args[0].str()}.") from error

    def send(self, messages: Messages, start: int, stop: int) -> None:
        """Send messages[start:stop], waiting while the client's queue is full.

        Raises:
            StreamError: the client cannot go on.
        """
        topic = self._names.get(messages.topic, messages.topic)
        counts = self.counts.setdefault(topic, TopicCounts())
        produce, headers = self._producer.produce, self._headers
        for block in range(start, stop, _SERVE_EVERY):
            end = min(block + _SERVE_EVERY, stop)
            keys, values = messages.keys[block:end].to_pylist(), messages.values[block:end].to_pylist()
            # Kafka refuses messages of the future (message.timestamp.after.max.ms); the value has the event's own time.
            times = np.minimum(messages.times_ms[block:end], int(time.time() * 1000)).tolist()
            for key, value, time_ms in zip(keys, values, times, strict=True):
                try:
                    # By position, without callbacks: keyword arguments cost a third of the call.
                    produce(topic, value, key, _ANY_PARTITION, None, None, time_ms, headers)
                except BufferError:
                    self._send_when_free(topic, counts, key, value, time_ms)
                except KafkaException as error:
                    self._refuse(topic, counts, key, value, error.args[0])
            counts.sent += end - block
            counts.bytes += sum(map(len, values)) + sum(map(len, keys))
            self.serve(0)

    def serve(self, seconds: float) -> None:
        """Let the client report; wait up to this long for something to report."""
        self._producer.poll(seconds)
        if self._fatal is not None:
            raise StreamError(f"The producer cannot go on: {self._fatal.str()}; start it again, it resumes.")

    @property
    def outstanding(self) -> int:
        """Messages neither acknowledged nor failed."""
        return len(self._producer)

    def drain(self) -> bool:
        """Wait until nothing is outstanding; False when asked to stop and the drain time is over."""
        waited = 0.0
        while self.outstanding:
            self._producer.flush(0.2)
            waited = waited + 0.2 if self._stop.is_set() else 0.0
            if waited >= DRAIN_SECONDS or self._fatal is not None:
                return False
        return True

    def close(self) -> None:
        """Drain; what is still outstanding then counts as failed. Call it in a finally."""
        try:
            if not self.drain():
                self._producer.purge()
                self._producer.flush(1.0)
        finally:
            if self._rejects is not None:
                self._rejects.close()
                self._rejects = None
        self._producer.close()
        for counts in self.counts.values():
            counts.acknowledged = counts.sent - counts.failed

    def _send_when_free(self, topic: str, counts: TopicCounts, key: bytes, value: bytes, time_ms: int) -> None:
        """Back-pressure: the caller waits, memory does not grow."""
        while True:
            self.serve(_FULL_WAIT_SECONDS)
            try:
                self._producer.produce(topic, value, key, timestamp=time_ms, headers=self._headers)
            except BufferError:
                if self._stop.is_set() and not self.drain():
                    raise StreamError(
                        f"Topic {topic}: the broker took nothing for {DRAIN_SECONDS:.0f} s after the stop; what it "
                        "did not acknowledge is sent again by the next run."
                    ) from None
            except KafkaException as error:
                self._refuse(topic, counts, key, value, error.args[0])
                return
            else:
                return

    def _refuse(self, topic: str, counts: TopicCounts, key: bytes, value: bytes, error: KafkaError) -> None:
        """A message the client does not take: too large is that message's fault, anything else is everybody's."""
        if error.code() != KafkaError.MSG_SIZE_TOO_LARGE:
            raise StreamError(f"Topic {topic}: the producer cannot send: {error.str()}.")
        counts.sent -= 1
        counts.bytes -= len(key) + len(value)
        counts.refused += 1
        reason = f"has {len(value):,} bytes, more than message.max.bytes allows; raise KAFKA_MESSAGE_MAX_BYTES"
        self._note(topic, key, value, reason)

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is None:
            return
        counts = self.counts.setdefault(message.topic(), TopicCounts())
        counts.failed += 1
        self._note(message.topic(), message.key() or b"", message.value() or b"", error.str())

    def _client_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._fatal = error

    def _note(self, topic: str, key: bytes, value: bytes, reason: str) -> None:
        shown = key.decode("utf-8", "backslashreplace")
        if len(self.errors) < _ERRORS_KEPT:
            self.errors.append(f"{topic} {shown}: {reason}")
        if self._rejects_path is None:
            return
        start = value[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
        entry = {"topic": topic, "key": shown, "bytes": len(value), "reason": reason, "value_start": start}
        with listing("refused messages", self._rejects_path, StreamError):
            if self._rejects is None:
                privacy.make_folder(self._rejects_path.parent)
                self._rejects = open(self._rejects_path, "w", encoding="utf-8", opener=privacy.opener)  # noqa: SIM115
            self._rejects.write(json.dumps(entry, ensure_ascii=False) + "\n")
            self._rejects.flush()
