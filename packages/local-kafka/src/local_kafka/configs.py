"""The settings of a topic: those that mean something here, with Kafka's names and checks.

A setting of Kafka that the broker cannot honour is refused rather than stored and ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kio.schema.errors import ErrorCode

from local_kafka.errors import ApiError

# Types as DescribeConfigs names them (KIP-569).
TYPE_BOOLEAN, TYPE_STRING, TYPE_INT, TYPE_LONG, TYPE_DOUBLE, TYPE_LIST = 1, 2, 3, 5, 6, 7
_INT_MAX, _LONG_MAX = 2**31 - 1, 2**63 - 1
_DAY_MS = 24 * 60 * 60 * 1000

CLEANUP_POLICY, COMPACT, DELETE = "cleanup.policy", "compact", "delete"
LOG_APPEND_TIME = "LogAppendTime"

Check = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class ConfigSpec:
    """One setting. `check` gives what is wrong with a value, or None. `hidden` ones are not described, as in Kafka."""

    name: str
    default: str
    type: int
    check: Check
    documentation: str
    hidden: bool = False


def _number(least: int, most: int) -> Check:
    def check(value: str) -> str | None:
        try:
            number = int(value)
        except ValueError:
            return "is not a whole number"
        return None if least <= number <= most else f"is not between {least} and {most}"

    return check


def _share(value: str) -> str | None:
    try:
        share = float(value)
    except ValueError:
        return "is not a number"
    return None if 0 <= share <= 1 else "is not between 0 and 1"


def _boolean(value: str) -> str | None:
    return None if value.lower() in ("true", "false") else "is neither true nor false"


def _one_of(*known: str) -> Check:
    def check(value: str) -> str | None:
        return None if value in known else f"is not one of {', '.join(known)}"

    return check


def _policies(value: str) -> str | None:
    return None if set(split_list(value)) <= {COMPACT, DELETE} else f"is not {DELETE}, {COMPACT}, or both"


def _only(supported: str, why: str) -> Check:
    def check(value: str) -> str | None:
        return None if value == supported else f"is not supported: {why}"

    return check


def split_list(value: str) -> list[str]:
    """The items of a setting of several."""
    return [item for part in value.split(",") if (item := part.strip())]


_LONG = _number(0, _LONG_MAX)
_UNUSED = "Accepted and shown, and without effect: "

# name, default, type, check, what it does
_SPECS: tuple[tuple[str, str, int, Check, str], ...] = (
    (CLEANUP_POLICY, DELETE, TYPE_LIST, _policies, "What happens to old segments: delete, compact, or both."),
    (
        "compression.type",
        "producer",
        TYPE_STRING,
        _only("producer", "batches stay as their producer compressed them"),
        "Batches are stored as they come.",
    ),
    ("delete.retention.ms", str(_DAY_MS), TYPE_LONG, _LONG, "How long compaction keeps a record that deletes a key."),
    ("file.delete.delay.ms", "60000", TYPE_LONG, _LONG, _UNUSED + "the broker says when a file goes."),
    ("flush.messages", str(_LONG_MAX), TYPE_LONG, _number(1, _LONG_MAX), _UNUSED + "--fsync says when data is forced."),
    ("flush.ms", str(_LONG_MAX), TYPE_LONG, _LONG, _UNUSED + "--fsync says when data is forced to the disk."),
    ("index.interval.bytes", "4096", TYPE_INT, _number(0, _INT_MAX), _UNUSED + "it is always 4096."),
    (
        "max.compaction.lag.ms",
        str(_LONG_MAX),
        TYPE_LONG,
        _number(1, _LONG_MAX),
        "After how long a record is compacted, however little there is to clean.",
    ),
    ("max.message.bytes", "1048588", TYPE_INT, _number(0, _INT_MAX), "The largest record batch that is stored."),
    (
        "message.timestamp.after.max.ms",
        "3600000",
        TYPE_LONG,
        _LONG,
        "How far the timestamp of a record may lie after the broker's clock.",
    ),
    (
        "message.timestamp.before.max.ms",
        str(_LONG_MAX),
        TYPE_LONG,
        _LONG,
        "How far the timestamp of a record may lie before the broker's clock.",
    ),
    (
        "message.timestamp.type",
        "CreateTime",
        TYPE_STRING,
        _one_of("CreateTime", LOG_APPEND_TIME),
        "Whether timestamps are the producer's or the broker's.",
    ),
    ("min.cleanable.dirty.ratio", "0.5", TYPE_DOUBLE, _share, "The part of a log that is dirty when it is compacted."),
    ("min.compaction.lag.ms", "0", TYPE_LONG, _LONG, "For how long a record is not compacted."),
    ("min.insync.replicas", "1", TYPE_INT, _only("1", "there is one replica"), "There is one replica."),
    ("preallocate", "false", TYPE_BOOLEAN, _boolean, _UNUSED + "files grow as they are written."),
    (
        "retention.bytes",
        "-1",
        TYPE_LONG,
        _number(-1, _LONG_MAX),
        "Old segments go when a partition is larger than this; -1 for never.",
    ),
    (
        "retention.ms",
        "-1",
        TYPE_LONG,
        _number(-1, _LONG_MAX),
        "Segments go when their newest record is older than this; -1 for never, which unlike Kafka is the default.",
    ),
    ("segment.bytes", str(128 << 20), TYPE_INT, _number(1 << 20, _INT_MAX), "When a new segment file is begun."),
    ("segment.index.bytes", "10485760", TYPE_INT, _number(4, _INT_MAX), _UNUSED + "indexes grow with their segment."),
    ("segment.jitter.ms", "0", TYPE_LONG, _LONG, _UNUSED + "segments are begun when segment.ms says."),
    (
        "segment.ms",
        str(7 * _DAY_MS),
        TYPE_LONG,
        _number(1, _LONG_MAX),
        "A record that is later than the first of its segment by more begins a new one.",
    ),
    (
        "unclean.leader.election.enable",
        "false",
        TYPE_BOOLEAN,
        _boolean,
        _UNUSED + "there is one replica, which leads.",
    ),
)
# Kafka's own, for tests: segments below the least that segment.bytes allows.
INTERNAL_SEGMENT_BYTES = "internal.segment.bytes"

SPECS = {spec[0]: ConfigSpec(*spec) for spec in _SPECS}
SPECS[INTERNAL_SEGMENT_BYTES] = ConfigSpec(
    INTERNAL_SEGMENT_BYTES, "", TYPE_INT, _number(14, _INT_MAX), "segment.bytes without its minimum.", hidden=True
)


def shown_configs(own: Mapping[str, str]) -> list[ConfigSpec]:
    """The settings that are described of a topic with some of its own; hidden ones where they are among these."""
    return [spec for spec in SPECS.values() if not spec.hidden or spec.name in own]


def check_configs(configs: Mapping[str, str]) -> None:
    """Check the settings of a topic.

    Raises:
        ApiError: INVALID_CONFIG, with the setting and what is wrong with it.
    """
    for name, value in configs.items():
        spec = SPECS.get(name)
        if spec is None:
            raise ApiError(
                ErrorCode.invalid_config,
                f"Unknown topic config name: {name}. The local broker knows "
                f"{', '.join(sorted(spec.name for spec in shown_configs({})))}.",
            )
        wrong = spec.check(value.strip())
        if wrong:
            raise ApiError(
                ErrorCode.invalid_config, f"Invalid value {value} for configuration {name}: the value {wrong}."
            )
    _check_lags(configs)


def _check_lags(configs: Mapping[str, str]) -> None:
    least, most = (
        int(configs.get(name, SPECS[name].default)) for name in ("min.compaction.lag.ms", "max.compaction.lag.ms")
    )
    if least > most:
        raise ApiError(
            ErrorCode.invalid_config,
            f"min.compaction.lag.ms ({least}) is above max.compaction.lag.ms ({most}): no record could be compacted.",
        )
