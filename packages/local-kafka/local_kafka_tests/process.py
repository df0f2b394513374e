"""Runs brokers as processes, the way the platform does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_service.service import read_state
from local_service_tests.free_ports import free_ports

STOP_SECONDS = 300


class BrokerProcess:
    """A broker on a data folder; it can be killed and started again on the same port."""

    def __init__(self, data_dir: Path, *arguments: str, prefix: tuple[str, ...] = ()) -> None:
        self.data_dir = data_dir
        self.arguments = arguments
        self.prefix = prefix
        self.port = free_ports(1)[0]
        self.process: subprocess.Popen[str] | None = None
        self.stderr_path = data_dir.parent / f"{data_dir.name}.stderr"

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> BrokerProcess:
        """Start it and wait until it serves."""
        command = [
            *self.prefix,
            *(sys.executable, "-m", "local_kafka"),
            *("--data-dir", str(self.data_dir), "--port", str(self.port), *self.arguments),
        ]
        with self.stderr_path.open("a") as stderr:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready "), self.log()
        self.port = int(line.rpartition(":")[2])
        return self

    def kill(self) -> None:
        """SIGKILL; asserts that it was running."""
        assert self.process is not None
        assert self.process.poll() is None, "the kill would hit nothing"
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def restart(self) -> None:
        """Kill it and start it again on the same port."""
        self.kill()
        self.start()

    def end(self) -> None:
        """Make sure that it does not outlive its test."""
        if self.process and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGCONT)
            self.process.kill()
            self._reap()

    def log(self) -> str:
        """What it wrote on stderr, over all its lives."""
        return self.stderr_path.read_text()

    def state(self) -> Mapping[str, Any]:
        """Its service.json."""
        return read_state(self.data_dir)

    def topic_folder(self, topic_id: str) -> Path:
        """Where a topic's partitions are."""
        return self.data_dir / "topics" / topic_id.replace("-", "")

    def partition_folder(self, partition: int = 0) -> Path:
        """The folder of a partition of the only topic."""
        (topic,) = (self.data_dir / "topics").iterdir()
        return topic / str(partition)

    def _reap(self) -> int:
        assert self.process is not None
        code = self.process.wait(STOP_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextmanager
def running_broker(data_dir: Path, *arguments: str, prefix: tuple[str, ...] = ()) -> Iterator[BrokerProcess]:
    """A broker that ends with the block."""
    broker = BrokerProcess(data_dir, *arguments, prefix=prefix)
    try:
        yield broker.start()
    finally:
        broker.end()
