"""What a tick of each sensor computes, and what recording a run of each job does, on a filled platform.

Run as `python -m dropship_dagster_tests.benchmarks.sensor_ticks`; prints a Markdown table. Processor time says what a
tick costs; what it takes beyond is waiting, for a disk or for a processor that is busy otherwise.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from dropship_dagster.cli.instance import prepare
from dropship_dagster.definitions import defs, run_job
from dropship_dagster.resources import KafkaResource, WarehouseResource
from dropship_dagster.resources.alerts import AlertResource
from dropship_dagster.settings import Settings
from dropship_dagster.supervisor import SERVICES, Supervisor

ROUNDS = 9
# Each with what it is given.
SENSORS = {
    "first_run": (),
    "seed_files": (),
    "topic_backlog": ("kafka", "warehouse"),
    "scheduled_refreshes": ("warehouse", "alerts"),
    "live_traffic": (),
}
JOBS = ("stream_orders", "load_topics", "replay_seeds", "full_pipeline")


def main() -> None:
    """Fill a platform in a folder of its own, then measure."""
    with filled() as instance:
        print("| median | processor, ms | clock, ms |\n|---|---|---|")
        for name, resources in SENSORS.items():
            print(_row(f"tick of {name}", lambda name=name, given=resources: tick(instance, name, given)))
        for name in JOBS:
            job = defs.resolve_job_def(name)
            print(_row(f"recording a run of {name}", lambda job=job: instance.create_run_for_job(job)))


@contextmanager
def filled() -> Iterator[dg.DagsterInstance]:
    """The instance of a platform whose files are in PROD, so that every sensor asks all that it can ask."""
    with tempfile.TemporaryDirectory() as folder:
        variables = {"DROPSHIP_HOME": "home", "DROPSHIP_DATA_DIR": "data", "DROPSHIP_REPORTS_DIR": "reports"}
        os.environ.update({name: str(Path(folder) / part) for name, part in variables.items()})
        os.environ.pop("DAGSTER_HOME", None)
        settings = Settings.load()
        try:
            prepare(settings)
            with dg.DagsterInstance.get() as instance:
                report = run_job("full_pipeline", instance=instance)
                if not report.success:
                    raise SystemExit(f"The platform could not be filled: {report.failed_steps}")
                yield instance
        finally:
            Supervisor(settings.home).stop(*SERVICES)


def tick(instance: dg.DagsterInstance, name: str, resources: tuple[str, ...]) -> None:
    """Evaluate a sensor as at its first tick, which asks the most."""
    given = {"kafka": KafkaResource(), "warehouse": WarehouseResource(), "alerts": AlertResource()}
    wanted = {resource: given[resource] for resource in resources}
    with dg.build_sensor_context(instance=instance, resources=wanted) as context:
        defs.resolve_sensor_def(name)(context)


def _row(what: str, work: Callable[[], object]) -> str:
    work()  # imports, and what is made once
    computed, taken = [], []
    for _ in range(ROUNDS):
        processor, clock = time.process_time(), time.perf_counter()
        work()
        computed.append(time.process_time() - processor)
        taken.append(time.perf_counter() - clock)
    return f"| {what} | {1000 * statistics.median(computed):.0f} | {1000 * statistics.median(taken):.0f} |"


if __name__ == "__main__":
    main()
