"""Messages that are not loaded -> load_topics. Compares ends with the warehouse's offsets and never consumes."""

import hashlib
import json
import time

import dagster as dg
from dagster import DagsterInstance, RunsFilter

from dropship_dagster import stream
from dropship_dagster.automation.jobs import full_pipeline, load_topics
from dropship_dagster.automation.sensors.active import active_run, skip
from dropship_dagster.resources import CONNECTOR, KafkaResource, WarehouseResource, imported, user_errors
from dropship_dagster.settings import Settings

RANGE_TAG = "dropship/range"
MAX_ATTEMPTS = 3
"""Runs for the same messages before somebody has to look."""

LOOK_ANYWAY_SECONDS = 600.0
"""How long the topics' ends alone may tell that there is nothing to do."""

Ends = dict[str, tuple[int, int]]
"""First offset that the broker holds and the partition's end, by "<topic id>/<partition>"."""
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
    """Ask for a run when there is something to load and nobody loads.

    While the topics end where they ended when everything was loaded, the warehouse is not asked, so that one that costs
    money by the second can sleep. The cursor only saves that question: it never tells what is loaded.
    """
    active = active_run(context.instance, [load_topics.name, full_pipeline.name])
    if active:
        return skip(f"A run of {active} is on its way.", context.cursor)
    with user_errors():
        settings = Settings.load()
        ends = topic_ends(settings, kafka)
        if ends is None:
            return skip("The topics do not exist yet.")
        if nothing_new(context.cursor, ends):
            return skip("Nothing has come since everything was loaded.", context.cursor)
        if not imported(CONNECTOR):
            return skip("The Snowflake connector is being imported; the next tick looks.", context.cursor)
        waiting = backlog(ends, warehouse)
    messages = sum(end - begin for begin, end in waiting.values())
    if not messages:
        return skip("Everything is loaded.", cursor(ends))
    name = range_name(waiting)
    attempt = attempts(context.instance, name) + 1
    if attempt > MAX_ATTEMPTS:
        return skip(f"{messages:,} messages wait, but {MAX_ATTEMPTS} runs for them have not loaded them: see the last.")
    # A run key is used once and never again, failed runs included: so it names the messages and the attempt.
    request = dg.RunRequest(run_key=f"{name}-{attempt}", tags={RANGE_TAG: name, "dropship/messages": str(messages)})
    return dg.SensorResult([request])


def topic_ends(settings: Settings, kafka: KafkaResource) -> Ends | None:
    """Where the topics begin and end; None while one of them does not exist.

    Raises:
        StreamError, KafkaUnreachableError: the broker cannot be asked.
    """
    client = kafka.client_config()
    try:
        topics = stream.partitions(client, settings.topics).values()
    except stream.UnknownTopicError:
        return None
    return {
        f"{topic.topic_id}/{part.partition}": (part.low, part.high) for topic in topics for part in topic.partitions
    }


def backlog(ends: Ends, warehouse: WarehouseResource) -> Ranges:
    """What of it the warehouse does not have.

    Raises:
        WarehouseError: the warehouse cannot be asked.
    """
    from dropship_dagster import warehouse as wh
    from dropship_dagster.warehouse.offsets import read_positions

    with wh.connect(warehouse.endpoint(), query_tag="dropship sensor topic_backlog") as connection:
        try:
            positions = read_positions(connection)
        except wh.NotDeployedError:
            positions = []  # the run deploys
    loaded = {f"{each.topic_id}/{each.partition}": each.next_offset for each in positions}
    return {place: (loaded.get(place, low), high) for place, (low, high) in ends.items()}


def cursor(ends: Ends) -> str:
    """That everything up to these ends was loaded a moment ago."""
    return json.dumps({"loaded": range_name(ends), "at": time.time()})


def nothing_new(cursor: str | None, ends: Ends) -> bool:
    """Whether the topics end where they ended when everything was loaded, not long ago."""
    if not cursor:
        return False
    seen = json.loads(cursor)
    return bool(seen["loaded"] == range_name(ends) and 0 <= time.time() - seen["at"] < LOOK_ANYWAY_SECONDS)


def range_name(waiting: Ranges) -> str:
    """A short name of exactly these messages."""
    wanted = sorted((place, begin, end) for place, (begin, end) in waiting.items() if end > begin)
    return hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:16]


def attempts(instance: DagsterInstance, name: str) -> int:
    """Runs that were started for these very messages."""
    return instance.get_runs_count(RunsFilter(tags={RANGE_TAG: name}))
