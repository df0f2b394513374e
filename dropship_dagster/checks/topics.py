"""Checks of the topics: they are as configured, and they hold what the CSV files say."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from dropship_dagster import stream
from dropship_dagster.assets.topics import topic_key
from dropship_dagster.checks.outcome import ERROR, WARN
from dropship_dagster.checks.rejected_rows import rejected_rows
from dropship_dagster.resources import KafkaResource, user_errors
from dropship_dagster.settings import Settings
from dropship_dagster.shop import fitting_manifest
from dropship_dagster.warehouse import model

_HOLDS = "holds_the_seeds"
_CONFIGURED = "is_as_configured"

_SEEDS = {topic.role: topic.seeds for topic in model.TOPICS if topic.seeds}
_FILES = {role: f"{seeds[-1]}.csv" for role, seeds in _SEEDS.items()}
"""The file with a row for each message, by the role of the topic that it is replayed into."""


def _specs() -> Iterator[dg.AssetCheckSpec]:
    for topic, file in _FILES.items():
        yield dg.AssetCheckSpec(
            _HOLDS,
            asset=topic_key(topic),
            blocking=True,
            description=f"The topic was given at least as many messages as {file} has rows.",
        )
        yield dg.AssetCheckSpec(
            _CONFIGURED, asset=topic_key(topic), description="The topic has as many partitions as the settings say."
        )


@dg.multi_asset_check(name="topic_checks", specs=list(_specs()), can_subset=True)
def topic_checks(context: dg.AssetCheckExecutionContext, kafka: KafkaResource) -> Iterator[dg.AssetCheckResult]:
    """Compare the topics with the manifest of the CSV files and with the settings."""
    client = kafka.client_config()
    with user_errors():
        settings = Settings.load()
        manifest = fitting_manifest(settings.data_dir)
        offsets = stream.partitions(client, settings.topics)
        topic_names = stream.topic_names(settings)
        for role in _SEEDS:
            name = topic_names[role]
            selected = {key.name for key in context.selected_asset_check_keys if key.asset_key == topic_key(role)}
            if _HOLDS in selected:
                facts = manifest.files.get(_FILES[role]) if manifest else None
                yield _holds(role, offsets[name], facts.rows if facts else None, settings.data_dir)
            if _CONFIGURED in selected:
                yield _configured(role, offsets[name], settings)


def _holds(role: str, offsets: stream.TopicOffsets, wanted: int | None, folder: Path) -> dg.AssetCheckResult:
    """End offsets count what was ever given, also where retention has deleted it since.

    Rows that break the contract are not sent, so as many messages may be missing; that only warns.
    """
    given = sum(each.high for each in offsets.partitions)
    short = max(0, (wanted or 0) - given)
    rejected = rejected_rows(folder, _SEEDS[role]) if short else 0
    if wanted is None:
        description = "There is no manifest that fits the files, to compare with."
    elif 0 < short <= rejected:
        description = f"{short:,} of {wanted:,} rows are not in {offsets.name}; {rejected:,} rows break the contract."
    elif short:
        description = f"{offsets.name} was given {given:,} messages, {_FILES[role]} has {wanted:,} rows: replay it."
    else:
        description = f"{given:,} messages for {wanted:,} rows; a replay adds messages, and events only once."
    return dg.AssetCheckResult(
        asset_key=topic_key(role),
        check_name=_HOLDS,
        passed=not short,
        severity=WARN if 0 < short <= rejected else ERROR,
        description=description,
        metadata={"messages": given, **({} if wanted is None else {"rows": wanted})},
    )


def _configured(role: str, offsets: stream.TopicOffsets, settings: Settings) -> dg.AssetCheckResult:
    found, wanted = offsets.partition_count, settings.topic_partitions
    return dg.AssetCheckResult(
        asset_key=topic_key(role),
        check_name=_CONFIGURED,
        passed=found == wanted,
        severity=WARN,
        description=f"{offsets.name} has {found} partitions, DROPSHIP_TOPIC_PARTITIONS says {wanted}.",
        metadata={"partitions": found, "configured": wanted},
    )
