"""Runs brokers as processes, the way the platform does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_service.testing import ServiceProcess
from local_service_tests.free_ports import free_ports


class BrokerProcess(ServiceProcess):
    """A broker on a data folder; it can be killed and started again on the same port."""

    def __init__(
        self, data_dir: Path, *arguments: str, prefix: tuple[str, ...] = (), module: str = "local_kafka"
    ) -> None:
        self.port = free_ports(1)[0]
        super().__init__(module, data_dir, "--port", str(self.port), *arguments, prefix=prefix)

    @classmethod
    def of(cls, started: ServiceProcess) -> BrokerProcess:
        """The broker of the run, with what these tests ask of it."""
        broker = cls(started.data_dir)
        broker.process, broker.port = started.process, started.state["port"]
        return broker

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def kill(self) -> None:
        """SIGKILL; asserts that it was running."""
        assert self.process is not None
        assert self.process.poll() is None, "the kill would hit nothing"
        super().kill()

    def restart(self) -> None:
        """Kill it and start it again on the same port."""
        self.kill()
        self.start()

    def topic_folder(self, topic_id: str) -> Path:
        """Where a topic's partitions are."""
        return self.data_dir / "topics" / topic_id.replace("-", "")

    def partition_folder(self, partition: int = 0) -> Path:
        """The folder of a partition of the only topic."""
        (topic,) = (self.data_dir / "topics").iterdir()
        return topic / str(partition)


@contextmanager
def running_broker(data_dir: Path, *arguments: str, prefix: tuple[str, ...] = ()) -> Iterator[BrokerProcess]:
    """A broker that ends with the block."""
    broker = BrokerProcess(data_dir, *arguments, prefix=prefix)
    try:
        yield broker.start()
    finally:
        broker.end()
