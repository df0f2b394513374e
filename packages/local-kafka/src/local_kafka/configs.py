"""The settings of a topic: those that mean something here, with Kafka's names and checks.

A setting of Kafka that the broker cannot honour is refused rather than stored and ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kio.schema.errors import ErrorCode

from local_kafka.errors import ApiError

# Types as DescribeConfigs names them (KIP-569).
TYPE_BOOLEAN, TYPE_STRING, TYPE_INT, TYPE_LONG, TYPE_LIST = 1, 2, 3, 5, 7
_INT_MAX, _LONG_MAX = 2**31 - 1, 2**63 - 1

Check = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class ConfigSpec:
    """One setting. `check` gives what is wrong with a value, or None."""

    name: str
    default: str
    type: int
    check: Check
    documentation: str


def _number(least: int, most: int) -> Check:
    def check(value: str) -> str | None:
        try:
            number = int(value)
        except ValueError:
            return "is not a whole number"
        return None if least <= number <= most else f"is not between {least} and {most}"

    return check


def _only(supported: str, why: str) -> Check:
    def check(value: str) -> str | None:
        return None if value == supported else f"is not supported: {why}"

    return check


SPECS = {
    spec.name: spec
    for spec in (
        ConfigSpec(
            "cleanup.policy",
            "delete",
            TYPE_LIST,
            _only("delete", "the embedded broker has no compaction, only delete"),
            "What happens to old segments; only delete.",
        ),
        ConfigSpec(
            "compression.type",
            "producer",
            TYPE_STRING,
            _only("producer", "batches stay as their producer compressed them"),
            "Batches are stored as they come.",
        ),
        ConfigSpec(
            "max.message.bytes", "1048588", TYPE_INT, _number(0, _INT_MAX), "The largest record batch that is stored."
        ),
        ConfigSpec(
            "message.timestamp.after.max.ms",
            "3600000",
            TYPE_LONG,
            _number(0, _LONG_MAX),
            "How far the timestamp of a record may lie after the broker's clock.",
        ),
        ConfigSpec(
            "message.timestamp.before.max.ms",
            str(_LONG_MAX),
            TYPE_LONG,
            _number(0, _LONG_MAX),
            "How far the timestamp of a record may lie before the broker's clock.",
        ),
        ConfigSpec(
            "message.timestamp.type",
            "CreateTime",
            TYPE_STRING,
            _only("CreateTime", "timestamps stay as their producer set them"),
            "Timestamps are the producer's.",
        ),
        ConfigSpec("min.insync.replicas", "1", TYPE_INT, _only("1", "there is one replica"), "There is one replica."),
        ConfigSpec(
            "retention.bytes",
            "-1",
            TYPE_LONG,
            _number(-1, _LONG_MAX),
            "Old segments go when a partition is larger than this; -1 for never.",
        ),
        ConfigSpec(
            "retention.ms",
            "-1",
            TYPE_LONG,
            _number(-1, _LONG_MAX),
            "Segments go when their newest record is older than this; -1 for never, which unlike Kafka is the default.",
        ),
        ConfigSpec(
            "segment.bytes", str(128 << 20), TYPE_INT, _number(14, _INT_MAX), "When a new segment file is begun."
        ),
    )
}


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
                f"Unknown topic config name: {name}. The embedded broker knows {', '.join(sorted(SPECS))}.",
            )
        wrong = spec.check(value)
        if wrong:
            raise ApiError(
                ErrorCode.invalid_config, f"Invalid value {value} for configuration {name}: the value {wrong}."
            )
