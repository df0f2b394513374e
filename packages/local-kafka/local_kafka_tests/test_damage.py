"""Torn tails, garbage and flipped bits cost what they hit and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_kafka_tests.clients import create_topic, produce, read_all
from local_kafka_tests.process import BrokerProcess
from local_kafka_tests.raw import RawClient, batch, produce_raw

COUNT = 300
slow = pytest.mark.slow
# Whether the broker had time to save its indexes decides which way a start takes.
how_it_ended = pytest.mark.parametrize(
    "clean", [pytest.param(True, id="stopped", marks=slow), pytest.param(False, id="killed")]
)


def fill(broker: BrokerProcess, **config: str) -> list[bytes]:
    """A topic with a batch for each message, which carries its offset."""
    create_topic(broker.bootstrap, "t", **config)
    values = [b"message %06d" % i + bytes(100) for i in range(COUNT)]
    with RawClient(broker.bootstrap) as client:
        for value in values:
            assert produce_raw(client, "t", batch([value])).error_code == 0
    return values


def stored(broker: BrokerProcess) -> list[tuple[int, bytes]]:
    return [(m.offset(), m.value()) for m in read_all(broker.bootstrap, "t")]


def newest_segment(broker: BrokerProcess) -> Path:
    return max(broker.partition_folder().glob("*.log"))


@how_it_ended
@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(b"\0" * 5000, id="zeros"),
        pytest.param(b"garbage" * 40, id="text", marks=slow),
        pytest.param(b"\xff" * 61, id="ones", marks=slow),
        pytest.param(b"\0\0\0\0\x02" * 100, id="marks of batches"),
    ],
)
def test_a_garbage_tail_is_cut_and_writing_goes_on(broker: BrokerProcess, clean: bool, tail: bytes) -> None:
    values = fill(broker)
    if clean:
        assert broker.stop() == 0
    else:
        broker.kill()
    with newest_segment(broker).open("ab") as file:
        file.write(tail)
    broker.start()
    assert stored(broker) == list(enumerate(values))
    assert f"cut {len(tail)} bytes" in broker.log()
    produce(broker.bootstrap, "t", [b"next"])
    assert stored(broker)[-1] == (COUNT, b"next")


@pytest.mark.parametrize(
    "lost", [1, pytest.param(60, marks=slow), pytest.param(61, marks=slow), 170, pytest.param(400, marks=slow)]
)
def test_a_torn_tail_is_cut_back_to_the_last_whole_batch(broker: BrokerProcess, lost: int) -> None:
    values = fill(broker)
    broker.kill()
    segment = newest_segment(broker)
    size = segment.stat().st_size
    batch_size = size // COUNT
    with segment.open("r+b") as file:
        file.truncate(size - lost)
    broker.start()
    kept = (size - lost) // batch_size
    assert stored(broker) == list(enumerate(values))[:kept]
    produce(broker.bootstrap, "t", [b"next"])
    assert stored(broker)[-1] == (kept, b"next")


@how_it_ended
@pytest.mark.parametrize(
    "where",
    [
        "base offset",
        "length",
        pytest.param("magic", marks=slow),
        pytest.param("checksum", marks=slow),
        pytest.param("count", marks=slow),
        "record",
    ],
)
def test_a_flipped_bit_loses_its_batch_loudly_and_nothing_behind_it(
    broker: BrokerProcess, where: str, clean: bool
) -> None:
    at = {"base offset": 7, "length": 10, "magic": 16, "checksum": 17, "count": 60, "record": 80}[where]
    values = fill(broker)
    segment = newest_segment(broker)
    if clean:
        assert broker.stop() == 0
    else:
        broker.kill()
    batch_size = segment.stat().st_size // COUNT
    victim = 100
    with segment.open("r+b") as file:
        file.seek(victim * batch_size + at)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes((byte ^ 0x40,)))
    broker.start()
    expected = [pair for pair in enumerate(values) if pair[0] != victim]
    assert stored(broker) == expected
    assert f"offsets {victim} to {victim} are lost" in broker.log()
    produce(broker.bootstrap, "t", [b"next"])
    assert stored(broker) == [*expected, (COUNT, b"next")]


def test_a_bit_flipped_after_a_clean_stop_is_found_when_it_is_read(broker: BrokerProcess) -> None:
    values = fill(broker)
    segment = newest_segment(broker)
    assert broker.stop() == 0
    data = bytearray(segment.read_bytes())
    batch_size = len(data) // COUNT
    data[7 * batch_size + 90] ^= 1
    segment.write_bytes(data)
    broker.start()
    assert stored(broker) == [pair for pair in enumerate(values) if pair[0] != 7]
    assert "offsets 7 to 7 are lost" in broker.log()


def test_damage_in_an_old_segment_leaves_the_others_alone(broker: BrokerProcess) -> None:
    values = fill(broker, internal_segment_bytes="8000")
    segments = sorted(broker.partition_folder().glob("*.log"))
    assert len(segments) > 4
    broker.kill()
    base = int(segments[1].stem)
    with segments[1].open("r+b") as file:
        file.seek(90)
        file.write(b"\xff\xff")
    broker.start()
    assert stored(broker) == [pair for pair in enumerate(values) if pair[0] != base]


@pytest.mark.parametrize("what", [pytest.param("*.index", marks=slow), pytest.param("producers.json", marks=slow), "*"])
def test_lost_indexes_are_made_again(broker: BrokerProcess, what: str) -> None:
    values = fill(broker, internal_segment_bytes="8000")
    assert broker.stop() == 0
    for path in broker.partition_folder().glob(what):
        if path.suffix != ".log":
            path.unlink()
    broker.start()
    assert stored(broker) == list(enumerate(values))
    assert broker.stop() == 0
    assert list(broker.partition_folder().glob("*.index"))


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(b"", id="empty", marks=slow),
        pytest.param(b"\0" * 56, id="zeros"),
        pytest.param(b"junk" * 100, id="text", marks=slow),
    ],
)
def test_damaged_indexes_are_not_believed(broker: BrokerProcess, junk: bytes) -> None:
    values = fill(broker, internal_segment_bytes="8000")
    assert broker.stop() == 0
    for path in broker.partition_folder().glob("*.index"):
        path.write_bytes(junk)
    (broker.partition_folder() / "producers.json").write_bytes(junk)
    broker.start()
    assert stored(broker) == list(enumerate(values))


def test_a_lost_segment_is_named_and_the_rest_is_read(broker: BrokerProcess) -> None:
    values = fill(broker, internal_segment_bytes="8000")
    broker.kill()
    segments = sorted(broker.partition_folder().glob("*.log"))
    segments[2].unlink()
    first, after = int(segments[2].stem), int(segments[3].stem)
    broker.start()
    assert stored(broker) == [pair for pair in enumerate(values) if not first <= pair[0] < after]
    assert f"offsets {first} to {after - 1} are lost" in broker.log()


def test_what_a_failed_write_left_in_a_full_segment_is_not_read_twice(broker: BrokerProcess) -> None:
    values = fill(broker, internal_segment_bytes="8000")
    broker.kill()
    segments = sorted(broker.partition_folder().glob("*.log"))
    left = segments[1].read_bytes()[:1000]
    segments[0].write_bytes(segments[0].read_bytes() + left)
    broker.start()
    assert stored(broker) == list(enumerate(values))
    assert "cut 1000 bytes" in broker.log()
