"""Messages that are not loaded -> load_topics. Compares ends with the warehouse's offsets and never consumes."""

import hashlib
import json

import dagster as dg
from dagster import DagsterInstance, RunsFilter

from dropship_dagster import stream
from dropship_dagster.automation.jobs import full_pipeline, load_topics
from dropship_dagster.automation.sensors.active import active_run, skip
from dropship_dagster.resources import KafkaResource, WarehouseResource, user_errors
from dropship_dagster.settings import Settings

RANGE_TAG = "dropship/range"
MAX_ATTEMPTS = 3
"""Runs for the same messages before somebody has to look."""

Ranges = dict[str, tuple[int, int]]
"""First offset that is not loaded and the partition's end, by "<topic id>/<partition>"."""


@dg.sensor(
    job=load_topics,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Loads when topics hold messages that RAW does not; the warehouse's offsets decide.",
)
def topic_backlog(
    context: dg.SensorEvaluationContext, kafka: KafkaResource, warehouse: WarehouseResource
) -> dg.SensorResult:
    """Ask for a run when there is something to load and nobody loads."""
    active = active_run(context.instance, [load_topics.name, full_pipeline.name])
    if active:
        return skip(f"A run of {active} is on its way.")
    with user_errors():
        waiting = backlog(Settings.load(), kafka, warehouse)
    if waiting is None:
        return skip("The topics do not exist yet.")
    messages = sum(end - begin for begin, end in waiting.values())
    if not messages:
        return skip("Everything is loaded.")
    name = range_name(waiting)
    attempt = attempts(context.instance, name) + 1
    if attempt > MAX_ATTEMPTS:
        return skip(f"{messages:,} messages wait, but {MAX_ATTEMPTS} runs for them have not loaded them: see the last.")
    # A run key is used once and never again, failed runs included: so it names the messages and the attempt.
    request = dg.RunRequest(run_key=f"{name}-{attempt}", tags={RANGE_TAG: name, "dropship/messages": str(messages)})
    return dg.SensorResult([request])


def backlog(settings: Settings, kafka: KafkaResource, warehouse: WarehouseResource) -> Ranges | None:
    """What waits in the topics; None while one of them does not exist.

    Raises:
        StreamError, WarehouseError: a side cannot be asked.
    """
    from dropship_dagster import warehouse as wh
    from dropship_dagster.warehouse.offsets import read_positions
    from dropship_dagster.warehouse.topics import TopicWatch

    client = kafka.client_config()
    if TopicWatch(client).identities(settings.topics).keys() < set(settings.topics):
        return None
    topics = stream.partitions(client, settings.topics).values()
    with wh.connect(warehouse.endpoint(), query_tag="dropship sensor topic_backlog") as connection:
        try:
            positions = read_positions(connection)
        except wh.NotDeployedError:
            positions = []  # the run deploys
    loaded = {f"{each.topic_id}/{each.partition}": each.next_offset for each in positions}
    ends = {f"{topic.topic_id}/{each.partition}": each for topic in topics for each in topic.partitions}
    return {place: (loaded.get(place, part.low), part.high) for place, part in ends.items()}


def range_name(waiting: Ranges) -> str:
    """A short name of exactly these messages."""
    wanted = sorted((place, begin, end) for place, (begin, end) in waiting.items() if end > begin)
    return hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:16]


def attempts(instance: DagsterInstance, name: str) -> int:
    """Runs that were started for these very messages."""
    return instance.get_runs_count(RunsFilter(tags={RANGE_TAG: name}))
