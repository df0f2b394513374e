"""Apache Kafka itself: its jars through Maven, a broker in a folder, its command line tools."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

POM = Path(__file__).parent / "java" / "pom.xml"
START_SECONDS = 90


def class_path(cache: Path) -> str:
    """The class path of Kafka's tools; Maven fetches them once."""
    if shutil.which("java") is None or shutil.which("mvn") is None:
        pytest.skip("Apache Kafka needs Java 17 and Maven (apt-get install openjdk-17-jre-headless maven)")
    jars = cache / "jars"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / "complete").exists():
            command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
            fetched = subprocess.run(command, capture_output=True, text=True, timeout=600)
            if fetched.returncode:
                pytest.skip(f"Maven cannot fetch Apache Kafka: {fetched.stdout[-500:]}")
            (cache / "complete").touch()
    return f"{jars}/*"


def run_java(classes: str, name: str, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run one of Kafka's tools to its end."""
    command = ["java", "-Xmx256m", "-cp", classes, name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@contextmanager
def running_kafka(classes: str, folder: Path) -> Iterator[str]:
    """A KRaft broker on loopback; gives its bootstrap servers."""
    port, controller = free_ports(2)
    folder.mkdir(parents=True)
    properties = folder / "server.properties"
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(folder / "logs"),
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "100",
        "auto.create.topics.enable": "false",
    }
    properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    formatted = run_java(
        classes, "kafka.tools.StorageTool", "format", "-t", _cluster_id(classes), "-c", str(properties)
    )
    assert formatted.returncode == 0, formatted.stdout + formatted.stderr
    with (folder / "kafka.log").open("w") as log:
        command = ["java", "-Xmx384m", "-cp", classes, "kafka.Kafka", str(properties)]
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env={**os.environ, "LOG_DIR": str(folder)}
        )
    try:
        _wait_for(port, process)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(30)


def _cluster_id(classes: str) -> str:
    return run_java(classes, "kafka.tools.StorageTool", "random-uuid").stdout.strip()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "Apache Kafka ended while it started"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("Apache Kafka did not listen in time")
