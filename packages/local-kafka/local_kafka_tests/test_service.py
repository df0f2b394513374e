"""How the broker starts, says that it serves, and stops."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import local_kafka
from local_kafka_tests.clients import Recorder, create_topic, produce, read_all
from local_kafka_tests.process import BrokerProcess, running_broker
from local_service_tests import command


def run(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to fail."""
    return command.start("local_kafka", "--data-dir", str(data_dir), *arguments)


def test_the_command_tells_its_version_and_its_options() -> None:
    command.assert_tells_its_options(
        "local-kafka", local_kafka.__version__, ("--data-dir", "--port", "--auto-create-topics", "--fsync", "--version")
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "the following arguments are required: --data-dir"),
        (["--data-dir", "d", "--port", "99999"], "argument --port: '99999' is not a whole number from 0 to 65535"),
        (["--data-dir", ""], "argument --data-dir: it is empty: name a folder"),
        (
            ["--data-dir", "d", "--partitions", "none"],
            "argument --partitions: 'none' is not a whole number from 1 to 1000",
        ),
        (
            ["--data-dir", "d", "--partitions", "1001"],
            "argument --partitions: '1001' is not a whole number from 1 to 1000",
        ),
        (["--data-dir", "d", "--partition", "1", "--speed", "9"], "unrecognized arguments: --speed 9"),
    ],
)
def test_a_wrong_use_of_the_command_is_a_sentence_that_names_the_argument(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command.assert_refused("local-kafka", arguments, sentence)


def test_what_it_prints_is_enough_to_connect(tmp_path: Path) -> None:
    started = [command.installed("local-kafka"), "--data-dir", str(tmp_path / "kafka")]
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            ready, connect = process.stdout.readline(), process.stdout.readline()
            given = re.fullmatch(r"bootstrap\.servers=(\S+), without security; .*\n", connect)
            assert given is not None, connect
            assert ready == f"ready {given[1]}\n"
            create_topic(given[1], "t")
            process.terminate()
            assert process.wait(120) == 0
        finally:
            process.kill()


def test_the_state_file_says_where_it_serves_and_is_private(broker: BrokerProcess) -> None:
    state = broker.state
    assert state["pid"] == broker.pid
    assert state["bootstrap_servers"] == f"127.0.0.1:{state['port']}" == broker.bootstrap
    assert set(state) >= {"host", "cluster_id", "version", "started_at"}
    assert stat.S_IMODE((broker.data_dir / "service.json").stat().st_mode) == 0o600


def test_a_second_broker_on_the_same_folder_names_the_first(broker: BrokerProcess) -> None:
    second = run(broker.data_dir)
    assert second.returncode == 3
    assert str(broker.data_dir) in second.stderr
    assert str(broker.pid) in second.stderr
    assert len(second.stderr.splitlines()) == 1
    create_topic(broker.bootstrap, "still-serving")


def test_of_two_first_starts_at_once_one_serves_and_one_says_why_not(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local_kafka", "--data-dir", str(tmp_path / "kafka")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    lines = [process.stdout.readline() for process in processes if process.stdout]
    serving = [process for process, line in zip(processes, lines, strict=True) if line.startswith("ready ")]
    for process in serving:
        process.terminate()
    codes = sorted(process.wait(120) for process in processes)
    for process in processes:
        process.communicate()
    assert len(serving) == 1
    assert codes == [0, 3]


def test_a_taken_port_is_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        failed = run(tmp_path / "kafka", "--port", str(port))
    assert failed.returncode == 4
    assert f"127.0.0.1:{port}" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "::", "example.org"])
def test_only_loopback_addresses_are_served(tmp_path: Path, host: str) -> None:
    failed = run(tmp_path / "kafka", "--host", host)
    assert failed.returncode == 2
    assert "loopback" in failed.stderr


def test_it_listens_on_loopback_alone(broker: BrokerProcess) -> None:
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = [row.split()[1] for row in rows if row.split()[3] == "0A"]
    assert f"0100007F:{broker.port:04X}" in listening
    assert f"00000000:{broker.port:04X}" not in listening


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    failed = run(tmp_path / "file" / "kafka")
    assert failed.returncode == 5
    assert "Traceback" not in failed.stderr


def test_data_of_a_newer_format_is_left_alone(broker: BrokerProcess) -> None:
    import sqlite3

    assert broker.stop() == 0
    with sqlite3.connect(broker.data_dir / "metadata.db") as database:
        database.execute("UPDATE settings SET value = '99' WHERE name = 'format'")
    failed = run(broker.data_dir)
    assert failed.returncode == 5
    assert "format 99" in failed.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_ends_it_cleanly_with_everything_kept(broker: BrokerProcess, number: signal.Signals) -> None:
    create_topic(broker.bootstrap, "t", 2)
    sent = produce(broker.bootstrap, "t", [b"%d" % i for i in range(1000)])
    cluster = broker.state["cluster_id"]
    os.kill(broker.pid, number)
    assert broker.process is not None
    assert broker.process.wait(120) == 0
    broker.start()
    assert broker.state["cluster_id"] == cluster
    assert {m.value() for m in read_all(broker.bootstrap, "t", 2)} == set(sent.acknowledged)


def test_a_stop_under_load_keeps_what_was_acknowledged(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "t")
    recorder = Recorder(broker.bootstrap, message_timeout_ms=300_000)
    for number in range(30_000):
        recorder.send("t", b"%d" % number)
    assert broker.stop() == 0
    broker.start()
    recorder.flush()
    assert not recorder.failed
    assert [m.value() for m in read_all(broker.bootstrap, "t")] == [b"%d" % number for number in range(30_000)]


@pytest.mark.parametrize("fsync", ["always", pytest.param("never", marks=pytest.mark.slow)])
def test_it_reads_and_writes_with_other_fsync_settings(tmp_path: Path, fsync: str) -> None:
    with running_broker(tmp_path / "kafka", "--fsync", fsync) as process:
        create_topic(process.bootstrap, "t")
        produce(process.bootstrap, "t", [b"a", b"b"])
        process.restart()
        assert [m.value() for m in read_all(process.bootstrap, "t")] == [b"a", b"b"]
