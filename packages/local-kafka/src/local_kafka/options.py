"""How a broker is run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local_kafka.storage.append import Durability


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """The options of the command line; times in milliseconds, sizes in bytes."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    auto_create_topics: bool = False
    default_partitions: int = 1
    durability: Durability = Durability.INTERVAL
    sync_interval_ms: int = 1000
    retention_check_ms: int = 30_000
    # Kafka's log.cleaner.backoff.ms.
    compaction_check_ms: int = 15_000
    # Kafka's default is seven days; as with records, nothing goes here unless it is said.
    offsets_retention_minutes: int = 2**31 - 1
    initial_rebalance_delay_ms: int = 100
    min_session_timeout_ms: int = 6_000
    max_session_timeout_ms: int = 1_800_000
    max_request_bytes: int = 104_857_600
    queued_max_request_bytes: int = 256 << 20
    # Kafka's connections.max.idle.ms; below 0 for never.
    connections_max_idle_ms: int = 600_000
