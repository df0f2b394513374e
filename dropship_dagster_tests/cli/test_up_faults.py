"""A run killed in its step, a daemon killed, two first starts at once: the platform carries on, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from dagster import DagsterRunStatus

from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster_tests.cli.platform import COMMAND, Platform
from local_service_tests.processors import descendants

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

MODULE = "dropship_dagster.definitions"
LIVE = "ops: {send_live_orders: {config: {rate: 50, duration: 3600}}}"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    platform = Platform(tmp_path, DROPSHIP_ORDERS="300")
    yield platform
    platform.clean_up()


def launch(platform: Platform, job: str, *arguments: str) -> None:
    """Queue a run for the platform's daemon, as a user does beside it."""
    environment = {**platform.env, "DAGSTER_HOME": str(platform.home / "dagster")}
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "job", "launch", "-m", MODULE, "-j", job, *arguments],
        env=environment,
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def statuses(platform: Platform, job: str) -> list[DagsterRunStatus]:
    """Of the job's runs, the newest first."""
    return [record.dagster_run.status for record in platform.runs(job)]


def ticks(platform: Platform, since: float) -> set[str]:
    """The sensors that looked since then."""
    with platform.instance() as instance:
        states = {state.instigator_name: state for state in instance.all_instigator_state()}
        return {
            name
            for name, state in states.items()
            if instance.get_ticks(state.instigator_origin_id, state.selector_id, after=since)
        }


def verified(platform: Platform) -> bool:
    """Whether everything is exactly once when what is on its way has arrived."""
    for command in ("consume", "refresh"):
        done = platform.run(command)
        assert done.returncode == 0, done.stderr
    return bool(json.loads(platform.run("verify", "--json").stdout)["ok"])


def test_a_run_killed_in_its_step_and_a_killed_daemon_cost_nothing(platform: Platform) -> None:
    generated = platform.run("generate")
    assert generated.returncode == 0, generated.stderr
    platform.up("--no-live")
    platform.wait_until(lambda: platform.orders() == 300, "the files are in PROD without a click")

    (platform.root / "live.yaml").write_text(LIVE)
    launch(platform, "stream_orders", "-c", str(platform.root / "live.yaml"))
    platform.wait_until(lambda: platform.orders() > 300, "orders of the running step are in PROD")
    assert statuses(platform, "stream_orders") == [DagsterRunStatus.STARTED]
    victims = platform.run_pids("stream_orders")
    assert victims, "there is nobody to kill"
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    platform.wait_until(lambda: len(statuses(platform, "stream_orders")) == 2, "it is started once more")
    assert statuses(platform, "stream_orders")[1] == DagsterRunStatus.FAILURE, "the kill struck"
    platform.wait_until(lambda: statuses(platform, "stream_orders")[0] == DagsterRunStatus.STARTED, "it goes on")

    daemon, killed = platform.pids()["daemon"], time.time()
    os.kill(daemon, signal.SIGKILL)
    platform.wait_until(lambda: platform.pids().get("daemon", daemon) != daemon, "another daemon runs")
    assert "daemon ended and was started again" in platform.output.read_text()
    platform.wait_until(lambda: {"topic_backlog", "seed_files"} <= ticks(platform, killed), "sensors look again")
    before = platform.orders()
    platform.wait_until(lambda: platform.orders() > before, "orders go on to reach PROD")

    platform.stop()
    assert verified(platform)


def test_after_a_power_cut_the_shop_is_open_again(platform: Platform) -> None:
    platform.up()
    platform.wait_until(lambda: statuses(platform, "stream_orders")[:1] == [DagsterRunStatus.STARTED], "live traffic")
    assert platform.process is not None
    victims = [platform.process.pid, *descendants(platform.process.pid)]
    assert set(platform.pids().values()) < set(victims), "every program is cut off, the services too"
    for pid in victims:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    platform.process.wait()
    left = [record.dagster_run.run_id for record in platform.runs() if not record.dagster_run.is_finished]
    assert left, "a run was on its way"

    platform.up()
    platform.wait_until(lambda: ended_badly(platform) >= set(left), "the runs nobody works on are failed")
    sold = platform.orders()
    platform.wait_until(lambda: platform.orders() > sold, "new orders are in PROD")
    platform.stop()
    assert verified(platform)


def ended_badly(platform: Platform) -> set[str]:
    """The runs that failed."""
    return {
        record.dagster_run.run_id for record in platform.runs() if record.dagster_run.status == DagsterRunStatus.FAILURE
    }


def test_of_two_platforms_that_start_at_once_in_an_empty_home_one_runs(platform: Platform) -> None:
    outputs = [platform.root / f"{number}.txt" for number in (1, 2)]
    processes = []
    for output in outputs:
        with output.open("w") as file:
            command = [*COMMAND, "up", "--no-live"]
            processes.append(
                subprocess.Popen(command, env=platform.env, cwd=PROJECT_ROOT, stdout=file, stderr=subprocess.STDOUT)
            )
    try:
        deadline = time.monotonic() + 600
        while not any("Ctrl-C" in output.read_text() for output in outputs) or all(
            process.poll() is None for process in processes
        ):
            assert time.monotonic() < deadline, [output.read_text() for output in outputs]
            time.sleep(0.5)
        second, first = sorted(range(2), key=lambda number: processes[number].poll() is None)
        assert processes[second].returncode == 0
        assert f"already runs (pid {processes[first].pid})" in outputs[second].read_text()
        processes[first].terminate()
        assert processes[first].wait(120) == 0
    finally:
        for process in processes:
            process.kill()


def test_two_pipelines_that_start_at_once_in_an_empty_home_both_end_well(platform: Platform) -> None:
    code = (
        "import sys, time; from dropship_dagster.cli.instance import prepare;"
        "from dropship_dagster.definitions import run_job; from dropship_dagster.settings import Settings;"
        "print('ready', flush=True); sys.stdin.readline(); begin = time.time();"
        "prepare(Settings.load()); report = run_job('full_pipeline');"
        "print(begin, time.time(), report.success, report.failed_steps, flush=True)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=platform.env,
            cwd=PROJECT_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    answers = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        answers.append(process.communicate(timeout=900)[0].split(maxsplit=3))
    assert [answer[2] for answer in answers] == ["True", "True"], answers
    begins, ends = [float(answer[0]) for answer in answers], [float(answer[1]) for answer in answers]
    assert max(begins) < min(ends), "they ran at once"
    assert len(platform.runs("full_pipeline")) == 2
    assert verified(platform)
    assert platform.orders() == 300
