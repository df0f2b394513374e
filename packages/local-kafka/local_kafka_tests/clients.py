"""What tests do with confluent-kafka, in few words."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

TIMEOUT = 300


def admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap})


def create_topic(bootstrap: str, name: str, partitions: int = 1, **config: str) -> None:
    """Create a topic; names of settings have underscores for dots."""
    topic = NewTopic(name, partitions, 1, config={key.replace("_", "."): value for key, value in config.items()})
    client = admin(bootstrap)
    client.create_topics([topic])[name].result(TIMEOUT)


def delete_topic(bootstrap: str, name: str) -> None:
    client = admin(bootstrap)
    client.delete_topics([name])[name].result(TIMEOUT)


class Recorder:
    """A producer that knows what was acknowledged: (partition, offset) by value."""

    def __init__(self, bootstrap: str, **config: Any) -> None:
        settings = {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5}
        self.producer = Producer({**settings, **{key.replace("_", "."): value for key, value in config.items()}})
        self.acknowledged: dict[bytes, tuple[int, int]] = {}
        self.failed: list[str] = []

    def send(self, topic: str, value: bytes, **arguments: Any) -> None:
        """Queue a message."""
        while True:
            try:
                self.producer.produce(topic, value, on_delivery=self._delivered, **arguments)
            except BufferError:
                self.producer.poll(0.05)
            else:
                self.producer.poll(0)
                return

    def flush(self) -> None:
        """Wait until everything is answered."""
        assert self.producer.flush(TIMEOUT) == 0

    def _delivered(self, error: Any, message: Message) -> None:
        if error is not None:
            self.failed.append(str(error))
        else:
            self.acknowledged[message.value()] = (message.partition(), message.offset())


def produce(bootstrap: str, topic: str, values: Iterable[bytes], **config: Any) -> Recorder:
    """Produce values and wait for their acknowledgements."""
    recorder = Recorder(bootstrap, **config)
    for value in values:
        recorder.send(topic, value)
    recorder.flush()
    assert not recorder.failed, Counter(recorder.failed)
    return recorder


def consumer(bootstrap: str, group: str = "tests", **config: Any) -> Consumer:
    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "fetch.queue.backoff.ms": 5,
    }
    return Consumer({**settings, **{key.replace("_", "."): value for key, value in config.items()}})


def read_all(bootstrap: str, topic: str, partitions: int = 1, **config: Any) -> list[Message]:
    """All messages of a topic, from the beginning of each partition to its end as it is now."""
    reader = consumer(bootstrap, **config)
    try:
        starts, left = [], {}
        for partition in range(partitions):
            low, high = reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT)
            if high > low:
                starts.append(TopicPartition(topic, partition, low))
                left[partition] = high
        reader.assign(starts)
        return read_until(reader, left)
    finally:
        reader.close()


def read_until(reader: Consumer, ends: dict[int, int]) -> list[Message]:
    """Messages of the assigned partitions up to these ends."""
    left = dict(ends)
    messages: list[Message] = []
    deadline = time.monotonic() + TIMEOUT
    while left:
        assert time.monotonic() < deadline, f"still missing {left} after {len(messages)} messages"
        for message in reader.consume(1000, 0.2):
            if message.error():
                raise KafkaException(message.error())
            messages.append(message)
            if message.offset() + 1 >= left.get(message.partition(), 0):
                left.pop(message.partition(), None)
    return messages


def read_some(reader: Consumer, count: int) -> list[Message]:
    """So many messages of whatever the consumer reads."""
    messages: list[Message] = []
    deadline = time.monotonic() + TIMEOUT
    while len(messages) < count:
        assert time.monotonic() < deadline, f"{len(messages)} of {count} messages"
        for message in reader.consume(count - len(messages), 0.2):
            if message.error():
                raise KafkaException(message.error())
            messages.append(message)
    return messages
