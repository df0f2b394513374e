"""Few file descriptors, a full disk, a slow disk."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import socket
import sqlite3
import threading
import time
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka.admin import RESOURCE_BROKER, ConfigResource, NewTopic
from kio.schema.errors import ErrorCode

from local_kafka_tests.clients import (
    TIMEOUT,
    Recorder,
    admin,
    consumer,
    create_topic,
    produce,
    read_all,
    read_until,
)
from local_kafka_tests.contract.requests import (
    commit,
    committed,
    create,
    describe_topic,
    enter,
    heartbeat,
)
from local_kafka_tests.process import BrokerProcess, running_broker
from local_kafka_tests.raw import RawClient, batch, produce_raw
from local_service_tests.processors import resident_megabytes

PARTITIONS = 6


@pytest.mark.parametrize("topics", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_many_partitions_live_under_a_small_limit_of_open_files(tmp_path: Path, topics: int) -> None:
    limit = ("prlimit", "--nofile=256:256" if topics > 100 else "--nofile=96:96", "--")
    names = [f"topic-{number}" for number in range(topics)]
    with running_broker(tmp_path / "kafka", prefix=limit) as process:
        client = admin(process.bootstrap)
        for begin in range(0, topics, 100):
            created = client.create_topics([NewTopic(name, PARTITIONS, 1) for name in names[begin : begin + 100]])
            for each in created.values():
                each.result(TIMEOUT)
        producer = confluent_kafka.Producer({"bootstrap.servers": process.bootstrap, "enable.idempotence": True})
        for name in names:
            for partition in range(PARTITIONS):
                while True:
                    try:
                        producer.produce(name, name.encode(), partition=partition)
                        break
                    except BufferError:
                        producer.poll(0.1)
        assert producer.flush(TIMEOUT) == 0
        assert len(os.listdir(f"/proc/{process.pid}/fd")) < 256
        process.restart()
        for name in (names[0], names[topics // 2], names[-1]):
            assert [m.value() for m in read_all(process.bootstrap, name, PARTITIONS)] == [name.encode()] * PARTITIONS
        assert len(admin(process.bootstrap).list_topics(timeout=TIMEOUT).topics) == topics


def test_as_many_clients_as_the_hard_limit_of_open_files_allows_are_served(tmp_path: Path) -> None:
    with running_broker(tmp_path / "kafka", prefix=("prlimit", "--nofile=64:1024", "--")) as process:
        clients = [RawClient(process.bootstrap) for _ in range(200)]
        assert [client.call(18, 0).error_code for client in clients] == [0] * 200
        for client in clients:
            client.socket.close()


def test_a_connection_on_which_nothing_moves_is_closed_and_one_that_waits_for_an_answer_is_not(tmp_path: Path) -> None:
    with running_broker(tmp_path / "kafka", "--connections-max-idle-ms", "300") as process:
        create_topic(process.bootstrap, "t")
        with RawClient(process.bootstrap) as silent, RawClient(process.bootstrap) as half:
            assert silent.call(18, 0).error_code == 0
            half.socket.sendall(b"\0\0\x10\0half a request")
            with RawClient(process.bootstrap) as waiting:
                partition = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20}
                topics = [{"topic": "t", "partitions": [partition]}]
                waiting.send(1, 11, max_wait=1_500, min_bytes=1, topics=topics)
                assert waiting.receive(1, 11).responses[0].partitions[0].error_code == 0
            assert silent.is_closed_by_peer()
            assert half.is_closed_by_peer()
        assert "connections.max.idle.ms" in process.log()
        client, resource = admin(process.bootstrap), ConfigResource(RESOURCE_BROKER, "1")
        described = client.describe_configs([resource])[resource].result(TIMEOUT)
        assert described["connections.max.idle.ms"].value == "300"


def test_a_client_that_was_closed_for_its_silence_goes_on(tmp_path: Path) -> None:
    with running_broker(tmp_path / "kafka", "--connections-max-idle-ms", "200") as process:
        create_topic(process.bootstrap, "t")
        recorder = Recorder(process.bootstrap)
        for number in range(2):
            recorder.send("t", b"%d" % number)
            recorder.flush()
            closed = process.log().count("connections.max.idle.ms")
            wait_until(lambda closed=closed: process.log().count("connections.max.idle.ms") > closed)
        assert not recorder.failed
        assert [m.value() for m in read_all(process.bootstrap, "t")] == [b"0", b"1"]


def set_file_size_limit(pid: int, limit: int) -> None:
    """No file may grow beyond a size: writes fail as on a full disk, in the part that does not fit."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


def test_a_full_disk_is_an_error_and_with_room_again_all_goes_on(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "t")
    value = bytes(10_000)
    with RawClient(broker.bootstrap) as client:
        assert produce_raw(client, "t", batch([value])).base_offset == 0
        set_file_size_limit(broker.pid, 50_000)
        answers = [produce_raw(client, "t", batch([value])) for _ in range(10)]
        stored = [answer.base_offset for answer in answers if answer.error_code == 0]
        refused = [answer for answer in answers if answer.error_code]
        assert stored == list(range(1, 1 + len(stored)))
        assert refused
        assert {answer.error_code for answer in refused} == {ErrorCode.kafka_storage_error}
        assert "disk refuses" in refused[0].error_message
        assert len(read_all(broker.bootstrap, "t")) == 1 + len(stored)
        set_file_size_limit(broker.pid, resource.RLIM_INFINITY)
        assert produce_raw(client, "t", batch([b"room"])).base_offset == 1 + len(stored)
    broker.restart()
    assert "cut" not in broker.log()
    assert [len(m.value()) for m in read_all(broker.bootstrap, "t")] == [10_000] * (1 + len(stored)) + [4]


def test_a_producer_waits_out_a_full_disk_and_every_message_is_stored_once(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "t", 2)
    set_file_size_limit(broker.pid, 200_000)

    def make_room() -> None:
        wait_until(lambda: "cannot write" in broker.log())
        set_file_size_limit(broker.pid, resource.RLIM_INFINITY)

    room = threading.Thread(target=make_room)
    room.start()
    values = [b"%06d" % number + bytes(1000) for number in range(2000)]
    produce(broker.bootstrap, "t", values, message_timeout_ms=600_000, linger_ms=1)
    room.join()
    assert "cannot write" in broker.log()
    assert sorted(m.value() for m in read_all(broker.bootstrap, "t", 2)) == values


def test_topics_and_offsets_that_cannot_be_written_are_errors_and_come_later(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "t")
    with RawClient(broker.bootstrap) as client:
        assert commit(client, "g", "t", 1) == 0
        set_file_size_limit(broker.pid, 8192)
        assert create(client, "u").error_code == ErrorCode.kafka_storage_error
        assert commit(client, "g", "t", 2) == ErrorCode.coordinator_not_available
        assert committed(client, "g", "t")[1] == 1
        set_file_size_limit(broker.pid, resource.RLIM_INFINITY)
        assert commit(client, "g", "t", 3) == 0
        assert create(client, "u").error_code == 0
    broker.restart()
    with RawClient(broker.bootstrap) as client:
        assert committed(client, "g", "t")[1] == 3


def test_a_slow_disk_holds_up_nobody_but_those_who_write(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed (apt-get install strace)")
    delay = "--inject=pwritev,pwritev2:delay_enter=1500000"
    prefix = (strace, "-D", "-f", "-qq", "-o", os.devnull, "--trace=pwritev,pwritev2", delay)
    with running_broker(tmp_path / "kafka", prefix=prefix) as process:
        with RawClient(process.bootstrap) as client:
            create(client, "t")
            member, generation = enter(client, "g")
            began = time.monotonic()
            writes = threading.Thread(target=_produce_one, args=(process.bootstrap,))
            writes.start()
            beats = 0
            while writes.is_alive():
                assert heartbeat(client, "g", member, generation) == 0
                beats += 1
            assert time.monotonic() - began > 1.4, "the disk was not slow"
        # A loop that waited for the disk could answer once or twice.
        assert beats > 50
        assert process.stop() == 0


def test_a_stop_forces_records_to_the_disk_first_and_leaves_what_takes_too_long(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed (apt-get install strace)")
    trace, partitions = tmp_path / "trace", 48
    # A disk that takes 100 ms for each file, four at a time: a stop has time for all records and not for all indexes.
    slow = ("--trace=fdatasync", "--inject=fdatasync:delay_enter=100000")
    prefix = (strace, "-D", "-f", "-qq", "-y", "-o", str(trace), *slow)
    with running_broker(tmp_path / "kafka", "--fsync", "never", prefix=prefix) as process:
        create_topic(process.bootstrap, "t", partitions)
        with RawClient(process.bootstrap) as client:
            for partition in range(partitions):
                assert produce_raw(client, "t", batch([b"a"]), partition=partition).error_code == 0
        assert process.stop() == 0
        synced = [
            line.split("/topics/")[1].split(">")[0] for line in trace.read_text().splitlines() if "/topics/" in line
        ]
        first_index = next(number for number, name in enumerate(synced) if name.endswith(".index"))
        assert len({name for name in synced[:first_index] if name.endswith(".log")}) == partitions
        assert "without saving the indexes of" in process.log()
        process.prefix = ()
        process.start()
        assert len(read_all(process.bootstrap, "t", partitions)) == partitions


def _produce_one(bootstrap: str) -> None:
    with RawClient(bootstrap) as client:
        assert produce_raw(client, "t", batch([b"a"])).error_code == 0


def test_retention_by_bytes_removes_the_oldest_segments(tmp_path: Path) -> None:
    with running_broker(tmp_path / "kafka", "--retention-check-ms", "100") as process:
        create_topic(process.bootstrap, "t", internal_segment_bytes="20000", retention_bytes="50000")
        values = [b"%04d" % number + bytes(1000) for number in range(300)]
        with RawClient(process.bootstrap) as client:
            for value in values:
                produce_raw(client, "t", batch([value]))
        folder = process.partition_folder()
        # Done when what is there goes less than a segment beyond what is to be kept.
        wait_until(lambda: sum(path.stat().st_size for path in folder.glob("*.log")) < 70_000)
        kept = [m.value() for m in read_all(process.bootstrap, "t")]
        assert kept == values[-len(kept) :]
        assert len(kept) >= 48
        process.restart()
        assert [m.value() for m in read_all(process.bootstrap, "t")] == kept


def test_retention_by_time_removes_old_records_and_keeps_their_numbers(tmp_path: Path) -> None:
    with running_broker(tmp_path / "kafka", "--retention-check-ms", "100") as process:
        create_topic(process.bootstrap, "t", retention_ms="3600000")
        hour_ago = time.time_ns() // 1_000_000 - 3_700_000
        with RawClient(process.bootstrap) as client:
            produce_raw(client, "t", batch([b"old"] * 10, timestamps=[hour_ago] * 10))
            reader = consumer(process.bootstrap)
            partition = confluent_kafka.TopicPartition("t", 0)
            wait_until(lambda: reader.get_watermark_offsets(partition, timeout=TIMEOUT) == (10, 10))
            assert produce_raw(client, "t", batch([b"new"])).base_offset == 10
            reader.assign([confluent_kafka.TopicPartition("t", 0, 10)])
            assert [m.value() for m in read_until(reader, {0: 11})] == [b"new"]
            reader.close()
        process.restart()
        assert [(m.offset(), m.value()) for m in read_all(process.bootstrap, "t")] == [(10, b"new")]


def test_records_without_a_timestamp_are_as_old_as_their_file(tmp_path: Path) -> None:
    process = BrokerProcess(tmp_path / "kafka", "--retention-check-ms", "100")
    try:
        process.start()
        for name in ("1-kept", "2-expired"):
            create_topic(process.bootstrap, name, retention_ms="3600000")
            with RawClient(process.bootstrap) as client:
                assert produce_raw(client, name, batch([b"a"] * 10, timestamps=[-1] * 10)).error_code == 0
        folders = {m: process.topic_folder(str(t)) / "0" for m, t in topic_ids(process).items()}
        assert process.stop() == 0
        (segment,) = folders["2-expired"].glob("*.log")
        hours_ago = time.time() - 7_200
        os.utime(segment, (hours_ago, hours_ago))
        process.start()
        reader = consumer(process.bootstrap)
        expired = confluent_kafka.TopicPartition("2-expired", 0)
        wait_until(lambda: reader.get_watermark_offsets(expired, timeout=TIMEOUT) == (10, 10))
        reader.close()
        # The round of retention that removed these has looked at the other topic before.
        assert [m.value() for m in read_all(process.bootstrap, "1-kept")] == [b"a"] * 10
    finally:
        process.end()


def topic_ids(process: BrokerProcess) -> dict[str, object]:
    with RawClient(process.bootstrap) as client:
        return {name: describe_topic(client, name).topic_id for name in ("1-kept", "2-expired")}


def test_deleted_records_stay_deleted_after_a_restart(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "t")
    produce(broker.bootstrap, "t", [b"%d" % number for number in range(100)])
    client = admin(broker.bootstrap)
    cut = confluent_kafka.TopicPartition("t", 0, 60)
    assert client.delete_records([cut])[cut].result(TIMEOUT).low_watermark == 60
    broker.restart()
    assert [m.offset() for m in read_all(broker.bootstrap, "t")] == list(range(60, 100))


@pytest.mark.parametrize("clients", [8, pytest.param(20, marks=pytest.mark.slow)])
def test_half_received_requests_have_a_bound_together(tmp_path: Path, clients: int) -> None:
    size, most = 30 << 20, 64 << 20
    with running_broker(tmp_path / "kafka", "--queued-max-request-bytes", str(most)) as process:
        before = resident_megabytes(process.pid)
        half = (size).to_bytes(4, "big") + b"\0\0\0\x09" + bytes(size // 2)
        waiting = []
        for _ in range(clients):
            client = RawClient(process.bootstrap)
            sender = threading.Thread(target=_send_until_closed, args=(client, half))
            sender.start()
            waiting.append((client, sender))
        # Those that got memory and stand still are ended one after the other, until nobody waits for theirs.
        highest = before
        while process.log().count("came to a stop") < clients - most // size - 1:
            highest = max(highest, resident_megabytes(process.pid))
            time.sleep(0.05)
        assert highest - before < (most + size) / 1e6 + clients * 1.5
        with RawClient(process.bootstrap) as client:
            create(client, "t", max_message_bytes="40000000")
            assert produce_raw(client, "t", batch([bytes(20 << 20)])).error_code == 0
        for client, _ in waiting:
            with contextlib.suppress(OSError):  # the broker has ended it
                client.socket.shutdown(socket.SHUT_RDWR)
        for _, sender in waiting:
            sender.join()


def _send_until_closed(client: RawClient, data: bytes) -> None:
    with contextlib.suppress(OSError):
        client.socket.sendall(data)
        client.is_closed_by_peer()


def test_large_requests_behind_the_bound_wait_for_their_turn(tmp_path: Path) -> None:
    with running_broker(tmp_path / "kafka", "--queued-max-request-bytes", "1000000") as process:
        with RawClient(process.bootstrap) as client:
            create(client, "t", max_message_bytes="10000000")
        answers: list[int] = []

        def send(number: int) -> None:
            with RawClient(process.bootstrap) as own:
                for _ in range(3):
                    answers.append(produce_raw(own, "t", batch([bytes((number,)) * 4_000_000])).error_code)

        senders = [threading.Thread(target=send, args=(number,)) for number in range(6)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert answers == [0] * 18


def test_offsets_of_groups_without_members_go_after_their_time(tmp_path: Path) -> None:
    options = ("--retention-check-ms", "50", "--offsets-retention-minutes", "60")
    process = BrokerProcess(tmp_path / "kafka", *options)
    try:
        process.start()
        with RawClient(process.bootstrap) as client:
            create(client, "t", 2)
            enter(client, "present")
            for group in ("old", "new"):
                assert commit(client, group, "t", 5) == 0
            assert commit(client, "old", "t", 6, partition=1) == 0
            member, generation = enter(client, "read")
            assert commit(client, "read", "t", 7, member=member, generation=generation) == 0
        assert process.stop() == 0
        with sqlite3.connect(process.data_dir / "metadata.db") as database:
            hour = 3_600_000
            aged = "UPDATE committed_offsets SET committed_at = committed_at - ? WHERE "
            database.execute(aged + "group_id = 'read'", (2 * hour,))
            database.execute(aged + "group_id = 'old' AND partition = 0", (2 * hour,))
        process.start()
        with RawClient(process.bootstrap) as client:
            wait_until(lambda: committed(client, "old", "t")[1] == -1)
            # Rounds of the check follow one another; a second one has seen all groups.
            assert commit(client, "old", "t", 8) == 0
            assert committed(client, "old", "t", 1)[1] == 6
            assert committed(client, "new", "t")[1] == 5
            assert committed(client, "read", "t")[1] == 7
    finally:
        process.end()


def test_offsets_of_a_folder_of_an_earlier_version_are_kept(tmp_path: Path) -> None:
    process = BrokerProcess(tmp_path / "kafka", "--retention-check-ms", "50", "--offsets-retention-minutes", "60")
    try:
        process.start()
        with RawClient(process.bootstrap) as client:
            create(client, "t")
            assert commit(client, "g", "t", 5) == 0
        assert process.stop() == 0
        with sqlite3.connect(process.data_dir / "metadata.db") as database:
            database.execute("ALTER TABLE committed_offsets DROP COLUMN committed_at")
            database.execute("UPDATE settings SET value = '1' WHERE name = 'format'")
        for _ in range(2):
            process.start()
            with RawClient(process.bootstrap) as client:
                assert committed(client, "g", "t")[1] == 5
                assert commit(client, "h", "t", 6) == 0
            assert process.stop() == 0
    finally:
        process.end()


def wait_until(true: object) -> None:
    assert callable(true)
    deadline = time.monotonic() + TIMEOUT
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
