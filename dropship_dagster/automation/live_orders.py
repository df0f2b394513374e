"""The step of stream_orders: new orders and what becomes of them, for a bounded time."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from dropship_dagster import shop, stream
from dropship_dagster.assets import metadata
from dropship_dagster.assets.topics import FINGERPRINT, POOL, admit, held, replayed, topic_key
from dropship_dagster.clock import FASTEST, SLOWEST
from dropship_dagster.errors import DropshipError
from dropship_dagster.resources import KafkaResource, user_errors
from dropship_dagster.settings import Settings


class LiveConfig(dg.Config):
    """How lively the shop is."""

    clock: float | None = Field(
        None,
        ge=SLOWEST,
        le=FASTEST,
        description="How many times as fast as ours the shop's clock goes; by default DROPSHIP_SHOP_CLOCK.",
    )
    rate: float | None = Field(
        None,
        gt=0,
        description="A load test: events a second over all topics, kept by schedule, instead of the shop's demand.",
    )
    duration: float = Field(60.0, gt=0, le=3600, description="Seconds; a run is bounded, the next one goes on.")
    seed: int | None = Field(None, ge=0, description="For the orders of the stream; by default that of the files.")
    start: str | None = Field(
        None, description="Moves the shop's clock forward: now, or a time such as 2026-07-01T09:00:00Z."
    )
    daily_curve: bool = Field(False, description="Spread a rate over the hours of the day as customers do.")
    life_cycle_speed: float | None = Field(
        None, gt=0, description="How many times as fast orders live at a rate; by default the parameter file's."
    )
    allow_shared_ids: bool = Field(
        False, description="Send it although the warehouse holds another data set with the same identifiers."
    )


@dg.op(pool=POOL, out=dg.Out(dg.Nothing), description="Send new orders, steps of open ones, and changed stock.")
def send_live_orders(context: dg.OpExecutionContext, config: LiveConfig, kafka: KafkaResource) -> None:
    """Go on with the shop where the last run ended, for the time that is configured; nothing where it has no history.

    Beside somebody's own files no orders are made up.
    """
    with user_errors():
        settings = Settings.load()
        reason = why_not(settings.data_dir)
        if reason:
            context.log.info(reason)
            context.add_output_metadata({"skipped": reason})
            return
    client = kafka.client_config()
    with user_errors():
        stream.ensure_topics(client, stream.topic_specs(settings))
        state = settings.home / "live.state"
        begin = stream.moment(config.start) if config.start else None
        pace = config.model_dump(include={"rate", "seed", "daily_curve", "life_cycle_speed"})
        pace["clock"] = config.clock or settings.shop_clock
        opening = stream.opening(settings.data_dir, state=state, start=begin, **pace)
        seeds = shop.stream_of(shop.data_set(settings.data_dir))
        admit(context, settings, seeds, opening, allow_shared=config.allow_shared_ids)
        report = stream.live(
            client,
            settings.data_dir,
            state=state,
            rejected_messages=settings.home / "rejects" / "messages.jsonl",
            topic_names=stream.topic_names(settings),
            duration=config.duration,
            start=begin,
            followed=settings.live,
            **pace,
        )
        offsets = stream.partitions(client, settings.topics)
        files = replayed(context.instance)
        for role, name in stream.topic_names(settings).items():
            counts = report.topics.get(name)
            if counts and counts.sent:
                context.log_event(
                    dg.AssetMaterialization(
                        topic_key(role),
                        description="New traffic of the shop.",
                        metadata={
                            "topic": name,
                            **held(offsets[name]),
                            "sent": counts.sent,
                            "acknowledged": counts.acknowledged,
                            "seconds": metadata.seconds(report.seconds),
                            "achieved_rate": metadata.per_second(report.sent, report.seconds),
                            "requested_rate": report.requested_rate,
                            "shop_clock": report.shop_clock or "",
                            FINGERPRINT: files or "",  # the topic holds them still
                        },
                    )
                )
        context.add_output_metadata({"shop_clock": report.shop_clock or "", "sent": report.sent})
        if report.failed:
            raise DropshipError(f"{report.failed:,} of {report.sent:,} messages were not acknowledged.")


def why_not(folder: Path) -> str | None:
    """Why live traffic cannot go on from a folder: only the generator's own, unchanged, says how; None if it can."""
    if shop.generated_manifest(folder) is not None:
        return None
    own = shop.own_files(folder)
    what = f"holds files of your own ({', '.join(own)})" if own else "holds no generated shop"
    return f"{folder} {what}: live traffic goes on from the files that `dropship generate` wrote."
