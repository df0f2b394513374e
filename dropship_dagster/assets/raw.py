"""raw/*: what the topics hold, loaded into RAW exactly once. The warehouse's own offsets decide where to go on."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from dropship_dagster import stream
from dropship_dagster.assets import metadata, names
from dropship_dagster.assets.tables import described
from dropship_dagster.resources import KafkaResource, WarehouseResource, user_errors
from dropship_dagster.settings import Settings

POOL = "loader"

_RETRIES = dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For a warehouse that is away for a while, or another loader that was quicker; nothing is loaded twice."""


class LoadConfig(dg.Config):
    """How far to load. Without limits: to where the topics end when the step begins."""

    max_events: int | None = Field(None, ge=1, description="Stop after this many messages.")
    max_seconds: float | None = Field(None, gt=0, description="Stop after this long.")
    accept_gaps: bool = Field(
        False, description="Load on behind messages that Kafka has lost, and record the loss in OPS.KAFKA_GAPS."
    )


@dg.multi_asset(
    name=names.RAW,
    specs=list(names.table_specs(names.RAW_TABLES, "team:platform")),
    can_subset=True,
    pool=POOL,
    retry_policy=_RETRIES,
)
def raw(
    context: dg.AssetExecutionContext, config: LoadConfig, kafka: KafkaResource, warehouse: WarehouseResource
) -> Iterator[dg.MaterializeResult[None]]:
    """See that sql/ is deployed as it is (the local warehouse is), then load the selected topics."""
    from dropship_dagster import warehouse as wh
    from dropship_dagster.assets.batches import Batches
    from dropship_dagster.warehouse.offsets import read_positions

    endpoint = warehouse.endpoint()
    run_id = context.run.run_id
    with user_errors():
        settings = Settings.load()
        deployed = wh.prepare(endpoint, progress=lambda file: context.log.info("Deploying sql/%s", file))
        tables = {
            topic: table
            for topic, table in wh.raw_tables(settings).items()
            if dg.AssetKey([names.RAW, table.lower()]) in context.selected_asset_keys
        }
        options = wh.LoadOptions(
            max_events=config.max_events,
            max_seconds=config.max_seconds,
            accept_gaps=config.accept_gaps,
            resume_after_conflict=True,  # beside a consumer that follows, what it loads is loaded too
        )
        client = kafka.client_config()
        batches = Batches()
        report = wh.load(endpoint, client, tables, options, run_id=run_id, on_state=context.log.info, observer=batches)
        ends = stream.partitions(client, tables)
        rows = wh.counts(endpoint)
        with wh.connect(endpoint, query_tag=f"dropship metadata run={run_id} asset=raw") as connection:
            found = described(connection, names.RAW_TABLES, rows)
            offsets = {(each.topic_id, each.partition): each.next_offset for each in read_positions(connection)}
        loaded = {each.topic: each for each in report.topics}
        for topic, name in tables.items():
            topic_id = str(ends[topic].topic_id)
            following = {part: offsets.get((topic_id, part.partition), part.low) for part in ends[topic].partitions}
            table = names.table(dg.AssetKey([names.RAW, name.lower()]))
            yield dg.MaterializeResult(
                asset_key=table.key,
                metadata={
                    **found[table.key],
                    "topic": topic,
                    "loaded": loaded[topic].events if topic in loaded else 0,
                    "bytes": loaded[topic].bytes if topic in loaded else 0,
                    "next_offsets": dg.MetadataValue.json({str(part.partition): at for part, at in following.items()}),
                    "lag": sum(part.high - at for part, at in following.items()),
                    **batches.metadata(name),
                    "load_seconds": metadata.seconds(report.seconds),
                    "load_events_per_second": metadata.per_second(report.events, report.seconds),
                    "ended": report.ended,
                    "deployed": ", ".join(deployed) or "unchanged",
                },
            )
