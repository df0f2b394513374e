"""Unmodified clients: confluent-kafka, kafka-python, aiokafka, kcat."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time

import aiokafka
import confluent_kafka
import kafka
import kafka.admin
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    OffsetSpec,
    ResourceType,
)

from local_kafka_tests.clients import (
    TIMEOUT,
    admin,
    consumer,
    create_topic,
    delete_topic,
    produce,
    read_all,
    read_some,
)
from local_kafka_tests.contract.requests import describe_topic
from local_kafka_tests.process import BrokerProcess, running_broker
from local_kafka_tests.raw import RawClient

slow = pytest.mark.slow
CODECS = [
    None,
    pytest.param("gzip", marks=slow),
    pytest.param("snappy", marks=slow),
    "lz4",
    pytest.param("zstd", marks=slow),
]


def test_confluent_kafka_administers_topics_groups_and_records(shared_broker: BrokerProcess, topic: str) -> None:
    client = admin(shared_broker.bootstrap)
    create_topic(shared_broker.bootstrap, topic, 2, retention_ms="60000")
    produce(shared_broker.bootstrap, topic, [b"%d" % i for i in range(100)])
    client.create_partitions([NewPartitions(topic, 4)])[topic].result(TIMEOUT)
    assert len(client.list_topics(topic, timeout=TIMEOUT).topics[topic].partitions) == 4
    resource = ConfigResource(
        ResourceType.TOPIC,
        topic,
        incremental_configs=[ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)],
    )
    client.incremental_alter_configs([resource])[resource].result(TIMEOUT)
    described = ConfigResource(ResourceType.TOPIC, topic)
    configs = client.describe_configs([described])[described].result(TIMEOUT)
    assert configs["retention.ms"].value == "1000"
    wanted = {TopicPartition(topic, partition): OffsetSpec.latest() for partition in range(4)}
    ends = {key.partition: each.result(TIMEOUT).offset for key, each in client.list_offsets(wanted).items()}
    assert sum(ends.values()) == 100
    cut = TopicPartition(topic, 0, ends[0])
    deleted = client.delete_records([cut])[cut].result(TIMEOUT)
    assert deleted.low_watermark == ends[0]
    assert len(read_all(shared_broker.bootstrap, topic, 4)) == 100 - ends[0]
    cluster = client.describe_cluster().result(TIMEOUT)
    assert [node.id for node in cluster.nodes] == [1]
    client.delete_topics([topic])[topic].result(TIMEOUT)
    assert topic not in client.list_topics(timeout=TIMEOUT).topics


def test_confluent_kafka_finds_offsets_by_time(shared_broker: BrokerProcess, topic: str) -> None:
    create_topic(shared_broker.bootstrap, topic)
    producer = confluent_kafka.Producer({"bootstrap.servers": shared_broker.bootstrap, "compression.type": "lz4"})
    base = 1_700_000_000_000
    for number in range(1000):
        producer.produce(topic, b"%d" % number, timestamp=base + 10 * number)
    producer.flush(TIMEOUT)
    reader = consumer(shared_broker.bootstrap)
    found = reader.offsets_for_times([TopicPartition(topic, 0, base + 5001)], timeout=TIMEOUT)
    reader.close()
    assert found[0].offset == 501


def test_confluent_kafka_learns_that_transactions_are_refused(shared_broker: BrokerProcess) -> None:
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": shared_broker.bootstrap, "transactional.id": "tx", "log_level": 0}
    )
    with pytest.raises(confluent_kafka.KafkaException) as raised:
        producer.init_transactions(20)
    assert raised.value.args[0].code() == confluent_kafka.KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


def test_confluent_kafka_learns_that_the_new_group_protocol_is_refused(
    shared_broker: BrokerProcess, topic: str
) -> None:
    create_topic(shared_broker.bootstrap, topic)
    reader = confluent_kafka.Consumer(
        {
            "bootstrap.servers": shared_broker.bootstrap,
            "group.id": topic,
            "group.protocol": "consumer",
            "log_level": 0,
        }
    )
    reader.subscribe([topic])
    refusal = None
    deadline = time.monotonic() + TIMEOUT
    while refusal is None and time.monotonic() < deadline:
        message = reader.poll(0.5)
        refusal = message.error() if message else None
    reader.close()
    assert refusal is not None
    assert refusal.code() == confluent_kafka.KafkaError._FATAL
    assert "API version not supported" in refusal.str()
    assert f"joins group {topic} by the new group protocol (KIP-848)" in shared_broker.log()


def test_topics_that_the_broker_would_compress_are_refused_with_a_sentence(
    shared_broker: BrokerProcess, topic: str
) -> None:
    with pytest.raises(confluent_kafka.KafkaException, match="stay as their producer compressed them"):
        create_topic(shared_broker.bootstrap, topic, compression_type="lz4")


@pytest.mark.parametrize("codec", [None, "gzip"])
def test_kafka_python_produces_and_consumes(shared_broker: BrokerProcess, topic: str, codec: str | None) -> None:
    client = kafka.KafkaAdminClient(bootstrap_servers=shared_broker.bootstrap)
    client.create_topics([kafka.admin.NewTopic(topic, 2, 1)])
    client.close()
    producer = kafka.KafkaProducer(bootstrap_servers=shared_broker.bootstrap, acks="all", compression_type=codec)
    sent = [producer.send(topic, b"%d" % number * 10) for number in range(300)]
    producer.flush(TIMEOUT)
    assert {(each.get(TIMEOUT).partition, each.get(TIMEOUT).offset) for each in sent}
    producer.close()
    reader = kafka.KafkaConsumer(
        topic,
        bootstrap_servers=shared_broker.bootstrap,
        group_id=topic,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    values = [next(reader).value for _ in range(300)]
    reader.commit()
    ends = reader.end_offsets(reader.assignment())
    assert sum(reader.committed(each) for each in reader.assignment()) == sum(ends.values()) == 300
    reader.close()
    assert sorted(values) == sorted(b"%d" % number * 10 for number in range(300))


@pytest.mark.parametrize("codec", CODECS)
def test_aiokafka_produces_and_consumes(shared_broker: BrokerProcess, topic: str, codec: str | None) -> None:
    async def run() -> tuple[list[bytes], int]:
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=shared_broker.bootstrap, enable_idempotence=True, compression_type=codec
        )
        await producer.start()
        for number in range(300):
            await producer.send(topic, b"%d" % number * 10)
        await producer.stop()
        reader = aiokafka.AIOKafkaConsumer(
            topic,
            bootstrap_servers=shared_broker.bootstrap,
            group_id=topic,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await reader.start()
        values = [(await reader.getone()).value for _ in range(300)]
        await reader.commit()
        committed = await reader.committed(aiokafka.TopicPartition(topic, 0))
        await reader.stop()
        return values, committed

    create_topic(shared_broker.bootstrap, topic)
    values, committed = asyncio.run(run())
    assert values == [b"%d" % number * 10 for number in range(300)]
    assert committed == 300


def kcat(broker: BrokerProcess, *arguments: str, data: bytes | None = None) -> bytes:
    binary = shutil.which("kcat")
    if binary is None:
        pytest.skip("kcat is not installed (apt-get install kcat)")
    command = [binary, "-b", broker.bootstrap, *arguments]
    return subprocess.run(command, input=data, capture_output=True, timeout=TIMEOUT, check=True).stdout


@pytest.mark.parametrize(
    "codec",
    ["none", "gzip", pytest.param("snappy", marks=slow), "lz4", pytest.param("zstd", marks=slow)],
)
def test_kcat_produces_compressed_and_consumes(shared_broker: BrokerProcess, topic: str, codec: str) -> None:
    create_topic(shared_broker.bootstrap, topic)
    lines = [b"line %d of many that are much alike" % number for number in range(500)]
    kcat(shared_broker, "-P", "-t", topic, "-z", codec, data=b"\n".join(lines))
    assert kcat(shared_broker, "-C", "-t", topic, "-e", "-q").splitlines() == lines
    assert f'topic "{topic}"'.encode() in kcat(shared_broker, "-L")
    assert f"{topic} [0] offset 500".encode() in kcat(shared_broker, "-Q", "-t", f"{topic}:0:-1")
    stored = (shared_broker.topic_folder(topic_id(shared_broker, topic)) / "0" / f"{0:020d}.log").read_bytes()
    assert (lines[250] in stored) == (codec == "none")


def topic_id(broker: BrokerProcess, name: str) -> str:
    with RawClient(broker.bootstrap) as client:
        return str(describe_topic(client, name).topic_id)


def test_topics_are_created_by_clients_only_where_that_is_switched_on(tmp_path, shared_broker: BrokerProcess) -> None:
    with running_broker(tmp_path / "kafka", "--auto-create-topics", "--partitions", "3") as process:
        produce(process.bootstrap, "made-by-a-producer", [b"a"])
        assert len(read_all(process.bootstrap, "made-by-a-producer", 3)) == 1
    with pytest.raises(AssertionError, match="timed out"):
        produce(shared_broker.bootstrap, "not-made", [b"a"], message_timeout_ms=1500)
    assert not admin(shared_broker.bootstrap).list_topics("not-made", timeout=TIMEOUT).topics["not-made"].partitions


def test_a_topic_that_is_created_again_has_another_id_and_none_of_the_old_data(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "t")
    produce(broker.bootstrap, "t", [b"old"] * 5)
    old_id = topic_id(broker, "t")
    delete_topic(broker.bootstrap, "t")
    create_topic(broker.bootstrap, "t")
    produce(broker.bootstrap, "t", [b"new"])
    new_id = topic_id(broker, "t")
    assert old_id != new_id
    assert [m.value() for m in read_all(broker.bootstrap, "t")] == [b"new"]
    broker.restart()
    assert topic_id(broker, "t") == new_id
    assert len(list((broker.data_dir / "topics").iterdir())) == 1


def test_partitions_that_are_added_are_read_from_their_beginning(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "t")
    reader = consumer(broker.bootstrap, topic_metadata_refresh_interval_ms=300)
    reader.subscribe(["t"])
    produce(broker.bootstrap, "t", [b"a"])
    assert [m.value() for m in read_some(reader, 1)] == [b"a"]
    reader.commit(asynchronous=False)
    admin_client = admin(broker.bootstrap)
    admin_client.create_partitions([NewPartitions("t", 3)])["t"].result(TIMEOUT)
    sender = confluent_kafka.Producer({"bootstrap.servers": broker.bootstrap})
    sender.produce("t", b"b", partition=2)
    sender.flush(TIMEOUT)
    assert [(m.partition(), m.value()) for m in read_some(reader, 1)] == [(2, b"b")]
    reader.close()
