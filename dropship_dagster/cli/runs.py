"""Ends the runs that are on their way when the platform stops, as somebody does in Dagster's UI.

A run whose process is merely killed counts as failed: it would be alerted and started again.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

_TIMEOUT_SECONDS = 3.0

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""No proxy knows the way to this machine itself."""

_RUNS = """
{ runsOrError(filter: {statuses: [STARTING, STARTED, CANCELING]}) { ... on Runs { results { runId } } } }
"""
_TERMINATE = "mutation ($ids: [String!]!) { terminateRuns(runIds: $ids) { __typename } }"


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
        running = _running(port)
        if running:
            _ask(port, _TERMINATE, {"ids": running})
        while running and time.monotonic() < deadline:
            time.sleep(0.2)
            running = _running(port)
    except (urllib.error.URLError, TimeoutError, OSError, KeyError, ValueError):
        return False
    return not running


def _running(port: int) -> list[str]:
    found = _ask(port, _RUNS, {})["runsOrError"]
    return [run["runId"] for run in found.get("results", ())]


def _ask(port: int, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json"},
    )
    with _DIRECT.open(request, timeout=_TIMEOUT_SECONDS) as response:
        data: dict[str, Any] = json.loads(response.read())["data"]
    return data
