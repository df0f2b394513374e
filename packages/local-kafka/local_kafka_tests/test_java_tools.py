"""Apache Kafka's own command line tools, unmodified, against the local broker."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from local_kafka_tests.apache import JAVA, run_java
from local_kafka_tests.clients import read_all
from local_kafka_tests.process import BrokerProcess

pytestmark = pytest.mark.apache_kafka

TOPICS = "org.apache.kafka.tools.TopicCommand"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
CONFIGS = "org.apache.kafka.tools.ConfigCommand"
PRODUCER = "org.apache.kafka.tools.VerifiableProducer"
CONSUMER = "org.apache.kafka.tools.VerifiableConsumer"
PERFORMANCE = "org.apache.kafka.tools.ConsumerPerformance"
OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
COUNT = 2000


class Tools:
    """The tools on one broker."""

    def __init__(self, classes: str, broker: BrokerProcess) -> None:
        self.classes = classes
        self.bootstrap = broker.bootstrap

    def __call__(self, tool: str, *arguments: str) -> str:
        done = run_java(self.classes, tool, "--bootstrap-server", self.bootstrap, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fails(self, tool: str, *arguments: str) -> str:
        done = run_java(self.classes, tool, "--bootstrap-server", self.bootstrap, *arguments)
        assert done.returncode != 0
        return done.stdout + done.stderr


@pytest.fixture
def tools(kafka_classes: str, shared_broker: BrokerProcess) -> Tools:
    return Tools(kafka_classes, shared_broker)


def events(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def test_kafka_topics_creates_describes_grows_and_deletes(tools: Tools, topic: str) -> None:
    tools(TOPICS, "--create", "--topic", topic, "--partitions", "2", "--config", "retention.ms=60000")
    described = tools(TOPICS, "--describe", "--topic", topic)
    assert "PartitionCount: 2" in described
    assert "retention.ms=60000" in described
    tools(TOPICS, "--alter", "--topic", topic, "--partitions", "3")
    assert "PartitionCount: 3" in tools(TOPICS, "--describe", "--topic", topic)
    assert topic in tools(TOPICS, "--list").split()
    assert "already exists" in tools.fails(TOPICS, "--create", "--topic", topic)
    tools(TOPICS, "--delete", "--topic", topic)
    assert topic not in tools(TOPICS, "--list").split()


def test_kafka_configs_changes_settings(tools: Tools, topic: str) -> None:
    tools(TOPICS, "--create", "--topic", topic)
    resource = ("--entity-type", "topics", "--entity-name", topic)
    tools(CONFIGS, "--alter", *resource, "--add-config", "retention.ms=1234")
    assert "retention.ms=1234" in tools(CONFIGS, "--describe", *resource)
    tools(CONFIGS, "--alter", *resource, "--delete-config", "retention.ms")
    assert "retention.ms" not in tools(CONFIGS, "--describe", *resource)
    tools(CONFIGS, "--alter", *resource, "--add-config", "cleanup.policy=[compact,delete]")
    assert "cleanup.policy=compact,delete" in tools(CONFIGS, "--describe", *resource)
    assert "stay as their producer" in tools.fails(
        CONFIGS, "--alter", *resource, "--add-config", "compression.type=lz4"
    )


def test_verifiable_clients_agree_and_groups_are_administered(tools: Tools, topic: str) -> None:
    tools(TOPICS, "--create", "--topic", topic, "--partitions", "3")
    produced = events(tools(PRODUCER, "--topic", topic, "--max-messages", str(COUNT)))
    assert sum(event["name"] == "producer_send_success" for event in produced) == COUNT
    consumed = events(
        tools(
            CONSUMER, "--topic", topic, "--group-id", topic, "--max-messages", str(COUNT), "--reset-policy", "earliest"
        )
    )
    assert sum(event["count"] for event in consumed if event["name"] == "records_consumed") == COUNT
    assert all(event["success"] for event in consumed if event["name"] == "offsets_committed")
    ends = tools(OFFSETS, "--topic", topic).split()
    assert sum(int(line.rpartition(":")[2]) for line in ends) == COUNT
    described = tools(GROUPS, "--describe", "--group", topic)
    rows = [line.split() for line in described.splitlines() if line.startswith(topic)]
    assert sum(int(row[3]) for row in rows) == COUNT
    assert {row[5] for row in rows} == {"0"}
    tools(GROUPS, "--group", topic, "--topic", topic, "--reset-offsets", "--to-earliest", "--execute")
    reset = tools(GROUPS, "--describe", "--group", topic)
    assert sum(int(line.split()[3]) for line in reset.splitlines() if line.startswith(topic)) == 0
    assert topic in tools(GROUPS, "--list").split()
    tools(GROUPS, "--delete", "--group", topic)
    assert topic not in tools(GROUPS, "--list").split()


def test_consumer_perf_test_reads_everything(tools: Tools, topic: str) -> None:
    tools(TOPICS, "--create", "--topic", topic)
    tools(PRODUCER, "--topic", topic, "--max-messages", str(COUNT))
    result = tools(PERFORMANCE, "--topic", topic, "--messages", str(COUNT), "--timeout", "120000")
    assert int(result.splitlines()[-1].split(",")[4]) >= COUNT


def test_java_producers_learn_that_transactions_are_refused(tools: Tools, topic: str) -> None:
    tools(TOPICS, "--create", "--topic", topic)
    properties = (
        *(f"bootstrap.servers={tools.bootstrap}", "transactional.id=tx", "acks=all"),
        "key.serializer=org.apache.kafka.common.serialization.ByteArraySerializer",
    )
    done = run_java(
        tools.classes,
        "org.apache.kafka.tools.ProducerPerformance",
        *("--topic", topic, "--num-records", "1", "--record-size", "10", "--throughput", "-1"),
        *("--transactional-id", "tx", "--transaction-duration-ms", "1000", "--producer-props", *properties),
    )
    assert done.returncode != 0
    assert "Transactional Id authorization failed" in done.stdout + done.stderr, done.stderr


def test_a_killed_broker_loses_nothing_of_a_verifiable_producer(
    kafka_classes: str, broker: BrokerProcess, topic: str
) -> None:
    tools = Tools(kafka_classes, broker)
    tools(TOPICS, "--create", "--topic", topic, "--partitions", "3")
    command = [
        *(*JAVA, "-Xmx256m", "-cp", kafka_classes, PRODUCER, "--bootstrap-server", broker.bootstrap),
        *("--topic", topic, "--max-messages", "20000", "--throughput", "5000"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as producer:
        assert producer.stdout is not None
        lines = [producer.stdout.readline() for _ in range(3000)]
        broker.restart()
        lines += producer.stdout.readlines()
    acknowledged = [event for event in events("".join(lines)) if event["name"] == "producer_send_success"]
    assert len(acknowledged) > 3000
    stored = {m.value().decode() for m in read_all(broker.bootstrap, topic, 3)}
    assert {event["value"] for event in acknowledged} <= stored
