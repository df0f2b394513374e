from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import snowflake.connector
from confluent_kafka.admin import AdminClient

from dropship_dagster.supervisor import SERVICES, Service, Supervisor
from local_service.service import DataDir, ServiceError, owner


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path / "a home")
    yield supervisor
    supervisor.stop(*SERVICES)


def dropship(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dropship_dagster.cli", *arguments],
        env={**os.environ, "DROPSHIP_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def connect(state: dict[str, Any]) -> int:
    """Ask the warehouse for 1 with nothing but the published state."""
    keys = ("account", "user", "password", "host", "port", "protocol")
    with snowflake.connector.connect(**{key: state[key] for key in keys}) as connection:
        row = connection.cursor().execute("SELECT 1").fetchone()
    assert row is not None
    return int(row[0])


def test_a_strangers_clients_connect_from_just_what_status_prints(supervisor: Supervisor) -> None:
    for service in SERVICES:
        supervisor.ensure(service)
    printed = dropship(supervisor.home, "services", "status", "--json")
    status = json.loads(printed.stdout)
    assert set(status["kafka"]) == {"running", "pid", "bootstrap_servers", "data_dir"}
    assert set(status["snowflake"]) == {
        *("running", "pid", "host", "port", "protocol", "account", "user", "password", "database", "data_dir")
    }
    assert status["kafka"]["running"] is status["snowflake"]["running"] is True
    client = AdminClient({"bootstrap.servers": status["kafka"]["bootstrap_servers"]})
    assert len(client.list_topics(timeout=60).brokers) == 1
    assert connect(status["snowflake"]) == 1


def test_all_services_are_stopped_together_and_once(supervisor: Supervisor) -> None:
    pids = {supervisor.ensure(service)["pid"] for service in SERVICES}
    assert supervisor.stop(*SERVICES) is True
    assert not any(state["running"] for state in supervisor.status().values())
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert supervisor.stop(*SERVICES) is False


@pytest.mark.parametrize("service", SERVICES)
def test_two_first_starts_at_once_give_one_service(supervisor: Supervisor, service: Service) -> None:
    code = (
        "import sys, pathlib; from dropship_dagster.supervisor import Supervisor;"
        "print(Supervisor(pathlib.Path(sys.argv[1])).ensure(sys.argv[2])['pid'])"
    )
    command = [sys.executable, "-c", code, str(supervisor.home), service]
    starters = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    pids = {starter.communicate(timeout=300)[0].strip() for starter in starters}
    assert pids == {str(owner(supervisor.data_dir(service)))}


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_service_comes_back_on_its_port(supervisor: Supervisor, service: Service) -> None:
    before = supervisor.ensure(service)
    os.kill(before["pid"], signal.SIGKILL)
    wait_until_free(supervisor, service)
    assert supervisor.status()[service]["running"] is False
    after = supervisor.ensure(service)
    assert after["pid"] != before["pid"]
    assert after["port"] == before["port"]


def test_a_service_whose_port_was_taken_meanwhile_comes_back_on_another(supervisor: Supervisor) -> None:
    before = supervisor.ensure("kafka")
    supervisor.stop("kafka")
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", before["port"]))
        squatter.listen()
        after = supervisor.ensure("kafka")
    assert after["port"] != before["port"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_listens_on_loopback_alone(supervisor: Supervisor, service: Service) -> None:
    port = supervisor.ensure(service)["port"]
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if " 0A " in line]
    addresses = {address.split(":")[0] for address in listening if int(address.split(":")[1], 16) == port}
    assert addresses == {"0100007F"}  # 127.0.0.1, little-endian


@pytest.mark.parametrize("service", SERVICES)
def test_an_address_of_the_network_is_refused(tmp_path: Path, service: Service) -> None:
    result = start_by_hand(service, tmp_path, "--host", "0.0.0.0")
    assert result.returncode == 2
    assert "loopback" in result.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_a_second_service_on_the_same_folder_says_who_serves_it(supervisor: Supervisor, service: Service) -> None:
    pid = supervisor.ensure(service)["pid"]
    result = start_by_hand(service, supervisor.data_dir(service))
    assert result.returncode == 3
    assert f"pid {pid}" in result.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_a_taken_port_is_named(tmp_path: Path, service: Service) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        result = start_by_hand(service, tmp_path, "--port", str(port))
    assert result.returncode == 4
    assert f"127.0.0.1:{port}" in result.stderr


def test_a_home_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = dropship(tmp_path / "file" / "home", "services", "up")
    assert result.returncode == 1
    assert "DROPSHIP_HOME" in result.stderr
    assert "Traceback" not in result.stderr


def test_down_stops_what_runs_and_says_so(supervisor: Supervisor) -> None:
    supervisor.ensure("kafka")
    result = dropship(supervisor.home, "services", "down")
    assert result.returncode == 0
    assert "kafka      stopped" in result.stdout
    assert "snowflake  did not run" in result.stdout
    assert owner(supervisor.data_dir("kafka")) is None


def test_the_owner_of_a_folder_is_known_while_it_lives(tmp_path: Path) -> None:
    held = DataDir.acquire(tmp_path, "test service")
    assert owner(tmp_path) == os.getpid()
    with pytest.raises(ServiceError, match=f"pid {os.getpid()}"):
        DataDir.acquire(tmp_path, "test service")
    os.close(held.lock_fd)
    assert owner(tmp_path) is None


def start_by_hand(service: Service, data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"local_{service}", "--data-dir", str(data_dir), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def wait_until_free(supervisor: Supervisor, service: Service) -> None:
    deadline = time.monotonic() + 120
    while owner(supervisor.data_dir(service)) and time.monotonic() < deadline:
        time.sleep(0.02)
