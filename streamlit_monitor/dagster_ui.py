"""What Dagster says of itself, asked over its GraphQL; the dashboard holds no Dagster code."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_SECONDS = 1.5
QUERY = """
query Health {
  instance { daemonHealth { allDaemonStatuses { daemonType healthy required } } }
  runsOrError(limit: 10) {
    ... on Runs { results { runId jobName status startTime endTime } }
  }
}
"""


@dataclass(frozen=True)
class Run:
    """One of the last runs. Times are UTC, None while it has not begun or ended."""

    run_id: str
    job: str
    status: str
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class Health:
    """The daemon and the last runs."""

    daemon_ok: bool
    unhealthy: tuple[str, ...]
    runs: tuple[Run, ...]


def health(port: int) -> Health | None:
    """Ask the Dagster UI on this machine; None when it does not run or does not understand."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": QUERY}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - http on this machine
            return _parsed(json.load(answer)["data"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _parsed(data: dict[str, Any]) -> Health:
    daemons = [each for each in data["instance"]["daemonHealth"]["allDaemonStatuses"] if each["required"]]
    unhealthy = tuple(each["daemonType"] for each in daemons if not each["healthy"])
    runs = tuple(
        Run(each["runId"], each["jobName"], each["status"], _time(each["startTime"]), _time(each["endTime"]))
        for each in data["runsOrError"]["results"]
    )
    return Health(not unhealthy and bool(daemons), unhealthy, runs)


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
