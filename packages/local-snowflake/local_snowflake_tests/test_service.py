"""The process: its folder, its port, its stop."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
from pathlib import Path

from local_snowflake_tests.server import Server, eventually


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local_snowflake", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


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
    session = own_server.session(database="DROPSHIP")
    session.run("CREATE TABLE T (A NUMBER)")
    session.run("BEGIN")
    session.run("INSERT INTO T VALUES (1)")
    with session.connection.cursor() as cursor:
        generator = "TABLE(GENERATOR(ROWCOUNT => 9000000))"
        cursor.execute_async(f"SELECT COUNT(*) FROM {generator} A, {generator} B")
    assert own_server.stop() == 0
    own_server.start()
    assert own_server.session(database="DROPSHIP").value("SELECT COUNT(*) FROM T") == 0


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
