"""Files of the data folder that are missing, older, or nobody's: told, never guessed, and nothing is deleted."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from local_kafka_tests.clients import create_topic, delete_topic, produce, read_all
from local_kafka_tests.contract.requests import commit
from local_kafka_tests.process import BrokerProcess
from local_kafka_tests.raw import RawClient, batch, produce_raw
from local_kafka_tests.test_service import run

VALUES = [b"%03d" % number for number in range(100)]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def values(broker: BrokerProcess, topic: str, partitions: int = 1) -> list[bytes]:
    return sorted(message.value() for message in read_all(broker.bootstrap, topic, partitions))


def missing(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def of_another_broker(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM topics")


@pytest.mark.parametrize("lose", [missing, empty, of_another_broker])
def test_a_start_without_the_metadata_of_its_records_refuses_and_touches_nothing(
    broker: BrokerProcess, lose: Callable[[Path], None]
) -> None:
    produce_to(broker, "orders")
    assert broker.stop() == 0
    metadata = broker.data_dir / "metadata.db"
    backup = metadata.read_bytes()
    lose(metadata)
    before = files(broker.data_dir / "topics")

    for _ in range(2):
        refused = run(broker.data_dir)
        assert refused.returncode == 5
        assert str(metadata) in refused.stderr
        assert "backup" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert files(broker.data_dir / "topics") == before

    metadata.write_bytes(backup)
    broker.start()
    assert values(broker, "orders") == VALUES


def of_random_bytes(path: Path) -> None:
    path.write_bytes(random.Random(7).randbytes(64 << 10))


def with_random_bytes_inside(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = random.Random(7).randbytes(len(content) - 4096)
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [of_random_bytes, with_random_bytes_inside])
def test_a_start_with_damaged_metadata_names_the_file_and_each_way_on_works(
    broker: BrokerProcess, damage: Callable[[Path], None]
) -> None:
    produce_to(broker, "orders")
    assert broker.stop() == 0
    metadata = broker.data_dir / "metadata.db"
    backup = metadata.read_bytes()
    damage(metadata)
    before = files(broker.data_dir)
    refused = run(broker.data_dir)
    assert refused.returncode == 5
    for words in (f"{metadata} cannot be read as a SQLite database", "from a backup", "offsets of groups are lost"):
        assert words in refused.stderr
    assert "Traceback" not in refused.stderr
    assert {name: before[name] for name in before if name.startswith(("topics", "metadata.db"))}.items() <= files(
        broker.data_dir
    ).items()

    away = broker.data_dir.with_name("away")
    away.mkdir()
    metadata.rename(away / "metadata.db")
    (broker.data_dir / "topics").rename(away / "topics")
    broker.start()
    assert broker.stop() == 0
    shutil.rmtree(broker.data_dir / "topics")
    (away / "topics").rename(broker.data_dir / "topics")
    metadata.write_bytes(backup)
    broker.start()
    assert values(broker, "orders") == VALUES


def test_records_of_topics_that_an_older_metadata_does_not_know_are_set_aside_and_taken_back(
    broker: BrokerProcess,
) -> None:
    produce_to(broker, "old")
    assert broker.stop() == 0
    metadata = broker.data_dir / "metadata.db"
    older = metadata.read_bytes()
    broker.start()
    produce_to(broker, "new", 2)
    assert broker.stop() == 0
    newer = metadata.read_bytes()

    metadata.write_bytes(older)
    broker.start()
    assert values(broker, "old") == VALUES
    assert f"set aside as {broker.data_dir / 'strays'}" in broker.log()
    assert broker.stop() == 0

    metadata.write_bytes(newer)
    broker.start()
    assert values(broker, "new", 2) == VALUES
    assert not (broker.data_dir / "strays").exists()


def test_records_of_partitions_that_an_older_metadata_does_not_know_are_not_written_over(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "t", 1)
    assert broker.stop() == 0
    older = (broker.data_dir / "metadata.db").read_bytes()
    broker.start()
    grow(broker, "t", 2)
    with RawClient(broker.bootstrap) as client:
        assert produce_raw(client, "t", batch([b"before"] * 5), partition=1).error_code == 0
    assert broker.stop() == 0

    (broker.data_dir / "metadata.db").write_bytes(older)
    broker.start()
    grow(broker, "t", 2)
    produce_to(broker, "t", 2, create=False)
    assert broker.stop() == 0
    broker.start()
    assert values(broker, "t", 2) == VALUES
    (aside,) = (broker.data_dir / "strays").rglob("*.log")
    assert aside.read_bytes().count(b"before") == 5


def test_a_deletion_that_was_cut_short_is_finished_and_a_creation_leaves_nothing(broker: BrokerProcess) -> None:
    produce_to(broker, "kept")
    produce_to(broker, "deleted")
    kept = topic_ids(broker)["kept"]
    folder = broker.data_dir / "topics" / topic_ids(broker)["deleted"]
    copy = broker.data_dir.parent / "copy"
    shutil.copytree(folder, copy)
    delete_topic(broker.bootstrap, "deleted")
    broker.kill()
    shutil.move(copy, folder)
    (broker.data_dir / "topics" / ("0" * 32) / "0").mkdir(parents=True)

    broker.start()
    assert [path.name for path in (broker.data_dir / "topics").iterdir()] == [kept]
    assert not (broker.data_dir / "strays").exists()
    assert values(broker, "kept") == VALUES


def test_a_missing_folder_is_told_and_no_offset_that_was_deleted_is_given_again(broker: BrokerProcess) -> None:
    produce_to(broker, "t")
    with RawClient(broker.bootstrap) as client:
        delete_before(client, "t", 60)
    assert broker.stop() == 0
    folder = broker.partition_folder()
    shutil.rmtree(folder)
    broker.start()
    assert f"the folder {folder} is missing" in broker.log()
    produce(broker.bootstrap, "t", [b"next"])
    broker.restart()
    assert [(m.offset(), m.value()) for m in read_all(broker.bootstrap, "t")] == [(60, b"next")]


@pytest.mark.parametrize("left", ["index and producers", "producers", "index"])
def test_a_newest_segment_that_was_taken_away_is_told_and_its_offsets_are_not_given_again(
    broker: BrokerProcess, left: str
) -> None:
    create_topic(broker.bootstrap, "t", internal_segment_bytes="2000")
    with RawClient(broker.bootstrap) as client:
        for number in range(30):
            assert produce_raw(client, "t", batch([b"%03d" % number + bytes(200)])).error_code == 0
    assert broker.stop() == 0
    newest = max(broker.partition_folder().glob("*.log"))
    base = int(newest.stem)
    assert 0 < base < 29
    newest.unlink()
    if "index" not in left:
        newest.with_suffix(".index").unlink()
    if "producers" not in left:
        (newest.parent / "producers.json").unlink()

    broker.start()
    assert f"offsets {base} to 29 are lost" in broker.log()
    produce(broker.bootstrap, "t", [b"next"])
    expected = [*range(base), 30]
    assert [m.offset() for m in read_all(broker.bootstrap, "t")] == expected
    broker.restart()
    assert [m.offset() for m in read_all(broker.bootstrap, "t")] == expected


def test_a_log_that_ends_before_what_a_group_has_read_is_told(broker: BrokerProcess) -> None:
    produce_to(broker, "t")
    with RawClient(broker.bootstrap) as client:
        assert commit(client, "readers", "t", 100) == 0
    broker.kill()
    segment = max(broker.partition_folder().glob("*.log"))
    segment.write_bytes(segment.read_bytes()[:-1])
    broker.start()
    assert "a group has committed offset 100" in broker.log()


@pytest.mark.parametrize("name", ["x.log", "copy of 00000000000000000000.log", "0.log", "-1.log", "x.index"])
def test_a_file_that_is_no_segment_is_named_and_left_alone(broker: BrokerProcess, name: str) -> None:
    produce_to(broker, "t")
    assert broker.stop() == 0
    stray = broker.partition_folder() / name
    stray.write_bytes(b"mine")
    broker.start()
    assert f"{stray} is ignored" in broker.log()
    assert values(broker, "t") == VALUES
    assert stray.read_bytes() == b"mine"


def produce_to(broker: BrokerProcess, topic: str, partitions: int = 1, *, create: bool = True) -> None:
    if create:
        create_topic(broker.bootstrap, topic, partitions)
    produce(broker.bootstrap, topic, VALUES)


def topic_ids(broker: BrokerProcess) -> dict[str, str]:
    with closing(sqlite3.connect(broker.data_dir / "metadata.db")) as database:
        return dict(database.execute("SELECT name, id FROM topics").fetchall())


def grow(broker: BrokerProcess, topic: str, partitions: int) -> None:
    with RawClient(broker.bootstrap) as client:
        wanted = [{"name": topic, "count": partitions, "assignments": None}]
        assert client.call(37, 3, topics=wanted, timeout=30_000).results[0].error_code == 0


def delete_before(client: RawClient, topic: str, offset: int) -> None:
    topics = [{"name": topic, "partitions": [{"partition_index": 0, "offset": offset}]}]
    assert client.call(21, 2, topics=topics, timeout=30_000).topics[0].partitions[0].error_code == 0
