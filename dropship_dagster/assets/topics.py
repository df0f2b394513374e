"""topics/*: the CSV files as events in Kafka. One step sends all of them: customers and products before any order."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from dropship_dagster import shop, stream
from dropship_dagster.assets import metadata, names
from dropship_dagster.assets.seeds import fingerprint
from dropship_dagster.errors import DropshipError
from dropship_dagster.resources import KafkaResource, user_errors
from dropship_dagster.settings import Settings
from dropship_dagster.shop.rejects import REJECT_SHARE
from dropship_dagster.warehouse import model

POOL = "kafka"
FINGERPRINT = "seeds"
"""Metadata: which files were replayed; see `dropship_dagster.assets.seeds.fingerprint`."""

_LOOK_BACK = 100
"""Materializations of a topic among which a replay is looked for."""

_SEEDED_TOPICS = {topic.role: topic for topic in model.TOPICS if topic.seeds}
"""The topics that the CSV files are replayed into, by role."""


class ReplayConfig(dg.Config):
    """How fast to send."""

    rate: float = Field(0.0, ge=0, description="Messages a second, kept by schedule; 0 for no limit.")
    speed: float | None = Field(
        None, gt=0, description="Time-lapse: order events keep their distances in time, this many times as fast."
    )
    reject_share: float = Field(
        REJECT_SHARE, ge=0, le=1, description="The share of a file's rows that may break the contract; more stop it."
    )
    resume: bool = Field(
        False, description="Go on where a replay of this very folder was killed, instead of sending all of it."
    )
    allow_shared_ids: bool = Field(
        False, description="Send it although the warehouse holds another data set with the same identifiers."
    )


def topic_key(topic: str) -> dg.AssetKey:
    """The key of a topic's asset; by its role, whatever name the settings give it."""
    return dg.AssetKey([names.TOPICS, topic])


def _specs() -> Iterator[dg.AssetSpec]:
    for topic in _SEEDED_TOPICS.values():
        yield dg.AssetSpec(
            topic_key(topic.role),
            deps=[dg.AssetKey([names.SEEDS, each]) for each in topic.seeds],
            description=topic.about,
            group_name=names.TOPICS,
            kinds={"kafka"},
            owners=["team:platform"],
            tags=names.tags(topic.role),
        )


@dg.multi_asset(name=names.TOPICS, specs=list(_specs()), pool=POOL)
def topics(
    context: dg.AssetExecutionContext, config: ReplayConfig, kafka: KafkaResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Create the topics and replay the CSV files. Sending a file twice has one effect: event ids are the same.

    Another data set than the warehouse holds, with the same identifiers, is refused before anything is sent.
    """
    client = kafka.client_config()
    with user_errors():
        settings = Settings.load()
        states = {state.name: state for state in stream.ensure_topics(client, stream.topic_specs(settings))}
        rejects = settings.home / "rejects"
        files = fingerprint(settings.data_dir)
        admit(context, settings, shop.data_set(settings.data_dir), allow_shared=config.allow_shared_ids)
        report = stream.replay(
            client,
            settings.data_dir,
            rate=config.rate,
            speed=config.speed,
            resume=settings.home / "replay.checkpoint" if config.resume else None,
            reject_share=config.reject_share,
            rejected_rows=rejects / "rows.csv",
            rejected_messages=rejects / "messages.jsonl",
            topic_names=stream.topic_names(settings),
        )
        offsets = stream.partitions(client, settings.topics)
        if report.failed:
            raise DropshipError(
                f"{report.failed:,} of {report.sent:,} messages were not acknowledged ({'; '.join(report.errors)}): "
                "see that the broker is well, then replay again, which has no second effect."
            )
        topic_names = stream.topic_names(settings)
        for role in _SEEDED_TOPICS:
            name = topic_names[role]
            yield dg.MaterializeResult(
                asset_key=topic_key(role), metadata=_metadata(report, states[name], offsets[name], rejects, files)
            )


def admit(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    settings: Settings,
    data_set: shop.DataSet,
    opening: Sequence[shop.Record] = (),
    *,
    allow_shared: bool = False,
) -> None:
    """Register a data set with the warehouse, or refuse it; what was not checked is a warning in the run's log.

    Raises:
        SharedIdentifiersError: see `warehouse.admit`.
    """
    from dropship_dagster import (
        warehouse,
    )  # brings the Snowflake connector: a second that loading the code need not pay

    admission = warehouse.admit(settings, data_set, opening=opening, allow_shared=allow_shared, prepare=True)
    for note in admission.notes:
        context.log.warning(note)


def held(offsets: stream.TopicOffsets) -> dict[str, Any]:
    """Metadata: how many messages the topic holds, and where its partitions end."""
    return {
        metadata.ROW_COUNT: sum(each.high - each.low for each in offsets.partitions),
        "end_offsets": dg.MetadataValue.json({str(each.partition): each.high for each in offsets.partitions}),
    }


def replayed(instance: dg.DagsterInstance) -> str | None:
    """The fingerprint of the files that a run replayed last, whoever started it; None when none did.

    Live traffic passes it on with what it adds to the topic. Other materializations, such as one reported by hand in
    the UI, say nothing of files and are passed over.
    """
    events = instance.fetch_materializations(topic_key(stream.CUSTOMERS), limit=_LOOK_BACK).records
    for record in events:
        materialization = record.asset_materialization
        value = materialization.metadata.get(FINGERPRINT) if materialization else None
        if value is not None and value.value:
            return str(value.value)
    return None


def _metadata(
    report: stream.ProduceReport,
    state: stream.TopicState,
    offsets: stream.TopicOffsets,
    rejects: Path,
    seeds: str | None,
) -> dict[str, Any]:
    counts = report.topics.get(state.name, stream.TopicCounts())
    values: dict[str, Any] = {
        "topic": state.name,
        "topic_id": str(state.topic_id),
        "partitions": state.partitions,
        **held(offsets),
        "sent": counts.sent,
        "acknowledged": counts.acknowledged,
        "refused": counts.refused,
        "bytes": counts.bytes,
        "seconds": metadata.seconds(report.seconds),
        "achieved_rate": metadata.per_second(report.sent, report.seconds),
        "requested_rate": report.requested_rate,
        "rejected_rows": report.rejected_rows,
        FINGERPRINT: seeds or "",
    }
    if report.rejected_rows or report.refused:
        values["rejects"] = dg.MetadataValue.path(rejects)
    if state.differs:
        values["differs"] = "; ".join(state.differs)
    return values
