"""`dropship up` in a home of its own, for tests: started, watched, asked, stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterInstance

from dropship_dagster import warehouse
from dropship_dagster.endpoints import warehouse_endpoint
from dropship_dagster.settings import PROJECT_ROOT, Settings
from dropship_dagster.supervisor import SERVICES, Supervisor
from local_service_tests.free_ports import free_ports
from local_service_tests.processors import descendants, resident_megabytes

COMMAND = (sys.executable, "-m", "dropship_dagster.cli")
PATIENCE = 600.0
"""Seconds for what must come, on a machine that does a lot beside."""

PROGRAMS = {
    "up": "dropship_dagster.cli up",
    "code server": "dagster code-server",
    "code": "dagster api grpc",
    "web server": "dropship_dagster.automation.webserver",
    "daemon": "dagster._daemon",
    "dashboard": "streamlit run",
    "broker": "local_kafka",
    "warehouse": "local_snowflake",
}
"""What runs as long as the platform does, and how its command line is told."""


class Platform:
    """A home of its own and the platform that runs in it."""

    def __init__(self, root: Path, **variables: str) -> None:
        self.root = root
        self.home = root / "home"
        self.folders = {
            "DROPSHIP_HOME": str(self.home),
            "DROPSHIP_DATA_DIR": str(root / "data"),
            "DROPSHIP_REPORTS_DIR": str(root / "reports"),
        }
        dagster_port, dashboard_port = (str(port) for port in free_ports(2))
        ports = {"DROPSHIP_DAGSTER_PORT": dagster_port, "DROPSHIP_DASHBOARD_PORT": dashboard_port}
        self.env = {**os.environ, **self.folders, **ports, **variables}
        self.settings = Settings.load(**self.folders, **ports, **variables)
        self.output = root / "up.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def up(self, *arguments: str) -> None:
        """Start it and wait until it says that everything runs."""
        with self.output.open("w") as file:
            self.process = subprocess.Popen(
                [*COMMAND, "up", *arguments], env=self.env, cwd=PROJECT_ROOT, stdout=file, stderr=file
            )
        self.wait_until(lambda: "Ctrl-C" in self.output.read_text(), "everything runs")

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> float:
        """Ask it to end, and wait for it; the seconds it took."""
        assert self.process is not None
        begin = time.monotonic()
        self.process.send_signal(sign)
        assert self.process.wait(timeout=120) == 0, self.output.read_text()
        return time.monotonic() - begin

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of `dropship`."""
        return subprocess.run(
            [*COMMAND, *arguments], env=self.env, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        with warehouse.connect(warehouse_endpoint(self.settings)) as connection:
            return [tuple(row) for row in connection.cursor().execute(sql).fetchall()]

    def orders(self) -> int:
        """Orders in PROD; 0 before the warehouse is deployed."""
        if not (self.home / "snowflake").exists():
            return 0
        with warehouse.connect(warehouse_endpoint(self.settings)) as connection:
            if not warehouse.is_deployed(connection, self.settings.snowflake_database):
                return 0
            return int(connection.cursor().execute("SELECT COUNT(*) FROM PROD.ORDERS").fetchall()[0][0])

    @contextmanager
    def instance(self) -> Iterator[DagsterInstance]:
        """What Dagster remembers of it."""
        with DagsterInstance.from_config(str(self.home / "dagster")) as instance:
            yield instance

    def runs(self, job: str | None = None) -> list[dg.RunRecord]:
        """Runs of a job or of all, the newest first."""
        with self.instance() as instance:
            return list(instance.get_run_records(dg.RunsFilter(job_name=job)))

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
        """Until the condition holds; the platform must not end before."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process is not None
            assert self.process.poll() is None, f"{what}: the platform ended: {self.output.read_text()}"
            assert time.monotonic() < deadline, f"waited in vain: {what}; {self.output.read_text()}"
            time.sleep(0.5)

    def pids(self) -> dict[str, int]:
        """The process of each program that runs for this platform."""
        assert self.process is not None
        commands = {pid: _command(pid) for pid in descendants(self.process.pid)}
        return {name: pid for name, words in PROGRAMS.items() for pid, command in commands.items() if words in command}

    def run_pids(self, job: str) -> list[int]:
        """The processes of the job's run that is on its way, told by Dagster's events."""
        with self.instance() as instance:
            runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.STARTED]))
            entries = [entry for run in runs for entry in instance.all_logs(run.run_id)]
        told = {pid for entry in entries for pid in re.findall(r"\(pid: (\d+)\)", entry.user_message or entry.message)}
        return [int(pid) for pid in told if "multiprocessing" in _command(int(pid))]

    def clean_up(self) -> None:
        """End whatever is left, in order if it can be: a program that outlives the others starts the services again."""
        if self.process is not None and self.process.poll() is None:
            programs = descendants(self.process.pid)
            self.process.terminate()
            try:
                self.process.wait(timeout=120)
            except subprocess.TimeoutExpired:
                for pid in programs:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self.process.wait()
        Supervisor(self.home).stop(*SERVICES)


def resident_mb(pid: int) -> float | None:
    """Resident memory of a process, in MB; None when it has ended."""
    try:
        return resident_megabytes(pid)
    except (FileNotFoundError, ProcessLookupError, KeyError):
        return None


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
