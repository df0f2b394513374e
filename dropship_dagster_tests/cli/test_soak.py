"""A shop under `dropship up`, on an empty home, without a click, for minutes; then everything adds up.

    DROPSHIP_TEST_SOAK_MINUTES=10 python -m pytest -m slow -s dropship_dagster_tests/cli/test_soak.py

prints what it measured: each program's memory, each sensor's ticks, how long the start and the end took.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus

from dropship_dagster_tests.cli.platform import PROGRAMS, Platform, resident_mb
from local_service_tests.processors import processor_seconds

MINUTES = float(os.environ.get("DROPSHIP_TEST_SOAK_MINUTES", "2"))

_SAMPLE_SECONDS = 5.0
_GROWTH = 1.25, 60.0
"""Factor and MB by which a program's memory at the end may be above that of the first third: the broker and the
warehouse hold more data every minute, and caches fill."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(int(MINUTES * 60) + 1800)]


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    platform = Platform(tmp_path, DROPSHIP_ORDERS="1000")
    yield platform
    platform.clean_up()


def test_live_traffic_for_minutes_on_an_empty_home_ends_with_everything_exactly_once(platform: Platform) -> None:
    begin = time.monotonic()
    platform.up()
    figures: dict[str, object] = {"seconds until everything runs": time.monotonic() - begin}
    platform.wait_until(lambda: platform.orders() >= 1000, "the files' orders are in PROD")
    figures["seconds until the files' orders are in PROD"] = time.monotonic() - begin
    seeds = platform.orders()
    platform.wait_until(lambda: platform.orders() > seeds, "a new order is in PROD")
    figures["seconds until a new order is in PROD"] = time.monotonic() - begin

    memory, computed = _watch(platform, MINUTES * 60)
    late = platform.orders()
    platform.wait_until(lambda: platform.orders() > late, "orders still come at the end")
    sold = platform.orders()
    figures["seconds to end"] = platform.stop()
    with platform.instance() as instance:
        ticks = _ticks(instance)
    figures |= {"memory, MB": _summary(memory), "processor, s a minute": computed, "ticks, s": _durations(ticks)}
    print(json.dumps(figures, indent=2))

    failed = [
        (sensor, tick.error) for sensor, each in ticks.items() for tick in each if tick.status == TickStatus.FAILURE
    ]
    assert not failed
    assert {"first_run", "seed_files", "topic_backlog", "live_traffic", "scheduled_refreshes"} <= ticks.keys()
    assert {tick.status for tick in ticks["first_run"]} == {TickStatus.SKIPPED}, "the first run was asked for before"
    ended = {(run.dagster_run.job_name, run.dagster_run.status) for run in platform.runs()}
    assert {status for _, status in ended} <= {
        DagsterRunStatus.SUCCESS,
        DagsterRunStatus.CANCELED,
        DagsterRunStatus.QUEUED,
    }
    assert {(job, DagsterRunStatus.SUCCESS) for job in ("full_pipeline", "stream_orders", "load_topics")} <= ended
    assert sold > seeds
    assert not _grown(memory)

    for command in ("consume", "refresh"):  # what was on its way when it ended
        done = platform.run(command)
        assert done.returncode == 0, done.stderr
    verdict = platform.run("verify", "--json")
    assert verdict.returncode == 0, verdict.stdout
    assert json.loads(verdict.stdout)["ok"] is True
    assert platform.orders() >= sold


def _watch(platform: Platform, seconds: float) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Resident memory of each program over time, and what each computes; none may end or be started again."""
    pids = platform.pids()
    assert pids.keys() == PROGRAMS.keys()
    memory: dict[str, list[float]] = {name: [] for name in pids}
    before = {name: processor_seconds(pid) for name, pid in pids.items()}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for name, pid in pids.items():
            size = resident_mb(pid)
            assert size is not None, f"{name} ended: {platform.output.read_text()}"
            memory[name].append(size)
        time.sleep(_SAMPLE_SECONDS)
    computed = {name: processor_seconds(pid) - before[name] for name, pid in pids.items()}
    return memory, {name: round(spent / seconds * 60, 1) for name, spent in computed.items()}


def _thirds(samples: list[float]) -> tuple[float, float]:
    third = max(1, len(samples) // 3)
    return statistics.median(samples[:third]), statistics.median(samples[-third:])


def _grown(memory: dict[str, list[float]]) -> dict[str, tuple[float, float]]:
    """The programs whose memory grew by more than it may."""
    factor, megabytes = _GROWTH
    medians = {name: _thirds(samples) for name, samples in memory.items()}
    return {name: (first, last) for name, (first, last) in medians.items() if last > factor * first + megabytes}


def _summary(memory: dict[str, list[float]]) -> dict[str, str]:
    medians = {name: _thirds(samples) for name, samples in memory.items()}
    return {name: f"{first:.0f} at first, {last:.0f} at last" for name, (first, last) in medians.items()}


def _ticks(instance: DagsterInstance) -> dict[str, list[InstigatorTick]]:
    """Every tick that ended, by sensor."""
    found: dict[str, list[InstigatorTick]] = {}
    for state in instance.all_instigator_state():
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id):
            if tick.tick_data.end_timestamp is not None:
                found.setdefault(state.instigator_name, []).append(tick)
    return found


def _durations(ticks: dict[str, list[InstigatorTick]]) -> dict[str, str]:
    told = {}
    for sensor, each in ticks.items():
        seconds = sorted((tick.tick_data.end_timestamp or 0) - tick.timestamp for tick in each)
        middle = statistics.median(seconds)
        told[sensor] = f"{len(seconds)} ticks, median {middle:.2f}, 95 % {seconds[int(len(seconds) * 0.95)]:.2f}"
    return told
