"""Dagster's own run launcher, which also tells whether the process of a run still lives; named in dagster.yaml.

Dagster's run monitoring fails a run whose worker is gone, but asks only launchers that can tell, and the default one
cannot: it notices the end of what it started itself, while it runs. A run that a power cut ended, or of a
`dropship demo` that was killed, would stay "started" for ever: sensors would wait for it, and the queue would keep its
pools.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dagster import DagsterEventType, DagsterRun
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus

_SLACK_SECONDS = 5.0
"""By how much a process may seem younger than the start of its run: clocks of the kernel and of Dagster differ."""


class LocalRunLauncher(DefaultRunLauncher):
    """For one machine: every process that works on a run of this instance is one of its kernel's."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the process that wrote the run's start still runs. Whoever started the run: the daemon, or a command.

        A clock that was put forward can make a living process look like another one that has got its number. Its run
        counts as failed then and is started again, which is harmless: nothing is loaded or merged twice.
        """
        records = self._instance.get_records_for_run(run.run_id, of_type=DagsterEventType.RUN_START, limit=1).records
        event = records[0].event_log_entry.dagster_event if records else None
        if event is None or event.pid is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "Its process is not known.")
        if lives(event.pid, since=records[0].event_log_entry.timestamp):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"Its process (pid {event.pid}) is gone.")


def lives(pid: int, *, since: float) -> bool:
    """Whether a process with that number runs and is not younger than `since` (seconds of the epoch).

    Numbers are given again, after a restart of the machine even in the same order; where the kernel does not show the
    age of a process (outside Linux), its number has to do.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's, so it is there
    if sys.platform != "linux":
        return True
    try:
        # After the name in parentheses, which may hold anything: state, then, as the twentieth field, ticks since boot.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    booted = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    began = int(booted.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return fields[0] != "Z" and began <= since + _SLACK_SECONDS
