"""The process that reads a large folder: the same messages as without it, and no harm when one of the two dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dropship_dagster.shop import Rejects, ShopConfig, TooManyRejectsError, generate
from dropship_dagster.stream import StreamError, replay
from dropship_dagster.stream.events import Messages
from dropship_dagster.stream.handover import SharedBuffer
from dropship_dagster.stream.reader import WORTH_A_PROCESS, open_reader
from dropship_dagster.stream.source import Seeds
from dropship_dagster_tests.stream.conftest import Topics

PROCESS, THREAD = 0, 1 << 60
"""From how many bytes on a process reads."""


linux = pytest.mark.skipif(sys.platform != "linux", reason="finds another process's children in /proc")


def messages(folder: Path, process_from: int) -> tuple[list[tuple[str, bytes, bytes, int]], int]:
    """Topic, key, value and time of every message in order, and how many rows were rejected."""
    reader = open_reader(
        Seeds(folder, Rejects()),
        stop=threading.Event(),
        rejected_rows=None,
        reject_share=0.1,
        process_from=process_from,
    )
    found = [
        (block.topic, *message)
        for block in reader.messages()
        for message in zip(block.keys.to_pylist(), block.values.to_pylist(), block.times_ms.tolist(), strict=True)
    ]
    return found, reader.rejected


def children(parent: int, name: str) -> list[int]:
    """The processes of that name that a process started and that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state, owner = (path / "stat").read_text().rsplit(")", 1)[1].split()[:2]
            command = (path / "cmdline").read_bytes()
        except OSError:
            continue  # it ended meanwhile
        if int(owner) == parent and state != "Z" and name.encode() in command:
            found.append(int(path.name))
    return found


def alive(process: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def wait_for(condition: Callable[[], object], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("dirty", [0.0, 0.03])
def test_both_ways_of_reading_give_the_same_messages(tmp_path: Path, dirty: float) -> None:
    folder = tmp_path / "seeds"
    generate(ShopConfig(customers=100, orders=2_000, dirty=dirty), folder)
    assert messages(folder, PROCESS) == messages(folder, THREAD)
    assert bool(messages(folder, PROCESS)[1]) == bool(dirty)


@pytest.mark.parametrize("platform", [sys.platform, "darwin"])
def test_what_is_put_into_shared_memory_is_read_by_another_mapping_also_when_it_has_grown(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dropship_dagster.stream.handover.sys.platform", platform)
    slot = SharedBuffer()
    other = SharedBuffer(os.dup(slot.descriptor))
    for size in (10, 1_000_000, 100):
        told = Messages("topic", pa.array([b"a", b"b"]), pa.array([b"", b"x" * size]), np.array([size, -1]))
        found = other.read("topic", slot.write(told))
        assert found.values.to_pylist()[-1] == b"x" * size
        assert found.times_ms[-1] == -1
    slot.close()
    assert found.values[1].as_py() == b"x" * 100, "what was read stays while it is held"
    other.close()


def test_whoever_is_asked_to_stop_does_not_read_the_files_to_their_end_first(tmp_path: Path) -> None:
    folder, stop = tmp_path / "seeds", threading.Event()
    generate(ShopConfig(customers=50, products=20, orders=200), folder)
    stop.set()
    assert not Seeds(folder, Rejects()).is_known_good(stop)
    stop.clear()
    assert Seeds(folder, Rejects()).is_known_good(stop)


def test_what_is_wrong_with_the_files_is_told_across(tmp_path: Path) -> None:
    folder = tmp_path / "seeds"
    generate(ShopConfig(customers=50, products=20, orders=200), folder)
    events = folder / "order_events.csv"
    events.write_text(events.read_text().replace("order_paid", "order_payed"))
    with pytest.raises(TooManyRejectsError, match=r"order_events\.csv"):
        messages(folder, PROCESS)


def test_rows_that_were_rejected_are_listed_when_the_replay_is_stopped(topics: Topics, tmp_path: Path) -> None:
    folder, listed, stop = tmp_path / "seeds", tmp_path / "rows.csv", threading.Event()
    generate(ShopConfig(customers=2_000, products=30, orders=2_000, dirty=0.05), folder)
    report = replay(
        topics.client,
        folder,
        rate=500,
        stop=stop,
        progress=lambda _topic, done, _total: stop.set() if done >= 200 else None,
        rejected_rows=listed,
        reject_share=0.5,
        topic_names=topics.names,
        process_from=PROCESS,
    )
    assert report.stopped
    assert report.sent == report.acknowledged == topics.count()
    assert report.rejected_rows > 0
    assert listed.exists()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of more batches than lie ready at a time, so that its reader is still there while it is sent."""
    folder = tmp_path_factory.mktemp("reader") / "seeds"
    generate(ShopConfig(customers=100, products=30, orders=60_000), folder)
    return folder


def rows(folder: Path) -> int:
    """How many messages a generated folder gives."""
    with Rejects() as rejects:
        found = Seeds(folder, rejects).events
    assert found is not None
    return found


@linux
def test_a_killed_reader_ends_the_replay_with_a_sentence_and_the_next_one_completes(
    topics: Topics, large: Path
) -> None:
    killed: list[int] = []

    def kill(_topic: str, _done: int, _total: int | None) -> None:
        if not killed:
            killed.extend(children(os.getpid(), "reader_process"))
            os.kill(killed[0], signal.SIGKILL)

    with pytest.raises(StreamError, match="ended before it was done \\(by SIGKILL\\)"):
        replay(topics.client, large, progress=kill, topic_names=topics.names, process_from=PROCESS)
    assert len(killed) == 1
    before = topics.count()
    assert 0 < before < rows(large), "the kill struck in the middle"
    report = replay(topics.client, large, topic_names=topics.names, process_from=PROCESS)
    assert report.acknowledged == rows(large) == topics.count() - before
    ids = {json.loads(row["value"])["event_id"] for row in topics.rows()}
    assert len(ids) == rows(large)


_PROGRAM = """
from pathlib import Path
from dropship_dagster.stream import replay
replay(%r, Path(%r), rate=50, topic_names=%r, process_from=0)
"""


@linux
def test_a_killed_replay_leaves_no_reader_behind(topics: Topics, large: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", _PROGRAM % (topics.client, str(large), topics.names)])
    try:
        wait_for(lambda: topics.count() > 0)
        [reader] = children(process.pid, "reader_process")
    finally:
        process.kill()
        process.wait()
    wait_for(lambda: not alive(reader))


@linux
def test_sigterm_drains_reports_and_leaves_no_reader_behind(topics: Topics, tmp_path: Path) -> None:
    folder = tmp_path / "seeds"
    generate(ShopConfig(customers=100, products=30, orders=100_000), folder)
    with Rejects() as rejects:
        assert Seeds(folder, rejects).order_bytes >= WORTH_A_PROCESS
    command = [sys.executable, "-m", "dropship_dagster.cli", "produce", "replay", "--dir", str(folder), "--json"]
    environment = {
        **os.environ,
        "DROPSHIP_HOME": str(tmp_path / "home"),
        "KAFKA_BOOTSTRAP_SERVERS": topics.client["bootstrap.servers"],
        "DROPSHIP_TOPIC_PARTITIONS": "3",
        **{f"DROPSHIP_TOPIC_{role.upper()}": name for role, name in topics.names.items()},
    }
    process = subprocess.Popen(
        [*command, "--rate", "20000"], env=environment, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        wait_for(lambda: topics.count() > 5_000 or process.poll() is not None)
        [reader] = children(process.pid, "reader_process")
        os.killpg(process.pid, signal.SIGTERM)  # the reader gets it too, as it does from a terminal
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    report = json.loads(output)
    assert process.returncode == 0
    assert report["stopped"]
    assert report["failed"] == 0
    assert report["sent"] == report["acknowledged"] == topics.count() < rows(folder)
    wait_for(lambda: not alive(reader))
