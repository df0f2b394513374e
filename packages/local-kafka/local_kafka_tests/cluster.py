"""A cluster of Apache Kafka's own brokers on this machine, whose members a test can kill, stop and start again."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from local_kafka_tests.apache import JAVA
from local_service_tests.free_ports import free_ports

START_SECONDS = 180
STOP_SECONDS = 60


@dataclass(frozen=True)
class Security:
    """How clients reach the brokers: the listener's protocol and settings, the accounts, and what clients need."""

    protocol: str = "PLAINTEXT"
    host: str = "127.0.0.1"
    listener: Mapping[str, str] = field(default_factory=dict)
    scram: Sequence[str] = ()
    client_config: Mapping[str, str] = field(default_factory=dict)


class Node:
    """One broker, which is a controller too."""

    def __init__(self, classes: str, folder: Path, settings: Mapping[str, str]) -> None:
        self._classes = classes
        self._folder = folder
        self._properties = folder / "server.properties"
        self._log = folder / "kafka.log"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def format(self, cluster_id: str, scram: Sequence[str]) -> subprocess.Popen[str]:
        """Begin to make the folders of a new cluster's member."""
        accounts = [part for account in scram for part in ("--add-scram", account)]
        command = ["-t", cluster_id, "-c", str(self._properties), *accounts]
        return subprocess.Popen(
            [*JAVA, "-cp", self._classes, "kafka.tools.StorageTool", "format", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def start(self) -> None:
        """Begin to start it."""
        environment = {**os.environ, "LOG_DIR": str(self._folder)}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*JAVA, "-Xmx320m", "-cp", self._classes, "kafka.Kafka", str(self._properties)],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=environment,
            )

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL; asserts that it was running."""
        assert self._process is not None
        assert self._process.poll() is None, "the kill would hit nothing"
        self.end()

    def stop(self) -> None:
        """SIGTERM, and wait for its end."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(STOP_SECONDS)

    def end(self) -> None:
        """Make sure that it does not outlive its test."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)

    def check(self) -> None:
        """Assert that it has not ended by itself."""
        assert self._process is not None
        assert self._process.poll() is None, f"Apache Kafka ended by itself:\n{self._log.read_text()[-3000:]}"


class KafkaCluster:
    """Brokers with KRaft on loopback, on the same ports for all their lives."""

    def __init__(self, classes: str, folder: Path, *, brokers: int = 1, security: Security | None = None) -> None:
        self.security = security or Security()
        self._ports = free_ports(3 * brokers)
        self._folder = folder
        self.nodes = [
            Node(classes, folder / f"node-{number}", self._settings(number, brokers))
            for number in range(1, brokers + 1)
        ]

    @property
    def bootstrap(self) -> str:
        """The addresses for clients."""
        return ",".join(f"{self.security.host}:{port}" for port in self._ports[::3])

    @property
    def client_config(self) -> dict[str, str]:
        """What a client needs to know."""
        return {**self.security.client_config, "bootstrap.servers": self.bootstrap}

    def start(self) -> None:
        """Make the cluster and wait until all its brokers serve."""
        # An id of Kafka's is a UUID in 22 characters, none of them a leading dash.
        cluster_id = "k" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
        formatting = [node.format(cluster_id, self.security.scram) for node in self.nodes]
        for process in formatting:
            said, _ = process.communicate(timeout=START_SECONDS)
            assert process.returncode == 0, said
        for node in self.nodes:
            node.start()
        self.wait_for(len(self.nodes))

    def wait_for(self, brokers: int) -> None:
        """Wait until so many brokers serve."""
        admin = AdminClient({**self.client_config, "log_level": "0"})
        deadline = time.monotonic() + START_SECONDS
        found = 0
        while time.monotonic() < deadline:
            try:
                found = len(admin.list_topics(timeout=2).brokers)
            except KafkaException:
                found = 0
            if found == brokers:
                return
            if brokers == len(self.nodes):
                for node in self.nodes:
                    node.check()
            time.sleep(0.2)
        raise AssertionError(f"{found} of {brokers} brokers serve after {START_SECONDS} s")

    def end(self) -> None:
        """End all brokers."""
        for node in self.nodes:
            node.end()

    def _settings(self, number: int, brokers: int) -> dict[str, str]:
        client, internal, controller = self._ports[3 * number - 3 : 3 * number]
        copies = str(brokers)
        listener = {f"listener.name.client.{name}": value for name, value in self.security.listener.items()}
        return {
            "process.roles": "broker,controller",
            "node.id": str(number),
            "controller.quorum.voters": ",".join(
                f"{each}@127.0.0.1:{port}" for each, port in enumerate(self._ports[2::3], 1)
            ),
            "listeners": f"CLIENT://{self.security.host}:{client},INTERNAL://127.0.0.1:{internal},"
            f"CONTROLLER://127.0.0.1:{controller}",
            "listener.security.protocol.map": f"CLIENT:{self.security.protocol},INTERNAL:PLAINTEXT,"
            "CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "INTERNAL",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self._folder / f"node-{number}" / "logs"),
            "default.replication.factor": copies,
            "min.insync.replicas": str(max(brokers - 1, 1)),
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": str(max(brokers - 1, 1)),
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": str(max(brokers - 1, 1)),
            "group.initial.rebalance.delay.ms": "100",
            "auto.create.topics.enable": "false",
            "log.cleaner.backoff.ms": "100",
            # Several notice soon that one was killed; one alone is never given up because the machine is busy.
            "broker.session.timeout.ms": "9000" if brokers > 1 else "300000",
            **listener,
        }


@contextmanager
def running_cluster(
    classes: str, folder: Path, *, brokers: int = 1, security: Security | None = None
) -> Iterator[KafkaCluster]:
    """A cluster that ends with the block."""
    cluster = KafkaCluster(classes, folder, brokers=brokers, security=security)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.end()
