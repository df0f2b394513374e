"""`dropship up`: everything live under one supervisor, and everything gone after it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster.supervisor import SERVICES, Supervisor

pytestmark = pytest.mark.timeout(900)

COMMAND = [sys.executable, "-m", "dropship_dagster.cli"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    env = {
        **os.environ,
        "DROPSHIP_HOME": str(tmp_path / "home"),
        "DROPSHIP_DATA_DIR": str(tmp_path / "data"),
        "DROPSHIP_REPORTS_DIR": str(tmp_path / "reports"),
        "DROPSHIP_DAGSTER_PORT": str(free_port()),
        "DROPSHIP_DASHBOARD_PORT": str(free_port()),
        "DROPSHIP_ORDERS": "50",
    }
    yield env
    Supervisor(tmp_path / "home").stop(*SERVICES)


def dropship(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], env=env, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )


def get(url: str) -> int:
    with urllib.request.urlopen(url, timeout=300) as response:
        return int(response.status)


def test_everything_runs_says_where_and_ends_on_ctrl_c(env: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "up.txt"
    with output.open("w") as file:
        platform = subprocess.Popen([*COMMAND, "up", "--no-live"], env=env, cwd=PROJECT_ROOT, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 600
        while "Ctrl-C" not in output.read_text():
            assert platform.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.2)
        ui = f"http://127.0.0.1:{env['DROPSHIP_DAGSTER_PORT']}"
        dashboard = f"http://127.0.0.1:{env['DROPSHIP_DASHBOARD_PORT']}"
        assert ui in output.read_text()
        assert dashboard in output.read_text()
        assert get(f"{ui}/server_info") == 200
        assert get(f"{dashboard}/_stcore/health") == 200
        (tmp_path / "reports").mkdir(exist_ok=True)
        (tmp_path / "reports" / "validation.html").write_text("<p>ok</p>")
        assert get(f"{dashboard}/reports/validation.html") == 200

        second = subprocess.run(
            [*COMMAND, "up"], env=env, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
        )
        assert second.returncode == 0
        assert f"already runs (pid {platform.pid})" in second.stdout
        assert ui in second.stdout

        platform.send_signal(signal.SIGINT)
        assert platform.wait(timeout=300) == 0
    finally:
        platform.kill()
    assert "Stopped." in output.read_text()
    home = tmp_path / "home"
    assert not any(service["running"] for service in Supervisor(home).status().values())
    left = subprocess.run(["pgrep", "-f", str(home)], capture_output=True, text=True, check=False).stdout.split()
    assert left == []


def test_a_taken_port_is_a_sentence_that_names_the_setting(env: dict[str, str]) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", int(env["DROPSHIP_DAGSTER_PORT"])))
        squatter.listen()
        result = subprocess.run(
            [*COMMAND, "up"], env=env, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
        )
    assert result.returncode == 1
    assert f"Port {env['DROPSHIP_DAGSTER_PORT']} is taken" in result.stderr
    assert "DROPSHIP_DAGSTER_PORT" in result.stderr
    assert "Traceback" not in result.stderr


def test_down_without_anything_running_says_so(env: dict[str, str]) -> None:
    result = dropship(env, "down")
    assert (result.returncode, result.stdout) == (0, "Nothing ran.\n")
