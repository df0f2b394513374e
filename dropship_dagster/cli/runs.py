"""What `dropship up` does in Dagster's UI as somebody would: start the first run, and end runs when the platform stops.

A run whose process is merely killed counts as failed: it would be alerted and started again.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Any

_LAUNCH_SECONDS = 60.0
_LEAST_SECONDS = 0.1

_UNANSWERED = (urllib.error.URLError, TimeoutError, OSError, KeyError, ValueError)
"""What asking the UI raises while it does not answer, or answers with errors."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""No proxy knows the way to this machine itself."""

_RUNNING = ["STARTING", "STARTED", "CANCELING"]
_UNFINISHED = ["QUEUED", *_RUNNING]
_RUNS = """
query ($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results { runId } } } }
"""
_LAUNCH = """
mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename } }
"""
_TERMINATE = "mutation ($ids: [String!]!) { terminateRuns(runIds: $ids) { __typename } }"


def launch_once(port: int, location: str, job: str) -> None:
    """Ask for a run of a job unless one is on its way, or the UI does not answer.

    Args:
        port: of Dagster's UI on this machine.
        location: the code location of the job.
        job: the job's name; it runs with its defaults.
    """
    deadline = time.monotonic() + _LAUNCH_SECONDS
    with suppress(*_UNANSWERED):
        if not _runs(port, {"pipelineName": job, "statuses": _UNFINISHED}, deadline):
            selector = {"repositoryLocationName": location, "repositoryName": "__repository__", "jobName": job}
            _ask(port, _LAUNCH, {"params": {"selector": selector, "runConfigData": {}}}, deadline)


def cancel_runs(port: int, seconds: float) -> bool:
    """Cancel every run and wait for their ends; whether all ended in time.

    What does not end, or a UI that does not answer, is left to the signals that follow: nothing that a run does is lost
    by being killed.

    Args:
        port: of Dagster's UI on this machine.
        seconds: how long to wait.
    """
    deadline = time.monotonic() + seconds
    try:
        running = _runs(port, {"statuses": _RUNNING}, deadline)
        if running:
            _ask(port, _TERMINATE, {"ids": running}, deadline)
        while running and time.monotonic() < deadline:
            time.sleep(0.2)
            running = _runs(port, {"statuses": _RUNNING}, deadline)
    except _UNANSWERED:
        return False
    return not running


def _runs(port: int, runs: dict[str, Any], deadline: float) -> list[str]:
    found = _ask(port, _RUNS, {"filter": runs}, deadline)["runsOrError"]
    return [run["runId"] for run in found.get("results", ())]


def _ask(port: int, query: str, variables: dict[str, Any], deadline: float) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json"},
    )
    with _DIRECT.open(request, timeout=max(_LEAST_SECONDS, deadline - time.monotonic())) as response:
        data: dict[str, Any] = json.loads(response.read())["data"]
    return data
