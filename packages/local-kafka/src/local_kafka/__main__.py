"""`local-kafka`, or `python -m local_kafka`: serve one data folder until a signal comes."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from local_kafka.broker import Broker
from local_kafka.options import BrokerOptions
from local_kafka.storage.append import Durability
from local_kafka.storage.files import raise_file_limit
from local_kafka.storage.metadata import UnsupportedFormatError
from local_kafka.storage.reserve import Reserve
from local_kafka.strays import LostMetadataError, UnreadableMetadataError, is_damaged
from local_kafka.topics import MOST_PARTITIONS
from local_service.service import (
    EXIT_INTERRUPTED,
    EXIT_NOT_WRITABLE,
    DataDir,
    ServiceError,
    announce,
    configure_logging,
    fail,
    port_error,
    service_parser,
    whole_number,
)

log = logging.getLogger("kafka")

SERVICE = "local broker"

_OTHER_NUMBERS: dict[str, Callable[[str], int]] = {
    "initial_rebalance_delay_ms": whole_number(0),
    "connections_max_idle_ms": int,
}
"""Those that may be nothing, or below."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a broker; the exit code of the process."""
    parsed = _parser().parse_args(arguments)
    configure_logging(parsed.log_level)
    options = BrokerOptions(
        data_dir=parsed.data_dir.absolute(),
        host=parsed.host,
        port=parsed.port,
        auto_create_topics=parsed.auto_create_topics,
        default_partitions=parsed.partitions,
        durability=Durability(parsed.fsync),
        sync_interval_ms=parsed.fsync_interval_ms,
        retention_check_ms=parsed.retention_check_ms,
        compaction_check_ms=parsed.compaction_check_ms,
        offsets_retention_minutes=parsed.offsets_retention_minutes,
        queued_max_request_bytes=parsed.queued_max_request_bytes,
        initial_rebalance_delay_ms=parsed.group_initial_rebalance_delay_ms,
        min_session_timeout_ms=parsed.group_min_session_timeout_ms,
        max_request_bytes=parsed.max_request_bytes,
        connections_max_idle_ms=parsed.connections_max_idle_ms,
    )
    raise_file_limit()
    try:
        data_dir = DataDir.acquire(options.data_dir, SERVICE)
        return _run(options, data_dir)
    except ServiceError as error:
        return fail(error)
    except KeyboardInterrupt:  # before it served
        return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = service_parser("local-kafka", "A small Kafka-protocol broker for one machine.")
    defaults = BrokerOptions.__dataclass_fields__
    parser.add_argument("--auto-create-topics", action="store_true", help="create topics that clients ask for")
    parser.add_argument(
        "--partitions",
        type=whole_number(1, MOST_PARTITIONS),
        default=1,
        help="of a topic that names no number (%(default)s)",
    )
    parser.add_argument(
        "--fsync",
        choices=[durability.value for durability in Durability],
        default=Durability.INTERVAL.value,
        help="when data is forced to the disk, which matters on a power cut only (%(default)s)",
    )
    for flag, field, meaning in (
        ("--fsync-interval-ms", "sync_interval_ms", "how often, with --fsync interval"),
        ("--retention-check-ms", "retention_check_ms", "how often old segments are looked for"),
        ("--compaction-check-ms", "compaction_check_ms", "how often compacted topics are looked at"),
        (
            "--offsets-retention-minutes",
            "offsets_retention_minutes",
            "how long a group without members keeps its offsets",
        ),
        ("--group-initial-rebalance-delay-ms", "initial_rebalance_delay_ms", "how long a new group waits for members"),
        ("--group-min-session-timeout-ms", "min_session_timeout_ms", "the shortest session of a group's member"),
        ("--max-request-bytes", "max_request_bytes", "the largest request"),
        (
            "--queued-max-request-bytes",
            "queued_max_request_bytes",
            "the memory of all large requests together, behind which their clients wait",
        ),
        (
            "--connections-max-idle-ms",
            "connections_max_idle_ms",
            "when a silent connection is closed, below 0 for never",
        ),
    ):
        kind = _OTHER_NUMBERS.get(field, whole_number(1))
        parser.add_argument(flag, type=kind, default=defaults[field].default, help=f"{meaning} (%(default)s)")
    return parser


def _run(options: BrokerOptions, data_dir: DataDir) -> int:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(_serve(options, data_dir))
    return uvloop.run(_serve(options, data_dir))


async def _serve(options: BrokerOptions, data_dir: DataDir) -> int:
    reserve = Reserve(options.data_dir)
    broker = _open(options, reserve)
    try:
        port = await broker.listen()
    except OSError as error:
        broker.abandon()
        raise port_error(SERVICE, options.host, options.port, error) from error
    stopped = _stop_signal()
    address = f"[{options.host}]:{port}" if ":" in options.host else f"{options.host}:{port}"
    state = {
        "pid": os.getpid(),
        "host": options.host,
        "port": port,
        "bootstrap_servers": address,
        "cluster_id": broker.state.cluster_id,
        "version": importlib.metadata.version("local-kafka"),
        "started_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    try:
        reserve.spend_at_start(lambda: data_dir.publish(state))
    except OSError as error:
        await broker.close()
        raise _unusable_folder(options, error) from error
    log.info("serving %s on %s", options.data_dir, address)
    announce(options.host, port, f"bootstrap.servers={address}, without security; for example: kcat -b {address} -L")
    await stopped.wait()
    log.info("stopping")
    await broker.close()
    log.info("stopped")
    return 0


def _open(options: BrokerOptions, reserve: Reserve) -> Broker:
    def step() -> Broker:
        broker = Broker(options, reserve)
        try:
            broker.open()
        except BaseException:
            broker.abandon()
            raise
        return broker

    try:
        return reserve.spend_at_start(step)
    except (UnsupportedFormatError, LostMetadataError) as error:
        raise ServiceError(str(error), EXIT_NOT_WRITABLE) from error
    except sqlite3.DatabaseError as error:
        if is_damaged(error):
            raise ServiceError(str(UnreadableMetadataError(options.data_dir, error)), EXIT_NOT_WRITABLE) from error
        raise _unusable_folder(options, error) from error
    except (OSError, sqlite3.Error) as error:
        raise _unusable_folder(options, error) from error


def _unusable_folder(options: BrokerOptions, error: Exception) -> ServiceError:
    return ServiceError(
        f"The {SERVICE} cannot use its data folder {options.data_dir} ({error}): "
        "check its permissions and the free space, or use another folder.",
        EXIT_NOT_WRITABLE,
    )


def _stop_signal() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; a second one ends the process at once."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopped.is_set():
            os._exit(1)
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return stopped


if __name__ == "__main__":
    sys.exit(main())
