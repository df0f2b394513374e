"""librdkafka settings: what the caller gives, over our defaults, and what may be shown of it."""

from __future__ import annotations

from collections.abc import Mapping

ClientConfig = Mapping[str, str]
"""librdkafka settings (github.com/confluentinc/librdkafka, CONFIGURATION.md), bootstrap.servers inside."""

ADMIN_TIMEOUT_SECONDS = 15.0

# A broker that cannot be reached is told once, in the error that the caller gets, and not twenty times a second on
# standard error. KAFKA_LOG_LEVEL=7 shows what librdkafka sees.
_QUIET: dict[str, str] = {"log_level": "2"}

_PRODUCER: dict[str, str] = {
    "linger.ms": "20",
    "batch.size": "524288",
    "compression.type": "lz4",
    "queue.buffering.max.messages": "100000",
    "queue.buffering.max.kbytes": "131072",
}
# KIP-98: the broker drops what a retry sends twice. These are the promise of the stream and no setting changes them.
_PRODUCER_FIXED: dict[str, str] = {"enable.idempotence": "true", "acks": "all"}

_CONSUMER: dict[str, str] = {
    "fetch.queue.backoff.ms": "5",  # the default, 1000, waits a second whenever the local queue was full
    "fetch.wait.max.ms": "100",
    "queued.max.messages.kbytes": "65536",
    "queued.min.messages": "100000",
    "fetch.message.max.bytes": "8388608",
}
_CONSUMER_FIXED: dict[str, str] = {
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "auto.offset.reset": "error",  # a missing offset is a loss to be reported, never skipped
    "enable.partition.eof": "true",
}


def producer_config(config: ClientConfig) -> dict[str, str]:
    """Idempotent, acks=all, lz4, with a bounded queue; the caller's settings come over ours but for the first two."""
    return {**_QUIET, **_PRODUCER, **_without(config, _CONSUMER_ONLY), **_PRODUCER_FIXED}


def consumer_config(config: ClientConfig, group: str) -> dict[str, str]:
    """For assigned partitions: nothing is committed, and a missing offset is an error."""
    given = _without(config, _PRODUCER_ONLY)
    return {"group.id": group, **_QUIET, **_CONSUMER, **given, **_CONSUMER_FIXED}


def admin_config(config: ClientConfig) -> dict[str, str]:
    """For the admin client."""
    return {**_QUIET, **_without(config, _PRODUCER_ONLY | _CONSUMER_ONLY)}


# librdkafka warns of settings that do not belong to the client; one set of KAFKA_* serves all three of ours.
_PRODUCER_ONLY = frozenset(
    {
        "acks",
        "batch.num.messages",
        "batch.size",
        "compression.codec",
        "compression.level",
        "compression.type",
        "delivery.timeout.ms",
        "enable.idempotence",
        "linger.ms",
        "message.send.max.retries",
        "message.timeout.ms",
        "queue.buffering.max.kbytes",
        "queue.buffering.max.messages",
        "queue.buffering.max.ms",
        "request.required.acks",
        "request.timeout.ms",
        "retries",
        "sticky.partitioning.linger.ms",
        "transactional.id",
    }
)
_CONSUMER_ONLY = frozenset(
    {
        "auto.commit.interval.ms",
        "auto.offset.reset",
        "check.crcs",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.partition.eof",
        "fetch.error.backoff.ms",
        "fetch.max.bytes",
        "fetch.message.max.bytes",
        "fetch.min.bytes",
        "fetch.queue.backoff.ms",
        "fetch.wait.max.ms",
        "group.id",
        "group.instance.id",
        "heartbeat.interval.ms",
        "isolation.level",
        "max.partition.fetch.bytes",
        "max.poll.interval.ms",
        "partition.assignment.strategy",
        "queued.max.messages.kbytes",
        "queued.min.messages",
        "session.timeout.ms",
    }
)


def _without(config: ClientConfig, names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in config.items() if name not in names}
