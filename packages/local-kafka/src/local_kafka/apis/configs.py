"""DescribeConfigs, AlterConfigs and IncrementalAlterConfigs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from kio.schema.errors import ErrorCode

from local_kafka.apis.call import NODE_ID, Body, Call
from local_kafka.apis.topics import SOURCE_DEFAULT, SOURCE_TOPIC, stored
from local_kafka.configs import (
    SPECS,
    TYPE_BOOLEAN,
    TYPE_INT,
    TYPE_LIST,
    TYPE_LONG,
    ConfigSpec,
    check_configs,
    shown_configs,
    split_list,
)
from local_kafka.errors import ApiError
from local_kafka.topics import Topic
from local_kafka.wire.reader import Struct

TOPIC, BROKER, BROKER_LOGGER, GROUP = 2, 4, 8, 32
SOURCE_STATIC_BROKER, SOURCE_LOGGER = 4, 6
# Operations of IncrementalAlterConfigs (KIP-339).
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3

# Kafka's defaults of groups of the new protocol (KIP-848), of which there are none here.
_GROUP_CONFIGS: list[Body] = [
    {
        "name": name,
        "value": value,
        "config_source": SOURCE_DEFAULT,
        "config_type": TYPE_INT,
        "read_only": True,
        "documentation": "Of groups of the new protocol, which the local broker has not.",
        "synonyms": [{"name": name, "value": value, "source": SOURCE_DEFAULT}],
    }
    for name, value in (("consumer.session.timeout.ms", "45000"), ("consumer.heartbeat.interval.ms", "5000"))
]


def describe_configs(call: Call) -> Body:
    """The settings of topics and of the broker."""
    return {"results": [_describe(call, resource) for resource in call.request.resources]}


def _describe(call: Call, resource: Struct) -> Body:
    answer: Body = {"resource_type": resource.resource_type, "resource_name": resource.resource_name}
    try:
        configs = _configs_of(call, resource)
    except ApiError as error:
        return answer | {"error_code": error.code, "error_message": error.sentence, "configs": ()}
    wanted = resource.configuration_keys
    shown = [dict(config) for config in configs if wanted is None or config["name"] in wanted]
    if not call.request.include_synonyms:
        for config in shown:
            config["synonyms"] = ()
    if not getattr(call.request, "include_documentation", False):
        for config in shown:
            config["documentation"] = None
    return answer | {"error_message": None, "configs": shown}


def _configs_of(call: Call, resource: Struct) -> list[Body]:
    if resource.resource_type == TOPIC:
        topic = call.state.topics.named(resource.resource_name)
        return [_topic_config(topic, spec) for spec in shown_configs(topic.configs)]
    if resource.resource_type == BROKER:
        if resource.resource_name not in ("", str(NODE_ID)):
            raise ApiError(ErrorCode.invalid_request, f"There is no broker {resource.resource_name}.")
        return _broker_configs(call)
    if resource.resource_type == BROKER_LOGGER:
        if resource.resource_name != str(NODE_ID):
            raise ApiError(ErrorCode.invalid_request, f"There is no broker {resource.resource_name!r}.")
        return _loggers()
    if resource.resource_type == GROUP:
        if not resource.resource_name:
            raise ApiError(ErrorCode.invalid_request, "Group name must not be empty.")
        return _GROUP_CONFIGS
    raise ApiError(ErrorCode.invalid_request, f"Resources of type {resource.resource_type} have no settings here.")


def _topic_config(topic: Topic, spec: ConfigSpec) -> Body:
    name = spec.name
    default = {"name": name, "value": spec.default, "source": SOURCE_DEFAULT}
    own = name in topic.configs
    return {
        "name": name,
        "value": topic.config(name),
        "config_source": SOURCE_TOPIC if own else SOURCE_DEFAULT,
        "config_type": spec.type,
        "documentation": spec.documentation,
        "synonyms": [{"name": name, "value": topic.config(name), "source": SOURCE_TOPIC}, default]
        if own
        else [default],
    }


def _broker_configs(call: Call) -> list[Body]:
    options = call.state.options
    values = (
        ("auto.create.topics.enable", str(options.auto_create_topics).lower(), TYPE_BOOLEAN),
        ("num.partitions", str(options.default_partitions), TYPE_INT),
        ("default.replication.factor", "1", TYPE_INT),
        ("message.max.bytes", SPECS["max.message.bytes"].default, TYPE_INT),
        ("socket.request.max.bytes", str(options.max_request_bytes), TYPE_INT),
        ("connections.max.idle.ms", str(options.connections_max_idle_ms), TYPE_LONG),
        ("offsets.retention.minutes", str(options.offsets_retention_minutes), TYPE_INT),
        ("queued.max.request.bytes", str(options.queued_max_request_bytes), TYPE_LONG),
        ("group.min.session.timeout.ms", str(options.min_session_timeout_ms), TYPE_INT),
        ("group.max.session.timeout.ms", str(options.max_session_timeout_ms), TYPE_INT),
        ("group.initial.rebalance.delay.ms", str(options.initial_rebalance_delay_ms), TYPE_INT),
    )
    return [
        {
            "name": name,
            "value": value,
            "read_only": True,
            "config_source": SOURCE_STATIC_BROKER,
            "config_type": kind,
            "documentation": "Set on the broker's command line.",
            "synonyms": [{"name": name, "value": value, "source": SOURCE_STATIC_BROKER}],
        }
        for name, value, kind in values
    ]


def _loggers() -> list[Body]:
    """The broker's loggers with the levels that count for them (KIP-412)."""
    names = ["root", *sorted(name for name in logging.root.manager.loggerDict if name.split(".")[0] == "kafka")]
    return [
        {
            "name": name,
            "value": logging.getLevelName(logging.getLogger(name).getEffectiveLevel()),
            "config_source": SOURCE_LOGGER,
            "synonyms": (),
        }
        for name in names
    ]


async def alter_configs(call: Call) -> Body:
    """Replace all settings of topics."""
    return {"responses": await _alter(call, _replaced)}


async def incremental_alter_configs(call: Call) -> Body:
    """Change single settings of topics."""
    return {"responses": await _alter(call, _changed)}


async def _alter(call: Call, change: Callable[[Topic, Iterable[Struct]], dict[str, str]]) -> list[Body]:
    answers: list[Body] = []
    for resource in call.request.resources:
        answer = {"resource_type": resource.resource_type, "resource_name": resource.resource_name}
        try:
            await _alter_topic(call, resource, change)
        except ApiError as error:
            answer |= {"error_code": error.code, "error_message": error.sentence}
        answers.append(answer)
    return answers


async def _alter_topic(
    call: Call, resource: Struct, change: Callable[[Topic, Iterable[Struct]], dict[str, str]]
) -> None:
    if resource.resource_type != TOPIC:
        raise ApiError(
            ErrorCode.invalid_request, "Only topics can be changed; the broker's settings are on its command line."
        )
    topic = call.state.topics.named(resource.resource_name)
    configs = change(topic, resource.configs)
    check_configs(configs)
    if not call.request.validate_only:
        await stored(call.state.topics.set_configs(topic, configs))


def _replaced(topic: Topic, changes: Iterable[Struct]) -> dict[str, str]:
    return {change.name: change.value for change in changes if change.value is not None}


def _changed(topic: Topic, changes: Iterable[Struct]) -> dict[str, str]:
    configs = dict(topic.configs)
    for change in changes:
        spec = SPECS.get(change.name)
        if change.config_operation == SET and change.value is not None:
            configs[change.name] = change.value
        elif change.config_operation in (APPEND, SUBTRACT) and spec and spec.type == TYPE_LIST and change.value:
            present, named = split_list(topic.config(change.name)), split_list(change.value)
            kept = [item for item in present if item not in named]
            configs[change.name] = ",".join(
                [*present, *(item for item in named if item not in present)]
                if change.config_operation == APPEND
                else kept
            )
        elif change.config_operation == DELETE and change.name in SPECS:
            configs.pop(change.name, None)
        elif change.config_operation == DELETE:
            raise ApiError(ErrorCode.invalid_config, f"Unknown topic config name: {change.name}.")
        else:
            raise ApiError(
                ErrorCode.invalid_config,
                f"{change.name} takes one value: set it or delete it, nothing can be appended or subtracted.",
            )
    return configs
