"""The process: its folder, its port, its stop."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
from pathlib import Path

import pytest
import snowflake.connector

import local_snowflake
from local_service_tests import command
from local_snowflake_tests.server import Server, eventually


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    return command.start("local_snowflake", *arguments)


def test_the_command_tells_its_version_and_its_options() -> None:
    command.assert_tells_its_options(
        "local-snowflake",
        local_snowflake.__version__,
        ("--data-dir", "--port", "--user", "--database", "--memory-limit", "--version"),
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "the following arguments are required: --data-dir"),
        (["--data-dir", ""], "argument --data-dir: it is empty: name a folder"),
        (["--data-dir", "d", "--port", "-1"], "argument --port: '-1' is not a whole number from 0 to 65535"),
        (["--data-dir", "d", "--threads", "0"], "argument --threads: '0' is not a whole number from 1"),
        (
            ["--data-dir", "d", "--memory-limit", "lots"],
            "argument --memory-limit: 'lots' is not a size: give a number and KB, MB, GB or TB, such as 2GB",
        ),
        (
            ["--data-dir", "d", "--database", "my shop"],
            "argument --database: 'my shop' is not a name: use letters, digits, _ and $, beginning with a letter",
        ),
        (
            ["--data-dir", "d", "--idle-transaction-seconds", "nan"],
            "argument --idle-transaction-seconds: 'nan' is not a number of seconds above 0",
        ),
        (
            ["--data-dir", "d", "--contended-transaction-seconds", "-1"],
            "argument --contended-transaction-seconds: '-1' is not a number of seconds above 0",
        ),
        (["--data-dir", "d", "--container"], "--container needs a password in LOCAL_SNOWFLAKE_PASSWORD"),
    ],
)
def test_a_wrong_use_of_the_command_is_a_sentence_that_names_the_argument(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command.assert_refused("local-snowflake", arguments, sentence)


def test_what_it_prints_is_enough_to_connect_and_holds_no_password(tmp_path: Path) -> None:
    started = [
        command.installed("local-snowflake"),
        "--data-dir",
        str(tmp_path / "warehouse"),
        "--user",
        "me",
        "--database",
        "shop",
    ]
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("ready 127.0.0.1:")
            call, _, file = process.stdout.readline().strip().partition("; the password is in ")
            password = json.loads(Path(file).read_text())["password"]
            assert password not in call
            connection = eval(call.replace("...", repr(password)), {"snowflake": snowflake})
            with connection, connection.cursor() as cursor:
                assert cursor.execute("SELECT CURRENT_USER(), CURRENT_DATABASE()").fetchone() == ("ME", "SHOP")
            process.terminate()
            assert process.wait(120) == 0
        finally:
            process.kill()


def test_a_second_server_on_the_folder_is_refused_with_the_pid(server: Server) -> None:
    second = start("--data-dir", str(server.folder))
    assert second.returncode == 3
    assert str(server.state["pid"]) in second.stderr
    assert second.stderr.count("\n") == 1


def test_a_taken_port_is_a_sentence(server: Server, tmp_path: Path) -> None:
    second = start("--data-dir", str(tmp_path), "--port", str(server.state["port"]))
    assert (second.returncode, second.stderr.count("\n")) == (4, 1)


def test_only_loopback_addresses_are_listened_on(tmp_path: Path) -> None:
    assert start("--data-dir", str(tmp_path), "--host", "0.0.0.0").returncode == 2


def test_state_and_password_are_for_the_owner_and_stay(own_server: Server) -> None:
    before = own_server.state
    for name in ("service.json", "password"):
        assert stat.S_IMODE((own_server.folder / name).stat().st_mode) == 0o600
    assert own_server.stop() == 0
    assert json.loads((own_server.folder / "service.json").read_text()) == before
    own_server.start()
    assert own_server.state["password"] == before["password"]


def test_a_stop_ends_running_statements_within_its_time(own_server: Server) -> None:
    session = own_server.session(database="LOCAL")
    session.run("CREATE TABLE T (A NUMBER)")
    session.run("BEGIN")
    session.run("INSERT INTO T VALUES (1)")
    with session.connection.cursor() as cursor:
        generator = "TABLE(GENERATOR(ROWCOUNT => 9000000))"
        cursor.execute_async(f"SELECT COUNT(*) FROM {generator} A, {generator} B")
    assert own_server.stop() == 0
    own_server.start()
    assert own_server.session(database="LOCAL").value("SELECT COUNT(*) FROM T") == 0


def test_the_last_line_of_a_stop_says_that_it_stopped(own_server: Server) -> None:
    assert own_server.stop() == 0
    assert own_server.log().splitlines()[-1].endswith("INFO warehouse stopped")


def test_a_client_that_is_killed_in_the_middle_of_a_request_is_a_line_in_the_log(own_server: Server) -> None:
    session = own_server.session()
    assert session.connection.rest is not None
    head = (
        "POST /queries/v1/query-request HTTP/1.1",
        "Host: 127.0.0.1",
        f'Authorization: Snowflake Token="{session.connection.rest.token}"',
        "Content-Length: 1000",
    )
    with socket.create_connection((own_server.state["host"], own_server.state["port"])) as client:
        client.sendall("\r\n".join([*head, "", '{"sqlText": "SEL']).encode())
    eventually(lambda: "/queries/v1/query-request" in own_server.log(), "a word about it")
    assert session.value("SELECT 1") == 1
    assert own_server.stop() == 0
    assert "Traceback" not in own_server.log()
