"""Asking Dagster how it is."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from streamlit_monitor import dagster_ui

ANSWER = {
    "data": {
        "instance": {
            "daemonHealth": {
                "allDaemonStatuses": [
                    {"daemonType": "SENSOR", "healthy": True, "required": True},
                    {"daemonType": "SCHEDULER", "healthy": False, "required": True},
                    {"daemonType": "BACKFILL", "healthy": None, "required": False},
                ]
            }
        },
        "runsOrError": {
            "results": [{"runId": "a", "jobName": "validate", "status": "FAILURE", "startTime": 0.0, "endTime": None}]
        },
    }
}


@contextmanager
def served(content: bytes) -> Iterator[int]:
    """A server that gives everybody this answer; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def test_an_unhealthy_daemon_is_named_and_the_runs_are_listed() -> None:
    with served(json.dumps(ANSWER).encode()) as port:
        health = dagster_ui.health(port)
    assert health is not None
    assert not health.daemon_ok
    assert health.unhealthy == ("SCHEDULER",)
    assert health.runs == (dagster_ui.Run("a", "validate", "FAILURE", datetime(1970, 1, 1), None),)  # noqa: DTZ001


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"data": null}', b'{"errors": []}'])
def test_another_program_on_that_port_is_no_dagster(content: bytes) -> None:
    with served(content) as port:
        assert dagster_ui.health(port) is None


def test_nobody_on_that_port_is_no_dagster() -> None:
    with served(b"") as port:
        closed = port
    assert dagster_ui.health(closed) is None


def test_the_question_is_one_that_dagster_understands() -> None:
    from dagster_graphql.schema import create_schema
    from graphql import parse, validate

    assert validate(create_schema().graphql_schema, parse(dagster_ui.QUERY)) == []
